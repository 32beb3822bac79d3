"""The campaign document: promotions.md §2.

A campaign is who, where, which goods and when; one effect; a place among the
other campaigns (lane, priority, exclusions); and limits.  The rule of this
file: a `Campaign` is checked against its programme, so whoever holds one need
not ask again whether its lane or its points exist.
"""

from collections.abc import Mapping
from typing import Any, Literal
from zoneinfo import ZoneInfo

from msgspec import Struct

from streams.core import conditions
from streams.core.accrual import LotTerms
from streams.core.campaign_grammar import ACCRUAL_CAMPAIGN, PIECES_MOST, shape_of
from streams.core.conditions import TRUE, Condition
from streams.core.grammar import DocumentError, Fault, Path, nearest
from streams.core.programme import CHECKER, Programme, moment_fault
from streams.core.receipt import EpochMs, Money, Points, Thousandths
from streams.core.runs import ALWAYS, WEEKDAYS, Runs, clock, instant


class PercentOff(Struct, frozen=True, tag="percent_off"):
    """Basis points off every claimed line."""

    percent: int


class AmountOff(Struct, frozen=True, tag="amount_off"):
    """Minor units off every 1000 thousandths of a claimed line."""

    amount: Money


class UnitPrice(Struct, frozen=True, tag="unit_price"):
    """Claimed lines cost *price* minor units per 1000 thousandths, if that is less."""

    price: Money


class BasketOff(Struct, frozen=True, tag="basket_off"):
    """Minor units off all eligible lines together."""

    amount: Money


class Group(Struct, frozen=True):
    """*take* pieces of lines where *where* is true."""

    take: int
    where: Condition = TRUE


class Reward(Struct, frozen=True):
    """
    What a set is rewarded with; exactly one of *percent*, *amount*, *price* is not None.

    Attributes:
        cheapest: Only so many cheapest pieces are rewarded.
        group: Only the pieces of this group are rewarded, counted from 1.
        share: Whether the whole set or the rewarded pieces bear the discount.
    """

    percent: int | None = None
    amount: Money | None = None
    price: Money | None = None
    cheapest: int | None = None
    group: int | None = None
    share: Literal["set", "rewarded"] = "set"


class SetOff(Struct, frozen=True, tag="set"):
    """A reward for pieces bought together."""

    groups: tuple[Group, ...]
    reward: Reward


class PointsPercent(Struct, frozen=True, tag="points_percent"):
    """Basis points of the earning base, in units of the points' currency."""

    percent: int


class PointsTimes(Struct, frozen=True, tag="points_times"):
    """Points of the first accrual lane times *times*/100; this campaign pays what is more."""

    times: int


class PointsPer(Struct, frozen=True, tag="points_per"):
    """*points* for each full *each* minor units."""

    points: Points
    each: Money


class FixedPoints(Struct, frozen=True, tag="points"):
    """*points* once a receipt."""

    points: Points


Discount = PercentOff | AmountOff | UnitPrice | BasketOff | SetOff
AccrualEffect = PointsPercent | PointsTimes | PointsPer | FixedPoints
Effect = Discount | AccrualEffect


class Threshold(Struct, frozen=True):
    """
    A least net (minor units) or quantity (thousandths).

    Attributes:
        bound: Must be reached, or passed where *strict*.
        base: Running amounts at lane entry, or list amounts; quantities have none.
        over: Eligible lines, or every line.
    """

    bound: Money | Thousandths
    strict: bool = False
    base: Literal["running", "list"] = "running"
    over: Literal["goods", "all"] = "goods"

    def met(self, total: int) -> bool:
        """Tell whether *total* is enough."""
        return total > self.bound if self.strict else total >= self.bound


class Basket(Struct, frozen=True):
    """Conditions on the receipt; None and empty are without condition."""

    net: Threshold | None = None
    quantity: Threshold | None = None
    payment: tuple[str, ...] = ()
    channel: tuple[str, ...] = ()


class MemberLimit(Struct, frozen=True):
    """One counter of a member; exactly one of *uses* and *amount* is not None."""

    per: Literal["day", "week", "month", "birthday", "ever"]
    uses: int | None = None
    amount: int | None = None


class Limits(Struct, frozen=True):
    """
    Caps of one receipt, of a member's period and of the campaign; amounts in money or points.

    Attributes:
        when_short: What happens where a counter leaves less; None: the programme's budget_short.
    """

    receipt_amount: int | None = None
    receipt_sets: int | None = None
    member: tuple[MemberLimit, ...] = ()
    campaign_amount: int | None = None
    when_short: Literal["cut", "skip"] | None = None


