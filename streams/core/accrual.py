"""The seam between campaigns and ledger: what a rule pays for a receipt.

The ledger knows one function type, `Rules`.  Compiled campaigns implement it
for the running service, and the simple rules of the worked examples implement
it for `vectors/ledger.json`.  Neither side knows the other.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from msgspec import Struct

from streams.core.receipt import EpochMs, Money, Points, Thousandths


class LotTerms(Struct, frozen=True, rename={"class_": "class"}, forbid_unknown_fields=True):
    """
    When and on what the points of a lot can be spent: ledger.md §4.

    The four maps are kept as the campaign document writes them, so that a lot
    carries its own terms; `dates` turns *delay* and *valid* into instants.
    """

    class_: str = "regular"
    spendable_on: dict[str, object] | None = None
    delay: dict[str, int] | None = None
    valid: dict[str, object] | None = None


class LineNet(Struct, frozen=True):
    """
    One sold line as accrual sees it; *net* excludes points, and gift money by default.

    Attributes:
        campaigns: Ids of the discount campaigns printed on the line.
        claimable: False for a line that counts towards thresholds and earns nothing, where
            a rule is asked again of the lines that it claimed.
    """

    n: int
    sku: str
    qty: Thousandths
    net: Money
    list: Money
    amount: Money
    discounted: bool = False
    campaigns: tuple[str, ...] = ()
    claimable: bool = True


class Headroom(Struct, frozen=True):
    """What a rule's limits leave for this receipt; None is without limit."""

    uses: int | None = None
    points: Points | None = None


class Facts(Struct, frozen=True):
    """
    What accrual may know of the account and the receipt, beyond its lines.

    Attributes:
        tier: The tier that earns this receipt, or None.
        birthday_year: promotions.md §3's year key if the birthday window holds, by campaign
            window; the vectors give one value for all rules.
        born: Month and day of birth, and since when known (epoch ms), or None.
        attributes: Other member attributes (segments, purchases…), typed.
        purchases: Receipts with a sale settled before this one.
        codes: Coupons presented, as tills read them.
    """

    account: str | None
    tier: str | None = None
    birthday_year: int | None = None
    born: tuple[int, int] | None = None
    born_known: EpochMs | None = None
    attributes: Mapping[str, object] = {}
    purchases: int = 0
    offers: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    payments: tuple[str, ...] = ()
    store: str = ""
    channel: str = "store"


class Limit(Struct, frozen=True):
    """
    One member limit of a rule; a receipt that pays is one use.

    Attributes:
        per: day, week, month, birthday or ever.
        key: The birthday's year, where the rule has a window of its own; otherwise the
            receipt's `birthday_year` counts.
    """

    per: str
    uses: int | None = None
    points: Points | None = None
    key: int | None = None


class Accrual(Struct, frozen=True):
    """
    What one rule pays for one receipt, in points of one currency.

    Attributes:
        shares: Points of each claimed line, by line number, summing to *points*; lines
            that were claimed and got 0 are present.
        birthday_key: The birthday's year, when the rule counts per birthday.
        weights: What *shares* were spread by, by line number, so that a cut to the budget
            is spread alike; empty where it is the shares themselves, or there is no budget.
        quoted: Whether a quote that was honoured promised it: limits and budgets count it
            and don't cut it.
        short: What a budget that leaves less pays; None: as the policy says.
    """

    rule: str
    version: int
    points: Points
    currency: str
    shares: tuple[tuple[int, Points], ...]
    terms: LotTerms
    limits: tuple[Limit, ...] = ()
    budget: str | None = None
    birthday_key: int | None = None
    weights: tuple[tuple[int, int], ...] = ()
    short: Literal["partial", "nothing"] | None = None
    quoted: bool = False


# Ledger → rules: facts, the lines with their nets, the time of sale, and how much each
# rule's counters leave.  The order of the answer is the order of posting ("rule order").
Room = Callable[[str, Sequence[Limit]], Headroom]
Rules = Callable[[Facts, Sequence[LineNet], EpochMs, Room], tuple[Accrual, ...]]
# Ledger → campaigns: which limits a discount counts in that the till has printed.
LimitsOf = Callable[[str, Facts, EpochMs], tuple[Limit, ...]]
# Ledger → campaigns: whether a printed discount's campaign has a budget of money.
HasBudget = Callable[[str, EpochMs], bool]
