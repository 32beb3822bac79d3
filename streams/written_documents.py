"""What people write, as exact data with places: YAML 1.2 of campaigns, programmes, stories.

People write `15%`, `5000.00` and `2026-03-02`; the core wants basis points,
minor units and ISO text.  A file is read into nodes that know their line and
column, converted exactly along the core's grammar, and checked there.  The
rule of this file: nothing is guessed.  Money, percent and quantity carry their
unit in how they are written, and a bare whole number in their place is
refused, because 500 could mean 500.00 or 5.00.  Quantity may be written in
thousandths as well, where that can't be a slip.

A `.json` file holds exact data and is read as such.
"""

import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from streams.core.campaign_grammar import shape_of
from streams.core.grammar import (
    ConditionShape,
    Either,
    Fault,
    Listing,
    Path,
    Record,
    Shape,
    Table,
    Text,
    Unit,
    When,
    Whole,
    Word,
    dotted,
    kind_of,
    right,
    shown,
)
from streams.core.programme import PROGRAMME

NODES_MOST = 50_000  # Aliases can make a short file large; reading stops there.
DEPTH_MOST = 40
LONG_NUMBER = 40  # More digits than any bound admits; more are neither read nor shown.
BRACKETS_MOST = 100  # The parser looks far ahead at every open bracket.
THOUSANDTHS_LEAST = 100  # Three thousandths of a piece are a slip for three pieces.
DIGITS: dict[Unit, int] = {
    "money": 2,
    "percent": 2,
    "quantity": 3,
}  # Of percent: 1 % is 100 basis points.

INTEGER = re.compile(r"[-+]?[0-9]+", re.ASCII)
FRACTION = re.compile(r"[-+]?([0-9]*\.[0-9]+|[0-9]+\.)", re.ASCII)
NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
OTHER_NUMBER = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", re.ASCII)
TAG = "tag:yaml.org,2002:"
TAGS = {TAG + name for name in ("map", "seq", "str", "int", "float", "bool", "null", "timestamp")}
TAGS.add(TAG + "merge")  # Of the key <<, which is then refused as unknown.
NULLS = ("", "~", "null", "Null", "NULL")
TRUES, FALSES = ("true", "True", "TRUE"), ("false", "False", "FALSE")


class Problem(Struct, frozen=True):
    """One fault of a file; lines and columns count from 1."""

    file: str
    line: int
    column: int
    path: str
    message: str

    def __str__(self) -> str:
        """Write it as compilers do, so that editors find the place."""
        return f"{self.file}:{self.line}:{self.column}: {self.path}: {self.message}"


