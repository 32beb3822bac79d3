"""What an operator is told: who is stuck, and who merely had nothing to do."""

import time
import urllib.request
from types import SimpleNamespace

import pytest

from streams.engine import AppDeclaration, Engine, EngineSettings, Stage
from streams.engine.health import HealthServer
from streams.engine.shard import Shard
from streams.engine.suspects import Suspects

HOUR = 3600.0


class Watched:
    """An engine with one running shard that has read *position* of a log that ends at *end*."""

    def __init__(self, tmp_path):
        stage = Stage("count", ("words",), lambda _: None)
        self.engine = Engine(
            AppDeclaration("toy", (stage,)), EngineSettings(brokers="", data_dir=tmp_path)
        )
        self.end = 5
        self.shard = Shard(SimpleNamespace(suspects=lambda _: Suspects(None)), stage, 0)
        self.shard.begin_at({"words": 5})
        self.shard.state = "running"
        self.engine._teams = [SimpleNamespace(shards={0: self.shard}, settle=lambda: None)]
        self.engine._app = SimpleNamespace(
            consumer=SimpleNamespace(highwater=lambda _: self.end), should_stop=False
        )

    async def tend(self):
        """Let the engine look after its shards once."""
        with pytest.raises(EndedError):
            await self.engine._tend()


class EndedError(Exception):
    """The test's own end of an endless loop."""


@pytest.fixture
def watched(tmp_path, monkeypatch):
    """Make an engine whose loop comes round once and is ended."""
    rounds = []

    async def sleep(_):
        rounds.append(None)
        if len(rounds) % 2 == 0:
            raise EndedError

    monkeypatch.setattr("streams.engine.engine.asyncio.sleep", sleep)
    return Watched(tmp_path)


async def test_a_shard_with_lag_and_without_progress_is_stuck(watched):
    """It is named, so that somebody looks at it."""
    watched.end = 6
    watched.shard.progress_at -= HOUR

    assert watched.engine.health().stuck == ("count-0",)


async def test_the_first_record_after_a_quiet_hour_makes_nobody_stuck(watched):
    """The hour was quiet, and that isn't the shard's fault."""
    watched.shard.progress_at -= HOUR
    await watched.tend()
    watched.end = 6

    assert watched.engine.health().stuck == ()


async def test_a_shard_with_lag_is_not_excused_by_being_looked_after(watched):
    """Only progress excuses it."""
    watched.end = 6
    watched.shard.progress_at -= HOUR
    await watched.tend()

    assert watched.engine.health().stuck == ("count-0",)


async def test_going_past_markers_is_progress_and_no_commit_of_records(watched):
    """An operator reads the last commit as the last receipt."""
    committed_at = watched.shard.last_commit_at = time.monotonic() - HOUR
    watched.shard.progress_at -= HOUR
    watched.shard.advance({"words": 6}, 0)

    assert watched.shard.last_commit_at == committed_at
    assert time.monotonic() - watched.shard.progress_at < HOUR


async def test_a_loop_that_no_longer_comes_round_is_stuck(watched):
    """Nobody would take or commit anything, whatever the shards say."""
    await watched.tend()
    watched.engine._tended_at -= HOUR

    assert watched.engine.health().stuck == ("event loop",)


def test_metrics_tell_of_transactions_restores_and_aborts(watched):
    """Each has a name that a dashboard may rely on."""
    watched.shard._note_restore(7, 3)
    watched.shard.aborts = 2
    server = HealthServer(watched.engine.health, host="127.0.0.1", port=0)
    server.start()
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    server.stop()

    labels = '{app="toy",shard="count-0"}'
    assert f"loyalty_shard_restored_records{labels} 7.0" in lines
    assert f"loyalty_shard_restore_left_offsets{labels} 3.0" in lines
    assert f"loyalty_shard_aborted_total{labels} 2.0" in lines
    assert "# TYPE loyalty_transaction_seconds histogram" in lines
