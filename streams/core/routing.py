"""Where a document goes: the decisions of the route stage (design.md §2).

The registry holds one `Route` a receipt id, for life.  The first thing asked of a
document is its id: the same content takes the stored route again, other content
under the same id is a conflict.  A document with returns visits each original in
line order and parks where an original is unknown.  Every decision is a pure function
of the registry row, the message, and a resolver of identifiers; each may be run again
with the same outcome.
"""

from collections.abc import Callable
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from streams.core.ownership import NOBODY, Interval, home, is_home
from streams.core.policy import UnknownMember
from streams.core.receipt import EpochMs, Identifier, Receipt

DAY_MS = 86_400_000
# How often a document that waits for its member to register is looked at again.
RETRY_MS = 3_600_000
UNMATCHED = "RETURN_UNMATCHED"
MEMBER_UNKNOWN = "MEMBER_UNKNOWN"
PRECEDENCE = ("card", "phone", "email")

# digest, instant → who owns it then
Resolve = Callable[[str, EpochMs], Interval | None]


class Owner(Struct, frozen=True):
    """
    Whose a document or a sold receipt is.

    Attributes:
        key: The account id, or the receipt's id where no member was named: what the
            settle stage is keyed by.
        account: None where no member was named.
        person: The person of a household, when the identifier says so.
        mismatch: Whether two identifiers of the receipt named different accounts.
    """

    key: str
    account: str | None
    person: str | None = None
    mismatch: bool = False


class Visit(Struct, frozen=True):
    """
    A document on its way along the originals it names.

    Attributes:
        own: The owner by the document's own identifiers.
        originals: Ids still to be visited, in the order of first mention.
        owners: The owners found so far: original id, owner.
    """

    receipt: Receipt
    digest: str
    own: Owner
    originals: tuple[str, ...]
    owners: tuple[tuple[str, Owner], ...] = ()


class Route(Struct, frozen=True):
    """
    What the registry keeps for one receipt id.

    Attributes:
        digest: Of the document first seen under this id; None while only returns of it
            have been seen.
        owner: Whose its sold lines are; None until seen, or when it was refused.
        code: The refusal code, when the document was refused here.
        waiting: Documents parked under this id, in the order of arrival.
        nameless: The document itself, while it waits for its member to register.
    """

    digest: str | None = None
    owner: Owner | None = None
    code: str | None = None
    waiting: tuple[Visit, ...] = ()
    nameless: Receipt | None = None


class Part(Struct, frozen=True):
    """
    One owner's part of a document, to be settled under *owner.key*.

    Attributes:
        document: The id that the till gave; `receipt.id` names the part.
        digest: Of the whole document.
        k: Which part, from 1, of *n*.
    """

    receipt: Receipt
    owner: Owner
    document: str
    digest: str
    k: int = 1
    n: int = 1


class Answer(Struct, frozen=True):
    """A result that the route stage gives by itself, without an account."""

    receipt: Receipt
    status: Literal["deferred", "refused", "conflict"]
    code: str
    digest: str | None = None


class Park(Struct, frozen=True):
    """Wake the documents parked under *original* at the instant *at*."""

    original: str
    at: EpochMs


class Ended(Struct, frozen=True):
    """Tell the registry row of *document* that it was refused elsewhere, with *code*."""

    document: str
    code: str


Output = Part | Visit | Answer | Park | Ended


class Step(Struct, frozen=True):
    """A decision: the row to store, and what leaves, in order."""

    route: Route
    outputs: tuple[Output, ...] = ()


def owner_of(receipt: Receipt, resolve: Resolve) -> Owner:
    """
    Find whose *receipt* is by its identifiers: card before phone before e-mail.

    An identifier that nobody has ever owned leads to its home account; one that was given
    up leads to nobody.  The first identifier that somebody owns wins over all others.
    """
    found: list[Owner] = []
    unowned: list[str] = []
    for identifier in _by_precedence(receipt.identifiers):
        interval = resolve(identifier.digest, receipt.sold_at)
        if interval is None:
            unowned.append(identifier.digest)
        elif interval != NOBODY:
            found.append(Owner(interval.account, interval.account, interval.person))
    if found:
        mismatch = any(each.account != found[0].account for each in found)
        return replace(found[0], mismatch=mismatch)
    if unowned:
        account = home(unowned[0])
        return Owner(account, account)
    return Owner(receipt.id, None)