class DocumentFileError(ValueError):
    """A file that cannot be used; *problems* says where and what would be right."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        """Keep *problems*; there is at least one."""
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, problems)))


class Place(Struct, frozen=True):
    """Where a value and its key begin, from 0."""

    value: tuple[int, int]
    key: tuple[int, int]


class Written(Struct, frozen=True):
    """
    One document of a file, converted.

    Attributes:
        exact: Exact data, to be loaded by the core.
        faults: What could not be converted.
        places: Line and column of each path.
    """

    file: str
    exact: Any
    faults: tuple[Fault, ...]
    places: Mapping[Path, Place]

    def problems(self, faults: Sequence[Fault]) -> list[Problem]:
        """Turn *faults* into problems of this file, by line."""
        found = []
        for fault in faults:
            path = fault.path
            while path not in self.places and path:
                path = path[:-1]
            place = self.places.get(path, Place((0, 0), (0, 0)))
            line, column = place.key if fault.at_key else place.value
            where = dotted(fault.path)
            found.append(Problem(self.file, line + 1, column + 1, where, fault.message))
        return sorted(found, key=lambda each: (each.line, each.column))


# --- Reading YAML -------------------------------------------------------------


def nodes(text: str, file: str) -> list[Node]:
    """
    Parse *text* into the nodes of its documents.

    Raises:
        DocumentFileError: If it is not YAML.
    """
    line = _too_deep(text)
    if line is not None:
        message = f"nested deeper than {DEPTH_MOST}"
        raise DocumentFileError([Problem(file, line, 1, "document", message)])
    yaml = YAML(typ="safe", pure=True)
    try:
        found = [node for node in yaml.compose_all(io.StringIO(text)) if node is not None]
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        message = f"not YAML: {error.problem or error.context}"
        raise DocumentFileError([Problem(file, line, column, "document", message)]) from error
    except RecursionError as error:
        message = f"nested deeper than {DEPTH_MOST}"
        raise DocumentFileError([Problem(file, 1, 1, "document", message)]) from error
    except (YAMLError, ValueError, OverflowError, AttributeError, AssertionError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        problem = Problem(file, 1, 1, "document", f"not YAML: {first}")
        raise DocumentFileError([problem]) from error
    if not found:
        raise DocumentFileError([Problem(file, 1, 1, "document", "the file is empty")])
    return found


def _too_deep(text: str) -> int | None:
    """Find the line where absurdly many brackets are open, in text or not."""
    depth = 0
    for number, line in enumerate(text.split("\n"), start=1):
        for mark in re.findall(r"[\[\]{}]", line):
            depth = depth + 1 if mark in "[{" else max(0, depth - 1)
            if depth > BRACKETS_MOST:
                return number
    return None


class _Broken:
    """Stands for a value that could not be converted, in messages of what contains it."""

    def __repr__(self) -> str:
        return "what is written"


BROKEN = _Broken()


class _Attribute(Struct, frozen=True):
    """Inside a condition: the test of an attribute, and the unit its numbers are written in."""

    unit: Unit | None = None


Expected = Shape | _Attribute | None


class _Converter:
    """Converts the nodes of one document along a shape."""

    def __init__(self, *, exponent: int, exact: bool) -> None:
        self.exponent = exponent
        self.exact = exact
        self.faults: list[Fault] = []
        self.places: dict[Path, Place] = {}
        self._seen = 0

    def fault(self, path: Path, message: str, *, at_key: bool = False) -> Any:
        self.faults.append(Fault(path, message, at_key))
        return BROKEN

    def value(self, node: Node, shape: Expected, path: Path, key: Node | None = None) -> Any:
        """Convert *node*; without *shape* by YAML's own rules."""
        start = (node.start_mark.line, node.start_mark.column)
        at_key = (key.start_mark.line, key.start_mark.column) if key is not None else start
        nothing = isinstance(node, ScalarNode) and not node.value and node.style is None
        self.places[path] = Place(at_key if nothing else start, at_key)
        self._seen += 1
        if self._seen > NODES_MOST or len(path) > DEPTH_MOST:
            return self.fault(path, f"more than {NODES_MOST} values or nested over {DEPTH_MOST}")
        if node.tag not in TAGS:
            return self.fault(path, f"tag {shown(str(node.tag))} has no meaning here; leave it out")
        if isinstance(node, MappingNode):
            return self.mapping(node, shape, path)
        if isinstance(node, SequenceNode):
            item: Expected = next((each.item for each in _listings(shape)), None)
            if isinstance(shape, _Attribute):
                item = shape
            return [
                self.value(each, item, (*path, index))
                for index, each in enumerate(node.value)
                if self._seen <= NODES_MOST
            ]
        assert isinstance(node, ScalarNode)
        return self.scalar(node, shape, path)

    def mapping(self, node: MappingNode, shape: Expected, path: Path) -> Any:
        inner = _inner(shape)
        found: dict[Any, Any] = {}
        for key, each in node.value:
            if self._seen > NODES_MOST:
                break
            if not isinstance(key, ScalarNode):
                self.fault(path, "a key is text, not a list or map")
                continue
            name = key.value
            below = (*path, name)
            value = self.value(each, inner(name), below, key)
            if name in found:
                self.fault(below, f"{shown(name)} is written twice", at_key=True)
            found[name] = value
        return found

    def scalar(self, node: ScalarNode, shape: Expected, path: Path) -> Any:
        text = node.value
        # A tag !!str makes text of what else would be a number.
        tagged = node.tag == TAG + "str" and NUMBER.fullmatch(text) is not None
        plain = node.style is None and not tagged
        if isinstance(shape, Either):
            shape = _chosen(shape, text, plain=plain)
        match shape:
            case Text() | Word() | When():
                return None if plain and text in NULLS else text
            case Whole():
                return self.whole(text, shape, path, plain=plain)
            case _Attribute(unit=unit) if unit is not None and plain and NUMBER.fullmatch(text):
                return self.whole(text, Whole(unit), path, plain=True)
            case _:
                return self.plain(text, path) if plain else text

    def plain(self, text: str, path: Path) -> Any:
        """Resolve a plain scalar by YAML 1.2's core schema, exactly."""
        if text in NULLS:
            return None
        if text in TRUES or text in FALSES:
            return text in TRUES
        if NUMBER.fullmatch(text) or OTHER_NUMBER.fullmatch(text):
            return self.number(text, path)
        return text

    def number(self, text: str, path: Path) -> Any:
        """Read a plain number of no unit: whole, or an exact decimal."""
        digits = text.lstrip("+-")
        if INTEGER.fullmatch(text) and (digits == "0" or not digits.startswith("0")):
            return _bounded(text)
        if FRACTION.fullmatch(text) and not self.exact:
            return {"decimal": _decimal(text)}
        return self.fault(
            path, f'{shown(text)}: write a number like 41 or 41.5, or "{text}" as text'
        )

    def whole(self, text: str, shape: Whole, path: Path, *, plain: bool) -> Any:
        """Convert a number in its unit to the core's whole number."""
        digits = self._digits(shape.unit)
        if digits is not None and not self.exact:
            return self.measure(text, shape.unit, digits, path)
        if plain and INTEGER.fullmatch(text):
            return _bounded(text)
        what = shown(None if plain and text in NULLS else text)
        return self.fault(path, f"{what} is not {right(shape)}")

    def measure(self, text: str, unit: Unit, digits: int, path: Path) -> Any:
        """Convert money, a percentage or a quantity; its unit must be seen in how it is written."""
        number = text[:-1].rstrip() if unit == "percent" and text.endswith("%") else text
        bare = INTEGER.fullmatch(text) is not None
        if not INTEGER.fullmatch(number) and not FRACTION.fullmatch(number):
            return self.fault(path, f"{shown(text)} is not {self._example(unit)}")
        if bare and unit == "quantity" and _bounded(text) >= THOUSANDTHS_LEAST:
            return _bounded(text)
        if bare or (unit == "percent" and number == text):
            return self.fault(path, f"{shown_number(text)}: {self._hint(unit, text)}")
        converted = _shifted(number, digits)
        if converted is None:
            message = f"{shown_number(text)} has too many digits after the point"
            return self.fault(path, f"{message}; write {self._example(unit)}")
        return converted

    def _digits(self, unit: Unit) -> int | None:
        """Give how many digits the unit has after the point; None where it is written whole."""
        if unit == "money":
            return self.exponent or None
        return DIGITS.get(unit)

    def _example(self, unit: Unit) -> str:
        if unit == "money":
            return f"money like 150.{'0' * self.exponent}"
        return "a percentage like 15% or 7.5%" if unit == "percent" else "a quantity like 3.0"

    def _hint(self, unit: Unit, text: str) -> str:
        """Say how a bare number of *unit* is written, in both of its possible meanings."""
        if not INTEGER.fullmatch(text):
            return f"write {shown_number(text)}%; a percentage has its sign"
        sign = "-" if text.startswith("-") else ""
        places = self.exponent if unit == "money" else DIGITS[unit]
        digits = text.lstrip("+-")[:LONG_NUMBER].rjust(places + 1, "0")
        small = f"{sign}{digits[:-places]}.{digits[-places:]}"
        if unit == "percent":
            return f"write {shown_number(text)}% or {small}%; a percentage has its sign"
        if unit == "quantity":
            return f"write {shown_number(text)}.0 or {small} pieces or kilograms"
        return f"write {shown_number(text)}.{'0' * places} or {small}, money with its decimals"


