"""Who owns an identifier, and since when: ledger.md §9.

Every keyed digest has a home account, `home(digest)`, whose single writer keeps
its `Ownership`.  Everybody else reads a published copy of it.  A change of owner
takes effect a minute after it is logged, so that every router has seen it by
then; the first owner ever has been the owner since always.
"""

from msgspec import Struct

from streams.core.receipt import EpochMs

# Long enough for every router to have read a change before it counts.  If this were
# shorter than a router's lag, two routers could send one card to two accounts.
NOTICE_MS = 60_000
HOME_PREFIX = "~"


class Interval(Struct, frozen=True):
    """An owner from *start*, inclusive, to *end*, exclusive; None is without bound."""

    account: str
    person: str | None = None
    start: EpochMs | None = None
    end: EpochMs | None = None


NOBODY = Interval("")  # Who owns a digest that was given up.


class Ownership(Struct, frozen=True):
    """All owners of one digest, in the order of time, never overlapping."""

    digest: str
    intervals: tuple[Interval, ...] = ()


class Claimed(Struct, frozen=True):
    """
    The answer to a claim.

    Attributes:
        ownership: The ownership afterwards; unchanged when refused or repeated.
        code: IDENTIFIER_TAKEN, or None when the claimant owns the digest now.
        first: Whether the digest was never owned before, so that what its home account
            holds belongs to the claimant.
    """

    ownership: Ownership
    code: str | None = None
    first: bool = False


def home(digest: str) -> str:
    """Name the account that keeps what an unregistered *digest* earns."""
    return HOME_PREFIX + digest


def digest_at(account: str) -> str:
    """Give the digest whose home *account* is."""
    return account.removeprefix(HOME_PREFIX)


def is_home(account: str) -> bool:
    """Tell whether *account* belongs to a digest rather than to a registered member."""
    return account.startswith(HOME_PREFIX)


def owner_at(ownership: Ownership | None, at: EpochMs) -> Interval | None:
    """
    Return the owner at the instant *at*, or None when nobody has ever owned the digest.

    Between owners it is NOBODY's: its home account leads to the first owner, who has
    given it up, so that nothing may go there any more.
    """
    if ownership is None or not ownership.intervals:
        return None
    for interval in reversed(ownership.intervals):
        begun = interval.start is None or interval.start <= at
        if begun and (interval.end is None or at < interval.end):
            return interval
    return NOBODY


def claim(ownership: Ownership, *, account: str, person: str | None, at: EpochMs) -> Claimed:
    """
    Decide the claim that *account* lays to a digest in an event dated *at*.

    The owner's own claim repeated changes nothing.  A digest that somebody else owns,
    or has asked to give up but still owns, is refused.
    """
    if not ownership.intervals:
        return Claimed(
            Ownership(ownership.digest, (Interval(account=account, person=person),)), first=True
        )
    last = ownership.intervals[-1]
    if last.end is None or at < last.end - NOTICE_MS:
        code = None if last.account == account else "IDENTIFIER_TAKEN"
        return Claimed(ownership, code)
    start = max(at + NOTICE_MS, last.end)
    renewed = (*ownership.intervals, Interval(account=account, person=person, start=start))
    return Claimed(Ownership(ownership.digest, renewed))


def give_up(ownership: Ownership, *, account: str, at: EpochMs) -> Ownership:
    """
    End what *account* owns of a digest, a minute after *at*.

    Giving up what is not owned changes nothing.
    """
    if not ownership.intervals:
        return ownership
    last = ownership.intervals[-1]
    if last.account != account or last.end is not None:
        return ownership
    ended = Interval(account=last.account, person=last.person, start=last.start, end=at + NOTICE_MS)
    return Ownership(ownership.digest, (*ownership.intervals[:-1], ended))


def forget(ownership: Ownership, *, account: str) -> Ownership:
    """
    Delete that *account* ever owned the digest; without intervals nothing is left to keep.

    Owners before and after it stay.  At the instants in between the digest is nobody's.
    """
    return Ownership(
        ownership.digest,
        tuple(each for each in ownership.intervals if each.account != account),
    )
