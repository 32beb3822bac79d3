"""
An engine: one worker process of an app.

It checks what it needs, reads the references to their end, joins the group by Faust,
and owns a shard for each partition that the group gives it.
"""

import asyncio
import fcntl
import logging
import secrets
import signal
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any

import faust
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from faust.types import TP
from faust.types.auth import CredentialsT

from streams.engine import faust_parts, heap
from streams.engine.credentials import credentials
from streams.engine.ending import Ending
from streams.engine.failure import (
    RefusedError,
    StateDamagedError,
    UnavailableError,
    exit_refused,
    exit_unacknowledged,
    log,
    place_of,
)
from streams.engine.health import Health, HealthServer, ShardHealth, age
from streams.engine.kafka_cluster import KafkaCluster
from streams.engine.kafka_log import KafkaLog
from streams.engine.record import Record
from streams.engine.references import HeldReference, ReferenceReader
from streams.engine.settings import AppDeclaration, EngineSettings
from streams.engine.shard import Shard
from streams.engine.stage import Stage, changelogs, topics_needed
from streams.engine.standby import Standbys
from streams.engine.store import Memory
from streams.engine.team import Team
from streams.engine.worker_spot import WorkerSpot

ANSWER_S = 20.0
ASK_S = 1.0
"""How long one question may take: in the midst of it no signal is heard."""
NEW_TOPIC_S = 5.0
"""How long a broker may take to hear of a topic that was created by another's hand."""

REQUEST_S, REQUEST_SESSIONS = 15.0, 1.5
"""
How long Faust's consumer waits for one answer, and at least how many sessions.

A connection that leads nowhere any more is found out by nothing else.
"""

TEND_S = 1.0
"""How often idle shards are looked after."""


