"""
The writer of accounts, which writes anew only what has changed since.

Every result is followed by the snapshot it leads to, and a snapshot holds every lot: to
write it from nothing is most of what a receipt costs, though it differs from the one
before by a few lots and a sale.  So what was written of an account last is kept, item by
item.  What comes out is what `outputs.account_bytes` gives, whatever is remembered.
"""

from collections.abc import Callable, Iterable
from typing import Any

from msgspec import Struct

from schemas.codec import Codec
from schemas.encoding import Written
from streams.core.account import CommittedHold, Counter, Debt, Status, TierFloor
from streams.core.receipt import EpochMs
from streams.core.result import Balance
from streams.core.snapshot import Snapshot

# A lot takes some 200 bytes here.  Less would forget a busy shop's members between visits.
REMEMBERED_ITEMS = 200_000
# How many items may have come or gone at one place before the rest is written anew.
LOOKED_AHEAD = 8
RUN = 16
# The arrays that grow with an account's history.
LONG = ("lots", "qualifying", "recent")

Items = tuple[Any, ...]
WriteItems = Callable[[Iterable[Any]], Written]


class _Snapshot(Struct, frozen=True):
    """The fields of `Snapshot`, the long ones written."""

    account: str
    version: int
    chain: str
    mark: EpochMs | None
    status: Status
    tier: str | None
    balances: tuple[Balance, ...]
    lots: Written
    debts: tuple[Debt, ...]
    qualifying: Written
    tier_floor: TierFloor | None
    counters: tuple[Counter, ...]
    recent: Written
    holds: tuple[CommittedHold, ...]
    merged_into: str | None


class _Last(Struct, frozen=True):
    """The long fields of an account, as values and as bytes, when it was last written."""

    values: tuple[Items, ...]
    written: tuple[Written, ...]
    size: int


NEVER = _Last(((),) * len(LONG), (Written(),) * len(LONG), 0)


class SnapshotWriter:
    """
    The writer of one process; of all accounts it remembers the latest, up to a bound.

    Args:
        codec: Of the registry's ids.
        remembered: How many items of all accounts may be kept.
    """

    def __init__(self, codec: Codec, remembered: int = REMEMBERED_ITEMS) -> None:
        self._codec = codec
        self._most = remembered
        self._write = tuple(codec.items("Account", name) for name in LONG)
        self._last: dict[str, _Last] = {}
        self._size = 0

    def bytes_of(self, snapshot: Snapshot) -> bytes:
        """
        Write a record of the accounts topic; key it by account.

        Raises:
            CodecError: UNENCODABLE or TOO_LARGE.
        """
        values = (snapshot.lots, snapshot.qualifying, snapshot.recent)
        last = self._last.pop(snapshot.account, NEVER)
        self._size -= last.size
        lots, qualifying, recent = written = tuple(
            rewritten(before, kept, now, write)
            for before, kept, now, write in zip(
                last.values, last.written, values, self._write, strict=True
            )
        )
        value = self._codec.encode(
            "Account",
            _Snapshot(
                account=snapshot.account,
                version=snapshot.version,
                chain=snapshot.chain,
                mark=snapshot.mark,
                status=snapshot.status,
                tier=snapshot.tier,
                balances=snapshot.balances,
                lots=lots,
                debts=snapshot.debts,
                qualifying=qualifying,
                tier_floor=snapshot.tier_floor,
                counters=snapshot.counters,
                recent=recent,
                holds=snapshot.holds,
                merged_into=snapshot.merged_into,
            ),
        )
        self._remember(snapshot.account, _Last(values, written, sum(map(len, written))))
        return value

    def _remember(self, account: str, last: _Last) -> None:
        self._last[account] = last
        self._size += last.size
        while self._size > self._most:
            oldest = next(iter(self._last))
            self._size -= self._last.pop(oldest).size


def rewritten(before: Items, kept: Written, now: Items, write: WriteItems) -> Written:
    """
    Write *now*, and take from *kept* what is as it was *before*.

    Long runs of equal items are compared and copied as a whole.  An item is found again
    where few have come, gone or changed in front of it.
    """
    found = Written()
    i = j = 0
    while j < len(now):
        same = _same(before, i, now, j)
        found += kept[i : i + same]
        i += same
        j += same
        if i == len(before):
            found += write(now[j:])
            break
        if j < len(now):
            gone, new = _step(before, i, now, j)
            found += write(now[j : j + new])
            i += gone
            j += new
    return found


def _same(before: Items, i: int, now: Items, j: int) -> int:
    """Count how many items from *i* and *j* on are equal; comparing one to itself is fast."""
    start, size = i, RUN
    while True:
        run = before[i : i + size]
        if not run or run != now[j : j + len(run)]:
            break
        i += len(run)
        j += len(run)
        size *= 2
    while size > 1:
        size //= 2
        run = before[i : i + size]
        if run and run == now[j : j + len(run)]:
            i += len(run)
            j += len(run)
    return i - start


def _step(before: Items, i: int, now: Items, j: int) -> tuple[int, int]:
    """Say how many items of *before* are gone and how many of *now* are new, at a difference."""
    for ahead in range(1, LOOKED_AHEAD):
        if now[j + ahead : j + ahead + 1] == before[i : i + 1]:
            return 0, ahead
        if before[i + ahead : i + ahead + 1] == now[j : j + 1]:
            return ahead, 0
    return 1, 1
