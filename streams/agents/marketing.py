"""Marketing: what a member should hear of a result, once.

Reads `bonuses` and `accounts`, both keyed by account; keeps which results have been told.
A result that is published again, because its document came twice, tells nothing new.
"""

from schemas.codec import CodecError
from streams.agents.outbox import Outbox, source_of
from streams.core.notices import notifications
from streams.engine import Batch, Record
from streams.tables import TOLD
from streams.wire.outputs import bonus_from

TABLES = (TOLD,)


class MarketingStage:
    """The stage's handler."""

    def __init__(self, out: Outbox) -> None:
        self._out = out

    def __call__(self, batch: Batch) -> None:
        """Tell of every result in *batch*."""
        for record in batch.records:
            if record.topic == self._out.names.bonuses:
                self._tell(batch, record)

    def _tell(self, batch: Batch, record: Record) -> None:
        try:
            result = bonus_from(self._out.codec, record.value)
        except CodecError as error:
            self._out.letter(batch, record, error)
            return
        key = result.result_id.encode()
        if batch.get(TOLD, key) is not None:
            return
        batch.put(TOLD, key, b"1")
        for notification in notifications(result):
            self._out.notification(batch, notification, source=source_of(record))
