"""Where what came of a step is not what its scenario expects."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Any

from msgspec import Struct

from streams.core.balances import balances
from streams.core.grammar import (
    Either,
    Listing,
    Path,
    Record,
    Shape,
    Table,
    When,
    Whole,
    kind,
    kind_of,
)
from streams.core.lots import FOREVER, Lot, end_of
from streams.core.notices import notifications
from streams.core.receipt import EpochMs
from streams.core.result import Event, Result, result_bytes
from streams.core.tiers import tier_at
from streams.scenarios.grammar import UNTIL, VERBS
from streams.scenarios.playing import Played, Player, lots_of

NEVER = "never"
NOTHING = "nothing"
NO_TIER = "none"
FRONT_VERBS = ("hold", "confirm", "release")
OFFICE_VERBS = ("adjust", "merge", "unmerge", "block", "open", "close", "erase")
TILL_VERBS = ("sale", "return", "exchange", "void")


class Difference(Struct, frozen=True):
    """
    One figure that is not as expected.

    Attributes:
        path: Within the step's `expect`.
        line: Where the expectation is written, from 1.
        expected: As people write it.
        got: Likewise.
    """

    path: str
    line: int
    expected: str
    got: str


class Comparison:
    """Compares one step; *first* holds what each document was first answered."""

    def __init__(self, player: Player, played: Played, first: dict[str, bytes]) -> None:
        self.player = player
        self.played = played
        self.first = first
        self.exponent = player.programme.exponent

    def differences(self) -> Iterator[Difference]:
        """Yield what is not as expected; a step that says nothing expects to be taken."""
        step = self.played.step
        expected = dict(step.fields.get("expect", {}))
        yield from self._answer(expected)
        shape = VERBS[step.verb].fields.get("expect")
        if not isinstance(shape, Record):
            return
        got = self._got(expected)
        for key, value in expected.items():
            yield from self._compare(shape.fields[key], value, got.get(key), (key,))

    # --- The answer itself --------------------------------------------------------------

    def own_results(self) -> list[Result]:
        """Give the results of the step's own document, in order; of all its parts."""
        step = self.played.step
        if step.verb in OFFICE_VERBS and step.verb not in ("adjust", "merge", "unmerge"):
            return [each.result for each in self.played.answers]
        if step.verb == "register":
            return [each.result for each in self.played.answers]
        return [each.result for each in self.played.answers if each.document == step.name]

    def _answer(self, expected: dict[str, Any]) -> Iterator[Difference]:
        step = self.played.step
        results = self.own_results()
        refused = expected.pop("refused", None)
        waits = expected.pop("waits", False)
        conflicts = expected.pop("conflict", False)
        again = expected.pop("as_before", None)
        if step.verb in (*TILL_VERBS, *OFFICE_VERBS, *FRONT_VERBS, "register"):
            wanted = (
                f"refused {refused}" if refused else "waits" if waits
                else "conflict" if conflicts else "ok"
            )  # fmt: skip
            came = _status_of(results) or NOTHING
            if not results and step.verb in ("register", *FRONT_VERBS):
                code = self.played.code
                came = "ok" if code is None else f"refused {code}"
            if wanted != came and not (again and not (refused or waits or conflicts)):
                yield self._difference(("refused",), wanted, came)
        if again is not None:
            same = b"".join(map(result_bytes, results)) == self.first.get(step.name)
            if same != again:
                words = {True: "the same answer as before", False: "another answer"}
                yield self._difference(("as_before",), words[again], words[same])
        self.first.setdefault(step.name, b"".join(map(result_bytes, results)))

    # --- What came, in the words of the grammar -----------------------------------------

    def _got(self, expected: Mapping[str, Any]) -> dict[str, Any]:
        results = self.own_results()
        got: dict[str, Any] = {
            "balance": self._member(self.played.account, expected.get("balance")),
            "balances": {
                name: self._member(self.player.accounts.get(name), value)
                for name, value in expected.get("balances", {}).items()
            },
            "lots": self._lots(),
            "results": self._results(),
            "messages": [
                _told(each.kind, each.figures.get("points", 0), each.codes.get("tier_to"))
                for answer in self.played.answers
                for each in notifications(answer.result)
            ],
            "events": [_event(each) for one in self.played.answers for each in one.result.events],
            "entries": [f"{each.kind} {each.points}" for one in results for each in one.entries],
        }
        if self.played.quoted is not None:
            return got | self._quoted()
        variance: dict[str, dict[str, int]] = {}
        for each in self.played.variance:
            variance.setdefault(str(each.line), {})[each.campaign] = each.printed - each.due
        return got | _document(results) | {"variance": variance}

    def _member(self, account: str | None, expected: Any) -> Any:
        if account is None:
            return None
        world = self.player.world
        found = world.account(account)
        known = {each.currency: each for each in balances(found)}

        def of(currency: str) -> dict[str, Any]:
            each = known.get(currency)
            names = ("active", "pending", "held", "debt", "available")
            return {
                **{name: 0 if each is None else getattr(each, name) for name in names},
                "currency": currency,
                "tier": tier_at(found, found.mark or 0, world.policy) or NO_TIER,
                "status": found.status,
                "version": found.version,
            }

        usual = world.policy.currency
        if isinstance(expected, list):
            return [of(each.get("currency", usual)) for each in expected]
        if isinstance(expected, Mapping):
            return of(expected.get("currency", usual))
        return of(usual)

    def _lots(self) -> dict[str, Any]:
        names = {account: name for name, account in self.player.accounts.items()}
        return {
            name: _lot(lot, names.get(account.id, account.id))
            for account in self.player.world.history.accounts.values()
            for name, lot in lots_of(account.lots)
        }

    def _results(self) -> dict[str, str]:
        return {
            name: result.status if result.code is None or result.status == "deferred"
            else result.code
            for name, result in (
                (each.result.document, each.result) for each in self.player.world.answers
            )
        }  # fmt: skip

    def _quoted(self) -> dict[str, Any]:
        quoted = self.played.quoted
        assert quoted is not None
        quote, best = quoted.quote, quoted.quote.combination
        lanes = quoted.case.programme.lanes
        lots = self._lot_names()
        reasons = quoted.explanation.not_applied
        return {
            "applied": sorted(best.applied),
            "not_applied": {
                name: {
                    "why": each.reason,
                    "unknown": list(each.unknown or ()),
                    "against": list(each.against),
                    "best": _fraction(each.best_with),
                }
                for name, each in reasons.items()
            },
            "discount": quote.discount,
            "benefit": quote.benefit,
            "to_pay": quote.to_pay,
            "redeemed": {lots[name]: points for name, points in quote.lots.items() if points},
            "most_points": quote.most,
            "earns": dict(quote.earn),
            "new_lots": {
                each.campaign: {
                    "from": each.active_from,
                    "until": NEVER if each.expires_at is None else each.expires_at,
                }
                for each in quote.new_lots
            },
            "objective": _fraction(best.objective),
            "runner_up": _fraction(quoted.explanation.runner_up),
            "lane_by_lane": _fraction(quote.lane_by_lane.objective),
            "order": [lanes[lane] for lane in best.order],
            "proven": best.proven,
            "good_until": quote.good_until,
            "same_as": self._same_quote(),
            "lines": {
                str(line.line): {
                    "list": line.list,
                    "net": line.net,
                    "off": line.discounts,
                    "redeem_cap": line.redeem_cap,
                    "redeemed": {lots[name]: points for name, points in line.redeemed.items()},
                    "earn": line.earn,
                }
                for line in quote.lines
            },
        }

    def _same_quote(self) -> str:
        """Name the first other quote of the same id, or none."""
        quoted = self.played.quoted
        assert quoted is not None
        return next(
            (
                name
                for name, other in self.player.quotes.items()
                if other.quote.id == quoted.quote.id and name != self.played.step.name
            ),
            "none",
        )

    def _lot_names(self) -> dict[str, str]:
        return {
            lot.id: name
            for account in self.player.world.history.accounts.values()
            for name, lot in lots_of(account.lots)
        }

    # --- Comparing ----------------------------------------------------------------------

    def _compare(self, shape: Shape, expected: Any, got: Any, path: Path) -> Iterator[Difference]:
        if isinstance(shape, Either):
            got = _as_written(expected, got)
            shape = _alternative(shape, expected)
        if got is None and path[0] == "lines":
            got = {}  # A line that nothing happened to is not listed.
        if isinstance(shape, Record) and isinstance(got, Mapping):
            for key, value in expected.items():
                yield from self._compare(shape.fields[key], value, got.get(key), (*path, key))
        elif isinstance(shape, Table) and isinstance(got, Mapping):
            yield from self._table(shape, expected, got, path)
        elif isinstance(shape, Listing) and isinstance(shape.item, Record):
            for place, value in enumerate(expected):
                one = got[place] if isinstance(got, list) else got
                yield from self._compare(shape.item, value, one, (*path, place))
        elif not self._equal(shape, expected, got):
            yield self._difference(path, self._text(shape, expected), self._text(shape, got))

    def _table(
        self, shape: Table, expected: Mapping[str, Any], got: Mapping[str, Any], path: Path
    ) -> Iterator[Difference]:
        """Compare a table: of numbers and of variance whole, else only what is written."""
        for key, value in expected.items():
            yield from self._compare(shape.value, value, got.get(key), (*path, key))
        if isinstance(shape.value, Whole) or path == ("variance",):
            for key in got:
                if key not in expected and got[key]:
                    came = self._text(shape.value, got[key])
                    yield self._difference((*path, key), NOTHING, came)

    def _equal(self, shape: Shape, expected: Any, got: Any) -> bool:
        if isinstance(shape, When) or shape is UNTIL:
            return bool(self._moment(expected) == got)
        if isinstance(shape, Whole):
            return bool(expected == (got or 0))
        return bool(expected == got)

    def _moment(self, text: str) -> EpochMs | str:
        return NEVER if text == NEVER else self.player.instant(str(text))

    def _text(self, shape: Shape, value: Any) -> str:
        """Write a value as the file does."""
        if isinstance(shape, Whole) and isinstance(value, int):
            return self._number(shape, value)
        if value is not None and (isinstance(shape, When) or shape is UNTIL):
            at = value if isinstance(value, int) else self._moment(str(value))
            return at if isinstance(at, str) else self.local(at)
        return _plain(value)

    def _number(self, shape: Whole, value: int) -> str:
        return self.money(value) if shape.unit == "money" else str(value)

    def money(self, value: int) -> str:
        """Write minor units as the file does."""
        if not self.exponent:
            return str(value)
        whole, part = divmod(abs(value), 10**self.exponent)
        return f"{'-' if value < 0 else ''}{whole}.{part:0{self.exponent}}"

    def local(self, at: EpochMs) -> str:
        """Write an instant in the programme's zone, to the minute."""
        if at >= FOREVER:
            return NEVER
        zone = self.player.programme.zoneinfo
        return datetime.fromtimestamp(at // 1000, zone).strftime("%Y-%m-%d %H:%M")

    def _difference(self, path: Path, expected: str, got: str) -> Difference:
        step = self.played.step
        line = step.line_of(("expect", *path))
        return Difference(".".join(map(str, path)), line, expected, got)


def _status_of(results: Sequence[Result]) -> str | None:
    """Give the one word for the answers to a document; a refused part is told first."""
    for result in results:
        if result.status == "refused":
            return f"refused {result.code}"
    statuses = {result.status for result in results}
    for word, told in (("deferred", "waits"), ("conflict", "conflict"), ("ok", "ok")):
        if word in statuses:
            return told
    return None


def _document(results: Sequence[Result]) -> dict[str, Any]:
    earned: dict[str, int] = {}
    lines: dict[str, dict[str, int]] = {}
    for result in results:
        for paid in result.rules:
            earned[paid.rule] = earned.get(paid.rule, 0) + paid.points
        for line in result.lines:
            names = ("earned", "redeemed", "clawed", "reinstated")
            lines[str(line.n)] = {name: getattr(line, name) for name in names}
    return {
        "earned": earned,
        "lines": lines,
        "refund": {
            "money": sum(each.refund.money for each in results),
            "gift": sum(each.refund.gift for each in results),
            "points": sum(each.refund.points for each in results),
        },
        "flags": [flag for each in results for flag in each.flags],
        "tier": next((each.tier for each in results if each.tier), NO_TIER),
    }


def _lot(lot: Lot, owner: str) -> dict[str, Any]:
    figures = ("credited", "spent", "expired", "reversed", "repaid", "absorbed")
    end = end_of(lot)
    return {
        "points": lot.remaining,
        **{name: getattr(lot, name) for name in figures},
        "currency": lot.currency,
        "class": lot.class_,
        "from": lot.active_from,
        "until": NEVER if end >= FOREVER else end,
        "held": lot.held,
        "of": lot.person or owner,
    }


def _plain(value: Any) -> str:
    """Write a value that has no unit."""
    match value:
        case None:
            return NOTHING
        case bool():
            return str(value).lower()
        case list():
            return f"[{', '.join(map(str, value))}]"
        case Mapping():
            return "{" + ", ".join(f"{key}: {each}" for key, each in value.items()) + "}"
        case _:
            return str(value)


def _event(event: Event) -> str:
    return _told(event.kind, event.points, event.tier_to or event.code)


def _told(kind_: str, points: int, name: str | None) -> str:
    return " ".join([kind_, *([str(points)] if points else []), *([name] if name else [])])


def _fraction(value: Fraction | None) -> str:
    return "none" if value is None else str(value)


def _alternative(shape: Either, expected: Any) -> Shape:
    fitting = [each for each in shape.shapes if kind_of(each) == kind(expected)]
    return fitting[0]


def _as_written(expected: Any, got: Any) -> Any:
    """Give *got* as one word or number where the expectation is one."""
    if isinstance(expected, int) and isinstance(got, Mapping):
        if "debt" in got:
            return got["active"] - got["debt"]
        return sum(got.values())
    if isinstance(expected, str) and isinstance(got, Mapping):
        return got.get("why")
    return got
