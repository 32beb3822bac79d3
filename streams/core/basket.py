"""What is to be quoted: a basket, the member who buys, and the lots they hold.

Documents are plain data with exact integers, as the worked examples and the
front's callers write them.  The rule of this file: reading refuses what is out of
bounds, so that the calculation need not ask.
"""

from collections.abc import Mapping
from math import isfinite
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct

from streams.core import conditions
from streams.core.calendar import LATEST, CalendarError, yearly
from streams.core.conditions import DEPTH_MOST, TRUE, VALUES_MOST, Condition
from streams.core.grammar import LARGEST, TEXT_LONGEST, DocumentError, Fault, Path, shown, sound
from streams.core.occasion import Left
from streams.core.receipt import EpochMs, Money, Points, Thousandths
from streams.core.runs import instant

LINES_MOST = 5_000
PIECES_MOST = 20_000  # Pieces of one basket; a line of more is one piece.
LOTS_MOST = 10_000
UNIT_QUANTITY = 1_000
BEYOND = 1 << 62  # No number of a document is larger; what has a bound of its own asks for less.
OF_MEMBER = frozenset(
    {"id", "version", "offers", "purchases", "born", "born_known", "debt", "left", "lots"}
)


class BasketLine(Struct, frozen=True):
    """
    A line to be priced.

    Attributes:
        price: Minor units per 1000 thousandths.
        weighed: One piece, whatever its quantity.
        min_price: Minor units per 1000 thousandths that discounts must leave.
    """

    line: int
    sku: str
    quantity: Thousandths
    price: Money
    weighed: bool = False
    min_price: Money = 0
    attributes: Mapping[str, Any] = {}

    @property
    def pieces(self) -> int:
        """How many pieces sets may take apart."""
        whole = self.quantity % UNIT_QUANTITY == 0 and self.quantity <= PIECES_MOST
        return self.quantity // UNIT_QUANTITY if whole and not self.weighed else 1


class Basket(Struct, frozen=True):
    """
    A basket with the attributes joined as of its event time.

    Attributes:
        codes: Campaign by presented code.
        redeem: Points asked for; None asks for the most.
        document: As it was read; the quote's id is made of it.
    """

    at: EpochMs
    lines: tuple[BasketLine, ...]
    place: Mapping[str, Any] = {}
    channel: str = ""
    payments: tuple[str, ...] = ()
    codes: Mapping[str, str] = {}
    redeem: Points | None = 0
    non_earning_tender: Money = 0
    document: Mapping[str, Any] = {}


class MemberLot(Struct, frozen=True, rename={"class_": "class"}):
    """
    A lot of the member, less what other baskets reserve.

    Attributes:
        currency: None is `bonus`, or else the redemption currency.
        expires_at: None is never.
    """

    id: str
    points: Points
    class_: str = "regular"
    currency: str | None = None
    active_from: EpochMs | None = None
    expires_at: EpochMs | None = None
    spendable_on: Condition = TRUE


class Member(Struct, frozen=True):
    """
    The member as of the event time.

    Attributes:
        attributes: Tier, segments and whatever else `who` may ask.
        purchases: Receipts before this one; None is unknown.
        left: What a campaign's counters leave, by campaign.
    """

    id: str
    version: int
    attributes: Mapping[str, Any] = {}
    offers: frozenset[str] = frozenset()
    purchases: int | None = None
    born: tuple[int, int] | None = None
    born_known: EpochMs | None = None
    debt: Points = 0
    left: Mapping[str, Left] = {}
    lots: tuple[MemberLot, ...] = ()


def _plain(value: Any, path: Path, depth: int = 0) -> None:
    """
    Refuse what JSON with bounded values would not hold: the quote's id is made of it.

    A fraction may stand in an attribute, where it is of no type and meets no test.
    """
    fault = ""
    if isinstance(value, Mapping):
        if any(not isinstance(key, str) or not sound(key) for key in value):
            fault = "a map whose keys are text"
        parts: list[tuple[str | int, Any]] = list(value.items())
    elif isinstance(value, list | tuple):
        parts = list(enumerate(value))
    else:
        parts = []
        fault = _scalar_fault(value)
    if depth > DEPTH_MOST or len(parts) > VALUES_MOST:
        fault = f"at most {VALUES_MOST} values, {DEPTH_MOST} deep"
    if fault:
        raise DocumentError([Fault(path, f"{shown(value)} is not {fault}")])
    for key, each in parts:
        _plain(each, (*path, key), depth + 1)


def _scalar_fault(value: Any) -> str:
    if isinstance(value, str):
        return "" if len(value) <= TEXT_LONGEST and sound(value) else "text of a bounded length"
    if isinstance(value, int) and not -BEYOND <= value <= BEYOND:
        return "a number of a bounded size"
    if isinstance(value, float):
        return "" if isfinite(value) else "a number"
    return "" if value is None or isinstance(value, int) else "a map, a list, text or a number"


