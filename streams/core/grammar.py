"""The grammar of documents: what a value may be, told once.

A `Shape` describes one value of a campaign or programme document.  Three
readers walk the same shapes: `faults` checks exact data (this module),
`streams.documents` converts what people write in YAML, and
`json_schema` publishes the grammar.  The rule of this file: a shape says
everything that can be said of a value alone; what ties several values
together is checked where the document becomes a Struct.
"""

import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct

Path = tuple[str | int, ...]
Unit = Literal["count", "money", "percent", "quantity", "points"]

LARGEST = 10**15  # ledger.md §2: no amount, quantity or number of points is larger.
TEXT_LONGEST = 1000  # Longer strings would make records that Kafka refuses.
SHOWN_LONGEST = 60  # An error repeats at most this much of a wrong value.


class Fault(Struct, frozen=True):
    """
    One thing wrong with a document: where, and what would be right there.

    *at_key* points at the key itself and not at its value.
    """

    path: Path
    message: str
    at_key: bool = False


class DocumentError(ValueError):
    """
    A document that cannot be used; *faults* lists what is wrong, in document order.

    `path` and `message` are those of the first fault.
    """

    def __init__(self, faults: Sequence[Fault]) -> None:
        """Keep *faults*; there is at least one."""
        assert faults
        self.faults = tuple(faults)
        self.path = faults[0].path
        self.message = faults[0].message
        super().__init__("; ".join(f"{dotted(f.path)}: {f.message}" for f in faults[:5]))


def dotted(path: Path) -> str:
    """Write *path* as people do: `gives.set[0].take`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return text.removeprefix(".") or "document"


def shown(value: object) -> str:
    """Write a wrong value short enough for a message, as a document would."""
    words: dict[object, str] = {None: "nothing", True: "true", False: "false"}
    text = words.get(value, "") if value is None or isinstance(value, bool) else repr(value)
    return text if len(text) <= SHOWN_LONGEST else text[: SHOWN_LONGEST - 1] + "…"


class Text(Struct, frozen=True):
    """A string that matches *pattern* whole; *right* says in words what is meant."""

    right: str = "text"
    pattern: str = r"[\s\S]*"
    longest: int = TEXT_LONGEST
    shortest: int = 1


class Word(Struct, frozen=True):
    """One of a few words."""

    words: tuple[str, ...]


class Whole(Struct, frozen=True):
    """
    A whole number from *least* to *most*, in units of *unit* (promotions.md §1).

    *words* say what it means where the unit does not.
    """

    unit: Unit = "count"
    least: int = 0
    most: int = LARGEST
    words: str = ""


class Flag(Struct, frozen=True):
    """True or false."""


class When(Struct, frozen=True):
    """A date (its midnight) or an instant; without offset it is in the programme's zone."""


class ConditionShape(Struct, frozen=True):
    """A condition over attributes: promotions.md §3.  *scope* names what has the attributes."""

    scope: Literal["goods", "where", "who"]


class Listing(Struct, frozen=True):
    """A list of *least* to *most* values of one shape."""

    item: "Shape"
    least: int = 1
    most: int = 1000


class Table(Struct, frozen=True):
    """A map from free names to values of one shape."""

    key: Text
    value: "Shape"
    least: int = 0
    most: int = 100


class Record(Struct, frozen=True):
    """
    A map with known keys.

    Attributes:
        fields: The keys that may occur.
        required: The keys that must.
        one_of: Groups of keys of which exactly one must occur.
    """

    fields: dict[str, "Shape"]
    required: tuple[str, ...] = ()
    one_of: tuple[tuple[str, ...], ...] = ()


class Either(Struct, frozen=True):
    """
    One of several shapes, told apart by the kind of the value (text, number, list, map).

    No two of the shapes have the same kind.
    """

    shapes: tuple["Shape", ...]


Shape = Text | Word | Whole | Flag | When | ConditionShape | Listing | Table | Record | Either

WHEN = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,3}))?)?(Z|[+-][0-9]{2}:[0-9]{2})?)?"
)
WHEN_RIGHT = "a date like 2026-03-02 or an instant like 2026-03-02T10:00+03:00"


def right(shape: Shape) -> str:
    """Say in words what *shape* wants, for the end of an error message."""
    match shape:
        case Text():
            words = shape.right
        case Word():
            words = "one of " + ", ".join(shape.words)
        case Whole():
            unit = shape.words or UNIT_WORDS[shape.unit]
            words = f"a whole number ({unit}) from {shape.least} to {shape.most}"
        case Listing():
            words = "a list, each " + right(shape.item)
        case Record():
            words = "a map with " + ", ".join(shape.fields)
        case Either():
            words = ", or ".join(right(each) for each in shape.shapes)
        case _:
            words = PLAIN_WORDS[type(shape)]
    return words


