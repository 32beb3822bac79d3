"""Conditions over open, typed attributes: promotions.md §3.

A document's tree of `all`, `any`, `not` and tests becomes a tree of atoms with
`not` pushed down, and the same in disjunctive normal form.  An atom, negated
or not, whose attribute is missing or of another type is false and reports the
attribute's name.  Numbers are integers and exact decimals; there are no floats.

`evaluate` walks the tree and is the reference; `matching` compiles the
disjunctive normal form and must agree with it.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Literal

from msgspec import Struct

from streams.core.grammar import LARGEST, TEXT_LONGEST, DocumentError, Fault, Path, shown, sound
from streams.core.receipt import DecimalValue

CONJUNCTIONS_MOST = 64  # promotions.md §3: a wider tree is refused.
DEPTH_MOST = 16  # Deeper trees than anyone reads; recursion stays shallow.
VALUES_MOST = 10_000  # A list of stock numbers; more belongs in an attribute.
ATOMS_MOST = 1_000
SCALE_MOST = 18  # Digits after the point; numbers are compared times 10^18.
POWERS: tuple[int, ...] = tuple(10**power for power in range(SCALE_MOST + 1))
WINDOW_MOST = 180  # Days around a birthday: two windows of one member never overlap.
LEAP_MONTH, LEAP_DAY = 2, 29

Number = int | DecimalValue
Value = str | bool | int | DecimalValue
Operator = Literal[
    "one_of", "none_of", "within", "outside", "known", "unknown", "every", "not_every",
    "birthday", "not_birthday",
]  # fmt: skip
NEGATION: dict[Operator, Operator] = {
    "one_of": "none_of",
    "within": "outside",
    "known": "unknown",
    "every": "not_every",
    "birthday": "not_birthday",
}
NEGATION.update({negated: plain for plain, negated in NEGATION.items()})
POSITIVE = ("one_of", "within", "every", "birthday")


class Bounds(Struct, frozen=True):
    """A range of numbers; *open* ends exclude their bound, None is without bound."""

    low: Number | None = None
    low_open: bool = False
    high: Number | None = None
    high_open: bool = False


class BirthdayWindow(Struct, frozen=True):
    """Days around a birthday, and how long before it the date must have been known."""

    before: int = 0
    after: int = 0
    leap: Literal["feb28", "mar1"] = "feb28"
    known_for: int = 30


class Birth(Struct, frozen=True):
    """
    What the attribute `birthday` holds: month and day of birth, and the day it is looked at.

    Attributes:
        known_on: Local date since when the shop knows it; None is always.
        on: Local date of the event.
    """

    month: int
    day: int
    known_on: date | None
    on: date


AtomValue = frozenset[Value] | Bounds | BirthdayWindow | int | None


class Atom(Struct, frozen=True):
    """
    One test of one attribute.

    Attributes:
        kind: Type of the values of `one_of` and `none_of`: string, number or bool.  It keeps
            the atoms of 1 and of true apart, which Python holds to be equal.
    """

    attribute: str
    operator: Operator
    value: AtomValue = None
    kind: str = ""


class Every(Struct, frozen=True):
    """True when every part is; without parts, true."""

    parts: tuple["Tree", ...]


class Some(Struct, frozen=True):
    """True when some part is; without parts, false."""

    parts: tuple["Tree", ...]


Tree = Atom | Every | Some
Conjunction = tuple[Atom, ...]


class Condition(Struct, frozen=True):
    """
    A parsed condition.

    Attributes:
        tree: The tree with negation in its atoms only.
        dnf: The same as at most 64 conjunctions; none is false, an empty one is true.
        atoms: Every distinct atom of the tree, in document order.
    """

    tree: Tree
    dnf: tuple[Conjunction, ...]
    atoms: tuple[Atom, ...]


TRUE = Condition(Every(()), ((),), ())


class Verdict(Struct, frozen=True):
    """Whether a condition holds, and the sorted names that were missing or of another type."""

    holds: bool
    unknown: tuple[str, ...] = ()


AttributeMap = Mapping[str, Any]


# --- Reading a document -------------------------------------------------------


def parse(document: Any, scope: str = "goods", path: Path = ()) -> Condition:
    """
    Read a condition from plain data; None is true.

    Args:
        document: The map of a campaign document, numbers exact.
        scope: `goods`, `where` or `who`; only `who` knows `birthday` and `purchase`.
        path: Where the condition stands, for errors.

    Raises:
        DocumentError: If the grammar is not kept, or over 64 conjunctions result.
    """
    if document is None:
        return TRUE
    faults: list[Fault] = []
    tree = _Reader(scope, faults).condition(document, path, 0, negated=False)
    if faults:
        raise DocumentError(faults)
    atoms = tuple(dict.fromkeys(_atoms(tree)))
    if len(atoms) > ATOMS_MOST:
        raise DocumentError([Fault(path, f"{len(atoms)} tests; at most {ATOMS_MOST} are allowed")])
    dnf = _dnf(tree)
    if dnf is None:
        message = f"more than {CONJUNCTIONS_MOST} alternatives; use lists or split the campaign"
        raise DocumentError([Fault(path, message)])
    return Condition(tree, dnf, atoms)


def faults(document: Any, scope: str, path: Path) -> Iterator[Fault]:
    """Yield what is wrong with a condition, for the document grammar."""
    try:
        parse(document, scope, path)
    except DocumentError as error:
        yield from error.faults


class _Reader:
    """Reads one condition and collects its faults."""

    def __init__(self, scope: str, faults: list[Fault]) -> None:
        self.scope = scope
        self.faults = faults

    def fault(self, path: Path, message: str) -> Tree:
        self.faults.append(Fault(path, message))
        return Every(())

    def condition(self, document: Any, path: Path, depth: int, *, negated: bool) -> Tree:
        if not isinstance(document, Mapping):
            return self.fault(path, f"{shown(document)} is not a map of attributes, all, any, not")
        if depth > DEPTH_MOST:
            return self.fault(path, f"nested deeper than {DEPTH_MOST}; flatten it")
        if len(document) > ATOMS_MOST:
            return self.fault(path, f"{len(document)} keys; at most {ATOMS_MOST} are allowed")
        parts = tuple(
            self.entry(key, value, (*path, str(key)), depth, negated=negated)
            for key, value in document.items()
        )
        return _join(parts, every=not negated)

    def entry(self, key: Any, value: Any, path: Path, depth: int, *, negated: bool) -> Tree:
        if not isinstance(key, str) or not 0 < len(key) <= TEXT_LONGEST or not sound(key):
            return self.fault(path, f"{shown(key)} is not the name of an attribute")
        if key == "not":
            return self.condition(value, path, depth + 1, negated=not negated)
        if key in ("all", "any"):
            if not isinstance(value, list | tuple) or not value:
                return self.fault(path, f"{key} wants a list of conditions, one at least")
            if len(value) > ATOMS_MOST:
                return self.fault(path, f"{len(value)} parts; at most {ATOMS_MOST} are allowed")
            parts = tuple(
                self.condition(each, (*path, index), depth + 1, negated=negated)
                for index, each in enumerate(value)
            )
            return _join(parts, every=(key == "all") != negated)
        return self.test(key, value, path, negated=negated)

    def test(self, name: str, value: Any, path: Path, *, negated: bool) -> Tree:
        if isinstance(value, list | tuple):
            return self.listed(name, value, path, negated=negated)
        if not isinstance(value, Mapping) or "decimal" in value:
            return self.listed(name, [value], path, negated=negated, single=True)
        if "known" in value:
            return self.known(name, value, path, negated=negated)
        if self.scope == "who" and name in ("purchase", "birthday"):
            read = self.purchase if name == "purchase" else self.birthday
            return read(value, path, negated=negated)
        return self.range(name, value, path, negated=negated)

    def known(self, name: str, value: Mapping[Any, Any], path: Path, *, negated: bool) -> Tree:
        if len(value) != 1 or not isinstance(value["known"], bool):
            return self.fault(path, "known stands alone and is true or false")
        return Atom(name, "known" if value["known"] != negated else "unknown")

    def listed(
        self, name: str, values: Sequence[Any], path: Path, *, negated: bool, single: bool = False
    ) -> Tree:
        if self.scope == "who" and name in ("birthday", "purchase"):
            right = {"birthday": "{before: 7, after: 7}", "purchase": "{number: 1} or {every: 3}"}
            return self.fault(path, f"write {name}: {right[name]}")
        if not 0 < len(values) <= VALUES_MOST:
            return self.fault(path, f"{len(values)} values; write 1 to {VALUES_MOST}")
        by_kind: dict[str, list[Value]] = {}
        for index, each in enumerate(values):
            value = self.value(each, path if single else (*path, index))
            if value is not None:
                by_kind.setdefault(kind_of(value), []).append(value)
        parts = tuple(
            Atom(name, "none_of" if negated else "one_of", frozenset(each), kind)
            for kind, each in sorted(by_kind.items())
        )
        return _join(parts, every=negated)

    def value(self, value: Any, path: Path) -> Value | None:
        if isinstance(value, bool):
            return value
        if isinstance(value, str):
            if len(value) <= TEXT_LONGEST and sound(value):
                return value
            self.fault(path, f"text longer than {TEXT_LONGEST} or not Unicode")
            return None
        return self.number(value, path)

    def number(self, value: Any, path: Path) -> Number | None:
        if isinstance(value, int) and not isinstance(value, bool):
            if abs(value) <= LARGEST:
                return value
            self.fault(path, f"{shown(value)} is beyond ±{LARGEST}")
            return None
        if isinstance(value, Mapping) and list(value) == ["decimal"]:
            number = decimal(value["decimal"])
            if number is not None:
                return number
        self.fault(path, f'{shown(value)}: write text, a whole number, true, false or a decimal '
                   'like {decimal: "41.5"}')  # fmt: skip
        return None

    def range(self, name: str, value: Mapping[Any, Any], path: Path, *, negated: bool) -> Tree:
        unknown = [key for key in value if key not in ("from", "to", "above", "below")]
        if unknown or not value:
            found = shown(unknown[0]) if unknown else "nothing"
            return self.fault(path, f"{found} here; a test is a value, a list of values, "
                              "{from, to, above, below} or {known: true}")  # fmt: skip
        if {"from", "above"} <= value.keys() or {"to", "below"} <= value.keys():
            return self.fault(path, "write one of from and above, and one of to and below")
        ends = {key: self.number(each, (*path, key)) for key, each in value.items()}
        low = ends.get("from", ends.get("above"))
        high = ends.get("to", ends.get("below"))
        if low is not None and high is not None and scaled(low) > scaled(high):
            return self.fault(path, "the lower bound is above the upper one")
        bounds = Bounds(low, "above" in value, high, "below" in value)
        return _atom(name, "within", bounds, negated=negated)

    def purchase(self, value: Mapping[Any, Any], path: Path, *, negated: bool) -> Tree:
        if list(value) in (["number"], ["every"]):
            ((key, n),) = value.items()
            if isinstance(n, int) and not isinstance(n, bool) and 0 < n <= LARGEST:
                if key == "every":
                    return _atom("purchase", "every", n, negated=negated)
                return Atom(
                    "purchase", "none_of" if negated else "one_of", frozenset([n]), "number"
                )
        return self.fault(path, "write {number: 1} or {every: 3}, whole and above 0")

    def birthday(self, value: Mapping[Any, Any], path: Path, *, negated: bool) -> Tree:
        days = {key: value.get(key, 0) for key in ("before", "after")}
        days["known_for"] = value.get("known_for", 30)
        bad = [k for k in value if k not in ("before", "after", "known_for", "leap")]
        bad += [k for k, n in days.items() if type(n) is not int or not 0 <= n <= WINDOW_MOST]
        leap = value.get("leap", "feb28")
        if bad or leap not in ("feb28", "mar1"):
            return self.fault(
                (*path, str(bad[0] if bad else "leap")),
                f"a birthday is {{before, after, known_for: 0 to {WINDOW_MOST} days, "
                "leap: feb28 or mar1}",
            )
        window = BirthdayWindow(days["before"], days["after"], leap, days["known_for"])
        return _atom("birthday", "birthday", window, negated=negated)


def _atom(name: str, operator: Operator, value: AtomValue, *, negated: bool) -> Atom:
    return Atom(name, NEGATION[operator] if negated else operator, value)


def _join(parts: tuple[Tree, ...], *, every: bool) -> Tree:
    if len(parts) == 1:
        return parts[0]
    return Every(parts) if every else Some(parts)


def _atoms(tree: Tree) -> Iterator[Atom]:
    if isinstance(tree, Atom):
        yield tree
    else:
        for part in tree.parts:
            yield from _atoms(part)


def _dnf(tree: Tree) -> tuple[Conjunction, ...] | None:
    """Expand *tree*; None when it, or a part of it, has more than 64 conjunctions."""
    if isinstance(tree, Atom):
        return ((tree,),)
    parts = [_dnf(part) for part in tree.parts]
    if any(part is None for part in parts):
        return None
    if isinstance(tree, Some):
        found = dict.fromkeys(each for part in parts for each in part or ())
        return tuple(found) if len(found) <= CONJUNCTIONS_MOST else None
    product: tuple[Conjunction, ...] = ((),)
    for part in parts:
        joined = (tuple(dict.fromkeys(left + each)) for left in product for each in part or ())
        product = tuple(dict.fromkeys(joined))
        if len(product) > CONJUNCTIONS_MOST:
            return None
    return product


# --- Values -------------------------------------------------------------------


def decimal(text: Any) -> Number | None:
    """Read `41.5` exactly; whole values become int; None when it is no decimal in bounds."""
    if not isinstance(text, str) or len(text) > 2 * SCALE_MOST or not text.isascii():
        return None
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text)
    whole, point, fraction = digits.partition(".")
    if not whole.isdigit() or (point and not fraction.isdigit()) or len(fraction) > SCALE_MOST:
        return None
    if int(whole) > LARGEST:
        return None
    return lowest(DecimalValue(sign * int(whole + fraction), len(fraction)))


def lowest(number: DecimalValue) -> Number:
    """Drop trailing zeros, so that equal numbers are equal values; whole ones become int."""
    unscaled, scale = number.unscaled, number.scale
    while scale > 0 and unscaled % 10 == 0:
        unscaled //= 10
        scale -= 1
    return DecimalValue(unscaled, scale) if scale else unscaled


def scaled(number: Number) -> int:
    """Write *number*, of at most 18 digits after the point, times 10^18: exact and comparable."""
    if isinstance(number, DecimalValue):
        return number.unscaled * POWERS[SCALE_MOST - number.scale]
    return number * POWERS[SCALE_MOST]


KINDS: dict[type, str] = {
    str: "string",
    bool: "bool",
    int: "number",
    DecimalValue: "number",
    tuple: "set",
    list: "set",
    set: "set",
    frozenset: "set",
    Birth: "birth",
}


def kind_of(value: Any) -> str:
    """
    Name the type of an attribute's value: string, bool, number, set, birth or other.

    A decimal of more than 18 digits after the point is other: it meets no test.
    """
    kind = KINDS.get(type(value), "other")
    if isinstance(value, DecimalValue) and not 0 <= value.scale <= SCALE_MOST:
        return "other"
    return kind


# --- Evaluation ---------------------------------------------------------------


def evaluate(condition: Condition, attributes: AttributeMap) -> Verdict:
    """
    Decide *condition* on *attributes*, and name what it asked for in vain.

    Every atom is asked, also where another already decides: the names explain
    to a marketer what the data lacks.
    """
    unknown: set[str] = set()
    met = _explained(condition.tree, attributes, unknown)
    return Verdict(met, tuple(sorted(unknown)))


def _explained(tree: Tree, attributes: AttributeMap, unknown: set[str]) -> bool:
    if isinstance(tree, Atom):
        answer = ask(tree, attributes)
        if answer is None:
            unknown.add(tree.attribute)
        return answer is True
    answers = [_explained(part, attributes, unknown) for part in tree.parts]
    return all(answers) if isinstance(tree, Every) else any(answers)


def holds(condition: Condition, attributes: AttributeMap) -> bool:
    """Decide *condition* on *attributes*, asking no more than it takes."""
    return _holds(condition.tree, attributes)


def _holds(tree: Tree, attributes: AttributeMap) -> bool:
    if isinstance(tree, Atom):
        return ask(tree, attributes) is True
    if isinstance(tree, Every):
        return all(_holds(part, attributes) for part in tree.parts)
    return any(_holds(part, attributes) for part in tree.parts)


def ask(atom: Atom, attributes: AttributeMap) -> bool | None:
    """Decide one atom; None when its attribute is missing or of another type."""
    value = attributes.get(atom.attribute)
    operator = atom.operator
    if operator in ("known", "unknown"):
        return (value is not None) == (operator == "known")
    answer = None if value is None else _positive(atom, value)
    return answer if answer is None or operator in POSITIVE else not answer


def _positive(atom: Atom, value: Any) -> bool | None:
    """Decide the positive form of *atom* on a present *value*; None for a type it can't meet."""
    kind = kind_of(value)
    test = atom.value
    if isinstance(test, frozenset):
        if kind == "set":
            return any(each in test for each in value) if atom.kind == "string" else None
        if kind != atom.kind:
            return None
        return (lowest(value) if isinstance(value, DecimalValue) else value) in test
    if isinstance(test, Bounds):
        return _inside(test, scaled(value)) if kind == "number" else None
    if isinstance(test, BirthdayWindow):
        return birthday_year(test, value) is not None if kind == "birth" else None
    assert isinstance(test, int)
    return value % test == 0 if type(value) is int else None


