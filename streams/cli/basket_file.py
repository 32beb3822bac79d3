"""
A basket to be quoted, as people write it, with the member and the documents it goes by.

YAML is written as in campaigns: `79.99` is money, `0.345` a quantity, a time without an offset
is in the programme's zone.  A `.json` file holds exact data: minor units and thousandths, as
the worked examples do.  Faults are told with their line and column.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct
from ruamel.yaml.nodes import Node, ScalarNode, SequenceNode

from streams.cli.publishing import read
from streams.core.basket import UNIT_QUANTITY, Basket, Member, load_basket, load_member
from streams.core.calendar import instant
from streams.core.campaigns import Campaign
from streams.core.case import Case, see
from streams.core.grammar import (
    ConditionShape,
    DocumentError,
    Either,
    Fault,
    Listing,
    Record,
    Shape,
    Text,
    When,
    Whole,
    Word,
    nearest,
)
from streams.core.grammar import Path as InFile
from streams.core.matching import CampaignIndex
from streams.core.programme import Programme
from streams.documents import campaign_of, programme_of, read_campaigns, read_programme, text_of
from streams.written_documents import (
    DocumentFileError,
    Problem,
    Written,
    along,
    keys_of,
    nodes,
    written,
)

KEYS = ("programme", "campaigns", "member", "basket")
# What converts a value of each key; attributes are free and converted as YAML has them.
LINE = Record(
    {
        "line": Whole(),
        "sku": Text(),
        "pieces": Whole(),
        "quantity": Whole("quantity"),
        "price": Whole("money"),
        "min_price": Whole("money"),
    }
)
LINE_KEYS = (*LINE.fields, "weighed", "attributes")
BASKET = Record(
    {
        "time": When(),
        "redeem": Either((Word(("max",)), Whole("points"))),
        "non_earning_tender": Whole("money"),
        "lines": Listing(LINE),
    }
)
BASKET_KEYS = (*BASKET.fields, "id", "place", "channel", "payments", "codes")
LOT = Record(
    {
        "id": Text(),
        "points": Whole("points"),
        "active_from": When(),
        "expires_at": When(),
        "spendable_on": ConditionShape("goods"),
    }
)
MEMBER = Record(
    {"id": Text(), "born": When(), "born_known": When(), "lots": Listing(LOT)},
)


class _File(Struct, frozen=True):
    """A file by its keys; *exact* where its numbers are the core's."""

    name: str
    folder: Path
    parts: Mapping[str, Node]
    exact: bool

    def converted(self, key: str, shape: Shape, exponent: int) -> Written | None:
        """Convert what stands at *key*; None where nothing does."""
        node = self.parts.get(key)
        if node is None:
            return None
        return along(node, shape, file=self.name, exponent=exponent, path=(key,), exact=self.exact)


def read_case(path: Path, programme: Path | None, campaigns: Path | None) -> Case:
    """
    Read a basket's file, and see it through its campaigns.

    Args:
        path: The file.
        programme: The programme's file; else what the file has or names, or `programme.yaml`
            beside it.
        campaigns: The campaigns' file or folder; likewise, or `campaigns` beside it.

    Raises:
        VerbError: If another file that is named has problems.
        DocumentFileError: With every problem of this one.
    """
    file = _opened(path)
    played = _programme(file, programme)
    index = CampaignIndex(played, _campaigns(file, campaigns, played))
    return see(played, index, _member(file, played), _basket(file, played, index))


def _opened(path: Path) -> _File:
    found = nodes(text_of(path), str(path))
    parts = keys_of(found[0])
    wrong = [key for key in parts if key not in KEYS]
    if len(found) != 1 or "basket" not in parts or wrong:
        hint = f"unknown key {wrong[0]}; {nearest(wrong[0], KEYS)}" if wrong else "no key basket"
        place = parts[wrong[0]].start_mark if wrong else found[0].start_mark
        problem = Problem(str(path), place.line + 1, place.column + 1, "document", hint)
        raise DocumentFileError([problem])
    return _File(str(path), path.parent, parts, path.suffix == ".json")


def _programme(file: _File, named: Path | None) -> Programme:
    node = file.parts.get("programme")
    if named is None and node is not None and not isinstance(node, ScalarNode):
        return programme_of(written(node, file=file.name, exact=file.exact))
    text = node.value if isinstance(node, ScalarNode) else "programme.yaml"
    return read([named or file.folder / text], lambda each: [read_programme(each)])[0]


