"""The programme document: promotions.md §2.

A programme is what a chain decides once: its zone and money, what a point is
worth, the order of its lanes, its caps, and the policies of the ledger.
"""

from collections.abc import Mapping
from math import factorial, prod
from typing import Any, Literal
from zoneinfo import ZoneInfo

from msgspec import Struct

from streams.core import conditions
from streams.core.calendar import zone_of
from streams.core.conditions import Condition
from streams.core.grammar import (
    WHEN_RIGHT,
    Checker,
    ConditionShape,
    DocumentError,
    Either,
    Fault,
    Flag,
    Listing,
    Path,
    Record,
    Table,
    Text,
    When,
    Whole,
    Word,
)
from streams.core.policy import LedgerPolicy, PolicyError, ledger_policy
from streams.core.receipt import EpochMs, Money
from streams.core.runs import instant

ORDERS_MOST = 24  # promotions.md §4: more orders of lanes are not searched.
WHOLE_BP = 10_000
CHECKER = Checker(conditions.faults)

NAME = Text("a name of letters, digits, . _ and -", r"[A-Za-z0-9][A-Za-z0-9._-]*", 64)
CAMPAIGN_ID = Text("an id of a-z, 0-9 and -", r"[a-z0-9-]+", 64)
VERSION = Whole("count", 1)
POINT = Whole("money", 1)
SHARE = Whole("percent", 0, WHOLE_BP)
DAYS = Whole("count", 0, 36_500)
LANES_MOST = 24

EXPIRY = Record(
    {"months": Whole("count", 1, 1200), "days": Whole("count", 1, 36_500)},
    one_of=(("months", "days"),),
)
TIER = Record(
    {
        "levels": Listing(Listing(Either((NAME, Whole("money"))), 2, 2), 1, 50),
        "window": Either((Whole("count", 1, 1200), Word(("calendar", "lifetime")))),
        "upgrade": Word(("after", "first")),
        "on_return": Word(("withdraw", "keep")),
    },
    required=("levels",),
)
LEDGER = Record(
    {
        "zone": NAME,
        "point_value": POINT,
        "clawback": Word(("unlimited", "within_balance", "only_pending")),
        "claw_basis": Word(("line_share", "recompute_kept", "proportional")),
        "reinstate": Record(
            {
                "mode": Word(("original", "grace", "reissue")),
                "days": Whole("count", 1, 36_500),
                "months": Whole("count", 1, 1200),
            },
            required=("mode",),
        ),
        "no_receipt": Word(("newest", "lowest", "floor", "refuse")),
        "no_receipt_days": DAYS,
        "max_late_days": DAYS,
        "skew_minutes": Whole("count", 0, 100_000),
        "park_days": DAYS,
        "shares_years": Whole("count", 1, 100),
        "adjust_limit": Whole("points"),
        "gift_earns": Flag(),
        "unknown_member": Word(("hold", "park", "anonymous")),
        "offline_unknown": Word(("earn_only", "store_float")),
        "store_float": Whole("money"),
        "budget_short": Word(("partial", "nothing")),
        "budget_quoted": Word(("honour", "refuse")),
        "budget_on_return": Word(("release", "keep")),
        "limit_on_return": Word(("release", "keep")),
        "limit_first": Word(("log", "event")),
        "surplus_expiry": EXPIRY,
        "tier": TIER,
        "sources": Table(NAME, Listing(Word(("sale", "return", "exchange", "void")), 0, 4)),
        "classes": Listing(NAME, 1, 10),
    }
)
PROGRAMME = Record(
    {
        "programme": NAME,
        "version": VERSION,
        "valid_from": When(),
        "zone": Text("a time zone like Europe/Moscow", r"[A-Za-z0-9_+/-]+", 64),
        "money": Record(
            {
                "currency": Text("an ISO 4217 code like USD", r"[A-Z]{3}", 3),
                "exponent": Whole("count", 0, 4),
            }
        ),
        "points": Table(
            NAME, Record({"unit": POINT, "value": POINT}, required=("unit", "value")), 1, 20
        ),
        "discount_lanes": Listing(Either((NAME, Listing(NAME, 1, LANES_MOST))), 0, LANES_MOST),
        "points_lanes": Listing(NAME, 0, LANES_MOST),
        "optimise": Word(("receipt", "lane")),
        "nodes": Whole("count", 1, 10_000_000),
        "quote_minutes": Whole("count", 1, 100_000),
        "max_line_discount": SHARE,
        "max_receipt_discount": SHARE,
        "earn_on": Word(("cash", "net")),
        "excluded": Record(
            {
                "discounts": ConditionShape("goods"),
                "points": ConditionShape("goods"),
                "redemption": ConditionShape("goods"),
            }
        ),
        "redemption": Record(
            {
                "currency": NAME,
                "classes": Listing(NAME, 1, 10),
                "line": SHARE,
                "receipt": SHARE,
                "benefit": SHARE,
                "min_cash": Whole("money"),
            }
        ),
        "ledger": LEDGER,
    },
    required=("programme", "version", "zone", "points"),
)