def _inside(bounds: Bounds, value: int) -> bool:
    if bounds.low is not None:
        low = scaled(bounds.low)
        if value < low or (bounds.low_open and value == low):
            return False
    if bounds.high is not None:
        high = scaled(bounds.high)
        if value > high or (bounds.high_open and value == high):
            return False
    return True


def birthday_year(window: BirthdayWindow, birth: Birth) -> int | None:
    """
    Find the birthday whose window holds `birth.on`: last, this, then next year's.

    The year is the key of `per: birthday`, so a window across New Year counts once.
    """
    for year in (birth.on.year - 1, birth.on.year, birth.on.year + 1):
        birthday = birthday_in(year, birth, window.leap)
        if birthday is None:
            continue
        days = (birth.on - birthday).days
        if not -window.before <= days <= window.after:
            continue
        if birth.known_on is None or (birthday - birth.known_on).days >= window.known_for:
            return year
    return None


def birthday_in(year: int, birth: Birth, leap: Literal["feb28", "mar1"]) -> date | None:
    """Find the birthday in *year*; 29 February moves by *leap* in a common year."""
    if not date.min.year <= year <= date.max.year:
        return None
    if (birth.month, birth.day) == (LEAP_MONTH, LEAP_DAY):
        eve = date(year, LEAP_MONTH, LEAP_DAY - 1)
        after = eve + timedelta(days=1)
        return after if after.month == LEAP_MONTH or leap == "mar1" else eve
    return date(year, birth.month, birth.day)
