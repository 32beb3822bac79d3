"""A campaign's budget, shared by partitions through leases: ledger.md §7.

An agent keyed by campaign holds the total and lends slices of it; a partition awards
while its lease has room, without asking anybody.  The agent counts a grant when it
sends it and a surrender when it is answered, so that what is lent and filled never
exceeds the total.  A receipt that a lease fell short of files a request; requests
are served in the order of arrival, and a short one waits until every lease is back.

Messages may be repeated and may be late, but one partition reads its own in order.
Both sides are values: the same input gives the same state and messages again.
"""

from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from streams.core.receipt import Points

SERVED_KEPT = 1_000  # A request is repeated by a replay of the last batch, not of last year's.


class Grant(Struct, frozen=True):
    """The partition's lease goes up to *limit*."""

    partition: int
    seq: int
    limit: Points


class Recall(Struct, frozen=True):
    """The partition gives back what it has not awarded."""

    partition: int
    seq: int


class Answered(Struct, frozen=True):
    """The partition has seen the exchange *seq*; its limit is *limit* now."""

    partition: int
    seq: int
    limit: Points


class Request(Struct, frozen=True):
    """A receipt of *partition* was short of lease by *points*, above 0."""

    id: str
    partition: int
    points: Points


class Fill(Struct, frozen=True):
    """What a request gets, 0 or more: awarded on top of every lease."""

    request: str
    points: Points


Sent = Grant | Recall | Fill


# --- The partition ---------------------------------------------------------------


class Lease(Struct, frozen=True):
    """
    One partition's lease.

    Attributes:
        seq: The last exchange seen.
        limit: Awards less releases may reach it.
        used: Points awarded under the lease, of honoured quotes beyond it.
        released: Points that returns set free.
    """

    partition: int
    seq: int = 0
    limit: Points = 0
    used: Points = 0
    released: Points = 0

    @property
    def room(self) -> Points:
        """Points that can still be awarded."""
        return max(0, self.limit - self.used + self.released)


def exchanged(lease: Lease, message: Grant | Recall) -> tuple[Lease, Answered]:
    """Take a grant or a recall; one seen before is answered again and changes nothing."""
    if message.seq > lease.seq:
        limit = message.limit if isinstance(message, Grant) else lease.used - lease.released
        lease = replace(lease, seq=message.seq, limit=limit)
    return lease, Answered(lease.partition, lease.seq, lease.limit)


def taken(lease: Lease, points: Points) -> Lease:
    """Note *points* awarded, or, below 0, released."""
    if points < 0:
        return replace(lease, released=lease.released - points)
    return replace(lease, used=lease.used + points)


# --- The agent -------------------------------------------------------------------


class Loan(Struct, frozen=True):
    """
    What the agent knows of one partition.

    Attributes:
        seq: The last exchange begun.
        limit: As counted: at sending when it grows, when answered if it falls.
        awaiting: What is in flight, or None.
        back: Whether all that was lent is back since the oldest request waits.
    """

    seq: int = 0
    limit: Points = 0
    awaiting: Literal["grant", "recall"] | None = None
    back: bool = True


class Budget(Struct, frozen=True):
    """
    The agent's state of one campaign.

    Attributes:
        total: Points the campaign may award in all.
        minimum: No slice is smaller, unless less is free.
        short: Whether a request gets what is left of the budget, or nothing then.
        loans: By partition.
        filled: Points awarded by fills.
        waiting: Requests not served yet, in the order of arrival.
        served: The last fills: a repeated request gets the same again.
    """

    total: Points
    minimum: Points
    short: Literal["partial", "nothing"]
    loans: tuple[Loan, ...]
    filled: Points = 0
    waiting: tuple[Request, ...] = ()
    served: tuple[Fill, ...] = ()

    @property
    def free(self) -> Points:
        """Points that are neither lent nor filled."""
        return self.total - self.filled - sum(loan.limit for loan in self.loans)


