"""
The replay of a shop's tills, watched from the first sale to the last result.

The player sends, the watcher hears results, and the clock tells the stages the time of the
replay as far as results have come.  Workers are killed meanwhile where that is wished.
"""

import random
import threading
import time
from collections.abc import Callable

from msgspec import Struct

from connectors.pos import PosProducer
from schemas.codec import Codec
from streams.clock import Clock, ReplayTime
from streams.core.receipt import EpochMs
from streams.sandbox.acts import Act, Tally
from streams.sandbox.crew import Crew
from streams.sandbox.kafka import EmbeddedKafka
from streams.sandbox.members import OPENED_AT
from streams.sandbox.played import Shop, Wishes
from streams.sandbox.player import Player
from streams.sandbox.screen import Screen, Show
from streams.sandbox.script import CHAOS, MIXED, PLAIN, script
from streams.sandbox.watch import LagWatcher, Watcher, picture
from streams.settings import Settings

LOOK_SECONDS = 0.25
# A stage that has nothing to do for so many looks in a row has nothing to do.
QUIET_LOOKS = 4
# Longer than a killed worker needs to be back: time-outs of the group and of a transaction.
SILENT_SECONDS = 60.0
KILL_AFTER_SECONDS = (3.0, 8.0)


class Running(Struct, frozen=True):
    """What runs while the tills are played."""

    settings: Settings
    kafka: EmbeddedKafka
    crew: Crew
    lag: LagWatcher
    watcher: Watcher


class Quiet:
    """Counts the looks in a row at which no stage had anything to do."""

    def __init__(self, lag: LagWatcher) -> None:
        self.looks = 0
        self._lag = lag
        self._seen = lag.looks

    @property
    def long(self) -> bool:
        """Whether it has been quiet for long enough to be the end."""
        return self.looks >= QUIET_LOOKS

    def look(self, *, otherwise: bool = True) -> None:
        """Look once, if there is something new to see; *otherwise* says what else must hold."""
        if self._lag.looks == self._seen:
            return
        self._seen = self._lag.looks
        # Below 0 is a stage that could not be asked: it may well be busy.
        idle = bool(self._lag.latest) and not any(self._lag.latest.values())
        self.looks = self.looks + 1 if idle and otherwise else 0


class Killer:
    """
    Kills a worker every few seconds, as *seed* chooses, from a thread of its own.

    The first is killed after three seconds, so that a short demo sees it too; the last while
    the tills are *playing*, because workers that never stay up never finish.
    """

    def __init__(self, crew: Crew, seed: int, playing: Callable[[], bool]) -> None:
        self._crew = crew
        self._playing = playing
        self._dice = random.Random(f"{seed} chaos")  # noqa: S311 -- reproducible, not secret
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="killer", daemon=True)

    def start(self) -> None:
        """Begin to kill."""
        self._thread.start()

    def stop(self) -> None:
        """Let the workers live; returns when no more is killed."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        wait = KILL_AFTER_SECONDS[0]
        while not self._ending.wait(wait) and self._playing():
            self._crew.kill_one(self._dice)
            wait = self._dice.uniform(*KILL_AFTER_SECONDS)


def await_quiet(lag: LagWatcher) -> None:
    """Wait until no stage has anything to do, for a minute at most."""
    deadline = time.monotonic() + SILENT_SECONDS
    quiet = Quiet(lag)
    while not quiet.long and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
        quiet.look()


class Replay:
    """
    One play of a shop.

    Args:
        wishes: How it is to be played.
        shop: What is played.
        currency: Of redeemed points.
        running: What answers.
        sent_at: Gets for each document the monotonic time at which it was sent.
        replayed: The time of the replay, which the results move.
    """

    def __init__(
        self,
        wishes: Wishes,
        shop: Shop,
        *,
        currency: str,
        running: Running,
        sent_at: dict[str, float],
        replayed: ReplayTime,
        codec: Codec,
        screen: Screen,
    ) -> None:
        self.reached: EpochMs = OPENED_AT
        """The time of the last act."""
        self._wishes = wishes
        self._shop = shop
        self._currency = currency
        self._running = running
        self._sent_at = sent_at
        self._replayed = replayed
        self._codec = codec
        self._screen = screen
        self._began = time.monotonic()
        count = shop.count()
        self._wanted = count if wishes.receipts is None else min(wishes.receipts, count)

    def run(self) -> tuple[Tally, float]:
        """Play the tills to the last result; give what was sent and how many seconds it took."""
        wishes, settings, running = self._wishes, self._running.settings, self._running
        mix = CHAOS if wishes.chaos else PLAIN if wishes.plain else MIXED
        sales = self._shop.receipts(self._wanted)
        acts = script(sales, mix=mix, seed=wishes.seed, currency=self._currency, codec=self._codec)
        with (
            PosProducer(settings.brokers, settings.tenant, codec=self._codec) as till,
            Clock(settings.client(), settings.tenant, codec=self._codec) as clock,
        ):
            player = Player(acts, till, rate=wishes.rate, sent=self._sent)
            began = time.monotonic()
            player.start()
            killer = Killer(running.crew, wishes.seed, lambda: player.playing)
            if wishes.chaos:
                killer.start()
            try:
                self._watch(player, clock)
                player.wait()
            finally:
                player.stop()
                killer.stop()
        return player.tally, running.watcher.last_result_at - began

    def _sent(self, act: Act) -> None:
        self.reached = act.at_ms
        if act.awaits_result:
            self._replayed.sent(act.document.id, act.at_ms)
        self._sent_at.setdefault(act.document.id, time.monotonic())

    def _watch(self, player: Player, clock: Clock) -> None:
        """
        Show the replay and tell the stages its time, until every document has its result.

        Also ends when nothing has moved for a minute: the reconciliation says what is amiss.
        """
        watcher, quiet = self._running.watcher, Quiet(self._running.lag)
        with self._screen.table() as show:
            while player.playing or (not quiet.long and player.error is None):
                time.sleep(LOOK_SECONDS)
                if (reached_ms := self._replayed.reached_ms()) is not None:
                    clock.reach(reached_ms)
                self._show(show, player)
                if player.playing:
                    continue
                quiet.look(otherwise=player.tally.ids() <= _answered(watcher))
                silent = time.monotonic() - max(watcher.last_result_at, self._last_sent())
                if not quiet.looks and silent > SILENT_SECONDS:
                    self._screen.say(
                        f"Nothing moves for {SILENT_SECONDS:.0f} s; the books tell why"
                    )
                    return

    def _show(self, show: Show, player: Player) -> None:
        running = self._running
        behind = running.lag.latest
        sales = len(player.tally.documents["sale"])
        figures = running.watcher.figures()
        extra = {"workers killed": str(running.crew.kills)} if running.crew.kills else {}
        waiting = sum(max(each, 0) for each in behind.values())
        show(
            picture(figures, behind, sales, self._wanted, extra),
            f"{sales:,} of {self._wanted:,} receipts, {figures.rate:,.0f} results/s, "
            f"lag {waiting:,}, dead letters {figures.letters:,}",
        )

    def _last_sent(self) -> float:
        return next(reversed(self._sent_at.values()), self._began)


def _answered(watcher: Watcher) -> set[str]:
    """Name the documents that have a final result; one that was split has its first part's."""
    return {document.split("#", 1)[0] for document in set(watcher.finals)}
