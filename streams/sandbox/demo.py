"""
The demo: a shop on a real Kafka, from its tills to a checked book.

It starts a broker, publishes what a shop knows, starts the workers as processes of their
own, plays the tills, and ends with a reconciliation that reads the topics alone.  Every
process it starts ends with it, however it ends.
"""

import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from confluent_kafka.admin import AdminClient
from msgspec import Struct

from schemas.codec import committed
from streams import broker
from streams.app import APPS, app_of, full_plan
from streams.clock import ReplayTime
from streams.core.receipt import EpochMs
from streams.engine import changelog_topic
from streams.reading.audit import Auditor
from streams.reading.books import Books
from streams.reading.checks import Check, checked
from streams.reading.log import LogReader
from streams.sandbox.acts import Tally
from streams.sandbox.balances import write_balances
from streams.sandbox.crew import Crew
from streams.sandbox.dataset import dataset
from streams.sandbox.jars import KAFKA_VERSION, kafka_jars
from streams.sandbox.kafka import EmbeddedKafka
from streams.sandbox.local_state import local_state_is_changelog
from streams.sandbox.members import OPENED_AT, registration
from streams.sandbox.offline_shop import OfflineShop
from streams.sandbox.played import RECEIPTS, Documents, Shop, Wishes
from streams.sandbox.replay import Replay, Running, await_quiet
from streams.sandbox.screen import Screen
from streams.sandbox.shelves import Shelves
from streams.sandbox.story import Teller
from streams.sandbox.watch import LagReader, LagWatcher, Stage, Watcher
from streams.settings import Settings
from streams.tables import SETTLED
from streams.topics import Names

ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Outcome(Struct, frozen=True):
    """
    How a demo ended.

    Attributes:
        figures: What was counted and measured; times in seconds or milliseconds by name.
        processes: Of each process its CPU seconds, peak memory in kB and starts.
    """

    checks: tuple[Check, ...]
    figures: dict[str, float | int | None]
    points: dict[str, int]
    processes: dict[str, dict[str, float | int | None]]

    @property
    def holds(self) -> bool:
        """Whether everything that must hold does."""
        return all(check.holds for check in self.checks)