class _Reader:
    """Reads plain data and stops at the first thing wrong with it."""

    def __init__(self, document: Any, path: Path = ()) -> None:
        if not isinstance(document, Mapping):
            raise DocumentError([Fault(path, f"{shown(document)} is not a map")])
        self.document = document
        self.path = path

    def fail(self, key: str, right: str) -> DocumentError:
        if key not in self.document:
            return DocumentError([Fault((*self.path, key), f"{key} is missing; write {right}")])
        found = shown(self.document[key])
        return DocumentError([Fault((*self.path, key), f"{found} is not {right}")])

    def whole(self, key: str, default: int | None = None, least: int = 0) -> int:
        value = self.document.get(key, default)
        if type(value) is not int or not least <= value <= LARGEST:
            raise self.fail(key, f"a whole number from {least} to {LARGEST}")
        return value

    def text(self, key: str, default: str | None = None) -> str:
        value = self.document.get(key, default)
        if not isinstance(value, str):
            raise self.fail(key, "text")
        return value

    def flag(self, key: str) -> bool:
        value = self.document.get(key, False)
        if not isinstance(value, bool):
            raise self.fail(key, "true or false")
        return value

    def listed(self, key: str, most: int) -> list[Any]:
        value = self.document.get(key) or []
        if not isinstance(value, list | tuple) or len(value) > most:
            raise self.fail(key, f"a list of at most {most}")
        return list(value)

    def mapped(self, key: str) -> Mapping[str, Any]:
        value = self.document.get(key) or {}
        if not isinstance(value, Mapping):
            raise self.fail(key, "a map")
        return value

    def moment(self, key: str, zone: ZoneInfo) -> EpochMs | None:
        value = self.document.get(key)
        if value is None:
            return None
        if type(value) is int and 0 <= value <= LATEST:
            return value
        try:
            return instant(self.text(key), zone)
        except ValueError as error:
            raise self.fail(key, f"a date or an instant ({error})") from error


def attribute(value: Any) -> Any:
    """Read an attribute's value: a decimal is `{decimal: "41.5"}`, a list is a set."""
    if isinstance(value, Mapping) and list(value) == ["decimal"]:
        number = conditions.decimal(value["decimal"])
        return value if number is None else number
    if isinstance(value, list):
        return tuple(value)
    return value


def _attributes(document: Mapping[str, Any], path: Path = ()) -> dict[str, Any]:
    for name, value in document.items():
        if isinstance(value, list) and any(isinstance(each, list | Mapping) for each in value):
            raise DocumentError([Fault((*path, name), "a set holds text, nothing that holds more")])
    return {name: attribute(value) for name, value in document.items()}


def load_basket(document: Any, zone: ZoneInfo) -> Basket:
    """
    Read a basket; instants without offset are in *zone*.

    Raises:
        DocumentError: If something is missing, of another type or out of bounds.
    """
    reader = _Reader(document)
    _plain(document, ())
    at = reader.moment("time", zone)
    if at is None:
        raise reader.fail("time", "an instant")
    lines = tuple(
        _line(_Reader(each, ("lines", place)))
        for place, each in enumerate(reader.listed("lines", LINES_MOST))
    )
    if len({line.line for line in lines}) != len(lines):
        raise DocumentError([Fault(("lines",), "two lines have one number")])
    redeem = document.get("redeem", 0)
    return Basket(
        at,
        lines,
        _attributes(reader.mapped("place"), ("place",)),
        reader.text("channel", ""),
        tuple(str(each) for each in reader.listed("payments", 100)),
        {str(code): str(name) for code, name in reader.mapped("codes").items()},
        None if redeem == "max" else reader.whole("redeem", 0),
        reader.whole("non_earning_tender", 0),
        document,
    )


def _line(reader: _Reader) -> BasketLine:
    return BasketLine(
        reader.whole("line"),
        reader.text("sku"),
        reader.whole("quantity", least=1),
        reader.whole("price"),
        reader.flag("weighed"),
        reader.whole("min_price", 0),
        _attributes(reader.mapped("attributes"), (*reader.path, "attributes")),
    )


def load_member(document: Any, zone: ZoneInfo) -> Member:
    """
    Read a member; instants without offset are in *zone*.

    Raises:
        DocumentError: If something is missing, of another type or out of bounds.
    """
    reader = _Reader(document)
    _plain(document, ())
    born = document.get("born")
    others = {k: v for k, v in document.items() if k not in OF_MEMBER}
    return Member(
        reader.text("id"),
        reader.whole("version"),
        _attributes(others),
        frozenset(str(each) for each in reader.listed("offers", LOTS_MOST)),
        None if document.get("purchases") is None else reader.whole("purchases"),
        None if born is None else _month_day(reader),
        reader.moment("born_known", zone),
        reader.whole("debt", 0),
        {
            str(name): _left(_Reader(each, ("left", str(name))))
            for name, each in reader.mapped("left").items()
        },
        tuple(
            _lot(_Reader(each, ("lots", place)), zone)
            for place, each in enumerate(reader.listed("lots", LOTS_MOST))
        ),
    )


def _month_day(reader: _Reader) -> tuple[int, int]:
    """Read month and day of a date of birth, written with or without the year."""
    try:
        return yearly("-".join(reader.text("born").split("-")[-2:]))
    except CalendarError as error:
        raise reader.fail("born", "a date") from error


def _left(reader: _Reader) -> Left:
    return Left(
        reader.whole("uses") if "uses" in reader.document else None,
        reader.whole("amount") if "amount" in reader.document else None,
    )


def _lot(reader: _Reader, zone: ZoneInfo) -> MemberLot:
    return MemberLot(
        reader.text("id"),
        reader.whole("points"),
        reader.text("class", "regular"),
        reader.text("currency") if "currency" in reader.document else None,
        reader.moment("active_from", zone),
        reader.moment("expires_at", zone),
        conditions.parse(
            reader.document.get("spendable_on"), "goods", (*reader.path, "spendable_on")
        ),
    )
