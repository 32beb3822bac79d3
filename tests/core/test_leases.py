"""Budgets by leases: never more than the total, and in the end all that was wanted of it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.leases import (
    Answered,
    Fill,
    Grant,
    Lease,
    Recall,
    Request,
    answered,
    changed,
    exchanged,
    opened,
    requested,
    slice_of,
    taken,
)


class World:
    """An agent, partitions, and messages on their way: in order a pair, at any time."""

    def __init__(self, total, partitions, *, short="partial", minimum=5):
        self.short = short
        self.leases = [Lease(each) for each in range(partitions)]
        self.to = [[] for _ in self.leases]
        self.back = [[] for _ in self.leases]
        self.fills, self.wanted, self.awarded = {}, 0, 0
        self.numbers = 0
        self.budget, sent = opened(total, partitions, minimum=minimum, short=short)
        self.post(sent)

    def post(self, sent):
        """Put what the agent sent on its way; a fill is awarded once."""
        for message in sent:
            if isinstance(message, Fill):
                if message.request not in self.fills:
                    self.awarded += message.points
                assert self.fills.setdefault(message.request, message) == message
            else:
                self.to[message.partition].append(message)
        assert self.awarded <= self.budget.total

    def want(self, partition, points):
        """Let a receipt want *points*: what the lease gives, and a request for the rest."""
        lease = self.leases[partition]
        now = min(lease.room, points)
        if now < points and self.short == "nothing":
            now = 0
        self.leases[partition] = taken(lease, now)
        self.wanted += points
        self.awarded += now
        if now < points:
            self.numbers += 1
            self.back[partition].append(Request(str(self.numbers), partition, points - now))

    def give_back(self, partition, points):
        """Return *points* that were awarded."""
        points = min(points, self.awarded)
        if points:
            self.leases[partition] = taken(self.leases[partition], -points)
            self.awarded -= points
            self.wanted -= points

    def deliver(self, partition, *, repeat=False):
        """Deliver the oldest message each way; *repeat* leaves it to come again."""
        if self.to[partition]:
            message = self.to[partition][0]
            self.leases[partition], answer = exchanged(self.leases[partition], message)
            self.back[partition].append(answer)
            if not repeat:
                self.to[partition].pop(0)
        if self.back[partition]:
            message = self.back[partition][0]
            take = requested if isinstance(message, Request) else answered
            self.budget, sent = take(self.budget, message)
            self.post(sent)
            if not repeat:
                self.back[partition].pop(0)

    def drain(self):
        """Deliver everything that is on its way, and what follows from it."""
        while any(self.to) or any(self.back):
            for partition in range(len(self.leases)):
                self.deliver(partition)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["want", "want", "deliver", "deliver", "repeat", "return"]),
        st.integers(0, 2),
        st.integers(1, 60),
    ),
    max_size=60,
)


def run(world, steps):
    """Take each step, whatever is on its way meanwhile."""
    for kind, partition, points in steps:
        if kind == "want":
            world.want(partition, points)
        elif kind == "return":
            world.give_back(partition, points)
        else:
            world.deliver(partition, repeat=kind == "repeat")
        assert world.awarded <= world.budget.total
        assert world.budget.free >= 0
    world.drain()


@settings(deadline=None)
@given(st.integers(0, 400), st.sampled_from(["partial", "nothing"]), STEPS)
def test_no_order_of_messages_awards_more_than_the_total(total, short, steps):
    """Repeated and late messages, and returns on another partition than the sale's."""
    world = World(total, 3, short=short)
    run(world, steps)
    assert world.awarded <= total
    assert not world.budget.waiting


@settings(deadline=None)
@given(st.integers(0, 400), STEPS)
def test_what_was_stranded_in_leases_is_awarded_in_the_end(total, steps):
    """Awarded = min(total, wanted), once every request was served and nothing came back."""
    world = World(total, 3)
    run(world, [step for step in steps if step[0] != "return"])
    assert world.awarded == min(total, world.wanted)


def test_a_slice_is_half_of_what_is_free_shared_by_the_partitions():
    """And no smaller than the minimum, unless less is free."""
    budget, sent = opened(1_000, 2, minimum=10, short="partial")
    assert sent == (Grant(0, 1, 250), Grant(1, 1, 187))
    assert slice_of(budget) == 140
    assert slice_of(opened(30, 2, minimum=20, short="partial")[0]) == 0


def test_a_repeated_exchange_is_answered_again_and_changes_nothing():
    """The partition awards on between; its lease does not fall back."""
    lease, answer = exchanged(Lease(0), Grant(0, 1, 100))
    lease = taken(lease, 70)
    assert exchanged(lease, Grant(0, 1, 100)) == (lease, answer)
    lease, answer = exchanged(lease, Recall(0, 2))
    assert (lease.room, answer) == (0, Answered(0, 2, 70))
    assert exchanged(taken(lease, -20), Recall(0, 2))[0].room == 20


@pytest.mark.parametrize(("short", "points"), [("partial", 30), ("nothing", 0)])
def test_an_exhausted_budget_fills(short, points):
    """What is left of it, or nothing; the next one that fits is served."""
    budget, _ = opened(30, 1, minimum=1, short=short)
    budget, sent = answered(budget, Answered(0, 1, 15))
    budget, sent = requested(budget, Request("a", 0, 100))
    assert sent == (Recall(0, 2),)
    budget, sent = requested(budget, Request("b", 0, 1))
    assert sent == ()
    budget, sent = answered(budget, Answered(0, 2, 0))
    left = 30 - points
    assert sent[:2] == (Fill("a", points), Fill("b", min(1, left)))
    assert requested(budget, Request("a", 0, 100)) == (budget, (Fill("a", points),))


def test_a_total_that_falls_below_what_is_lent_calls_everything_in():
    """What was awarded stays; nothing more is lent."""
    budget, _ = opened(100, 2, minimum=1, short="partial")
    for partition in (0, 1):
        budget, _ = answered(budget, Answered(partition, 1, 0))
    budget, sent = changed(budget, 10)
    assert sent == (Recall(0, 2), Recall(1, 2))
    budget, _ = answered(budget, Answered(0, 2, 20))
    budget, sent = answered(budget, Answered(1, 2, 0))
    assert (budget.free, sent) == (-10, ())
    budget, sent = requested(budget, Request("a", 1, 5))
    assert sent == (Recall(0, 3), Recall(1, 3))
    budget, _ = answered(budget, Answered(0, 3, 20))
    assert answered(budget, Answered(1, 3, 0))[1] == (Fill("a", 0),)
