"""
Workers under fire: strikes faults while records flow, and keeps everything else going.

As an operator's supervisor would, it starts a worker again that ended by itself.  One
thread does everything, in steps of a few milliseconds.
"""

import contextlib
import json
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient
from msgspec import Struct

from streams.sandbox.cluster import KafkaCluster
from streams.sandbox.kafka import EmbeddedKafka
from tests.support import chain
from tests.support.chain import Feed, Watcher
from tests.support.chain_worker import APP, STAGES
from tests.support.faults import SESSION_S, TRANSACTION_S, WAVE, Fault
from tests.support.forge import Forged
from tests.support.proxy import Proxy
from tests.support.toy import ToyWorker

STEP_S = 0.05
WELL_S = 400.0
"""By then everything must be well again, or never; a half-open connection alone takes 40 s."""
RATE = 200.0
OFFSETS_PARTITIONS = 4

SETTINGS: dict[str, Any] = {
    "session_timeout_s": SESSION_S,
    "transaction_timeout_ms": int(TRANSACTION_S * 1000),
    # Two cores do broker, workers and everything else here.
    "min_interval_ms": 40.0,
    # A call that a dead connection swallowed is waited for so long; with the defaults of
    # half a minute and more a run would be mostly waiting.
    "call_timeout_s": 15.0,
}

BROKER_PROPERTIES = """\
transaction.abort.timed.out.transaction.cleanup.interval.ms=500
"""
ONE_OF_THREE_PROPERTIES = f"""\
{BROKER_PROPERTIES}
broker.session.timeout.ms=4000
broker.heartbeat.interval.ms=500
"""
"""Of three brokers a dead one is soon known to be dead."""

ACCEPTED = {-signal.SIGKILL, 70}
"""How a worker may end that nobody told to: killed, or without acknowledging."""
LEFT = {0, 70, -signal.SIGTERM}
"""How a worker may end that was told to; 70 in a round, by the signal before it has begun."""


END_TRANSACTION = 26
"""The `api_key` of the request that commits or aborts a transaction."""
CARRIED_OUT_S = 0.5
"""By then a broker has carried out what it was asked, on a busy machine too."""
ASK_S = 0.3
SHARE_S = SESSION_S + 2
"""By then a group has shared its partitions anew, also without a member that died."""
FENCED_S = 6.0
"""By then whoever has gone on after its session must have heard of it."""
WENT_ON = "went on after its session"


class Woken(Struct, frozen=True):
    """A process that was frozen for longer than its session."""

    process: Forged
    is_fenced: bool
    """Whether the group must have thrown it out: the broker was there all the time."""
    until: float


def charge(fault: Fault) -> str:
    """Say where the victim of *fault* dies or freezes, as `failpoints` reads it."""
    return f"{fault.point}=1" + (":freeze" if fault.kind in FREEZING else "")


