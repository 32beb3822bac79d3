"""
A member's account, and why each of its points is there.

The account comes from its snapshot.  What made and moved a lot comes from the results,
each of which names the command that was decided; the goods come from that command.
What one line of a receipt earned under one campaign is in the settle stage's own record
of the receipt, read from its changelog where the reader may.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Literal

from msgspec import Struct

from schemas.codec import Codec
from streams.core.lots import Lot, end_of
from streams.core.ownership import home
from streams.core.receipt import EpochMs, Money, Points, Receipt, Thousandths
from streams.core.result import Balance
from streams.core.snapshot import Snapshot
from streams.core.state import StateError
from streams.engine.record import partition_for
from streams.identifiers import Digester
from streams.reading.log import LogError, Logged, LogReader, Position
from streams.reading.results import Answer, answer_of, receipt_at
from streams.tables import SETTLED
from streams.topics import Names
from streams.wire.outputs import account_from, resolution_from

State = Literal["active", "pending", "held", "ended"]


class Goods(Struct, frozen=True):
    """
    A line that a lot was earned with.

    Attributes:
        amount: Due for it, minor units.
        points: What it earned of the lot; None where only the receipt's sum is known.
    """

    n: int
    sku: str
    qty: Thousandths
    amount: Money
    points: Points | None


class Move(Struct, frozen=True):
    """
    One posting on a lot after it was made.

    Attributes:
        result: Where the result that posted it is.
        command: Where the command that was decided is.
    """

    at: EpochMs
    kind: str
    points: Points
    document: str
    line: int | None
    result: Position
    command: Position | None


class Story(Struct, frozen=True):
    """
    A lot, and where it comes from.

    Attributes:
        state: At the explanation's instant.
        store: Of the receipt that earned it; None where it was no receipt.
        result: Where the result that made it is; None when it is no longer in the log.
        command: Where the command that was decided is.
    """

    lot: Lot
    state: State
    store: str | None
    sold_at: EpochMs | None
    goods: tuple[Goods, ...]
    moves: tuple[Move, ...]
    result_id: str | None
    result: Position | None
    command: Position | None


class Member(Struct, frozen=True):
    """An account as it was published last, and where."""

    snapshot: Snapshot
    position: Position

    def balances(self, at: EpochMs) -> tuple[Balance, ...]:
        """Read the balances as of *at*, in order of currency; lots that ended count no more."""
        held = self.snapshot
        names = {lot.currency for lot in held.lots} | {debt.currency for debt in held.debts}
        found = []
        for name in sorted(names):
            sums: dict[State, int] = {"active": 0, "pending": 0, "held": 0, "ended": 0}
            for lot in held.lots:
                if lot.currency == name:
                    sums[state_of(lot, at)] += lot.remaining
            debt = sum(each.points for each in held.debts if each.currency == name)
            usable = max(0, sums["active"] - debt) if held.status == "open" else 0
            found.append(Balance(name, sums["active"], sums["pending"], sums["held"], debt, usable))
        return tuple(found)


def state_of(lot: Lot, at: EpochMs) -> State:
    """Read a lot's state at *at*: ended wins over held, held over pending."""
    if end_of(lot) <= at:
        return "ended"
    if lot.held:
        return "held"
    return "pending" if at < lot.active_from else "active"


def account_of(
    log: LogReader, codec: Codec, names: Names, digester: Digester, *, kind: str, value: str
) -> str:
    """
    Find the account that owns an identifier now; of an unowned one its home account.

    Raises:
        LogError: If the log cannot be read.
        IdentifierError: If *value* is none.
    """
    digest = digester.digest(kind, value).digest
    key = digest.encode()
    owner: str | None = None
    partition = partition_for(key, log.partitions(names.resolutions))
    for logged in log.to_end([names.resolutions], partitions={partition}):
        if logged.key == key:
            owner = None
            if logged.value is not None:
                intervals = resolution_from(codec, logged.value).intervals
                owner = intervals[-1].account if intervals else None
    return owner or home(digest)


def find(log: LogReader, codec: Codec, names: Names, account: str) -> Member | None:
    """
    Give the latest snapshot of *account*; None when there is none.

    Raises:
        LogError: If the log cannot be read.
    """
    last: Logged | None = None
    for logged in _of_account(log, names.accounts, {account}):
        last = logged
    if last is None or last.value is None:
        return None
    return Member(account_from(codec, last.value), last.position)