class PointUnit(Struct, frozen=True):
    """
    A currency of points.

    Attributes:
        unit: Minor units that earn one point by percent.
        value: Minor units that one point is worth.
    """

    unit: Money
    value: Money


class Excluded(Struct, frozen=True):
    """Lines kept from discounts, points or redemption where the condition is true; None: none."""

    discounts: Condition | None = None
    points: Condition | None = None
    redemption: Condition | None = None


class Redemption(Struct, frozen=True):
    """How points pay: promotions.md §6.  Shares are basis points, *min_cash* is minor units."""

    currency: str
    classes: tuple[str, ...] = ("specific", "birthday", "regular")
    line: int = WHOLE_BP
    receipt: int = WHOLE_BP
    benefit: int = WHOLE_BP
    min_cash: Money = 0


class Programme(Struct, frozen=True):
    """
    A programme, read and checked.

    Attributes:
        valid_from: None is always.
        discount_lanes: Groups of lanes in written order; a group of several is permuted.
        optimise: Whether the whole receipt or each lane in turn is made best.
        nodes: Budget of the search per receipt.
        quote_minutes: Time-to-live of a quote.
        exponent: Digits of the money after the point.
        ledger: The policies given, for `ledger.md`; absent ones have their default there.
        document: The exact document; keep it, it is what was published.
    """

    programme: str
    version: int
    valid_from: EpochMs | None
    zone: str
    points: dict[str, PointUnit]
    discount_lanes: tuple[tuple[str, ...], ...]
    points_lanes: tuple[str, ...]
    redemption: Redemption
    excluded: Excluded = Excluded()
    optimise: Literal["receipt", "lane"] = "receipt"
    nodes: int = 5000
    quote_minutes: int = 15
    max_line_discount: int = WHOLE_BP
    max_receipt_discount: int = WHOLE_BP
    earn_on: Literal["cash", "net"] = "cash"
    currency: str = ""
    exponent: int = 2
    ledger: dict[str, Any] = {}
    document: dict[str, Any] = {}

    @property
    def zoneinfo(self) -> ZoneInfo:
        """The zone's rules."""
        return zone_of(self.zone)

    @property
    def lanes(self) -> tuple[str, ...]:
        """Discount lanes as written, brackets flattened: a lane's place here is its index."""
        return tuple(lane for group in self.discount_lanes for lane in group)