def opened(
    total: Points, partitions: int, *, minimum: Points = 1, short: Literal["partial", "nothing"]
) -> tuple[Budget, tuple[Sent, ...]]:
    """Open a budget and lend every partition its first slice."""
    budget = Budget(total, minimum, short, (Loan(),) * partitions)
    sent: list[Sent] = []
    for partition in range(partitions):
        budget, granted = _lend(budget, partition)
        sent += granted
    return budget, tuple(sent)


def changed(budget: Budget, total: Points) -> tuple[Budget, tuple[Sent, ...]]:
    """Take another total; where more is lent than it, everything is called in."""
    budget = replace(budget, total=total)
    if budget.free < 0:
        return _call_in(budget)
    return _serve(budget)


def requested(budget: Budget, request: Request) -> tuple[Budget, tuple[Sent, ...]]:
    """Take a request; a repeated one changes nothing, a served one is filled alike again."""
    for fill in budget.served:
        if fill.request == request.id:
            return budget, (fill,)
    if any(each.id == request.id for each in budget.waiting):
        return budget, ()
    first = not budget.waiting
    budget = replace(budget, waiting=(*budget.waiting, request))
    return _serve(_forgotten(budget) if first else budget)


def answered(budget: Budget, answer: Answered) -> tuple[Budget, tuple[Sent, ...]]:
    """Take a partition's answer; one to an older exchange changes nothing."""
    loan = budget.loans[answer.partition]
    if answer.seq != loan.seq or loan.awaiting is None:
        return budget, ()
    if loan.awaiting == "recall":
        loan = replace(loan, limit=answer.limit, back=True)
    budget = _with(budget, answer.partition, replace(loan, awaiting=None))
    return _serve(budget)


def slice_of(budget: Budget) -> Points:
    """Give the size of the next slice: half of what is free is shared by the partitions."""
    share = max(budget.minimum, budget.free // (2 * len(budget.loans)))
    return max(0, min(share, budget.free))


def _serve(budget: Budget) -> tuple[Budget, tuple[Sent, ...]]:
    """Fill what can be filled, in order of arrival, and call in what is missing for the rest."""
    sent: list[Sent] = []
    while budget.waiting:
        request = budget.waiting[0]
        points = request.points
        if budget.free < points:
            if not all(loan.back for loan in budget.loans):
                budget, recalls = _call_in(budget)
                return budget, (*sent, *recalls)
            points = max(0, budget.free) if budget.short == "partial" else 0
        fill = Fill(request.id, points)
        budget = replace(
            budget,
            filled=budget.filled + points,
            waiting=budget.waiting[1:],
            served=(*budget.served[1 - SERVED_KEPT :], fill),
        )
        sent.append(fill)
        budget, granted = _lend(budget, request.partition)
        sent += granted
    return budget, tuple(sent)


def _lend(budget: Budget, partition: int) -> tuple[Budget, tuple[Sent, ...]]:
    """Lend *partition* a slice, unless others wait or an exchange with it is in flight."""
    loan = budget.loans[partition]
    points = slice_of(budget)
    if loan.awaiting is not None or not points or budget.waiting:
        return budget, ()
    loan = Loan(loan.seq + 1, loan.limit + points, "grant", back=False)
    return _with(budget, partition, loan), (Grant(partition, loan.seq, loan.limit),)


def _call_in(budget: Budget) -> tuple[Budget, tuple[Sent, ...]]:
    """Recall every lease that is not back and has no exchange in flight."""
    sent: list[Sent] = []
    for partition, loan in enumerate(budget.loans):
        if loan.awaiting is None and not loan.back:
            called = replace(loan, seq=loan.seq + 1, awaiting="recall")
            budget = _with(budget, partition, called)
            sent.append(Recall(partition, called.seq))
    return budget, tuple(sent)


def _forgotten(budget: Budget) -> Budget:
    """Know of no lease that it is back: returns may have given it room since."""
    return replace(budget, loans=tuple(replace(loan, back=False) for loan in budget.loans))


def _with(budget: Budget, partition: int, loan: Loan) -> Budget:
    loans = (*budget.loans[:partition], loan, *budget.loans[partition + 1 :])
    return replace(budget, loans=loans)