def _campaigns(file: _File, named: Path | None, programme: Programme) -> list[Campaign]:
    node = file.parts.get("campaigns")
    if named is None and isinstance(node, SequenceNode):
        exponent = programme.exponent
        return [
            campaign_of(
                written(each, file=file.name, exponent=exponent, exact=file.exact), programme
            )
            for each in node.value
        ]
    text = node.value if isinstance(node, ScalarNode) else "campaigns"
    return read([named or file.folder / text], lambda each: read_campaigns(each, programme))


def _member(file: _File, programme: Programme) -> Member | None:
    document = file.converted("member", MEMBER, programme.exponent)
    if document is None or document.exact is None:
        return None
    _refuse(document, ())
    given = document.exact
    if isinstance(given, Mapping):
        given = {"version": 0, **given, "left": _left(given.get("left"), programme.exponent)}
    try:
        return load_member(given, programme.zoneinfo)
    except DocumentError as error:
        raise _located(document, "member", error) from error


def _left(given: Any, exponent: int) -> Any:
    """Read what counters leave: an amount is points, or money with its decimals."""
    if not isinstance(given, Mapping):
        return given or {}
    return {
        name: {key: _amount(value, exponent) for key, value in each.items()}
        if isinstance(each, Mapping)
        else each
        for name, each in given.items()
    }


def _amount(value: Any, exponent: int) -> Any:
    if not isinstance(value, Mapping) or list(value) != ["decimal"]:
        return value
    whole, _, fraction = str(value["decimal"]).partition(".")
    if len(fraction) > exponent:
        return value
    return int(whole + fraction.ljust(exponent, "0"))


def _basket(file: _File, programme: Programme, index: CampaignIndex) -> Basket:
    document = file.converted("basket", BASKET, programme.exponent)
    assert document is not None
    _refuse(document, _unknown(document.exact))
    given = document.exact
    if isinstance(given, Mapping):
        given = {**given, "lines": [*_lines(given.get("lines"))]}
        if isinstance(given.get("codes"), list):
            given["codes"] = _codes(given, programme, index)
    try:
        return load_basket(given, programme.zoneinfo)
    except DocumentError as error:
        raise _located(document, "basket", error) from error


def _lines(given: Any) -> Iterator[Any]:
    """Number the lines, and count their pieces: one where nothing is said."""
    for place, each in enumerate(given if isinstance(given, list) else ()):
        if not isinstance(each, Mapping):
            yield each
            continue
        line = {"line": place + 1, **each}
        pieces = line.pop("pieces", 1)
        if isinstance(pieces, int):
            line.setdefault("quantity", pieces * UNIT_QUANTITY)
        yield line


def _codes(given: Mapping[str, Any], programme: Programme, index: CampaignIndex) -> dict[str, str]:
    """Find the campaign of each code in a list; one that is nobody's stands for itself."""
    names = [str(code) for code in given["codes"]]
    try:
        at = instant(str(given.get("time")).replace(" ", "T"), programme.zone)
    except ValueError:
        return {}  # The basket is refused for its time.
    return {name: name for name in names} | index.presented(names, at)


def _unknown(given: Any) -> Iterator[Fault]:
    """Find keys that nobody would read: a slip in one must not pass unseen."""
    if not isinstance(given, Mapping):
        return
    yield from _slips(given, BASKET_KEYS, ("basket",))
    lines = given.get("lines")
    for place, line in enumerate(lines if isinstance(lines, list) else ()):
        if isinstance(line, Mapping):
            own: InFile = ("basket", "lines", place)
            yield from _slips(line, LINE_KEYS, own)
            if "pieces" in line and "quantity" in line:
                yield Fault((*own, "pieces"), "write pieces or quantity, not both", at_key=True)


def _slips(given: Mapping[str, Any], known: tuple[str, ...], path: InFile) -> Iterator[Fault]:
    for key in given:
        if key not in known:
            message = f"unknown key {key}; {nearest(key, known)}"
            yield Fault((*path, str(key)), message, at_key=True)


def _refuse(document: Written, more: Iterator[Fault] | tuple[()]) -> None:
    faults = [*document.faults, *more]
    if faults:
        raise DocumentFileError(document.problems(faults))


def _located(document: Written, key: str, error: DocumentError) -> DocumentFileError:
    faults = [Fault((key, *each.path), each.message, each.at_key) for each in error.faults]
    return DocumentFileError(document.problems(faults))
