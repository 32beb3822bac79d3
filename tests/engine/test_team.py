"""An idle shard acknowledges what it has read only where nothing can be lost by it."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from streams.engine import EngineSettings, Record, Stage
from streams.engine import team as teams
from streams.engine.suspects import Suspects
from streams.engine.team import Team
from streams.engine.tenure import Membership, portions


class Written:
    """A log that keeps what its transactions acknowledge."""

    transactional_id = "writer"

    def __init__(self):
        self.positions = []

    def introduce(self, topics):
        """Know everybody."""

    def begin(self):
        """Open nothing."""

    def emit(self, outputs):
        """Send nothing."""
        assert not outputs

    def flush(self):
        """Have nothing to wait for."""
        return {}

    def acknowledge(self, position):
        """Keep the position."""
        self.positions.append(dict(position))

    def commit(self):
        """Do nothing more."""


@pytest.fixture
def team(tmp_path):
    """Make a team of two shards that run, without broker and disk."""
    with ThreadPoolExecutor(1) as pool:
        spot = SimpleNamespace(
            suspects=lambda _: Suspects(None),
            app_id="toy",
            settings=EngineSettings(
                brokers="", data_dir=tmp_path, min_interval_ms=0, batch_records_max=4
            ),
            turn=threading.Lock(),
            references={},
            stale=lambda _: [],
            pool=pool,
        )
        stage = Stage("count", ("words",), lambda _: None)
        team = Team(spot, stage, (0, 1), writer=Written(), membership=Membership(b"", "m", None))
        for shard in team.shards.values():
            shard.begin_at({"words": 5})
            shard.state = "running"
        yield team


def record(offset, partition=0):
    """Make a record of `words`."""
    return Record("words", partition, offset, 0, None, None)


async def ran(team, *, rounds):
    """Run the team until it has done *rounds*; give what it acknowledged."""
    task = asyncio.create_task(team._run())
    while len(team._tenure._writer.positions) < rounds:
        assert not task.done()
        await asyncio.sleep(0.001)
    await team.close()
    await task
    return team._tenure._writer.positions


async def test_an_idle_shard_goes_past_the_markers_it_has_read(team):
    """Its lag would stay at one for ever."""
    team.shards[0].read_to = {"words": 6}
    team.settle()

    assert await ran(team, rounds=1) == [{("words", 0): 6}]
    assert team.shards[0].position == {"words": 6}


async def test_a_shard_with_records_to_do_acknowledges_no_more_than_they_are(team):
    """What is read isn't what is done: a crash would lose the rest."""
    team.shards[0].read_to = {"words": 12}
    for offset in range(5, 11):
        team.feed(0, [record(offset)])

    assert (await ran(team, rounds=2))[0] == {("words", 0): 9}


async def test_a_round_takes_idle_shards_past_their_markers_for_nothing(team):
    """It is one transaction all the same."""
    team.shards[1].read_to = {"words": 6}
    team.feed(0, [record(5)])

    assert await ran(team, rounds=1) == [{("words", 0): 6, ("words", 1): 6}]


async def test_an_idle_end_takes_no_committed_offset_back(team):
    """What was noted before the last records is behind them."""
    team.shards[0].read_to = {"words": 6}
    team.feed(0, [record(7)])
    team.settle()

    assert await ran(team, rounds=1) == [{("words", 0): 8}]


async def test_a_long_queue_keeps_no_other_shard_waiting(team):
    """The record of the other shard is in the first round."""
    team.feed(0, [record(offset) for offset in range(5, 100)])
    team.feed(1, [record(5, 1)])

    assert (await ran(team, rounds=1))[0] == {("words", 0): 8, ("words", 1): 6}


@pytest.mark.parametrize(
    ("waiting", "room", "turn", "given"),
    [
        ([3, 1, 0], 10, 0, [3, 1, 0]),
        ([9, 9, 9], 6, 0, [2, 2, 2]),
        ([100, 1, 100], 11, 0, [5, 1, 5]),
        ([9, 9, 9], 2, 0, [1, 1, 0]),
        ([9, 9, 9], 2, 1, [0, 1, 1]),
        ([9, 9, 9], 2, 2, [1, 0, 1]),
        ([], 5, 0, []),
    ],
)
def test_room_is_divided_fairly(waiting, room, turn, given):
    """Nobody waits while there is room, and nobody has more than an equal part of the rest."""
    assert portions(waiting, room, turn=turn) == given


async def test_a_team_works_on_only_when_its_references_are_current(team, monkeypatch):
    """What it was given waits, and isn't lost."""
    monkeypatch.setattr(teams, "STALE_S", 0.01)
    looks = iter(["owners"] * 20)
    team._spot.stale = lambda _: [each for each in [next(looks, None)] if each]
    team.feed(0, [record(5)])

    assert await ran(team, rounds=1) == [{("words", 0): 6}]
    assert next(looks, None) is None