class Siege:
    """
    A chain under fire.

    Args:
        kafka: One broker or three; they run.
        proxy: What stands before the one broker.
        folder: For the workers.
        static: Whether workers have instance ids.
        seed: For what is sent.
        padding: Bytes that each record has more than it needs.
        names: The workers there are from the start.
        settings: What differs from SETTINGS.
        forged: Whether workers begin with everything imported.
    """

    def __init__(
        self,
        kafka: EmbeddedKafka | KafkaCluster,
        folder: Path,
        *,
        proxy: Proxy | None = None,
        static: bool,
        seed: int,
        padding: int = 0,
        names: Sequence[str] = ("one", "two"),
        settings: Mapping[str, Any] | None = None,
        forged: bool = True,
    ) -> None:
        self._forged = forged
        self._settings = {**SETTINGS, **(settings or {})}
        self.kafka, self.proxy = kafka, proxy
        self.client = {"bootstrap.servers": kafka.bootstrap, "log_level": 0}
        self.workers = [self._made(folder, name, static=static) for name in names]
        self.guest = self._made(folder, "guest", static=False)
        self.feed = Feed(self.client, seed=seed, padding=padding)
        self.watcher = Watcher(self.client)
        self.struck: Counter[str] = Counter()
        self.ended: Counter[int] = Counter()
        self.zombies: Counter[str] = Counter()
        self.woken: list[Woken] = []
        """Processes that were frozen for longer than their session, and went on."""
        self.measured: Any = None
        self.peak_mb = 0
        self._away: set[ToyWorker] = {self.guest}
        """Workers that must not be started now: down, frozen, or not in the game."""
        self._due: list[tuple[float, Callable[[], None]]] = []
        self._armed: dict[ToyWorker, Fault] = {}
        """Workers that will die or freeze at a point within their work, and haven't yet."""
        self._leaving: dict[ToyWorker, float] = {}
        """Workers that were told to end, and how long they stay away."""
        self._broken = False
        """Whether broker or network are in a state that ends at a time of its own."""
        self._breaks = 0
        self._asked_at = self._shared_at = 0.0
        self._hung: list[Producer] = []

    def _made(self, folder: Path, name: str, *, static: bool) -> ToyWorker:
        return ToyWorker(
            self.kafka.bootstrap,
            folder / name,
            instance=name if static else "",
            module="chain_worker",
            settings=self._settings,
            forged=self._forged,
        )

    # --- The whole ----------------------------------------------------------------

    def run(self, faults: Sequence[Fault]) -> list[str]:
        """
        Strike *faults* in waves; give the differences between the views afterwards.

        A fault is counted when it has struck: one that waits for a point within a worker's
        work may do so long after its turn.
        """

        def burn() -> None:
            for place, fault in enumerate(faults, 1):
                self.wait(fault.after_s)
                self.say(f"{place:>3} {fault}")
                self.strike(fault)
                if place % WAVE == 0 or place == len(faults):
                    self.await_well()

        return self.during(burn)

    def during(self, work: Callable[[], Any]) -> list[str]:
        """Do *work* while records flow; give the differences between the views afterwards."""
        with self.watcher:
            try:
                for worker in self.workers:
                    worker.start()
                self.feed.start(RATE)
                self.await_well()
                self.measured = work()
                return self.settle()
            except BaseException:
                self.stacks()
                raise
            finally:
                for worker in (*self.workers, self.guest):
                    self._thaw(worker)
                    worker.kill()

    def settle(self) -> list[str]:
        """Let everything come to its end, stop the workers, and compare."""
        self.feed.stop()
        self.await_done()
        for worker in self.running():
            self._away.add(worker)
            code = worker.stop()
            if code:
                return [f"{worker.folder.name} stopped with {code}"]
        until = time.monotonic() + 10
        final = chain.ends(self.client)
        while chain.committed(self.client) != final and time.monotonic() < until:
            time.sleep(0.2)
        views = self.views()
        while len(self.watcher.seen) < sum(map(len, views.sent.values())):
            if time.monotonic() > until:
                break
            time.sleep(0.1)
        return views.differences()

    def views(self) -> chain.Views:
        """Read the five views."""
        return chain.views(
            self.client,
            taken=self.feed.taken,
            watched=self.watcher.seen,
            folders=[worker.folder for worker in (*self.workers, self.guest)],
        )

    def await_done(self) -> None:
        """Wait until everything that was sent has gone through all stages."""
        began = time.monotonic()
        while True:
            self.wait(0.3)
            with contextlib.suppress(Exception):
                if chain.committed(self.client) == chain.ends(self.client):
                    return
            if time.monotonic() - began > WELL_S:
                raise AssertionError(
                    f"committed {chain.committed(self.client)} of {chain.ends(self.client)}"
                )

    def await_well(self) -> None:
        """Wait until every fault is over, every worker ready, and new results come out."""
        began = time.monotonic()
        while self._is_something_left() or not all(map(self._is_ready, self.running(all=True))):
            self.wait(0.2)
            assert time.monotonic() - began < WELL_S, f"not well in {WELL_S:.0f} s"
        wanted = self.watcher.results + 20
        while self.watcher.results < wanted:
            self.wait(0.2)
            assert time.monotonic() - began < WELL_S, f"no results in {WELL_S:.0f} s"
        self._count_zombies()
        self.say(f"    well after {time.monotonic() - began:.1f} s")

    def _is_something_left(self) -> bool:
        """Whether a fault still lasts, is still to strike, or to be learnt of."""
        waits = (each for each in self.woken if each.is_fenced and time.monotonic() < each.until)
        return bool(self._due or self._broken or self._armed or self._leaving) or any(
            each.process.poll() is None for each in waits
        )

    def _count_zombies(self) -> None:
        for each in self.woken:
            if each.process.poll() is not None:
                self.zombies["ended"] += 1
            elif each.is_fenced:
                self.zombies[WENT_ON] += 1
            else:
                self.zombies["went on: the broker was away too"] += 1
        self.woken.clear()

    def wait(self, seconds: float) -> None:
        """Let time go by, in which faults end and workers that ended are started again."""
        until = time.monotonic() + seconds
        while True:
            now = time.monotonic()
            for due in [each for each in self._due if each[0] <= now]:
                self._due.remove(due)
                due[1]()
            self._tend()
            if now >= until:
                return
            time.sleep(min(STEP_S, until - now))

    def wait_for(
        self, holds: Callable[[], bool], what: str, *, moved: Callable[[], int] = lambda: 0
    ) -> None:
        """Let time go by until something holds, and for as long as it has *moved* lately."""
        began, before = time.monotonic(), moved()
        while not holds():
            self.wait(STEP_S)
            if (now := moved()) != before:
                began, before = time.monotonic(), now
            assert time.monotonic() - began < WELL_S, f"{what}: not in {WELL_S:.0f} s"

    def _tend(self) -> None:
        for worker in (*self.workers, self.guest):
            process = worker.process
            if worker in self._armed:
                self._tend_armed(worker, self._armed[worker])
            elif worker in self._leaving:
                self._tend_leaving(worker)
            elif worker not in self._away and process is not None and process.poll() is not None:
                self._note_end(worker, ACCEPTED)
                worker.start()

    def _note_end(self, worker: ToyWorker, accepted: set[int]) -> int:
        """Count how *worker* ended, and let no other way pass."""
        assert worker.process is not None
        code = worker.process.returncode
        assert code is not None
        self.ended[code] += 1
        self.say(f"    {worker.folder.name} ended with {code}")
        assert code in accepted, worker.log.read_text()[-3000:]
        return code

    def _tend_armed(self, worker: ToyWorker, fault: Fault) -> None:
        """See whether *worker* has come to its point; one that ended before begins again."""
        assert worker.process is not None
        if worker.process.poll() is not None:
            struck = self._note_end(worker, ACCEPTED) == -signal.SIGKILL
            if struck:
                self._struck(worker, fault)
            worker.start(failpoints="" if struck else charge(fault))
        elif fault.kind in FREEZING and worker.state() == "T":
            self._struck(worker, fault)
            self._away.add(worker)
            self._sleeps(worker, fault, has_shards=True)
        elif time.monotonic() - self._asked_at > ASK_S:
            self._asked_at = time.monotonic()
            shards = self._shards(worker)
            if shards == 0 or (shards and fault.point == "revoked"):
                self._rebalance()

    def _struck(self, worker: ToyWorker, fault: Fault) -> None:
        del self._armed[worker]
        self.struck[fault.kind] += 1
        self.say(f"    {worker.folder.name} came to {fault.point}")

    def _tend_leaving(self, worker: ToyWorker) -> None:
        assert worker.process is not None
        if worker.process.poll() is not None:
            self._note_end(worker, LEFT)
            away_s = self._leaving.pop(worker)
            if worker is not self.guest:
                self.later(away_s, lambda: self._start(worker))

    def later(self, seconds: float, what: Callable[[], None]) -> None:
        """Do something in so many seconds."""
        self._due.append((time.monotonic() + seconds, what))

    def say(self, line: str) -> None:
        """Print a line; it is shown when the run fails."""
        print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)  # noqa: T201 - a run's story

    def stacks(self) -> None:
        """Have every worker say where each of its threads is."""
        for worker in self.running():
            worker.signal(signal.SIGRTMIN)
        time.sleep(0.5)
        for worker in (*self.workers, self.guest):
            if worker.log.exists():
                print(f"--- {worker.log}\n{worker.log.read_text()[-6000:]}")  # noqa: T201 - as above

    # --- Workers ------------------------------------------------------------------

    def running(self, *, all: bool = False) -> list[ToyWorker]:  # noqa: A002 - reads as it is
        """Give the workers that run and aren't frozen; with *all* those that should."""
        everybody = (*self.workers, self.guest)
        there = [worker for worker in everybody if worker not in self._away]
        return there if all else [worker for worker in there if worker.process.poll() is None]

    def _shards(self, worker: ToyWorker) -> int | None:
        """Give how many shards *worker* has, or None if it isn't ready."""
        try:
            return len(json.loads(worker.ask("/ready"))["shards"])
        except OSError:
            return None

    def _is_ready(self, worker: ToyWorker) -> bool:
        return self._shards(worker) is not None

    def _free(self) -> list[ToyWorker]:
        """Give the workers that run and that nothing is about to happen to."""
        return [worker for worker in self.running() if worker not in self._armed]

    def _free_workers(self) -> list[ToyWorker]:
        """Give the free ones without the guest, who comes and goes."""
        return [worker for worker in self._free() if worker is not self.guest]

    def _victim(self, target: int) -> ToyWorker:
        """Choose a worker that runs; wait for one if there is none."""
        self.wait_for(lambda: bool(self._free()), "a worker that runs")
        there = self._free()
        return there[target % len(there)]

    def _kill(self, worker: ToyWorker, *, wipe: bool = False) -> None:
        self._away.add(worker)
        worker.kill(wipe=wipe)

    def _start(self, worker: ToyWorker, failpoints: str = "", seed: int = 0) -> None:
        if worker not in self._away:
            return  # The guest may have been called for meanwhile.
        if worker.process is not None:
            # One that was told to end may still be at it, and holds its folder.
            worker.process.wait(WELL_S)
        worker.start(failpoints=failpoints, seed=seed)
        self._away.discard(worker)

    def _thaw(self, worker: ToyWorker) -> None:
        if worker.process is not None and worker.process.poll() is None:
            worker.signal(signal.SIGCONT)
        self._away.discard(worker)

    # --- Faults -------------------------------------------------------------------

    def strike(self, fault: Fault) -> None:
        """Let *fault* happen, and count it."""
        if fault.kind in BROKEN_BY:
            # One at a time: a broker that is down can't be paused.
            self.wait_for(lambda: not self._broken and self._in_sync(), "broker and network")
            self._breaks += not fault.kind.startswith(("source", "answer"))
        STRIKES[fault.kind](self, fault)
        if not fault.point:
            self.struck[fault.kind] += 1

    def _killed(self, fault: Fault) -> None:
        worker = self._victim(fault.target)
        self._kill(worker, wipe=fault.wipe)
        self.later(fault.for_s, lambda: self._start(worker))

    def _both_killed(self, fault: Fault) -> None:
        self.wait_for(lambda: len(self._free()) > 1, "two workers that run")
        victims = self._free()
        for worker in victims:
            worker.signal(signal.SIGKILL)
        for worker in victims:
            self._kill(worker)
            self.later(fault.for_s, lambda worker=worker: self._start(worker))

    def _killed_starting(self, fault: Fault) -> None:
        worker = self._victim(fault.target)
        self._kill(worker)
        self._start(worker)
        self._away.add(worker)

        def again() -> None:
            self._kill(worker)
            self._start(worker)

        self.later(fault.for_s, again)

    def _arm(self, fault: Fault) -> None:
        """Have a worker die or freeze at a point within its work, whenever it comes there."""
        if fault.point == "revoked":
            # The guest is who makes the others share anew.
            self.wait_for(lambda: set(self.workers) <= set(self._free()), "workers that run")
            worker = self.workers[fault.target % len(self.workers)]
        else:
            # Of three workers one may have no partitions, and come to no point.
            self._dismiss_guest()
            self.wait_for(lambda: bool(self._free_workers()), "a worker that runs")
            there = self._free_workers()
            worker = there[fault.target % len(there)]
        self._kill(worker, wipe=fault.wipe)
        self._start(worker, charge(fault))
        self._armed[worker] = fault

    def _dismiss_guest(self) -> None:
        if self.guest not in self._away:
            self._leave(self.guest, 0.0)

    def _leave(self, worker: ToyWorker, away_s: float) -> None:
        """Tell *worker* to end, and don't wait for it."""
        assert worker.process is not None
        self._away.add(worker)
        self._leaving[worker] = away_s
        if worker.process.poll() is None:
            worker.process.terminate()

    def _rebalance(self) -> None:
        """Have the group share its partitions anew; once, until that must have happened."""
        if time.monotonic() - self._shared_at < SHARE_S:
            return
        self._shared_at = time.monotonic()
        if self.guest not in self._away:
            self._dismiss_guest()
        elif self._is_guest_gone():
            self._start(self.guest)

    def _is_guest_gone(self) -> bool:
        """Whether the guest may be called for: it has ended, and isn't frozen or to die again."""
        process = self.guest.process
        return self.guest in self._away and (process is None or process.poll() is not None)

    def _frozen(self, fault: Fault) -> None:
        worker = self._victim(fault.target)
        has_shards = bool(self._shards(worker))
        self._away.add(worker)
        worker.signal(signal.SIGSTOP)
        self._sleeps(worker, fault, has_shards=has_shards)

    def _sleeps(self, worker: ToyWorker, fault: Fault, *, has_shards: bool) -> None:
        """
        Have *worker* go on when it is time; by then its session may be over.

        Who had no shards yet has nothing to be thrown out of, and may go on to join.
        """
        breaks = self._breaks if has_shards and not self._broken else None

        def wake() -> None:
            self.say(f"    {worker.folder.name} wakes up")
            if fault.for_s > SESSION_S and worker.process is not None:
                until = time.monotonic() + FENCED_S
                self.woken.append(Woken(worker.process, breaks == self._breaks, until))
            self._thaw(worker)

        self.later(fault.for_s, wake)

    def _joins(self, fault: Fault) -> None:
        self.wait_for(lambda: not self._armed and not self._leaving, "others")
        if self._is_guest_gone():
            self._start(self.guest)
        else:
            self._leaves(fault)

    def _leaves(self, fault: Fault) -> None:
        guest_is_there = self.guest not in self._away and self.guest not in self._armed
        self._leave(self.guest if guest_is_there else self._victim(fault.target), fault.for_s)

    def _abandoned(self, fault: Fault) -> None:
        name = f"till-{len(self._hung)}"
        aborted = fault.kind == "source transaction aborted"
        self._hung.append(chain.abandon(self.client, name=name, abort=aborted))

    # --- Broker and network -----------------------------------------------------------

    def _brokers(self) -> tuple[EmbeddedKafka, ...]:
        return self.kafka.brokers if isinstance(self.kafka, KafkaCluster) else (self.kafka,)

    def _in_sync(self) -> bool:
        """Whether every broker answers and has every record that it should."""
        brokers = self._brokers()
        admin = AdminClient({**self.client, "bootstrap.servers": brokers[0].bootstrap})
        try:
            known = admin.list_topics(timeout=2)
        except KafkaException:
            return False
        return len(known.brokers) == len(brokers) and all(
            len(partition.isrs) == len(brokers)
            for topic in known.topics.values()
            for partition in topic.partitions.values()
        )

    def _chosen(self, fault: Fault) -> EmbeddedKafka:
        """Find the broker that *fault* means: any, or the one with a coordinator."""
        brokers = self._brokers()
        if fault.kind.startswith("group"):
            return brokers[self._leader("__consumer_offsets", APP)]
        if fault.kind.startswith("transaction"):
            stage = sorted(STAGES)[fault.target % len(STAGES)]
            return brokers[self._leader("__transaction_state", f"{APP}-{stage}-0")]
        return brokers[fault.target % len(brokers)]

    def _leader(self, topic: str, name: str) -> int:
        known = AdminClient(self.client).list_topics(topic, timeout=10).topics[topic]
        return known.partitions[java_hash(name) % OFFSETS_PARTITIONS].leader - 1

    def _broker_down(self, fault: Fault) -> None:
        broker = self._chosen(fault)
        self._broken = True
        if fault.kind.endswith("killed"):
            broker.kill()
        elif self.proxy is not None:
            self._stop_apart(broker, self.proxy)
        else:
            broker.stop()

        def back() -> None:
            broker.launch()
            self._mended()

        self.later(fault.for_s, back)

    @staticmethod
    def _stop_apart(broker: EmbeddedKafka, proxy: Proxy) -> None:
        """
        Stop a lone broker, its clients cut off a moment before.

        Kafka itself may lose the end of a transaction that is being ended while it stops, see
        "What Kafka does to it" in `docs/engine.md`.  Open ones stay open.
        """
        refusing, proxy.refusing = proxy.refusing, True
        proxy.cut()
        time.sleep(CARRIED_OUT_S)
        broker.stop()
        proxy.refusing = refusing

    def _broker_paused(self, fault: Fault) -> None:
        broker = self._chosen(fault)
        self._broken = True
        broker.pause()

        def back() -> None:
            broker.resume()
            self._mended()

        self.later(fault.for_s, back)

    def _mended(self) -> None:
        self._broken = False

    def _slow(self, fault: Fault) -> None:
        assert self.proxy is not None
        self._broken = True
        self.proxy.delay_s = fault.how_much / 1000
        self.later(fault.for_s, self._network_mended)

    def _cut(self, fault: Fault) -> None:
        proxy = self.proxy
        assert proxy is not None
        self._broken = True
        # Where everybody has just been killed there is nothing to cut yet.
        self.wait_for(lambda: proxy.cut() > 0, "connections")
        proxy.refusing = True
        proxy.cut()
        self.later(fault.for_s, self._network_mended)

    def _half_open(self, fault: Fault) -> None:
        proxy = self.proxy
        assert proxy is not None
        self.wait_for(lambda: proxy.silence() > 0, "connections")
        self.later(fault.for_s, self._network_mended)

    def _answer_lost(self, _: Fault) -> None:
        assert self.proxy is not None
        before = self.proxy.answers_lost
        self.proxy.lose_answer(END_TRANSACTION)
        self.wait_for(lambda: self.proxy.answers_lost > before, "a commit")

    def _network_mended(self) -> None:
        assert self.proxy is not None
        self.proxy.delay_s, self.proxy.refusing = 0.0, False
        self._mended()