PLAIN_WORDS: dict[type, str] = {
    Flag: "true or false",
    When: WHEN_RIGHT,
    ConditionShape: "a condition: a map of attributes, all, any, not",
    Table: "a map",
}
UNIT_WORDS: dict[Unit, str] = {
    "count": "how many",
    "money": "minor units of money",
    "percent": "basis points, 100 to the percent",
    "quantity": "thousandths",
    "points": "points",
}


def nearest(key: object, known: Sequence[str]) -> str:
    """Say which of *known* was probably meant by *key*."""
    close = difflib.get_close_matches(str(key)[:64], known, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]}?"
    return "known here: " + ", ".join(known)


def kind(value: object) -> str:
    """Name the kind of a plain value, as `Either` tells shapes apart."""
    if isinstance(value, bool):
        return "flag"
    if isinstance(value, int):
        return "number"
    if isinstance(value, str):
        return "text"
    if isinstance(value, Mapping):
        return "map"
    if isinstance(value, list | tuple):
        return "list"
    return "other"


def kind_of(shape: Shape) -> str:
    """Name the kind of the values of *shape*."""
    match shape:
        case Text() | Word() | When():
            return "text"
        case Whole():
            return "number"
        case Flag():
            return "flag"
        case Listing():
            return "list"
        case ConditionShape() | Table() | Record():
            return "map"
        case Either():
            return "either"


TestFaults = Callable[[Any, str, Path], Iterator[Fault]]


class Checker(Struct, frozen=True):
    """
    Checks exact data against shapes.

    Conditions have a grammar of their own, so their check is handed in:
    `conditions` imports this module and not the other way round.
    """

    test: TestFaults

    def faults(self, shape: Shape, value: Any, path: Path = ()) -> Iterator[Fault]:
        """Yield what is wrong with *value*, in document order; nothing when it is right."""
        if kind_of(shape) not in (kind(value), "either"):
            yield Fault(path, f"{shown(value)} is not {right(shape)}")
            return
        match shape:
            case Text() | Word() | Whole() | When():
                yield from _scalar(shape, value, path)
            case Flag():
                return
            case ConditionShape():
                yield from self.test(value, shape.scope, path)
            case Listing():
                yield from self._listing(shape, value, path)
            case Table():
                yield from self._table(shape, value, path)
            case Record():
                yield from self._record(shape, value, path)
            case Either():
                yield from self._either(shape, value, path)

    def _listing(self, shape: Listing, value: Sequence[Any], path: Path) -> Iterator[Fault]:
        if not shape.least <= len(value) <= shape.most:
            yield Fault(path, f"{len(value)} entries; write {shape.least} to {shape.most}")
            return
        for index, each in enumerate(value):
            yield from self.faults(shape.item, each, (*path, index))

    def _table(self, shape: Table, value: Mapping[Any, Any], path: Path) -> Iterator[Fault]:
        if not shape.least <= len(value) <= shape.most:
            yield Fault(path, f"{len(value)} entries; write {shape.least} to {shape.most}")
            return
        for key, each in value.items():
            wrong = list(self.faults(shape.key, key, (*path, str(key))))
            yield from wrong or self.faults(shape.value, each, (*path, key))

    def _record(self, shape: Record, value: Mapping[Any, Any], path: Path) -> Iterator[Fault]:
        for key, each in value.items():
            if not isinstance(key, str) or key not in shape.fields:
                hint = nearest(key, [k for k in shape.fields if k not in value] or [*shape.fields])
                yield Fault((*path, str(key)), f"unknown key {shown(key)}; {hint}", at_key=True)
            else:
                yield from self.faults(shape.fields[key], each, (*path, key))
        for key in shape.required:
            if key not in value:
                yield Fault(path, f"{key} is missing; write {right(shape.fields[key])}")
        for group in shape.one_of:
            given = [key for key in group if key in value]
            if len(given) != 1:
                named = " and ".join(given) or "none of them"
                yield Fault(path, f"write exactly one of {', '.join(group)}; here is {named}")

    def _either(self, shape: Either, value: Any, path: Path) -> Iterator[Fault]:
        for each in shape.shapes:
            if kind_of(each) == kind(value):
                yield from self.faults(each, value, path)
                return
        yield Fault(path, f"{shown(value)} is not {right(shape)}")


def _scalar(shape: Text | Word | Whole | When, value: Any, path: Path) -> Iterator[Fault]:
    match shape:
        case Text():
            fits = shape.shortest <= len(value) <= shape.longest
            fits = (
                fits and re.fullmatch(shape.pattern, value, re.ASCII) is not None and sound(value)
            )
        case Word():
            fits = value in shape.words
        case Whole():
            fits = shape.least <= value <= shape.most
        case When():
            fits = WHEN.fullmatch(value) is not None
    if fits:
        return
    if isinstance(shape, Word):
        yield Fault(path, f"{shown(value)} is unknown here; {nearest(value, shape.words)}")
    else:
        yield Fault(path, f"{shown(value)} is not {right(shape)}")


def sound(text: str) -> bool:
    """Tell whether *text* can be written as UTF-8: a lone surrogate can't."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
