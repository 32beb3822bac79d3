"""
The messages that stages send each other, as values.

A body is either a value of the core (a document on its way, a decision of the route
stage) or one of the structs here; `routes`, `commands` and `budgets` say which travel
where.  Each struct has the fields of the Avro record of its name.
"""

from msgspec import Struct

from streams.core.account import Born, TierFloor
from streams.core.holds import Allocation, Takes
from streams.core.receipt import Attribute, EpochMs, Points, Receipt


class Source(Struct, frozen=True):
    """Where in the log a record was read."""

    topic: str
    partition: int
    offset: int


class Tick(Struct, frozen=True):
    """Time went on, to *at*; the only clock of the stages."""

    at: EpochMs


class RoutedReceipt(Struct, frozen=True):
    """
    A receipt arrives at its own id.

    Attributes:
        digest: Of the canonical document, hex.
        code: The refusal that its form or source earned at intake.
    """

    receipt: Receipt
    digest: str
    code: str | None = None


class Consent(Struct, frozen=True):
    """What a member allows on a channel, for a purpose."""

    channel: str
    purpose: str
    given: bool
    at: EpochMs | None = None


class MemberFacts(Struct, frozen=True):
    """What the CRM knows of a member and decisions may use; None leaves a fact as it is."""

    person: str | None = None
    born: Born | None = None
    segments: tuple[str, ...] | None = None
    attributes: dict[str, Attribute] | None = None
    language: str | None = None
    consents: tuple[Consent, ...] | None = None
    registered_at: EpochMs | None = None


class Claim(Struct, frozen=True):
    """*account* claims an identifier; sent to the identifier's home account."""

    digest: str
    account: str
    person: str | None = None


class ClaimAnswer(Struct, frozen=True):
    """
    The home account answers the claim whose message id is *claim*.

    Attributes:
        code: IDENTIFIER_TAKEN, or None when it was granted.
        first: Whether nobody had owned the digest before.
    """

    digest: str
    claim: str
    code: str | None = None
    first: bool = False


class GiveUp(Struct, frozen=True):
    """*account* gives an identifier up; sent to the identifier's home account."""

    digest: str
    account: str


class Merge(Struct, frozen=True):
    """This account becomes a pointer to *into*."""

    into: str


class ReceiptHandOver(Struct, frozen=True):
    """The settled record of one receipt follows its account; *record* is `core.state`'s."""

    merge: str
    giver: str
    document: str
    record: bytes


class Unmerge(Struct, frozen=True):
    """The merge *merge* of this account into *into* is undone."""

    merge: str
    into: str


class Recall(Struct, frozen=True):
    """The survivor of *merge* is asked for what came from *giver*."""

    merge: str
    giver: str


class StatusChange(Struct, frozen=True):
    """The account becomes open, blocked, closed or erased."""

    status: str
    actor: str | None = None
    reason: str | None = None


class Terms(Struct, frozen=True, rename={"class_": "class"}):
    """Lot terms on the wire: each map as canonical JSON; None where there is none."""

    class_: str = "regular"
    spendable_on: str | None = None
    delay: str | None = None
    valid: str | None = None


class Adjustment(Struct, frozen=True):
    """Points given or taken by hand or by an import; below 0 takes."""

    points: Points
    currency: str = "P"
    actor: str | None = None
    approver: str | None = None
    reason: str | None = None
    terms: Terms = Terms()
    allow_debt: bool = False


class TierGrant(Struct, frozen=True):
    """A least tier given by hand."""

    floor: TierFloor
    actor: str | None = None
    reason: str | None = None


class Offer(Struct, frozen=True):
    """A personal offer: the member may use *campaign* until *until*, exclusive."""

    campaign: str
    until: EpochMs | None = None


class ConfirmedHold(Struct, frozen=True):
    """A hold that the front confirmed just before payment; *quote* is canonical JSON."""

    hold_id: str
    basket_id: str
    held_at: EpochMs
    snapshot_version: int
    alloc: tuple[Allocation, ...] = ()
    takes: tuple[Takes, ...] = ()
    quote_id: str | None = None
    quote: str | None = None
    good_until: EpochMs | None = None


class ReleasedHold(Struct, frozen=True):
    """A confirmed hold was freed without a receipt."""

    hold_id: str
    reason: str
    actor: str | None = None


class BudgetGrant(Struct, frozen=True):
    """The budget stage grants a partition a lease up to *limit*."""

    campaign: str
    seq: int
    limit: Points


class BudgetRecall(Struct, frozen=True):
    """The budget stage calls a partition's lease in."""

    campaign: str
    seq: int


class BudgetFill(Struct, frozen=True):
    """The budget stage serves *request*, which a receipt short of lease had filed."""

    campaign: str
    request: str
    points: Points
    document: str
    sold_at: EpochMs


class BudgetTotal(Struct, frozen=True):
    """A campaign may award *total* points in all."""

    campaign: str
    version: int
    total: Points


class BudgetAnswer(Struct, frozen=True):
    """A partition answers the grant or recall *seq*."""

    campaign: str
    partition: int
    seq: int
    limit: Points
    used: Points
    released: Points


class BudgetRequest(Struct, frozen=True):
    """A receipt of *account* was short of lease by *points*."""

    campaign: str
    request: str
    partition: int
    account: str
    document: str
    points: Points
    sold_at: EpochMs
