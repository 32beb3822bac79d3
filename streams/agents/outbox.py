"""What the stages send, in one place: topic, key, headers and bytes of each kind."""

from schemas.codec import Codec, CodecError
from streams.core.notices import Notification
from streams.core.ownership import Ownership
from streams.core.result import Result
from streams.core.snapshot import Snapshot
from streams.engine import Batch, Record
from streams.topics import Names, dead_letters
from streams.wire.dead_letters import dead_letter
from streams.wire.envelopes import (
    CommandBody,
    Message,
    RouteBody,
    command_bytes,
    route_bytes,
)
from streams.wire.errors import MalformedError
from streams.wire.headers import event_headers
from streams.wire.messages import Source
from streams.wire.outputs import bonus_bytes, notification_bytes, resolution_bytes
from streams.wire.snapshots import SnapshotWriter


def source_of(record: Record) -> Source:
    """Name the log position of *record*."""
    return Source(record.topic, record.partition, record.offset)


class Outbox:
    """
    Where a stage puts what it sends; the engine sends it when the batch commits.

    Args:
        stage: The stage's name, which outputs carry.
        names: Of the topics.
        codec: Of the registry's ids.
    """

    def __init__(self, stage: str, names: Names, codec: Codec) -> None:
        self.stage = stage
        self.names = names
        self.codec = codec
        self._snapshots = SnapshotWriter(codec)

    def route(self, batch: Batch, key: str, message: Message[RouteBody]) -> None:
        """Send to the registry row of the receipt id *key*."""
        batch.emit(self.names.routes, key.encode(), route_bytes(self.codec, message))

    def command(self, batch: Batch, key: str, message: Message[CommandBody]) -> None:
        """Send to the account *key*, or to the receipt *key* that has none."""
        batch.emit(self.names.commands, key.encode(), command_bytes(self.codec, message))

    def bonus(
        self,
        batch: Batch,
        result: Result,
        *,
        source: Source,
        references: dict[str, int] | None = None,
    ) -> None:
        """Publish a result under its account, or under its document without one."""
        subject = result.account or result.document
        headers = event_headers(
            "Bonus",
            event=result.result_id,
            stage=self.stage,
            subject=subject,
            at=result.sold_at,
            source=source,
            references=references,
        )
        value = bonus_bytes(self.codec, result)
        batch.emit(self.names.bonuses, subject.encode(), value, headers=headers)

    def account(self, batch: Batch, snapshot: Snapshot, *, source: Source) -> None:
        """Publish an account."""
        headers = event_headers(
            "Account",
            event=f"{snapshot.account}@{snapshot.version}",
            stage=self.stage,
            subject=snapshot.account,
            at=snapshot.mark,
            source=source,
        )
        value = self._snapshots.bytes_of(snapshot)
        batch.emit(self.names.accounts, snapshot.account.encode(), value, headers=headers)

    def resolution(self, batch: Batch, ownership: Ownership) -> None:
        """Publish who owns a digest."""
        value = resolution_bytes(self.codec, ownership)
        batch.emit(self.names.resolutions, ownership.digest.encode(), value)

    def no_resolution(self, batch: Batch, digest: str) -> None:
        """Publish that nobody has ever owned a digest: what was published of it goes."""
        batch.emit(self.names.resolutions, digest.encode(), None)

    def notification(self, batch: Batch, notification: Notification, *, source: Source) -> None:
        """Publish something to tell a member."""
        headers = event_headers(
            "Notification",
            event=notification.id,
            stage=self.stage,
            subject=notification.account,
            at=notification.at,
            source=source,
        )
        value = notification_bytes(self.codec, notification)
        key = notification.account.encode()
        batch.emit(self.names.notifications, key, value, headers=headers)

    def letter(self, batch: Batch, record: Record, error: CodecError | MalformedError) -> None:
        """Set a record that can't be read aside, whole and with the reason."""
        letter = dead_letter(
            error,
            stage=self.stage,
            source=source_of(record),
            value=record.value,
            headers=tuple(record.headers),
        )
        topic = dead_letters(record.topic)
        batch.emit(topic, record.key, letter.value, headers=letter.headers)