class Campaign(Struct, frozen=True):
    """
    A campaign, read and checked against its programme.

    Attributes:
        valid_from: None is always.
        titles: Text by language; "" is the text without language.
        needs: `code` (presented coupon), `offer` (issued to this member) or None.
        codes: What tills read on its coupon; empty is the campaign's id.
        kind: `discount` or `accrual`, told by *gives*.
        base: What discounts count from; accrual counts from the earning base.
        lane_index: Position among the written lanes, accrual lanes after all discount lanes.
        currency: Points paid by an accrual.
        when_short: The limits' choice, or else the programme's.
        document: The exact document; keep it, it is what was published.
    """

    campaign: str
    version: int
    gives: Effect
    lane: str
    lane_index: int
    kind: Literal["discount", "accrual"]
    valid_from: EpochMs | None = None
    titles: dict[str, str] = {}
    runs: Runs = ALWAYS
    who: Condition = TRUE
    where: Condition = TRUE
    goods: Condition = TRUE
    needs: Literal["code", "offer"] | None = None
    codes: tuple[str, ...] = ()
    basket: Basket = Basket()
    base: Literal["running", "list"] = "running"
    priority: int = 0
    tags: frozenset[str] = frozenset()
    not_with: frozenset[str] = frozenset()
    exclusive: Literal["none", "items", "receipt"] = "none"
    currency: str = "bonus"
    skip_discounted: bool = False
    lot: LotTerms = LotTerms()
    limits: Limits = Limits()
    when_short: Literal["cut", "skip"] = "cut"
    document: dict[str, Any] = {}

    @property
    def birthday(self) -> conditions.BirthdayWindow | None:
        """The window whose year key counts `per: birthday`: the first one in *who*."""
        windows = (atom.value for atom in self.who.atoms)
        return next((w for w in windows if isinstance(w, conditions.BirthdayWindow)), None)


def load_campaign(document: Mapping[str, Any], programme: Programme) -> Campaign:
    """
    Read a campaign from exact data: integers of minor units, basis points, ISO instants.

    Raises:
        DocumentError: With every fault found, each with its path and what would be right.
    """
    found = list(CHECKER.faults(shape_of(document), document))
    if not found:
        found = list(_faults(document, programme))
    if found:
        raise DocumentError(found)
    zone = programme.zoneinfo
    gives = _effect(document["gives"])
    accrual = isinstance(gives, AccrualEffect)
    lanes = programme.points_lanes if accrual else programme.lanes
    offset = len(programme.lanes) if accrual else 0
    valid_from = document.get("valid_from")
    title = document.get("title", {})
    limits = _read_limits(document.get("limits", {}))
    short = "skip" if programme.ledger.get("budget_short") == "nothing" else "cut"
    plain = ("needs", "base", "priority", "exclusive", "currency", "skip_discounted")
    given = {key: document[key] for key in plain if key in document}
    return Campaign(
        campaign=document["campaign"],
        version=document["version"],
        gives=gives,
        lane=document["lane"],
        lane_index=offset + lanes.index(document["lane"]),
        kind="accrual" if accrual else "discount",
        valid_from=None if valid_from is None else instant(valid_from, zone),
        titles={"": title} if isinstance(title, str) else dict(title),
        runs=_runs(document.get("runs", {}), zone),
        who=conditions.parse(document.get("who"), "who"),
        where=conditions.parse(document.get("where"), "where"),
        goods=conditions.parse(document.get("goods"), "goods"),
        codes=tuple(document.get("codes", ())),
        basket=_basket(document.get("basket", {})),
        tags=frozenset(document.get("tags", ())),
        not_with=frozenset(document.get("not_with", ())),
        lot=_lot(document.get("lot", {})),
        limits=limits,
        when_short=limits.when_short or short,  # type: ignore[arg-type]
        document=dict(document),
        **given,
    )


def _effect(document: Mapping[str, Any]) -> Effect:
    match dict(document):
        case {"percent_off": percent}:
            return PercentOff(percent)
        case {"amount_off": amount}:
            return AmountOff(amount)
        case {"unit_price": price}:
            return UnitPrice(price)
        case {"basket_off": amount}:
            return BasketOff(amount)
        case {"set": groups, "reward": reward}:
            of = reward.get("of", "all")
            picked = {} if of == "all" else dict(of)
            rest = {key: each for key, each in reward.items() if key != "of"}
            return SetOff(
                tuple(Group(each["take"], conditions.parse(each.get("where"))) for each in groups),
                Reward(**rest, **picked),
            )
        case _:
            return _accrual_effect(document)


def _accrual_effect(document: Mapping[str, Any]) -> AccrualEffect:
    ((key, value),) = document.items()
    match key:
        case "points_percent":
            return PointsPercent(value)
        case "points_times":
            return PointsTimes(value)
        case "points_per":
            return PointsPer(value["points"], value["each"])
        case _:
            return FixedPoints(value)


def _runs(document: Mapping[str, Any], zone: ZoneInfo) -> Runs:
    hours = document.get("hours")
    return Runs(
        instant(document["from"], zone) if "from" in document else None,
        instant(document["until"], zone) if "until" in document else None,
        tuple(sorted({WEEKDAYS.index(day) for day in document.get("weekdays", ())})),
        None if hours is None else (clock(hours[0]), clock(hours[1])),
    )


def _basket(document: Mapping[str, Any]) -> Basket:
    return Basket(
        _read_threshold(document.get("net")),
        _read_threshold(document.get("quantity")),
        tuple(document.get("payment", ())),
        tuple(document.get("channel", ())),
    )