def originals_of(receipt: Receipt) -> tuple[str, ...]:
    """List the receipts that *receipt* gives back from, each once, in order of mention."""
    named = [receipt.void_of] if receipt.void_of is not None else []
    named += [line.of.receipt for line in receipt.returns if line.of is not None]
    return tuple(dict.fromkeys(named))


def hold() -> UnknownMember:
    """Let an account of its own keep what an unregistered identifier earns."""
    return "hold"


def arrive(
    route: Route,
    receipt: Receipt,
    *,
    digest: str,
    code: str | None,
    resolve: Resolve,
    unknown: Callable[[], UnknownMember] = hold,
) -> Step:
    """
    Decide what becomes of a document at its own id.

    Args:
        route: The registry row of the document's id.
        receipt: The document.
        digest: Of the canonical document.
        code: The refusal that the document's form earns, or None.
        resolve: The router's copy of who owns which identifier.
        unknown: The programme's policy, asked where nobody has registered the identifiers.
    """
    if route.digest is not None and route.digest != digest:
        return Step(route, (Answer(receipt, "conflict", "CONFLICT", digest),))
    if route.digest is not None:
        # Seen before: what was decided then holds, however old the document is by now.
        code = route.code
    if code is not None:
        refused = replace(route, digest=digest, code=code)
        return Step(refused, (Answer(receipt, "refused", code, digest),))

    owner = route.owner or owner_of(receipt, resolve)
    route = replace(route, digest=digest)
    if route.owner is None and is_home(owner.key):
        policy = unknown()
        if policy == "park" and _asks_for_member(receipt):
            return _wait_for_member(route, receipt, digest)
        if policy == "anonymous":
            owner = Owner(receipt.id, None)
    return _go_to(route, receipt, digest, owner)


def look_again(route: Route, *, at: EpochMs, park_days: int, resolve: Resolve) -> Step:
    """
    Decide, at a tick, what becomes of a document that waits for its member.

    A registered member gets it as of the sale; after *park_days* × 24 h it is nobody's.
    """
    receipt = route.nameless
    if receipt is None:
        return Step(route)
    owner = owner_of(receipt, resolve)
    if is_home(owner.key):
        if at < receipt.accepted_at + park_days * DAY_MS:
            return Step(route, (Park(receipt.id, at + RETRY_MS),))
        owner = Owner(receipt.id, None)
    return _go_to(route, receipt, route.digest or "", owner)


def _asks_for_member(receipt: Receipt) -> bool:
    """Tell whether anything of *receipt* is the member's own: its returns follow their sale."""
    return bool(receipt.sales) or any(line.of is None for line in receipt.returns)


def _wait_for_member(route: Route, receipt: Receipt, digest: str) -> Step:
    answer = Answer(receipt, "deferred", MEMBER_UNKNOWN, digest)
    if route.nameless is not None:
        return Step(route, (answer,))
    wake = Park(receipt.id, receipt.accepted_at + RETRY_MS)
    return Step(replace(route, nameless=receipt), (answer, wake))


def _go_to(route: Route, receipt: Receipt, digest: str, owner: Owner) -> Step:
    """Send a document on to its originals or its owner, and what waited for it after it."""
    originals = originals_of(receipt)
    if originals:
        onward: tuple[Output, ...] = (Visit(receipt, digest, owner, originals),)
    else:
        onward = (Part(receipt, owner, receipt.id, digest),)
    # Documents that waited for this one follow it at once, in the order of their arrival.
    freed = tuple(output for visit in route.waiting for output in _go_on(visit, receipt.id, owner))
    settled = replace(route, digest=digest, owner=owner, waiting=(), nameless=None)
    return Step(settled, onward + freed)