STRIKES: Mapping[str, Callable[[Siege, Fault], None]] = {
    "worker killed": Siege._killed,
    "two workers killed at once": Siege._both_killed,
    "worker killed, disk lost": Siege._killed,
    "worker killed while it starts": Siege._killed_starting,
    "worker killed in a commit": Siege._arm,
    "worker killed while it opens": Siege._arm,
    "worker killed in a restore": Siege._arm,
    "worker killed in a rebalance": Siege._arm,
    "worker frozen past its session": Siege._frozen,
    "worker frozen in a commit past its session": Siege._arm,
    "transaction timed out": Siege._arm,
    "worker joins": Siege._joins,
    "worker leaves": Siege._leaves,
    "source transaction aborted": Siege._abandoned,
    "source transaction timed out": Siege._abandoned,
    "broker stopped": Siege._broker_down,
    "broker killed": Siege._broker_down,
    "broker paused": Siege._broker_paused,
    "group coordinator killed": Siege._broker_down,
    "group coordinator stopped": Siege._broker_down,
    "transaction coordinator killed": Siege._broker_down,
    "network slow": Siege._slow,
    "connections cut": Siege._cut,
    "connections half open": Siege._half_open,
    "answer to a commit lost": Siege._answer_lost,
}

FREEZING = {"worker frozen in a commit past its session", "transaction timed out"}

BROKEN_BY = {
    kind
    for kind in STRIKES
    if kind.startswith(("broker", "network", "connections", "answer", "source", "group"))
    or kind == "transaction coordinator killed"
}


def java_hash(text: str) -> int:
    """Hash as Java's String does, without the sign: it decides a name's coordinator."""
    value = 0
    for letter in text:
        value = (31 * value + ord(letter)) & 0xFFFFFFFF
    return value & 0x7FFFFFFF