class Demo:
    """
    One run.

    Args:
        wishes: What is to be played.
        played: Its programme and campaigns.
        home: Private folder of downloads; the run has a folder of its own in it.
        screen: Where to say what happens.
        kept: Called when everything runs and `keep` is wished; returns when it may end.
    """

    def __init__(
        self,
        wishes: Wishes,
        played: Documents,
        *,
        home: Path,
        screen: Screen,
        kept: Callable[[], None] = lambda: None,
    ) -> None:
        self.wishes = wishes
        self.played = played
        self.home = home
        self.screen = screen
        self.kept = kept
        self.codec = committed()
        home.mkdir(parents=True, exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(prefix="demo-", dir=home))
        self.began = time.monotonic()
        self.sent_at: dict[str, float] = {}
        self.replayed = ReplayTime()
        self.figures: dict[str, float | int | None] = {}
        self.processes: dict[str, dict[str, float | int | None]] = {}

    def run(self) -> Outcome:
        """
        Play, and give what came of it.  Whatever was started has ended when this returns.

        The run's folder is removed when everything holds; otherwise its logs are what to
        look at.
        """
        finished = False
        heard = {each: signal.getsignal(each) for each in ENDS}
        try:
            with ExitStack() as ending, undisturbed_end():
                outcome = self._run(ending)
            finished = outcome.holds
        except KeyboardInterrupt:
            finished = True
            raise
        finally:
            if finished:
                shutil.rmtree(self.folder, ignore_errors=True)
            else:
                self.screen.say(f"Logs and data are kept in {self.folder}")
            for each, handler in heard.items():
                signal.signal(each, handler)
        return outcome

    # --- Before the first sale ------------------------------------------------------

    def _run(self, ending: ExitStack) -> Outcome:
        shop = self._shop()
        kafka = self._kafka(ending)
        # Validated, not read: what the environment says of another Kafka is not meant here.
        settings = Settings.model_validate(
            {"brokers": kafka.bootstrap, "data_dir": self.folder / "state"}
        )
        client, names = settings.client(), Names(settings.tenant)
        self._topics(settings)
        self._shelves(shop, client, names)
        crew = self._crew(ending, settings)
        lag = LagWatcher(LagReader(client, _stages(settings)))
        lag.start()
        ending.callback(lag.stop)
        self._members(shop, client, names, lag)
        watcher = Watcher(client, names, self.codec, self.sent_at, answered=self.replayed.answered)
        watcher.start()
        ending.callback(watcher.stop)
        running = Running(settings, kafka, crew, lag, watcher)

        replay = Replay(
            self.wishes,
            shop,
            currency=self.played.programme.redemption.currency,
            running=running,
            sent_at=self.sent_at,
            replayed=self.replayed,
            codec=self.codec,
            screen=self.screen,
        )
        tally, seconds = replay.run()
        self.figures["play_seconds"] = round(seconds, 3)

        self._measure(running, tally)
        self._story(shop, settings, watcher)
        books, checks = self._audit(client, names, tally)
        if self.wishes.balances is not None:
            self._balances(books, shop, replay.reached)
        if self.wishes.keep:
            self._keep(settings, crew)
        checks.append(self._local_state(crew, settings))
        points = watcher.figures().points
        return Outcome(tuple(checks), self.figures, points, self.processes)

    def _shop(self) -> Shop:
        if self.wishes.offline:
            return OfflineShop(self.wishes.seed, self.wishes.receipts or RECEIPTS)
        with self.screen.step("Getting the data set") as note:
            found = dataset(self.home)
            note(f"{found.name} in {found.folder}")
        return found

    def _kafka(self, ending: ExitStack) -> EmbeddedKafka:
        with self.screen.step(f"Getting Kafka {KAFKA_VERSION} and checking its checksums"):
            kafka_jars(self.home / "jars")
        kafka = EmbeddedKafka(self.folder / "kafka", home=self.home)
        ending.callback(kafka.stop)
        with self.screen.step("Starting Kafka") as note:
            kafka.start()
            note(f"it answers at {kafka.bootstrap}")
        return kafka

    def _topics(self, settings: Settings) -> None:
        with self.screen.step("Creating the topics of the plan") as note:
            planned = full_plan(settings)
            broker.apply(planned, AdminClient(dict[str, Any](settings.client())))
            schemas = {topic.schema for topic in planned if topic.schema is not None}
            note(f"{len(planned)} topics, {len(schemas)} schemas under their committed ids")

    def _shelves(self, shop: Shop, client: Mapping[str, str], names: Names) -> None:
        shelves = Shelves(client, names, self.codec)
        with self.screen.step("Publishing programme, campaigns and stores") as note:
            shelves.programme(self.played.programme, at=OPENED_AT)
            campaigns = shelves.campaigns(self.played.campaigns, at=OPENED_AT)
            stores = shop.stores()
            shelves.stores(stores)
            note(f"{campaigns} campaigns, {len(stores)} stores")
        with self.screen.step("Publishing the products") as note:
            shelves.products(shop.products(), lambda count: note(f"{count:,}"))

    def _crew(self, ending: ExitStack, settings: Settings) -> Crew:
        environment = {
            "LOYALTY_BROKERS": settings.brokers,
            "LOYALTY_TENANT": settings.tenant,
            "LOYALTY_PARTITIONS": str(settings.partitions),
            "LOYALTY_DATA_DIR": str(settings.data_dir),
        }
        crew = Crew(APPS, folder=self.folder / "logs", environment=environment)
        ending.callback(crew.stop)
        with self.screen.step("Starting the workers") as note:
            crew.start()
            crew.await_ready()
            note(", ".join(worker.app for worker in crew.workers))
        return crew

    def _members(
        self, shop: Shop, client: Mapping[str, str], names: Names, lag: LagWatcher
    ) -> None:
        with self.screen.step("Registering the members") as note:
            members = shop.members()
            Shelves(client, names, self.codec).members(registration(each) for each in members)
            await_quiet(lag)
            note(f"{len(members):,}, each with a phone and a card")

    # --- Afterwards -----------------------------------------------------------------

    def _measure(self, running: Running, tally: Tally) -> None:
        watcher, kafka, crew = running.watcher, running.kafka, running.crew
        figures = watcher.figures()
        seconds = self.figures["play_seconds"] or 0
        documents = len(tally.ids())
        first = watcher.first_bonus_at
        self.figures |= {
            "receipts": documents,
            "records": tally.records,
            "receipts_per_second": round(documents / seconds, 1) if seconds else None,
            "till_to_bonus_p50_ms": None if figures.p50_ms is None else round(figures.p50_ms, 1),
            "till_to_bonus_p99_ms": None if figures.p99_ms is None else round(figures.p99_ms, 1),
            "first_bonus_seconds": None if first is None else round(first - self.began, 1),
            "notifications": figures.notifications,
            "dead_letters": figures.letters,
            "workers_killed": crew.kills,
        }
        for worker in crew.workers:
            cpu, memory = worker.usage()
            self.processes[worker.app] = {
                "cpu_seconds": cpu,
                "peak_kb": memory,
                "starts": worker.starts,
            }
        if kafka.pid is not None:
            cpu, memory = usage(kafka.pid)
            self.processes["kafka"] = {"cpu_seconds": cpu, "peak_kb": memory, "starts": 1}

    def _story(self, shop: Shop, settings: Settings, watcher: Watcher) -> None:
        """Tell of the member who had most to do with the shop; of equals the first by id."""
        by_account = watcher.by_account
        if not by_account:
            return
        account = min(by_account, key=lambda each: (-by_account[each], each))
        programme = self.played.programme
        teller = Teller(
            titles={
                each.campaign: each.titles.get("en") or each.titles.get("") or each.campaign
                for each in self.played.campaigns
            },
            products=shop.products,
            zone=programme.zoneinfo,
            exponent=programme.exponent,
            settled_changelog=changelog_topic(
                app_of("settle", settings).app_id, "settle", SETTLED.name
            ),
        )
        with LogReader(settings.client()) as log:
            lines = teller.tell(log, self.codec, Names(settings.tenant), account)
        self.screen.say()
        for line in lines:
            self.screen.say(line)
        self.screen.say()

    def _audit(
        self, client: Mapping[str, str], names: Names, tally: Tally
    ) -> tuple[Books, list[Check]]:
        with self.screen.step("Reconciling from the topics alone") as note:
            auditor = Auditor(
                client,
                names,
                self.codec,
                progress=lambda topic, count: note(f"{topic}, {count:,} records read"),
            )
            report = auditor.audit()
            note(f"{auditor.books.results:,} results")
        return auditor.books, [everything_arrived(auditor.books, tally), *report.checks]

    def _balances(self, books: Books, shop: Shop, at_ms: EpochMs) -> None:
        assert self.wishes.balances is not None
        households = {each.account: each.household for each in shop.members()}
        rows = write_balances(self.wishes.balances, books.snapshots, households, at=at_ms)
        self.screen.say(f"✓ {rows:,} balances are in {self.wishes.balances}")

    def _local_state(self, crew: Crew, settings: Settings) -> Check:
        with self.screen.step("Stopping the workers and comparing their state") as note:
            codes = crew.stop()
            note(", ".join(f"{name} {code}" for name, code in codes.items()))
            apps = tuple(app_of(name, settings) for name in APPS)
            return local_state_is_changelog(settings.client(), settings.data_dir, apps)

    def _keep(self, settings: Settings, crew: Crew) -> None:
        say = self.screen.say
        say("\nEverything goes on running until Ctrl-C.  In another terminal:")
        say(f"  export LOYALTY_BROKERS={settings.brokers}")
        say("  ./loyalty tail bonuses          # results as they come")
        say("  ./loyalty members explain ID    # a balance, lot by lot")
        say("  ./loyalty receipts show ID      # what became of a receipt")
        say(f"  kcat -b {settings.brokers} -L    # or any Kafka tool, read_committed")
        for worker in crew.workers:
            say(f"  {worker.app}: http://127.0.0.1:{worker.port}/ready and /metrics")
        say(f"  logs: {self.folder / 'logs'}")
        self.kept()