def load_programme(document: Mapping[str, Any]) -> Programme:
    """
    Read a programme from exact data: integers of minor units, basis points, ISO instants.

    Raises:
        DocumentError: With every fault found, each with its path and what would be right.
    """
    found = list(CHECKER.faults(PROGRAMME, document))
    if not found:
        found = list(_faults(document))
    if found:
        raise DocumentError(found)
    zone = zone_of(document["zone"])
    valid_from = document.get("valid_from")
    excluded = {
        what: conditions.parse(test, "goods", ("excluded", what))
        for what, test in document.get("excluded", {}).items()
    }
    redemption = {**document.get("redemption", {})}
    redemption.setdefault("currency", _default_currency(document))
    if "classes" in redemption:
        redemption["classes"] = tuple(redemption["classes"])
    elif "classes" in document.get("ledger", {}):
        redemption["classes"] = tuple(document["ledger"]["classes"])
    money = document.get("money", {})
    plain = ("optimise", "nodes", "quote_minutes", "max_line_discount", "max_receipt_discount")
    given = {key: document[key] for key in (*plain, "earn_on") if key in document}
    return Programme(
        programme=document["programme"],
        version=document["version"],
        valid_from=None if valid_from is None else instant(valid_from, zone),
        zone=document["zone"],
        points={name: PointUnit(**each) for name, each in document["points"].items()},
        discount_lanes=tuple(_groups(document)),
        points_lanes=tuple(document.get("points_lanes", ())),
        redemption=Redemption(**redemption),
        excluded=Excluded(**excluded),
        currency=money.get("currency", ""),
        exponent=money.get("exponent", 2),
        ledger=dict(document.get("ledger", {})),
        document=dict(document),
        **given,
    )


def policy_of(programme: Programme) -> LedgerPolicy:
    """Give the ledger policy of a programme; its redeemable currency and zone are part of it."""
    currency = programme.redemption.currency
    return ledger_policy(
        programme.ledger,
        zone=programme.zone,
        currency=currency,
        point_value=programme.points[currency].value,
        classes=programme.redemption.classes,
        gift_earns=programme.ledger.get("gift_earns", programme.earn_on == "net"),
    )


def _groups(document: Mapping[str, Any]) -> list[tuple[str, ...]]:
    lanes = document.get("discount_lanes", ())
    return [(each,) if isinstance(each, str) else tuple(each) for each in lanes]


def _default_currency(document: Mapping[str, Any]) -> str:
    names = list(document["points"])
    return "bonus" if "bonus" in names or len(names) != 1 else str(names[0])


def _faults(document: Mapping[str, Any]) -> list[Fault]:
    """Find what is wrong between the values of a document whose values alone are right."""
    found: list[Fault] = []
    zone = "UTC"
    try:
        zone = zone_of(document["zone"]).key
    except ValueError as error:
        found.append(Fault(("zone",), str(error)))
    found += moment_fault(document, ("valid_from",), zone_of(zone))
    groups = _groups(document)
    for key, lanes in (
        ("discount_lanes", [lane for group in groups for lane in group]),
        ("points_lanes", list(document.get("points_lanes", ()))),
    ):
        twice = sorted({lane for lane in lanes if lanes.count(lane) > 1})
        if twice:
            found.append(Fault((key,), f"lane {twice[0]} is written twice"))
    orders = prod(factorial(len(group)) for group in groups)
    if orders > ORDERS_MOST:
        message = f"brackets allow {orders} orders; at most {ORDERS_MOST}, put fewer in brackets"
        found.append(Fault(("discount_lanes",), message))
    named = document.get("redemption", {}).get("currency")
    currency = named or _default_currency(document)
    if currency not in document["points"]:
        path: Path = ("redemption", "currency") if named else ("points",)
        known = ", ".join(document["points"])
        found.append(Fault(path, f"no points called {currency}; name one of {known}"))
    found += _ledger_faults(document)
    return found


def _ledger_faults(document: Mapping[str, Any]) -> list[Fault]:
    found: list[Fault] = []
    levels = document.get("ledger", {}).get("tier", {}).get("levels", ())
    path: Path = ("ledger", "tier", "levels")
    for index, (name, net_from) in enumerate(levels):
        if not isinstance(name, str) or isinstance(net_from, str):
            found.append(Fault((*path, index), "a level is [name, net from]"))
    if not found:
        try:
            ledger_policy(document.get("ledger", {}))
        except PolicyError as error:
            found.append(Fault(("ledger",), str(error).removeprefix("ledger policy: ")))
    return found


def moment_fault(document: Mapping[str, Any], path: Path, zone: ZoneInfo) -> list[Fault]:
    """Say whether the date or instant at *path* exists; absent is right."""
    value: Any = document
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    if value is None:
        return []
    try:
        instant(value, zone)
    except ValueError:
        return [Fault(path, f"{value}: there is no such day or hour; write {WHEN_RIGHT}")]
    return []