UNITS_OF_GOODS: dict[str, Unit] = {"price": "money", "quantity": "quantity"}
Inner = Callable[[str], Any]


def _inner(shape: Any) -> Inner:
    """Say which shape each key of a map has."""
    match shape:
        case Record():
            return shape.fields.get
        case Table():
            return lambda _: shape.value
        case ConditionShape():
            units = UNITS_OF_GOODS if shape.scope == "goods" else {}
            return lambda key: (
                shape if key == "not"
                else Listing(shape) if key in ("all", "any")
                else _Attribute(units.get(key))
            )  # fmt: skip
        case _Attribute():
            return lambda key: Text() if key == "decimal" else shape
        case Either():
            maps = [each for each in shape.shapes if kind_of(each) == "map"]
            return _inner(maps[0] if maps else None)
        case _:
            return lambda _: None


def _listings(shape: Any) -> Iterator[Listing]:
    if isinstance(shape, Listing):
        yield shape
    elif isinstance(shape, Either):
        yield from (each for each in shape.shapes if isinstance(each, Listing))


def _chosen(shape: Either, text: str, *, plain: bool) -> Shape:
    """Choose the shape of a scalar: a number where one may stand and is written."""
    numeric = plain and re.fullmatch(NUMBER.pattern + "%?", text) is not None
    wanted = "number" if numeric else "text"
    fitting = [each for each in shape.shapes if kind_of(each) == wanted]
    texts = [each for each in shape.shapes if kind_of(each) == "text"]
    return (fitting or texts or [shape.shapes[0]])[0]


