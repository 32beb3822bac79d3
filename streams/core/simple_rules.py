"""The simple rules of the worked examples: accrual without the campaign language.

`percent`, `step` and `fixed` stand in for campaigns wherever only the ledger is of
interest; they implement `accrual.Rules` as compiled campaigns do.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from streams.core.accrual import Accrual, Facts, Limit, LineNet, LotTerms, Room, Rules
from streams.core.allocation import half_up, spread
from streams.core.calendar import instant
from streams.core.receipt import EpochMs, Money, Points

WHOLE_BP = 10_000


class RuleError(ValueError):
    """A simple rule that cannot be read; says what would be right."""


class SimpleLimit(Struct, frozen=True, forbid_unknown_fields=True):
    """One limit of a simple rule."""

    per: Literal["day", "week", "month", "ever"]
    uses: int | None = None
    points: Points | None = None


class RuleLot(Struct, frozen=True, forbid_unknown_fields=True, rename={"class_": "class"}):
    """Lot terms with the currency that the rule pays."""

    currency: str | None = None
    class_: str = "regular"
    spendable_on: dict[str, object] | None = None
    delay: dict[str, int] | None = None
    valid: dict[str, object] | None = None

    def terms(self) -> LotTerms:
        """Give the terms without the currency."""
        return LotTerms(self.class_, self.spendable_on, self.delay, self.valid)


class TierTerms(Struct, frozen=True, forbid_unknown_fields=True):
    """What a tier earns instead."""

    bp: int | None = None
    points: Points | None = None


class SimpleRule(Struct, frozen=True, forbid_unknown_fields=True):
    """
    A rule.

    Attributes:
        bp: Of `percent`: basis points of Σ net.
        points: Of `step`, per full step; of `fixed`, once a receipt.
        step: Of `step`: net money of one step.
        sku: Eligible lines; all when absent.
        start: From when this version serves, inclusive; *end* exclusive.
        birthday: Whether it pays once a birthday, within the birthday's window.
    """

    id: str
    kind: Literal["percent", "step", "fixed"]
    lot: RuleLot = RuleLot()
    bp: int | None = None
    points: Points | None = None
    step: Money | None = None
    sku: tuple[str, ...] | None = None
    limit: SimpleLimit | None = None
    budget: str | None = None
    version: int = 1
    start: str | None = None
    end: str | None = None
    birthday: bool = False
    by_tier: dict[str, TierTerms] = field(default_factory=dict)


class _Compiled(Struct, frozen=True):
    rule: SimpleRule
    start: EpochMs | None
    end: EpochMs | None
    limits: tuple[Limit, ...]


def simple_rules(
    documents: Sequence[Mapping[str, Any]], *, point_value: Money, currency: str = "P"
) -> Rules:
    """
    Compile the `rules` of a worked example.

    Raises:
        RuleError: If a rule cannot be read.
    """
    try:
        rules = msgspec.convert(list(documents), list[SimpleRule])
        compiled = [_compiled(each) for each in rules]
    except (msgspec.ValidationError, ValueError) as error:
        raise RuleError(f"rules: {error}") from error

    def pay(facts: Facts, lines: Sequence[LineNet], at: EpochMs, room: Room) -> tuple[Accrual, ...]:
        paid = (
            _pay(each, facts, lines, room, point_value=point_value, currency=currency)
            for each in compiled
            if (each.start is None or each.start <= at) and (each.end is None or at < each.end)
        )
        return tuple(each for each in paid if each is not None)

    return pay


def _compiled(rule: SimpleRule) -> _Compiled:
    needed = {"percent": ("bp",), "step": ("points", "step"), "fixed": ("points",)}[rule.kind]
    for name in needed:
        value = getattr(rule, name)
        if value is None or value < 0 or (name == "step" and value == 0):
            raise RuleError(f"{rule.id}: {rule.kind} needs {name}, whole and above 0")
    limits = []
    if rule.limit is not None:
        limits.append(Limit(rule.limit.per, rule.limit.uses, rule.limit.points))
    if rule.birthday:
        limits.append(Limit("birthday", uses=1))
    return _Compiled(
        rule,
        None if rule.start is None else instant(rule.start),
        None if rule.end is None else instant(rule.end),
        tuple(limits),
    )


def _pay(
    compiled: _Compiled,
    facts: Facts,
    lines: Sequence[LineNet],
    room: Room,
    *,
    point_value: Money,
    currency: str,
) -> Accrual | None:
    rule = compiled.rule
    if rule.birthday and facts.birthday_year is None:
        return None
    eligible = [
        line for line in lines if line.claimable and (rule.sku is None or line.sku in rule.sku)
    ]
    net = sum(line.net for line in eligible)
    if net <= 0:
        return None
    points = _points(_of_tier(rule, facts.tier), net, point_value)
    if compiled.limits:
        headroom = room(rule.id, compiled.limits)
        if headroom.uses is not None and headroom.uses <= 0:
            return None
        if headroom.points is not None:
            points = min(points, headroom.points)
    if points <= 0:
        return None
    weights = tuple((line.n, line.net) for line in eligible)
    shares = spread(points, [line.net for line in eligible])
    return Accrual(
        rule=rule.id,
        version=rule.version,
        points=points,
        currency=rule.lot.currency or currency,
        shares=tuple((line.n, share) for line, share in zip(eligible, shares, strict=True)),
        terms=rule.lot.terms(),
        limits=compiled.limits,
        budget=rule.budget,
        birthday_key=facts.birthday_year if rule.birthday else None,
        weights=weights,
    )


def _of_tier(rule: SimpleRule, tier: str | None) -> SimpleRule:
    terms = rule.by_tier.get(tier) if tier is not None else None
    if terms is None:
        return rule
    return replace(
        rule,
        bp=rule.bp if terms.bp is None else terms.bp,
        points=rule.points if terms.points is None else terms.points,
    )


def _points(rule: SimpleRule, net: Money, point_value: Money) -> Points:
    if rule.kind == "percent":
        return half_up(net * (rule.bp or 0), WHOLE_BP * point_value)
    if rule.kind == "step":
        return net // (rule.step or 1) * (rule.points or 0)
    return rule.points or 0
