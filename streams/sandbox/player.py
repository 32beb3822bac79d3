"""Plays a script of acts: through the POS producer, in their order, at a chosen rate."""

import threading
import time
from collections.abc import Callable, Iterable

from msgspec import Struct

from connectors.pos import PosProducer
from streams.sandbox.acts import Act, Tally

REPORT_SECONDS = 0.25
# The longest wait in one piece: `stop` is heard within it.
NAP_SECONDS = 0.1


class Progress(Struct, frozen=True):
    """
    How far the player is.

    Attributes:
        sent: Records so far.
        sales: Sales so far.
        at_ms: Simulated time.
        seconds: Since it began.
        done: Whether this is the last report.
    """

    sent: int
    sales: int
    at_ms: int
    seconds: float
    done: bool = False


class Player:
    """
    Send acts from a thread of its own.

    Args:
        acts: What to send, in order.
        till: The producer; the player alone uses it while it runs, and flushes it.
        rate: Records a second; as fast as Kafka takes them when None.
        progress: Called from the player's thread, at most four times a second and once
            at the end.
        sent: Called with each act just before it is sent, from the player's thread.
    """

    def __init__(
        self,
        acts: Iterable[Act],
        till: PosProducer,
        *,
        rate: float | None = None,
        progress: Callable[[Progress], None] | None = None,
        sent: Callable[[Act], None] | None = None,
    ) -> None:
        self.tally = Tally()
        self.error: BaseException | None = None
        self._acts = acts
        self._till = till
        self._rate = rate
        self._progress = progress
        self._sent = sent
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._guarded, name="player", daemon=True)

    def start(self) -> None:
        """Begin to play."""
        self._thread.start()

    def stop(self) -> None:
        """End early; what was sent is flushed.  Returns at once."""
        self._stop.set()

    def wait(self, timeout_s: float | None = None) -> bool:
        """
        Wait until everything was sent and Kafka has taken it.

        Returns:
            Whether the player has ended; False after *timeout_s*.

        Raises:
            Exception: What ended the player early: DeliveryError, or an error of a callback.
        """
        self._thread.join(timeout_s)
        if self.error is not None:
            raise self.error
        return not self._thread.is_alive()

    @property
    def playing(self) -> bool:
        """Whether the player is still at it."""
        return self._thread.is_alive()

    def _guarded(self) -> None:
        try:
            self.run()
        except BaseException as failed:  # noqa: BLE001 -- told to whoever waits
            self.error = failed

    def run(self) -> None:
        """Play in the calling thread, for processes of their own."""
        began = reported = time.monotonic()
        at_ms = 0
        for act in self._acts:
            if self._stop.is_set() or not self._pace(began):
                break
            at_ms = act.at_ms
            self._send(act)
            now = time.monotonic()
            if now - reported >= REPORT_SECONDS:
                reported = now
                self._report(at_ms, now - began, done=False)
        self._till.flush()
        self._report(at_ms, time.monotonic() - began, done=True)

    def _pace(self, began: float) -> bool:
        """Wait for the next record's turn; False when told to stop meanwhile."""
        if self._rate is None:
            return True
        turn = began + self.tally.records / self._rate
        while (wait := turn - time.monotonic()) > 0:
            if self._stop.wait(min(wait, NAP_SECONDS)):
                return False
        return True

    def _send(self, act: Act) -> None:
        if self._sent is not None:
            self._sent(act)
        # Counted first: whoever reads results while the player plays knows every id.
        self.tally.add(act)
        if act.value is None:
            # Unchecked: what the real tills told is for the service to judge.
            self._till.send(act.document, act.at_ms, unchecked=True)
        else:
            self._till.send_bytes(act.document.id, act.value, act.at_ms)

    def _report(self, at_ms: int, seconds: float, *, done: bool) -> None:
        if self._progress is not None:
            sales = len(self.tally.documents["sale"])
            self._progress(Progress(self.tally.records, sales, at_ms, seconds, done))