def everything_arrived(books: Books, tally: Tally) -> Check:
    """
    Compare what the tills sent with what the topics hold, as an auditor has read them.

    It is the one check that knows the tills' own tally: a record that Kafka lost would be
    missing from a reconciliation of topics alone.
    """
    sent, arrived = tally.ids(), set(books.receipts)
    broken = tally.broken.total()
    problems = [f"{each}: sent and not in the topic" for each in sorted(sent - arrived)]
    problems += [f"{each}: in the topic and never sent" for each in sorted(arrived - sent)]
    records = books.receipts.total() + books.unreadable
    if records != tally.records:
        problems.append(f"{tally.records} records sent, {records} in the topic")
    if books.letters != broken:
        problems.append(f"{broken} broken records sent, {books.letters} dead letters")
    return checked(
        "what the tills sent is what the topic holds",
        {
            "records": tally.records,
            "sent again": tally.duplicates.total(),
            "contradicted": tally.conflicts.total(),
            "broken": broken,
        },
        problems,
    )


def usage(pid: int) -> tuple[float, int]:
    """Give CPU seconds and peak memory in kB of a process; zeros where it cannot be read."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0, 0
    ticks = int(fields[11]) + int(fields[12])
    peaks = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return ticks / 100, int(peaks[0]) if peaks else 0


def _stages(settings: Settings) -> tuple[Stage, ...]:
    apps = [app_of(name, settings) for name in APPS]
    return tuple(
        Stage(stage.name, app.app_id, stage.sources) for app in apps for stage in app.stages
    )


@contextmanager
def undisturbed_end() -> Iterator[None]:
    """
    Let nobody interrupt what comes after the block: it is short, and ends what was started.

    Whoever uses it gives the signals their handlers back.
    """
    try:
        yield
    finally:
        for each in ENDS:
            signal.signal(each, signal.SIG_IGN)


def wait_for_interrupt() -> None:
    """Wait until somebody presses Ctrl-C, and take that as the end of waiting."""
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        return
