"""What serves an instant: the programme, its ledger policy, campaigns, products, stores.

All of it comes from references, and a batch sees one state of them.  Documents are
parsed and compiled once a change, not once a receipt.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog
from msgspec import Struct

from schemas.codec import Codec, CodecError
from streams.core.accrual import Accrual, Facts, Limit, LimitsOf, LineNet, Room, Rules
from streams.core.campaigns import load_campaign
from streams.core.earning import Earning, discount_limits
from streams.core.grammar import DocumentError
from streams.core.matching import CampaignIndex
from streams.core.ownership import NOTICE_MS
from streams.core.policy import LedgerPolicy
from streams.core.programme import Programme, load_programme, policy_of
from streams.core.receipt import EpochMs
from streams.engine import Batch, Record, Reference, ReferenceView
from streams.topics import Names
from streams.wire.references import (
    Document,
    campaign_from,
    content,
    lookup_key,
    product_from,
    programme_from,
    store_from,
)

log = structlog.get_logger("streams.agents")

PROGRAMMES, CAMPAIGNS, PRODUCTS, STORES = "programmes", "campaigns", "products", "stores"
RESOLUTIONS = "resolutions"
# Descriptions kept parsed; a shop's shelf is well below it, and beyond it they are parsed anew.
REMEMBERED = 200_000


class NoProgrammeError(RuntimeError):
    """Nothing can be decided: no programme has been published, or not the one asked for."""


class Served(Struct, frozen=True):
    """A programme version with what is compiled for it."""

    programme: Programme
    policy: LedgerPolicy
    earning: Earning


class Timeline(Struct, frozen=True):
    """The versions of a programme in the order of their starts, and what they were made of."""

    seen: tuple[int, int]
    starts: list[EpochMs]
    served: list[Served]


def references(names: Names, codec: Codec) -> tuple[Reference, ...]:
    """Declare every reference topic that the stages read."""

    def dated(read: Callable[[Codec, bytes | None], Any]) -> Callable[[Record], int | None]:
        def valid_from(record: Record) -> int | None:
            try:
                at: int = read(codec, record.value).valid_from
            except CodecError as error:
                # One bad product must not stop the shop; without its record it is unknown.
                log.warning(
                    "reference record skipped",
                    topic=record.topic,
                    offset=record.offset,
                    code=error.code,
                )
                return None
            return at

        return valid_from

    def entity(record: Record) -> bytes:
        return lookup_key(record.key or b"")

    return (
        Reference(PROGRAMMES, names.programmes, dated(programme_from), entity),
        Reference(CAMPAIGNS, names.campaigns, dated(campaign_from), entity),
        Reference(PRODUCTS, names.products, dated(product_from), entity),
        Reference(STORES, names.stores, dated(store_from), entity),
        # Who decides by a copy that is no older has seen every change that is in effect.
        Reference(RESOLUTIONS, names.resolutions, stale_after_s=NOTICE_MS / 1000),
    )


class Terms:
    """
    The reader of reference data for the stages of one process.

    Args:
        codec: Of the registry's ids.
        programme: Id of the programme to serve; None takes the only one there is.
    """

    def __init__(self, codec: Codec, programme: str | None = None) -> None:
        self._codec = codec
        self._programme = programme
        # With campaigns and without: most stages need the programme alone.
        self._timelines: dict[bool, Timeline] = {}
        self._described: dict[bytes, Mapping[str, Any]] = {}

    def policy(self, batch: Batch, at: EpochMs) -> LedgerPolicy:
        """
        Give the ledger policy that serves *at*.

        Raises:
            NoProgrammeError: If none is published.
        """
        return self._serving(batch, at, campaigns=False).policy

    def served(self, batch: Batch, at: EpochMs) -> Served:
        """
        Give the programme and campaigns that serve *at*.

        Raises:
            NoProgrammeError: If no programme is published.
        """
        return self._serving(batch, at, campaigns=True)

    def rules(self, batch: Batch) -> Rules:
        """
        Give what campaigns pay.

        Programme, campaigns, goods and store are those of the sale that the rules are asked
        about, also when a return in another store asks again later.
        """

        def rules(
            facts: Facts, lines: Sequence[LineNet], at: EpochMs, room: Room
        ) -> tuple[Accrual, ...]:
            served = self.served(batch, at)
            stored = batch.reference(STORES).as_of(facts.store.encode(), at)
            store = {"store": facts.store, **self._description(stored, store_from)}

            def product(sku: str) -> Mapping[str, Any]:
                return self.product(batch, sku, at)

            return served.earning.rules(product, store)(facts, lines, at, room)

        return rules

    def limits_of(self, batch: Batch) -> LimitsOf:
        """Tell which limits of the member the discounts count in that a till has printed."""

        def limits_of(name: str, facts: Facts, at: EpochMs) -> tuple[Limit, ...]:
            served = self.served(batch, at)
            return discount_limits(served.programme, served.earning.index)(name, facts, at)

        return limits_of

    def product(self, batch: Batch, sku: str, at: EpochMs) -> Mapping[str, Any]:
        """Give the attributes of a product as of *at*; what is unknown has none."""
        stored = batch.reference(PRODUCTS).as_of(sku.encode(), at)
        return self._description(stored, product_from)

    def _description(
        self, stored: bytes | None, read: Callable[[Codec, bytes | None], Any]
    ) -> Mapping[str, Any]:
        """Parse the attributes of a product or store; what is unknown has none."""
        if stored is None:
            return {}
        known = self._described.get(stored)
        if known is None:
            if len(self._described) >= REMEMBERED:
                self._described.clear()
            known = self._described[stored] = read(self._codec, stored).attributes
        return known

    def _serving(self, batch: Batch, at: EpochMs, *, campaigns: bool) -> Served:
        programmes = batch.reference(PROGRAMMES)
        published = batch.reference(CAMPAIGNS) if campaigns else None
        seen = (programmes.generation, -1 if published is None else published.generation)
        timeline = self._timelines.get(campaigns)
        if timeline is None or timeline.seen != seen:
            timeline = self._timelines[campaigns] = self._compile(seen, programmes, published)
        # Before the first version the first one serves: a late receipt may be older.
        return timeline.served[max(bisect_right(timeline.starts, at) - 1, 0)]

    def _compile(
        self, seen: tuple[int, int], programmes: ReferenceView, campaigns: ReferenceView | None
    ) -> Timeline:
        versions = self._versions(programmes)
        documents: list[Document] = []
        if campaigns is not None:
            documents = [campaign_from(self._codec, value) for _, _, value in campaigns.versions()]
        return Timeline(
            seen,
            [version.valid_from for version in versions],
            [self._serve(version, documents) for version in versions],
        )

    def _versions(self, view: ReferenceView) -> list[Document]:
        found = [programme_from(self._codec, value) for _, _, value in view.versions()]
        ids = sorted({each.id for each in found})
        wanted = self._programme
        if wanted is None:
            if len(ids) != 1:
                raise NoProgrammeError(
                    f"{len(ids)} programmes are published; publish one with `loyalty programmes "
                    "publish`, or name the one to serve in LOYALTY_PROGRAMME"
                )
            wanted = ids[0]
        if wanted not in ids:
            raise NoProgrammeError(f"programme {wanted!r} is not among the published {ids}")
        return sorted((each for each in found if each.id == wanted), key=lambda v: v.valid_from)

    def _serve(self, version: Document, documents: list[Document]) -> Served:
        programme = load_programme(content(version))
        campaigns = []
        for each in documents:
            try:
                campaigns.append(load_campaign(content(each), programme))
            except (CodecError, DocumentError) as error:
                # `campaigns publish` refuses such a document; another publisher did not.
                log.warning(
                    "campaign skipped", campaign=each.id, version=each.version, error=str(error)
                )
        earning = Earning(programme, CampaignIndex(programme, campaigns))
        return Served(programme, policy_of(programme), earning)