class Engine:
    """
    One worker of *declared*, in *settings*.

    `run` returns when the process was asked to end; a failure ends the process itself,
    with 70 where a restart helps and 78 where an operator has to look.
    """

    def __init__(self, declared: AppDeclaration, settings: EngineSettings) -> None:
        self.declared = declared
        self.settings = settings
        self.client: dict[str, str | int | float | bool] = {
            "bootstrap.servers": settings.brokers,
            "socket.nagle.disable": True,
            "log_level": 2,
            # Where every broker it knows is away, librdkafka 2.16 would forget them all and
            # begin anew with the bootstrap servers.  What was under way then waits for brokers
            # that it has forgotten, until our deadline.
            "metadata.recovery.strategy": "none",
            **settings.client,
        }
        self._stage_of: dict[str, Stage] = {
            topic: stage for stage in declared.stages for topic in stage.sources
        }
        self.partitions: dict[str, int] = {}
        """Of each topic that is read, as they were at the start."""
        self._teams: list[Team] = []
        self._team_of: dict[tuple[str, int], Team] = {}
        self._writers: dict[str, KafkaLog] = {}
        self._member = ""
        """Its id in the group, in the generation that its teams were opened in."""
        self._worker = settings.instance_id or secrets.token_hex(8)
        self._standbys: Standbys | None = None
        self._opening: asyncio.Future[Any] | None = None
        self._turn = threading.Lock()
        self._closing: list[Team] = []
        """Teams that finish their last round."""
        self._ending = Ending(rounds_s=settings.stop_timeout_s, under_way=self._rounds_under_way)
        self._assigned = False
        self._tended_at = 0.0
        """When the loop last came round; 0 before it has."""
        self._pool = ThreadPoolExecutor(64, "shard")
        self._lock: IO[str] | None = None
        self._app: faust.App | None = None
        self._references: ReferenceReader | None = None
        self._memory: Memory | None = None

    # --- Life ---------------------------------------------------------------------

    def run(self) -> int:
        """Work until SIGTERM or SIGINT; give the exit code."""
        for each in (signal.SIGTERM, signal.SIGINT):
            # Until Faust's worker takes them over.
            signal.signal(each, lambda *_: self.told_to_stop())
        self._own_data_dir()
        self._check_topics()
        shards = sum(self.partitions[stage.sources[0]] for stage in self.declared.stages)
        self._memory = Memory(
            block_cache_bytes=self.settings.block_cache_bytes,
            write_buffer_bytes=self.settings.write_buffer_bytes,
            recent_bytes=self.settings.recent_bytes,
            shards=shards,
        )
        self._references = self._open_references(self._memory)
        health = self._serve_health()
        self._references.start()
        self._references.await_complete(self._ending.begun)
        heap.settle()
        if not self._ending.begun.is_set():
            self._work()
        self._references.stop()
        if health is not None:
            health.stop()
        log.info("stopped", app=self.declared.app_id)
        return 0

    def _open_references(self, memory: Memory) -> ReferenceReader:
        """Open the copies of the references; refuse those of topics that are no longer the same."""
        try:
            reader = ReferenceReader(
                [
                    HeldReference(each, self.settings.data_dir / "references", memory)
                    for each in self.declared.references
                ],
                client=self.client,
                group=f"{self.declared.app_id}-references",
                turn=self._turn,
            )
            if reader.references:
                reader.hold_against(self._cluster())
        except RefusedError as error:
            exit_refused(str(error))
        except (UnavailableError, StateDamagedError) as error:
            exit_unacknowledged("references can't be opened", error=place_of(error))
        return reader

    def _cluster(self) -> KafkaCluster:
        return KafkaCluster(
            client=self.client,
            admin=AdminClient(dict(self.client)),
            group=self.declared.app_id,
            timeout_ms=self.settings.transaction_timeout_ms,
            stopping=self._ending.begun.is_set,
        )

    def _work(self) -> None:
        self._app = self._faust_app()
        worker = faust_parts.EngineWorker(
            self._app,
            told_to_stop=self.told_to_stop,
            loglevel=logging.WARNING,
            override_logging=False,
            redirect_stdouts=False,
            quiet=True,
        )
        try:
            worker.execute_from_commandline()
        except SystemExit as ended:
            if ended.code and not self._ending.in_order:
                cause = self._app.crash_reason
                error = None if cause is None else place_of(cause)
                exit_unacknowledged("the worker failed", code=ended.code, error=error)

    def told_to_stop(self) -> None:
        """Begin no more rounds, and make sure that the process ends in time."""
        self._ending.begin(told=True)
        for team in self._teams:
            team.give_up()

    def fail_in_time(self) -> None:
        """Make sure that the process ends in time, where Faust ends by itself."""
        self._ending.begin(told=False)

    def _rounds_under_way(self) -> bool:
        """Whether something was begun of which it isn't known what became."""
        return any(team.at_work for team in (*self._teams, *self._closing))

    def _own_data_dir(self) -> None:
        self.settings.data_dir.mkdir(parents=True, exist_ok=True)
        self._lock = (self.settings.data_dir / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            exit_refused(
                f"another worker is using {self.settings.data_dir}; give each its own folder"
            )

    def _check_topics(self) -> None:
        """Refuse to start where topics are missing or have other partition counts."""
        wanted = [*self._stage_of, *(each.topic for each in self.declared.references)]
        known = self._topics(wanted)
        missing = [topic for topic in wanted if topic not in known]
        if missing:
            exit_refused(f"topics are missing: {', '.join(missing)}; create them first")
        self.partitions = {topic: len(known[topic].partitions) for topic in wanted}
        for need in topics_needed(self.declared.app_id, self.declared.stages, self.partitions):
            if need.name not in known:
                exit_refused(f"topic {need.name} is missing; create it first")
            found = len(known[need.name].partitions)
            if found != need.partitions:
                exit_refused(f"topic {need.name} has {found} partitions, not {need.partitions}")

    def _topics(self, wanted: Sequence[str]) -> Mapping[str, Any]:
        """Ask for all topics, again while one of *wanted* may be too new to be known everywhere."""
        admin, began = AdminClient(dict(self.client)), time.monotonic()
        while True:
            waited = time.monotonic() - began
            try:
                known = admin.list_topics(timeout=ASK_S).topics
            except KafkaException as error:
                if waited > ANSWER_S:
                    exit_unacknowledged("the broker doesn't answer", error=error.args[0].name())
                continue
            if all(topic in known for topic in wanted) or waited > NEW_TOPIC_S:
                return known
            time.sleep(0.2)

    # --- Faust --------------------------------------------------------------------

    def _faust_app(self) -> faust.App:
        settings = self.settings
        app: Any = faust.App(
            self.declared.app_id,
            broker=[f"kafka://{each.strip()}" for each in settings.brokers.split(",")],
            broker_credentials=self._credentials(),
            datadir=str(settings.data_dir / "faust"),
            store="memory://",
            web_enabled=False,
            topic_allow_declare=False,
            topic_disable_leader=True,
            stream_wait_empty=False,
            # Without a standby Faust takes a plain round robin, which would part the
            # topics of a stage; with one its own assignor keeps equal partitions together.
            table_standby_replicas=1,
            broker_session_timeout=settings.session_timeout_s,
            broker_heartbeat_interval=max(settings.session_timeout_s / 5, 0.5),
            broker_request_timeout=max(settings.session_timeout_s * REQUEST_SESSIONS, REQUEST_S),
            broker_max_poll_records=settings.buffer_records,
            consumer_auto_offset_reset="earliest",
            consumer_group_instance_id=settings.instance_id,
            TableManager=faust_parts.EngineTables,
            PartitionAssignor=faust_parts.EngineAssignor,
        )
        app.engine = self
        app.transport.Consumer = faust_parts.EngineConsumer
        for topic in self._stage_of:
            self._subscribe(app, topic)
        app.task(self._tend)
        made: faust.App = app
        return made

    def _credentials(self) -> CredentialsT | None:
        try:
            return credentials(self.client)
        except (ValueError, OSError) as error:
            exit_refused(f"the connection's settings can't be used: {error}")

    @staticmethod
    def _subscribe(app: faust.App, topic: str) -> None:
        """Tell Faust's assignor of *topic*; its records never reach this agent."""
        channel = app.topic(topic, key_type=bytes, value_type=bytes, value_serializer="raw")

        async def unused(stream: Any) -> None:
            async for _ in stream:
                pass

        app.agent(channel, name=f"engine-{topic}")(unused)

    def deliver(self, topic: str, partition: int, records: Sequence[Record]) -> None:
        """Give records that were fetched to their shard; without one they come again."""
        team = self._team_of.get((self._stage_of[topic].name, partition))
        if team is not None and team.shards[partition].state == "running":
            team.feed(partition, records)

    @property
    def _shards(self) -> list[Shard]:
        return [shard for team in self._teams for shard in team.shards.values()]

    def expected(self) -> dict[tuple[str, int], int]:
        """Give for each source partition of an open shard the offset it waits for."""
        assigned = self._app.consumer.assignment() if self._app is not None else set()
        return {
            (topic, shard.partition): offset
            for shard in self._shards
            if shard.state == "running"
            for topic, offset in shard.expected.items()
            if (topic, shard.partition) in assigned
        }

    async def open_teams(self, assignment: Iterable[TP]) -> None:
        """Open a shard for every partition of *assignment*, all at once."""
        assert self._app is not None
        await self.close_teams()
        if self._ending.begun.is_set():
            return
        spot = self._spot()
        membership = faust_parts.membership(self._app.consumer, self.declared.app_id)
        self._member = membership.member
        self._teams = [
            Team(
                spot,
                stage,
                partitions,
                writer=self._writer(writer, stage),
                membership=membership,
            )
            for writer, (stage, partitions) in self._grouped(assignment).items()
        ]
        self._team_of = {
            (team.stage.name, partition): team for team in self._teams for partition in team.shards
        }
        opening = [team.open() for team in self._teams]
        self._opening = asyncio.ensure_future(asyncio.gather(*opening))
        # A rebalance cancels whoever waits here; the opening itself is waited for later.
        await asyncio.shield(self._opening)
        self._assigned = True
        self._standbys = Standbys(spot, self._places(self._app.assignor.assigned_standbys()))
        self._standbys.start()

    def _grouped(self, assignment: Iterable[TP]) -> dict[str, tuple[Stage, list[int]]]:
        """Say which partitions share a writer, by its transactional id."""
        grouped: dict[str, tuple[Stage, list[int]]] = {}
        for stage, partition in self._places(assignment):
            writer = f"{self.declared.app_id}-{stage.name}-{self._worker}"
            if self.settings.writer_per == "shard":
                writer += f"-{partition}"
            grouped.setdefault(writer, (stage, []))[1].append(partition)
        return grouped

    def _places(self, assignment: Iterable[TP]) -> list[tuple[Stage, int]]:
        """Give stage and partition of each shard that reads some of *assignment*, in order."""
        places = {
            (self._stage_of[each.topic].name, each.partition): self._stage_of[each.topic]
            for each in assignment
            if each.topic in self._stage_of
        }
        return [(places[name, partition], partition) for name, partition in sorted(places)]

    def _writer(self, transactional_id: str, stage: Stage) -> KafkaLog:
        """Give a writer of this process; it is made once and outlives rebalances."""
        if transactional_id not in self._writers:
            self._writers[transactional_id] = KafkaLog(
                client=self.client,
                transactional_id=transactional_id,
                timeout_ms=self.settings.transaction_timeout_ms,
                changelogs=changelogs(self.declared.app_id, stage),
                call_timeout_s=self.settings.call_timeout_s,
            )
        return self._writers[transactional_id]

    async def close_teams(self) -> None:
        """Finish running rounds and let go of every shard."""
        teams = self._teams
        self._closing = [*self._closing, *teams]
        self._teams, self._team_of = [], {}
        self._assigned = False
        standbys, self._standbys = self._standbys, None
        for team in teams:
            team.give_up()
        if self._opening is not None:
            await asyncio.gather(self._opening, return_exceptions=True)
            self._opening = None
        await asyncio.gather(*(team.close() for team in teams))
        self._closing = [each for each in self._closing if each not in teams]
        if standbys is not None:
            await asyncio.get_running_loop().run_in_executor(self._pool, standbys.stop)

    def hold_membership(self) -> None:
        """
        End the process if the group threw it out while it held partitions.

        It was frozen or cut off, and others have gone on with them.  The broker refuses what
        it still has in hand; a new process has nothing in hand.
        """
        assert self._app is not None
        if not self._teams or self._ending.begun.is_set():
            return
        if faust_parts.membership(self._app.consumer, self.declared.app_id).member != self._member:
            exit_unacknowledged("the group went on without this worker")

    def _spot(self) -> WorkerSpot:
        assert self._memory is not None
        assert self._references is not None
        return WorkerSpot(
            app_id=self.declared.app_id,
            settings=self.settings,
            client=self.client,
            admin=AdminClient(dict(self.client)),
            memory=self._memory,
            references=self._references.references,
            turn=self._turn,
            pool=self._pool,
            flow=self._flow,
        )

    def _flow(self, topic: str, partition: int, on: bool) -> None:  # noqa: FBT001 - see Flow
        """Pause or resume the fetching of a partition; called by shards, in the loop."""
        assert self._app is not None
        consumer = self._app.consumer
        place = faust_parts.tp(topic, partition)
        if on:
            consumer.on_buffer_drop(place)
        else:
            consumer.on_buffer_full(place)

    async def _tend(self) -> None:
        """Commit past the markers that stand behind the last record of idle shards."""
        assert self._app is not None
        while not self._app.should_stop:
            await asyncio.sleep(TEND_S)
            self._tended_at = time.monotonic()
            for team in self._teams:
                team.settle()
            for shard in self._shards:
                # What comes after a quiet hour hasn't waited for an hour.
                if not self._lag(shard):
                    shard.progress_at = self._tended_at

    def note_read(self) -> None:
        """Note for every shard how far its sources are read; see EngineConsumer."""
        assert self._app is not None
        for shard in self._shards:
            for topic in shard.stage.sources:
                at = faust_parts.fetched_to(self._app.consumer, topic, shard.partition)
                if at is not None and shard.state == "running":
                    shard.read_to[topic] = at

    # --- Health -------------------------------------------------------------------

    def _serve_health(self) -> HealthServer | None:
        if self.settings.health_port is None:
            return None
        server = HealthServer(self.health, host="127.0.0.1", port=self.settings.health_port)
        server.start()
        log.info("health served", app=self.declared.app_id, port=server.port)
        return server

    def health(self) -> Health:
        """Say how the worker is; may be called from any thread."""
        references = self._references
        shards = tuple(self._shard_health(each) for each in self._shards)
        missing = []
        if references is None or not references.complete:
            missing.append("references are being read")
        else:
            held = references.references.values()
            missing += [f"reference {each.declared.name} is too old" for each in held if each.stale]
        if not self._assigned:
            missing.append("no partitions have been assigned yet")
        missing += [
            f"shard {each.name} is {each.state}"
            + (f", {each.restore_left} offsets left" if each.restore_left else "")
            for each in shards
            if each.state != "running"
        ]
        late = self.settings.stuck_after_s
        stuck = [
            each.name for each in self._shards if self._lag(each) and age(each.progress_at) > late
        ]
        if self._tended_at and age(self._tended_at) > late:
            stuck.append("event loop")
        offsets: Mapping[str, HeldReference] = {} if references is None else references.references
        return Health(
            app=self.declared.app_id,
            missing=tuple(missing),
            stuck=tuple(stuck),
            shards=shards,
            standbys=() if self._standbys is None else self._standbys.health,
            references={name: each.offset for name, each in offsets.items()},
        )

    def _shard_health(self, shard: Shard) -> ShardHealth:
        return ShardHealth(
            name=shard.name,
            state=shard.state,
            lag=self._lag(shard),
            buffered=shard.buffered,
            batches=shard.batches,
            records=shard.records,
            last_batch=shard.last_batch,
            last_transaction_s=shard.last_transaction_s,
            aborted=shard.aborts,
            quarantined=shard.quarantined,
            restored=shard.restored,
            restore_left=shard.restore_left,
            since_commit_s=age(shard.last_commit_at),
        )

    def _lag(self, shard: Shard) -> int:
        """Sum what stands behind the committed position, by the ends that fetches report."""
        if self._app is None:
            return 0
        behind = 0
        for topic in shard.stage.sources:
            end = self._app.consumer.highwater(faust_parts.tp(topic, shard.partition))
            if end is not None:
                behind += max(0, end - shard.position.get(topic, 0))
        return behind
