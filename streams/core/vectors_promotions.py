"""Worked examples of promotions.md, run through the core.

A file is `{format, about, vectors: […]}`; `run` gives every difference between
what a vector expects and what the core says.  `quote_document` writes a quote as
the examples do.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from fractions import Fraction
from typing import Any

from msgspec import Struct

from streams.core.accrual import LotTerms
from streams.core.allocation import spread
from streams.core.basket import load_basket, load_member
from streams.core.calendar import dates, instant, zone_of
from streams.core.campaigns import load_campaign
from streams.core.case import Case, see
from streams.core.explanation import Explanation, NotApplied, explain
from streams.core.matching import CampaignIndex
from streams.core.optimum import Solver
from streams.core.programme import load_programme
from streams.core.quote import Quote, finish, written_claims

ABSENT = "(absent)"


class VectorsError(ValueError):
    """A file that holds no worked examples."""


class Difference(Struct, frozen=True):
    """One figure that is not as expected: the vector's name, the path in it, both values."""

    name: str
    path: str
    expected: Any
    got: Any


def run(document: Mapping[str, Any]) -> list[Difference]:
    """
    Run all vectors of *document*.

    A vector that can't be run at all is one difference at the path "".

    Raises:
        VectorsError: If *document* is no such file.
    """
    vectors = document.get("vectors") if isinstance(document, Mapping) else None
    if not isinstance(vectors, list):
        raise VectorsError("no file of worked examples: it has no list `vectors`")
    return [difference for vector in vectors for difference in run_one(vector)]


def run_one(vector: Mapping[str, Any]) -> Iterator[Difference]:
    """Yield the differences of one vector."""
    if not isinstance(vector, Mapping):
        yield Difference("", "", "a worked example", vector)
        return
    name = str(vector.get("name", ""))
    answer = KINDS.get(str(vector.get("kind")))
    if answer is None:
        yield Difference(name, "kind", sorted(KINDS), vector.get("kind"))
        return
    try:
        got = answer(vector["given"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        yield Difference(name, "", "an answer", f"{type(error).__name__}: {error}")
        return
    expected = vector["expected"]
    yield from differences(name, "", expected, got)
    for key, value in (vector.get("published") or {}).items():
        if isinstance(got, Mapping) and key in got:
            yield from differences(name, f"published.{key}", value, got[key])


def differences(name: str, path: str, expected: Any, got: Any) -> Iterator[Difference]:
    """Compare two values of plain data, and name what differs by its path."""
    if isinstance(expected, Mapping) and isinstance(got, Mapping):
        for key in sorted({*expected, *got}):
            inner = f"{path}.{key}" if path else str(key)
            one, other = expected.get(key, ABSENT), got.get(key, ABSENT)
            yield from differences(name, inner, one, other)
    elif isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got):
        for at, (one, other) in enumerate(zip(expected, got, strict=True)):
            yield from differences(name, f"{path}[{at}]", one, other)
    elif expected != got or type(expected) is not type(got):
        yield Difference(name, path, expected, got)


def _spread(given: Any) -> list[int]:
    total, weights = given
    return list(spread(total, weights))


def _lot(given: Any) -> list[str | None]:
    terms, earned_at, zone = given
    read = LotTerms(delay=terms.get("delay"), valid=terms.get("valid"))
    active_from, expires_at = dates(read, instant(earned_at, zone), zone)
    return [local(at, zone) for at in (active_from, expires_at)]


def local(at: int | None, zone: str) -> str | None:
    """Write an instant with the offset of *zone*; None is never."""
    if at is None:
        return None
    return datetime.fromtimestamp(at // 1000, zone_of(zone)).isoformat()


def _quote(given: Mapping[str, Any]) -> dict[str, Any]:
    programme = load_programme(given["programme"])
    zone = programme.zoneinfo
    campaigns = [load_campaign(each, programme) for each in given.get("campaigns", ())]
    member = given.get("member")
    case = see(
        programme,
        CampaignIndex(programme, campaigns),
        None if member is None else load_member(member, zone),
        load_basket(given["basket"], zone),
    )
    solver = Solver(case.problem)
    quote = finish(case, solver)
    return quote_document(case, quote, explain(case, quote.combination, solver))


KINDS: dict[str, Callable[[Any], Any]] = {"spread": _spread, "lot": _lot, "quote": _quote}


def pair(fraction: Fraction | None) -> list[int] | None:
    """Write an exact fraction as [numerator, denominator]."""
    return None if fraction is None else [fraction.numerator, fraction.denominator]


def quote_document(case: Case, quote: Quote, explanation: Explanation) -> dict[str, Any]:
    """Write a quote as the worked examples do."""
    best = quote.combination
    lanes = case.programme.lanes
    return {
        "applied": sorted(best.applied),
        "benefit": quote.benefit,
        "claims": written_claims(case, best),
        "discount": quote.discount,
        "earn": quote.earn,
        "lane_by_lane": pair(quote.lane_by_lane.objective),
        "lines": [
            {
                "line": line.line,
                "list": line.list,
                "discounts": line.discounts,
                "net": line.net,
                "redeem_cap": line.redeem_cap,
                "redeemed": line.redeemed,
                "earn": line.earn,
            }
            for line in quote.lines
        ],
        "not_applied": {name: _not_applied(each) for name, each in explanation.not_applied.items()},
        "objective": pair(best.objective),
        "order": [lanes[lane] for lane in best.order],
        "proven": best.proven,
        "quote": quote.id,
        "redeem": {"lots": quote.lots, "max": quote.most, "total": sum(quote.lots.values())},
        "runner_up": pair(explanation.runner_up),
        "to_pay": quote.to_pay,
    }


def _not_applied(reason: NotApplied) -> dict[str, Any]:
    written: dict[str, Any] = {"reason": reason.reason}
    if reason.unknown is not None:
        written["unknown"] = list(reason.unknown)
    if reason.best_with is not None:
        written["best_with"] = pair(reason.best_with)
        written["against"] = list(reason.against)
    return written
