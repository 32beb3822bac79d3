"""What a shop knows before its first sale: programme, campaigns, products, stores, members.

Everything is dated before the first sale, so that it serves the whole replay.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from confluent_kafka import Producer

from schemas.codec import Codec
from streams.core.campaigns import Campaign
from streams.core.programme import Programme
from streams.core.receipt import EpochMs
from streams.reading.log import silent
from streams.topics import SENDING, Names
from streams.wire.members import member_bytes
from streams.wire.references import (
    Described,
    Document,
    campaign_bytes,
    canonical,
    key_of,
    product_bytes,
    programme_bytes,
    store_bytes,
)

Progress = Callable[[int], None]


class PublishError(RuntimeError):
    """Reference data did not reach the broker."""


class Shelves:
    """The publisher of reference data; each call returns when the broker has it all."""

    def __init__(self, client: Mapping[str, str], names: Names, codec: Codec) -> None:
        self._names = names
        self._codec = codec
        self._failed: list[str] = []
        self._producer = Producer(
            {
                **client,
                **SENDING,
                "linger.ms": 20,
                "compression.type": "lz4",
                "queue.buffering.max.messages": 500_000,
            },
            # A broker that has just started makes it wait, which is nothing to tell.
            logger=silent,
        )

    def programme(self, programme: Programme, *, at: EpochMs) -> None:
        """Publish a programme version; without a date of its own it serves from *at*."""
        document = Document(
            programme.programme,
            programme.version,
            at if programme.valid_from is None else programme.valid_from,
            canonical(programme.document),
            at,
        )
        key = key_of(document.id, document.version)
        self._send(self._names.programmes, [(key, programme_bytes(self._codec, document), at)])

    def campaigns(self, campaigns: Iterable[Campaign], *, at: EpochMs) -> int:
        """Publish campaign versions; without a date of their own they serve from *at*."""
        records = []
        for campaign in campaigns:
            document = Document(
                campaign.campaign,
                campaign.version,
                at if campaign.valid_from is None else campaign.valid_from,
                canonical(campaign.document),
                at,
            )
            key = key_of(document.id, document.version)
            records.append((key, campaign_bytes(self._codec, document), at))
        self._send(self._names.campaigns, records)
        return len(records)

    def products(self, products: Iterable[Described], progress: Progress | None = None) -> None:
        """Publish products."""
        self._send(
            self._names.products,
            (
                (
                    key_of(each.id, each.valid_from),
                    product_bytes(self._codec, each),
                    each.valid_from,
                )
                for each in products
            ),
            progress,
        )

    def stores(self, stores: Iterable[Described]) -> None:
        """Publish stores."""
        self._send(
            self._names.stores,
            (
                (key_of(each.id, each.valid_from), store_bytes(self._codec, each), each.valid_from)
                for each in stores
            ),
        )

    def members(
        self, members: Iterable[Mapping[str, Any]], progress: Progress | None = None
    ) -> None:
        """Publish member events: the fields of `Member.1.avsc`."""
        self._send(
            self._names.members,
            (
                (each["account"].encode(), member_bytes(self._codec, each), each["at"])
                for each in members
            ),
            progress,
        )

    def _send(
        self,
        topic: str,
        records: Iterable[tuple[bytes, bytes, EpochMs]],
        progress: Progress | None = None,
    ) -> None:
        sent = 0
        for key, value, at in records:
            self._producer.produce(
                topic, value, key, timestamp=max(at, 0), on_delivery=self._delivered
            )
            sent += 1
            if sent % 1000 == 0:
                self._producer.poll(0)
                if progress is not None:
                    progress(sent)
        self._producer.flush(60)
        if progress is not None:
            progress(sent)
        if self._failed or len(self._producer):
            reason = self._failed[0] if self._failed else "the broker did not answer in 60 s"
            raise PublishError(f"{topic}: {reason}")

    def _delivered(self, error: object, _: object) -> None:
        if error is not None:
            self._failed.append(str(error))
