"""The simulated broker is as strict as a real one; `test_takeover.py` asks the real one."""

import pytest

from tests.simulation.broker import Broker, BusyError, FencedError, StaleMemberError

PLACE = ("log", 0)


@pytest.fixture
def broker():
    """Make a broker with a log, and the writers `a` and `b`."""
    broker = Broker(["log"], 1)
    assert [broker.start_writer(writer) for writer in "ab"] == [1, 1]
    return broker


def seen(broker):
    """Give what a reader of committed records sees."""
    return [value for _, _, value in broker.fetch(PLACE, 0, 99)[0]]


def deliver(broker):
    """Write all markers."""
    while broker.markers:
        broker.deliver_marker(0)


def test_what_is_committed_behind_an_open_transaction_is_hidden(broker):
    """The true end is behind it, and the stable one before."""
    broker.produce("a", 1, PLACE, [(b"k", b"open")])
    broker.produce("b", 1, PLACE, [(b"k", b"committed")])
    broker.end("b", 1, verdict=True)
    deliver(broker)

    assert seen(broker) == []
    assert (broker.logs[PLACE].stable, len(broker.logs[PLACE].entries)) == (0, 3)
    broker.end("a", 1, verdict=False)
    deliver(broker)
    assert seen(broker) == [b"committed"]


def test_a_commit_is_decided_before_anybody_sees_it(broker):
    """Its markers come later, and its writer can begin nothing before."""
    broker.produce("a", 1, PLACE, [(b"k", b"v")])
    broker.acknowledge("a", 1, None, {PLACE: (1, "")})
    broker.end("a", 1, verdict=True)

    assert seen(broker) == []
    assert broker.pending([PLACE])
    with pytest.raises(BusyError):
        broker.produce("a", 1, PLACE, [(b"k", b"next")])
    deliver(broker)
    assert seen(broker) == [b"v"]
    assert not broker.pending([PLACE])
    assert broker.positions == {PLACE: (1, "")}


def test_a_new_epoch_aborts_what_the_old_one_left_open(broker):
    """And the old one is fenced, whatever it tries."""
    broker.produce("a", 1, PLACE, [(b"k", b"v")])
    with pytest.raises(BusyError):
        broker.start_writer("a")
    deliver(broker)

    assert broker.start_writer("a") > 1
    assert seen(broker) == []
    with pytest.raises(FencedError):
        broker.produce("a", 1, PLACE, [(b"k", b"v")])
    with pytest.raises(FencedError):
        broker.end("a", 1, verdict=True)


def test_what_arrives_after_its_transaction_was_decided_is_dropped(broker):
    """Else it would open one that nobody ends."""
    broker.produce("a", 1, PLACE, [(b"k", b"v")])
    broker.expire("a")
    broker.produce_late("a", 1, PLACE, [(b"k", b"late")])
    deliver(broker)

    assert len(broker.logs[PLACE].entries) == 2
    assert broker.logs[PLACE].open == {}


def test_positions_of_an_older_generation_are_refused(broker):
    """Until the rebalance ends they are taken."""
    group = broker.group
    first = group.join(None, None)
    group.complete(0)
    group.join(None, None)
    group.join(first, None)
    broker.acknowledge("a", 1, (first, 1), {PLACE: (0, "")})
    group.complete(0)

    with pytest.raises(StaleMemberError):
        broker.acknowledge("a", 1, (first, 1), {PLACE: (0, "")})


def test_a_static_member_that_comes_back_takes_its_place_and_nobody_else_notices(broker):
    """Its earlier self is refused, in the same generation."""
    group = broker.group
    old = group.join(None, "w")
    group.complete(0)
    new = group.join(None, "w")

    assert group.settled(new)
    assert group.members[new].partitions == [0]
    broker.acknowledge("b", 1, (new, 1), {PLACE: (0, "")})
    with pytest.raises(StaleMemberError):
        broker.acknowledge("a", 1, (old, 1), {PLACE: (0, "")})


def test_a_rebalance_waits_for_all_who_are_in_the_group(broker):
    """Whoever is silent for too long isn't."""
    group = broker.group
    first = group.join(None, None)
    group.complete(0)
    second = group.join(None, None)

    assert not group.ready
    group.leave(first)
    assert group.ready
    group.complete(0)
    assert group.members[second].partitions == [0]


def test_compaction_keeps_the_last_record_of_a_key(broker):
    """And what an open transaction hides."""
    for value in (b"1", b"2"):
        broker.produce("a", 1, PLACE, [(b"k", value)])
    broker.end("a", 1, verdict=True)
    deliver(broker)
    broker.produce("b", 1, PLACE, [(b"k", b"3")])
    broker.compact(PLACE)

    assert seen(broker) == [b"2"]