def _bounded(text: str) -> int:
    """Read a whole number; one of absurdly many digits becomes one that no bound admits."""
    return int(text[:LONG_NUMBER])


def _decimal(text: str) -> str:
    sign = "-" if text.startswith("-") else ""
    whole, _, fraction = text.lstrip("+-").partition(".")
    return f"{sign}{whole or '0'}.{fraction or '0'}"


def _shifted(number: str, digits: int) -> int | None:
    """Read *number* × 10^digits; None where that is not whole."""
    sign = -1 if number.startswith("-") else 1
    whole, _, fraction = number.lstrip("+-").partition(".")
    fraction = fraction.rstrip("0")
    if len(fraction) > digits:
        return None
    return sign * _bounded((whole or "0") + fraction.ljust(digits, "0"))


def shown_number(text: str) -> str:
    """Write a number short enough for a message."""
    return text if len(text) <= LONG_NUMBER else text[:LONG_NUMBER] + "…"


# --- Documents ----------------------------------------------------------------


def written(node: Node, *, file: str = "", exponent: int = 2, exact: bool = False) -> Written:
    """
    Convert one parsed document; whether it is a programme is told by its keys.

    Args:
        node: From `nodes`.
        file: For problems.
        exponent: Digits of the programme's money; a programme's own document has its own.
        exact: Take whole numbers as the core's units, as in JSON.
    """
    programme = is_programme(node)
    if programme:
        exponent = own_exponent(node)
    shape: Shape = PROGRAMME if programme else shape_of(_skeleton(node))
    return along(node, shape, file=file, exponent=exponent, exact=exact)


def along(
    node: Node, shape: Shape, *, file: str, exponent: int, path: Path = (), exact: bool = False
) -> Written:
    """
    Convert a parsed node along any *shape*; *path* is where it is in its document.

    What could not be converted is among the faults; what the shape refuses is not yet.
    """
    converter = _Converter(exponent=exponent, exact=exact)
    converted = converter.value(node, shape, path)
    return Written(file, converted, tuple(converter.faults), converter.places)


def is_programme(node: Node) -> bool:
    """Tell a programme's document from a campaign's: it has `programme` and no `campaign`."""
    keys = keys_of(node)
    return "programme" in keys and "campaign" not in keys


def keys_of(node: Node | None) -> dict[str, Node]:
    """Give the values of a map's node by key; nothing for any other node."""
    if not isinstance(node, MappingNode):
        return {}
    return {key.value: each for key, each in node.value if isinstance(key, ScalarNode)}


def own_exponent(node: Node) -> int:
    """Read how many digits the money of a programme's document has after the point."""
    written_as = keys_of(keys_of(node).get("money")).get("exponent")
    text = written_as.value if isinstance(written_as, ScalarNode) else "2"
    return int(text) if text in ("0", "1", "2", "3", "4") else 2


def _skeleton(node: Node) -> dict[str, Any]:
    """Show the core just enough to choose the grammar: which effect the campaign has."""
    return {"gives": keys_of(keys_of(node).get("gives"))}