def explain(
    log: LogReader,
    codec: Codec,
    names: Names,
    member: Member,
    *,
    settled_changelog: str,
    at: EpochMs,
    ended: bool,
) -> tuple[Story, ...]:
    """
    Tell where the points of *member* come from, in the order in which the lots end.

    Args:
        log: Of the broker.
        codec: With the ids that the values carry.
        names: Of the tenant.
        member: As `find` gave it.
        settled_changelog: Changelog topic of the settle stage's table `settled`.
        at: The instant that "active" and "ended" mean.
        ended: Whether to tell of lots that have ended or are used up, too.

    Raises:
        LogError: If the log cannot be read.
    """
    lots = [
        lot
        for lot in member.snapshot.lots
        if ended or (lot.remaining and state_of(lot, at) != "ended")
    ]
    accounts = {member.snapshot.account} | {lot.origin for lot in lots}
    answers = [
        answer_of(codec, logged)
        for logged in _of_account(log, names.bonuses, accounts)
        if logged.value is not None
    ]
    made = {
        answer.result.document: answer
        for answer in answers
        if answer.result.status == "ok" and answer.result.entries
    }
    shares = _shares(log, settled_changelog, {lot.document for lot in lots}, accounts)
    moves = _moves(answers)
    # Several campaigns pay for one receipt: each is fetched once.
    receipts = {
        document: _receipt(log, codec, made.get(document))
        for document in sorted({lot.document for lot in lots})
    }
    return tuple(
        _story(
            lot,
            state_of(lot, at),
            answer=made.get(lot.document),
            receipt=receipts.get(lot.document),
            shares=shares.get((lot.document, lot.rule)),
            moves=moves.get(lot.id, ()),
        )
        for lot in sorted(lots, key=lambda each: (end_of(each), each.id))
    )


def _receipt(log: LogReader, codec: Codec, answer: Answer | None) -> Receipt | None:
    """Give the receipt that *answer* is of; None where it is of none."""
    if answer is None or answer.command is None or answer.result.kind != "receipt":
        return None
    return receipt_at(log, codec, answer.command)


def _story(
    lot: Lot,
    state: State,
    *,
    answer: Answer | None,
    receipt: Receipt | None,
    shares: Mapping[int, Points] | None,
    moves: tuple[Move, ...],
) -> Story:
    return Story(
        lot=lot,
        state=state,
        store=receipt.store if receipt else None,
        sold_at=answer.result.sold_at if answer else None,
        goods=_goods(lot, receipt, answer, shares),
        moves=moves,
        result_id=answer.result.result_id if answer else None,
        result=answer.position if answer else None,
        command=answer.command if answer else None,
    )


def _of_account(log: LogReader, topic: str, accounts: Collection[str]) -> Iterable[Logged]:
    """Give the records of *topic* under the keys of *accounts*, from their partitions alone."""
    count = log.partitions(topic)
    keys = {account.encode() for account in accounts}
    partitions = {partition_for(key, count) for key in keys}
    return (each for each in log.to_end([topic], partitions=partitions) if each.key in keys)


def _moves(answers: Iterable[Answer]) -> Mapping[str, tuple[Move, ...]]:
    """Gather what results posted on each lot after its credit, in log order."""
    found: dict[str, tuple[Move, ...]] = {}
    for answer in answers:
        for entry in answer.result.entries:
            if entry.lot is None or entry.from_ == "issued":
                continue
            move = Move(
                entry.at,
                entry.kind,
                entry.points,
                entry.document,
                entry.line,
                answer.position,
                answer.command,
            )
            found[entry.lot] = (*found.get(entry.lot, ()), move)
    return found


def _shares(
    log: LogReader, changelog: str, documents: Collection[str], accounts: Collection[str]
) -> dict[tuple[str, str], dict[int, Points]]:
    """Read what each line earned by document and rule; empty where the reader may not."""
    keys = {document.encode(): document for document in documents}
    shares: dict[tuple[str, str], dict[int, Points]] = {}
    try:
        count = log.partitions(changelog)
        partitions = {partition_for(account.encode(), count) for account in accounts}
        for logged in log.to_end([changelog], partitions=partitions):
            if logged.value is None or logged.key not in keys:
                continue
            settled = SETTLED.read(logged.value)
            for award in settled.awards:
                shares[settled.id, award.rule] = dict(award.shares)
    except (LogError, StateError):
        # The changelog is the app's own: a reader without access still gets the sums.
        return {}
    return shares


def _goods(
    lot: Lot, receipt: Receipt | None, answer: Answer | None, shares: Mapping[int, Points] | None
) -> tuple[Goods, ...]:
    """List the lines that earned *lot*, in the order of the receipt."""
    if receipt is None or answer is None or not lot.rule:
        return ()
    if shares is None and len(answer.result.rules) == 1:
        shares = {line.n: line.earned for line in answer.result.lines}
    earning = {line.n for line in answer.result.lines if line.earned}
    goods = []
    for line in receipt.sales:
        points = None if shares is None else shares.get(line.n)
        if points or (shares is None and line.n in earning):
            goods.append(Goods(line.n, line.sku, line.qty, line.amount, points))
    return tuple(goods)
