"""An account opened for one document: what every step of settling writes to.

The core's values are frozen; a book is the one place where they are gathered
while a document is settled, and it is closed into a new account.  It never
leaves the function that opened it.
"""

from collections.abc import Iterable, Iterator
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from streams.core.account import Account, Counter, Debt
from streams.core.limits import current
from streams.core.lots import Lot, end_of
from streams.core.policy import LedgerPolicy
from streams.core.postings import SIDES, Entry, chained
from streams.core.purse import OpenPurse, Purse, SpendingKey
from streams.core.receipt import EpochMs, Points

ISSUED = ("issued", "lot")


class Note(Struct, frozen=True):
    """Something to tell that moves no points: an event's kind and what it is about."""

    kind: Literal["birthday", "limit_reached", "budget_short"]
    code: str
    currency: str | None = None
    points: Points = 0


class Book:
    """
    The account, its lots and debts as they stand, and the entries so far.

    Attributes:
        document: The document being settled.
        at: Its event time.
        origin: The account that the document was keyed to: it earns and owes.
        mark: Greatest event time, this document's included.
        budgets: Points taken from campaign budgets; below 0 given back.
        notes: What happened that no entry tells, in order.
    """

    __slots__ = (
        "_order", "account", "at", "budgets", "counters", "debts", "document", "entries",
        "flags", "lots", "mark", "notes", "origin", "person", "policy",
    )  # fmt: skip

    def __init__(
        self,
        account: Account,
        document: str,
        at: EpochMs,
        policy: LedgerPolicy,
        *,
        origin: str | None = None,
        person: str | None = None,
    ) -> None:
        self.account = account
        self.document = document
        self.at = at
        self.policy = policy
        self.origin = origin or account.id
        self.person = person
        self.mark = at if account.mark is None else max(account.mark, at)
        self.lots = OpenPurse(Purse.of(account.lots))
        self.debts: dict[tuple[str, str], Points] = {
            (debt.currency, debt.origin): debt.points for debt in account.debts
        }
        self.counters: dict[tuple[str, str, str, str], Counter] = {}
        self.entries: list[Entry] = []
        self.flags: list[str] = []
        self.budgets: dict[str, Points] = {}
        self.notes: list[Note] = []
        self._order: list[SpendingKey] | None = None

    # --- Reading ---------------------------------------------------------------

    @property
    def final(self) -> bool:
        """Whether the account is closed or erased for good."""
        return self.account.status in ("closed", "erased")

    def owed(self, currency: str) -> Points:
        """Sum the debts of *currency* over their origins."""
        return sum(points for (each, _), points in self.debts.items() if each == currency)

    def in_spending_order(self) -> Iterator[Lot]:
        """
        Give the lots, as each stands when its turn comes, in spending order.

        Lots credited after the first call are not among them: a document never spends
        what it earns.
        """
        if self._order is None:
            self._order = self.lots.in_spending_order(self.policy.classes)
        for _, _, lot_id in self._order:
            yield self.lots[lot_id]

    # --- Writing ---------------------------------------------------------------

    def post(
        self, kind: str, points: Points, lot: Lot, *, line: int | None = None,
        at: EpochMs | None = None, sides: tuple[str, str] | None = None, origin: str | None = None,
    ) -> None:  # fmt: skip
        """Write an entry of *lot*; dated at the event, by its own origin, unless said."""
        from_, to = sides or SIDES[kind]
        self.entries.append(
            Entry(
                kind, from_, to, points, lot.currency, lot.id, origin or lot.origin,
                self.document, line, self.at if at is None else at, lot.person,
            )
        )  # fmt: skip

    def post_bare(
        self, kind: str, points: Points, currency: str, *, sides: tuple[str, str],
        origin: str, line: int | None = None,
    ) -> None:  # fmt: skip
        """Write an entry without a lot."""
        self.entries.append(
            Entry(
                kind, *sides, points, currency, None, origin, self.document, line, self.at,
                self.person,
            )
        )  # fmt: skip

    def owe(
        self, points: Points, currency: str, *, origin: str, to: str, line: int | None = None
    ) -> None:
        """
        Make a shortage a debt of *origin*; on a closed account it is written off.

        Args:
            points: Above 0.
            currency: Of the points.
            origin: Who owes.
            to: The side that the points were due to: spent or reversed.
            line: The document's line, or None.
        """
        if self.final:
            self.post_bare("writeoff", points, currency, sides=(to, to), origin=origin, line=line)
            return
        key = (currency, origin)
        self.debts[key] = self.debts.get(key, 0) + points
        self.post_bare("debt", points, currency, sides=("debt", to), origin=origin, line=line)

    def credit(self, lot: Lot, kind: str) -> None:
        """Add a new lot, which pays debt at once, even while pending or held."""
        self.lots[lot.id] = lot
        self.post(kind, lot.credited, lot, sides=ISSUED)
        if self.debts:
            self.pay_debt(lot, self.at)

    def pay_debt(self, lot: Lot, at: EpochMs) -> Lot:
        """
        Pay current debt from what remains of *lot*: its origin's first, then by origin.

        Returns:
            The lot afterwards.
        """
        if not self.debts or not lot.remaining:
            return lot
        owing = sorted(
            (origin != lot.origin, origin)
            for currency, origin in self.debts
            if currency == lot.currency
        )
        for _, origin in owing:
            key = (lot.currency, origin)
            paid = min(self.debts[key], lot.remaining)
            if not paid:
                break
            lot = replace(lot, remaining=lot.remaining - paid, repaid=lot.repaid + paid)
            self.post("repay", paid, lot, at=at, origin=origin)
            if paid == self.debts[key]:
                del self.debts[key]
            else:
                self.debts[key] -= paid
        self.lots[lot.id] = lot
        return lot

    def expire(self, lots: Iterable[Lot] | None = None) -> None:
        """
        End every lot that ended by the mark, by (end, id).

        Each pays current debt first; what remains expires, dated at the lot's end.
        """
        mark = self.mark
        ended = (
            self.lots.ended(mark)
            if lots is None
            else [lot for lot in lots if lot.remaining and end_of(lot) <= mark]
        )
        if not ended:
            return
        for end, lot_id in sorted((end_of(lot), lot.id) for lot in ended):
            self.end(self.lots[lot_id], "expiry", end)

    def end(self, lot: Lot, kind: str, at: EpochMs) -> None:
        """Pay debt from *lot*, then move the rest to expired."""
        lot = self.pay_debt(lot, at)
        if lot.remaining:
            self.post(kind, lot.remaining, lot, at=at)
            self.lots[lot.id] = replace(lot, remaining=0, expired=lot.expired + lot.remaining)

    def draw(self, lot: Lot, points: Points, kind: str, *, line: int | None = None) -> Lot:
        """
        Take *points*, at most what is drawable, from *lot*: its expired ones last.

        Args:
            lot: As it stands.
            points: Above 0.
            kind: redemption, clawback or adjustment.
            line: The document's line, or None.

        Returns:
            The lot afterwards.
        """
        late = max(0, points - lot.remaining)
        if late:
            self.post("unexpiry", late, lot, line=line)
        moved = {"remaining": lot.remaining + late - points, "expired": lot.expired - late}
        if kind == "redemption":
            lot = replace(lot, spent=lot.spent + points, **moved)
        else:
            lot = replace(lot, reversed=lot.reversed + points, **moved)
        sides = ("lot", "reversed") if kind == "adjustment" else None
        self.post(kind, points, lot, line=line, sides=sides)
        self.lots[lot.id] = lot
        return lot

    # --- Closing ---------------------------------------------------------------

    def close(self, account: Account) -> Account:
        """
        Make the new account: one version on, its chain extended by the entries.

        Args:
            account: With all that the book does not keep: status, qualifying, facts.
        """
        version = account.version + 1
        chain = chained(
            account.chain,
            account=account.id,
            version=version,
            document=self.document,
            entries=self.entries,
        )
        return self._with(account, version, chain)

    def leave(self, account: Account) -> Account:
        """Give *account* the book's mark, lots, debts and counters; its version stays."""
        return self._with(account, account.version, account.chain)

    def _with(self, account: Account, version: int, chain: str) -> Account:
        return replace(
            account,
            version=version,
            chain=chain,
            mark=self.mark,
            lots=self.lots.closed(self.mark),
            debts=self._debts(),
            counters=current(account.counters, self.counters, self.mark, self.policy),
        )

    def _debts(self) -> tuple[Debt, ...]:
        return tuple(
            Debt(currency, origin, self.debts[currency, origin])
            for currency, origin in sorted(self.debts)
        )

    def credited(self) -> list[Lot]:
        """Give the lots that the document made, as they stand."""
        return list(self.lots.fresh.values())