def visit(route: Route, visitor: Visit, *, park_days: int) -> Step:
    """
    Decide what becomes of *visitor* at the first original it still has to see.

    An original that is unknown, or was refused, parks the document: it is answered
    `deferred`, and woken by the original or by a tick *park_days* × 24 h after its
    acceptance.
    """
    original = visitor.originals[0]
    if route.owner is not None:
        return Step(route, _go_on(visitor, original, route.owner))
    deferred = Answer(visitor.receipt, "deferred", "ORIGINAL_UNKNOWN", visitor.digest)
    if any(each.receipt.id == visitor.receipt.id for each in route.waiting):
        return Step(route, (deferred,))
    parked = replace(route, waiting=(*route.waiting, visitor))
    wake_at = visitor.receipt.accepted_at + park_days * DAY_MS
    return Step(parked, (deferred, Park(original, wake_at)))


def give_up_waiting(route: Route, *, at: EpochMs, park_days: int) -> Step:
    """Refuse, as RETURN_UNMATCHED, each parked document that waited long enough by *at*."""
    overdue = [
        each for each in route.waiting if each.receipt.accepted_at + park_days * DAY_MS <= at
    ]
    kept = tuple(each for each in route.waiting if each not in overdue)
    outputs: list[Output] = []
    for each in overdue:
        outputs.append(Answer(each.receipt, "refused", UNMATCHED, each.digest))
        outputs.append(Ended(each.receipt.id, UNMATCHED))
    return Step(replace(route, waiting=kept), tuple(outputs))


def end(route: Route, *, code: str) -> Step:
    """Note at the document's own id that it was refused with *code*, for its duplicates."""
    return Step(replace(route, code=code))


def _by_precedence(identifiers: tuple[Identifier, ...]) -> list[Identifier]:
    return sorted(identifiers, key=lambda each: PRECEDENCE.index(each.kind))


def _go_on(visitor: Visit, original: str, owner: Owner) -> tuple[Output, ...]:
    """Note the owner of *original* and send the document to the next, or to settle."""
    seen = replace(
        visitor,
        originals=visitor.originals[1:],
        owners=(*visitor.owners, (original, owner)),
    )
    return (seen,) if seen.originals else parts_of(seen)


def parts_of(visitor: Visit) -> tuple[Part, ...]:
    """
    Split a document whose originals are all known into one part an owner.

    Return lines go to the owner of their original; sold lines and lines without a
    receipt to the document's own owner.  Parts come in the order in which the owners
    are first mentioned by the lines, returns before sales as they settle; a document
    of one owner stays whole and keeps its id.
    """
    receipt, owners = visitor.receipt, dict(visitor.owners)
    if receipt.void_of is not None:
        return (Part(receipt, owners[receipt.void_of], receipt.id, visitor.digest),)

    by_owner: dict[str, Owner] = {}
    returns: dict[str, list[int]] = {}
    for index, line in enumerate(receipt.returns):
        owner = visitor.own if line.of is None else owners[line.of.receipt]
        by_owner.setdefault(owner.key, owner)
        returns.setdefault(owner.key, []).append(index)
    if receipt.sales:
        by_owner.setdefault(visitor.own.key, visitor.own)
    if len(by_owner) == 1:
        return (Part(receipt, next(iter(by_owner.values())), receipt.id, visitor.digest),)

    parts = []
    for k, (key, owner) in enumerate(by_owner.items(), 1):
        sold_here = key == visitor.own.key
        piece = replace(
            receipt,
            id=f"{receipt.id}#{k}",
            sales=receipt.sales if sold_here else (),
            gift_card=receipt.gift_card if sold_here else 0,
            returns=tuple(receipt.returns[index] for index in returns.get(key, ())),
        )
        parts.append(Part(piece, owner, receipt.id, visitor.digest, k, len(by_owner)))
    return tuple(parts)