def _read_threshold(document: Mapping[str, Any] | None) -> Threshold | None:
    if document is None:
        return None
    strict = "above" in document
    return Threshold(
        document["above" if strict else "from"],
        strict,
        document.get("base", "running"),
        document.get("over", "goods"),
    )


def _lot(document: Mapping[str, Any]) -> LotTerms:
    return LotTerms(
        document.get("class", "regular"),
        document.get("spendable_on"),
        document.get("delay"),
        document.get("valid"),
    )


def _read_limits(document: Mapping[str, Any]) -> Limits:
    receipt = document.get("receipt", {})
    return Limits(
        receipt.get("amount"),
        receipt.get("sets"),
        tuple(MemberLimit(**each) for each in document.get("member", ())),
        document.get("campaign", {}).get("amount"),
        document.get("when_short"),
    )


def _faults(document: Mapping[str, Any], programme: Programme) -> list[Fault]:
    """Find what is wrong between values, or between the campaign and its programme."""
    accrual = shape_of(document) is ACCRUAL_CAMPAIGN
    lanes = programme.points_lanes if accrual else programme.lanes
    found: list[Fault] = []
    if document["lane"] not in lanes:
        what = "points_lanes" if accrual else "discount_lanes"
        hint = nearest(document["lane"], lanes)
        found.append(Fault(("lane",), f"no such lane in the programme's {what}; {hint}"))
    currency = document.get("currency", "bonus")
    if accrual and currency not in programme.points:
        path: Path = ("currency",) if "currency" in document else ()
        hint = nearest(currency, list(programme.points))
        found.append(Fault(path, f"the programme has no points called {currency}; {hint}"))
    zone = programme.zoneinfo
    for moment in (("valid_from",), ("runs", "from"), ("runs", "until"), ("lot", "valid", "until")):
        found += moment_fault(document, moment, zone)
    if not found:
        found += _runs_faults(document.get("runs", {}), zone)
    if "codes" in document and document.get("needs") != "code":
        found.append(Fault(("codes",), "codes are those of a coupon; write needs: code"))
    found += _set_faults(document)
    found += _lot_faults(document.get("lot", {}).get("valid", {}))
    periods = [each["per"] for each in document.get("limits", {}).get("member", ())]
    windows = [
        atom
        for atom in conditions.parse(document.get("who"), "who").atoms
        if atom.operator == "birthday"
    ]
    if "birthday" in periods and not windows:
        message = "per birthday counts by the birthday of `who`; write who: {birthday: …}"
        found.append(Fault(("limits", "member", periods.index("birthday")), message))
    return found


def _runs_faults(document: Mapping[str, Any], zone: ZoneInfo) -> list[Fault]:
    found = []
    for index, text in enumerate(document.get("hours", ())):
        try:
            clock(text)
        except ValueError as error:
            found.append(Fault(("runs", "hours", index), str(error)))
    hours = document.get("hours", ("0", "1"))
    if hours[0] == hours[1]:
        message = "start and end are the same; leave hours out for the whole day"
        found.append(Fault(("runs", "hours"), message))
    if {"from", "until"} <= document.keys():
        start, end = (instant(document[key], zone) for key in ("from", "until"))
        if start >= end:
            message = "until is not after from; it is the first instant no longer included"
            found.append(Fault(("runs", "until"), message))
    return found


def _set_faults(document: Mapping[str, Any]) -> list[Fault]:
    gives = document["gives"]
    if "set" not in gives:
        found = []
        if "reward" in gives:
            found.append(Fault(("gives", "reward"), "only a set has a reward"))
        if "sets" in document.get("limits", {}).get("receipt", {}):
            found.append(Fault(("limits", "receipt", "sets"), "only a set counts sets"))
        return found
    if "reward" not in gives:
        return [Fault(("gives",), "a set wants a reward: {percent | amount | price, of, share}")]
    pieces = sum(group["take"] for group in gives["set"])
    if pieces > PIECES_MOST:
        return [Fault(("gives", "set"), f"{pieces} pieces a set; at most {PIECES_MOST}")]
    of = gives["reward"].get("of", "all")
    message = ""
    if of != "all" and of.get("cheapest", 1) > pieces:
        message = f"the set has {pieces} pieces"
    if of != "all" and of.get("group", 1) > len(gives["set"]):
        message = f"the set has {len(gives['set'])} groups, counted from 1"
    return [Fault(("gives", "reward", "of"), message)] if message else []


MONTH_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def _lot_faults(valid: Mapping[str, Any]) -> list[Fault]:
    found = []
    for key in ("yearly", "next_year"):
        month, _, day = valid.get(key, "01-01").partition("-")
        if (
            not 1 <= int(month) <= len(MONTH_DAYS)
            or not 1 <= int(day) <= MONTH_DAYS[int(month) - 1]
        ):
            found.append(Fault(("lot", "valid", key), f"{valid[key]} is no day of a year"))
    if "at_least" in valid and "yearly" not in valid:
        found.append(Fault(("lot", "valid", "at_least"), "at_least goes with yearly"))
    return found
