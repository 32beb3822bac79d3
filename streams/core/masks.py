"""Many conditions asked at once, by integer bitmasks.

Every conjunction of every condition is a row, and a row is a bit.  For each
attribute a `Column` knows, for any value, the rows that this value does not
refuse; what holds is the AND over the columns.  The rule of this file: a mask
says exactly what `conditions.ask` says, and is built by asking it.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from typing import Any

from msgspec import Struct

from streams.core.conditions import (
    SCALE_MOST,
    Atom,
    AttributeMap,
    Birth,
    Bounds,
    Condition,
    ask,
    kind_of,
    scaled,
)
from streams.core.grammar import TEXT_LONGEST
from streams.core.receipt import DecimalValue

# Longer than any text of a document, so it stands for every text that no condition names.
OTHER_TEXT = "\0" * (TEXT_LONGEST + 1)
OTHER_KIND = object()  # Present, and of a type that meets no test.
ROOT = 10**SCALE_MOST
SPECIAL = ("every", "not_every", "birthday", "not_birthday")

Rows = dict[int, tuple[Atom, ...]]
Reading = tuple[str, dict[str, int], int, Callable[[Any], int]]


def bits(mask: int) -> Iterator[int]:
    """Yield the positions of the bits of *mask*, ascending."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def mask_of(rows: Iterable[int], size: int) -> int:
    """Build a mask of *size* bits; linear, where adding bit by bit is quadratic."""
    octets = bytearray(size // 8 + 1)
    for row in rows:
        octets[row >> 3] |= 1 << (row & 7)
    return int.from_bytes(octets, "little")


class Toggles:
    """Masks of a step function: rows are on over half-open ranges of steps."""

    def __init__(self, steps: int, size: int) -> None:
        """Start with no row on in any of *steps* steps."""
        self._flips: list[list[int]] = [[] for _ in range(steps + 1)]
        self._size = size

    def on(self, row: int, start: int, end: int) -> None:
        """Turn *row* on from step *start* to step *end*, not included."""
        self._flips[start].append(row)
        self._flips[end].append(row)

    def masks(self) -> list[int]:
        """Give the mask of each step."""
        current, found = 0, []
        for flips in self._flips[:-1]:
            odd: set[int] = set()
            for row in flips:
                odd ^= {row}
            if odd:
                current ^= mask_of(odd, self._size)
            found.append(current)
        return found


class SetSlot(Struct, frozen=True):
    """
    One atom of each row, asked of a set.

    Attributes:
        always: Rows whose atom any set meets.
        some: Rows whose atom is met by a set with this member.
        none: Rows whose atom is missed by a set with this member.
        nones: All rows of *none*.
    """

    always: int
    some: dict[str, int]
    none: dict[str, int]
    nones: int

    def mask(self, members: Iterable[str]) -> int:
        """Give the rows that a set of *members* does not refuse."""
        met, some = self.always, self.some
        for member in members:
            if member in some:
                met |= some[member]
        if self.nones:
            missed, none = 0, self.none
            for member in members:
                missed |= none.get(member, 0)
            met |= self.nones & ~missed
        return met


class Column:
    """The rows that each value of one attribute does not refuse."""

    def __init__(self, name: str, rows: Rows, size: int) -> None:
        """Compile *rows*, the atoms on attribute *name* by row; all other rows always hold."""
        self.name = name
        everything = (1 << size) - 1
        self._base = everything & ~mask_of(rows, size)
        self._rows = rows
        self._size = size
        self._missing = self._asked(None)
        self._other = self._asked(OTHER_KIND)
        self._special: list[tuple[Atom, int]] = []
        if any(atom.operator in SPECIAL for atoms in rows.values() for atom in atoms):
            self._special = self._by_atom()
        self._false, self._true = self._asked(False), self._asked(True)  # noqa: FBT003
        self._any_text = self._asked(OTHER_TEXT)
        self._texts = self._by_text()
        self._edges, self._steps = self._by_number()
        self._slots = self._by_slot()
        self._read: dict[type, Callable[[Any], int]] = {
            str: self._text,
            int: self._whole,
            bool: self._flag,
            DecimalValue: self._decimal,
            **dict.fromkeys((tuple, list, set, frozenset), self._of_set),
        }

    @property
    def reading(self) -> Reading:
        """What it takes to read this column: its name, its texts, all other texts, all values."""
        if self._special:  # These have no texts, and no text meets them.
            return self.name, {}, self.mask(OTHER_TEXT), self.mask
        return self.name, self._texts, self._any_text, self.mask

    def mask(self, value: Any) -> int:
        """Give the rows that *value* does not refuse; None is a missing attribute."""
        if value is None:
            return self._missing
        if self._special:
            return self._specially(value)
        read = self._read.get(type(value))
        return self._other if read is None else read(value)

    def _text(self, value: str) -> int:
        return self._texts.get(value, self._any_text)

    def _flag(self, value: bool) -> int:  # noqa: FBT001 - The value is what is asked about.
        return self._true if value else self._false

    def _whole(self, value: int) -> int:
        return self._numbered(value * ROOT)

    def _decimal(self, value: DecimalValue) -> int:
        return self._numbered(scaled(value)) if 0 <= value.scale <= SCALE_MOST else self._other

    def _numbered(self, value: int) -> int:
        edges = self._edges
        at = bisect_left(edges, value)
        on_edge = at < len(edges) and edges[at] == value
        return self._steps[2 * at + on_edge]

    def _of_set(self, members: Iterable[str]) -> int:
        mask = self._slots[0].mask(members)
        for slot in self._slots[1:]:
            mask &= slot.mask(members)
        return mask

    def _specially(self, value: Any) -> int:
        refused = 0
        attributes = {self.name: value}
        for atom, rows in self._special:
            if ask(atom, attributes) is not True:
                refused |= rows
        return ~refused & ((1 << self._size) - 1)

    # --- Compiling: each of these asks `conditions.ask` about sample values ---

    def _asked(self, value: Any, rows: Rows | None = None) -> int:
        rows = self._rows if rows is None else rows
        met = (row for row, atoms in rows.items() if self._meets(atoms, value))
        return self._base | mask_of(met, self._size)

    def _meets(self, atoms: tuple[Atom, ...], value: Any) -> bool:
        return all(ask(atom, {self.name: value}) is True for atom in atoms)

    def _by_atom(self) -> list[tuple[Atom, int]]:
        rows: dict[Atom, list[int]] = {}
        for row, atoms in self._rows.items():
            for atom in atoms:
                rows.setdefault(atom, []).append(row)
        return [(atom, mask_of(each, self._size)) for atom, each in rows.items()]

    def _by_text(self) -> dict[str, int]:
        naming: dict[str, Rows] = {}
        for row, atoms in self._rows.items():
            for atom in atoms:
                if isinstance(atom.value, frozenset) and atom.kind == "string":
                    for text in atom.value:
                        naming.setdefault(str(text), {})[row] = atoms
        found = {}
        for text, rows in naming.items():
            others = self._any_text & ~mask_of(rows, self._size)
            found[text] = others | (self._asked(text, rows) & ~self._base)
        return found

    def _by_number(self) -> tuple[list[int], list[int]]:
        edges_of = {row: sorted(set(_edges(atoms))) for row, atoms in self._rows.items()}
        edges = sorted({edge for each in edges_of.values() for edge in each})
        place = {edge: at for at, edge in enumerate(edges)}
        steps = 2 * len(edges) + 1
        toggles = Toggles(steps, self._size)
        for row, atoms in self._rows.items():
            # A row changes only at its own edges: before, on and after each of them.
            start = 0
            own = edges_of[row]
            for edge in own:
                at = 2 * place[edge] + 1
                spans = ((edge - 1, start, at), (edge, at, at + 1))
                for sample, first, last in spans:
                    if first < last and self._meets(atoms, DecimalValue(sample, SCALE_MOST)):
                        toggles.on(row, first, last)
                start = at + 1
            beyond = DecimalValue(own[-1] + 1 if own else 0, SCALE_MOST)
            if self._meets(atoms, beyond):
                toggles.on(row, start, steps)
        return edges, [mask | self._base for mask in toggles.masks()]

    def _by_slot(self) -> list[SetSlot]:
        depth = max(len(atoms) for atoms in self._rows.values())
        return [self._slot(place) for place in range(depth)]

    def _slot(self, place: int) -> SetSlot:
        always: list[int] = []
        nones: list[int] = []
        some: dict[str, list[int]] = {}
        none: dict[str, list[int]] = {}
        for row, atoms in self._rows.items():
            atom = atoms[place] if place < len(atoms) else None
            if atom is None or atom.operator == "known":
                always.append(row)
            elif isinstance(atom.value, frozenset) and atom.kind == "string":
                chosen = some if atom.operator == "one_of" else none
                for member in atom.value:
                    chosen.setdefault(str(member), []).append(row)
                nones += [row] if atom.operator == "none_of" else []
        size = self._size
        return SetSlot(
            self._base | mask_of(always, size),
            {member: mask_of(rows, size) for member, rows in some.items()},
            {member: mask_of(rows, size) for member, rows in none.items()},
            mask_of(nones, size),
        )


def _edges(atoms: Iterable[Atom]) -> Iterator[int]:
    for atom in atoms:
        if isinstance(atom.value, Bounds):
            ends = (atom.value.low, atom.value.high)
            yield from (scaled(end) for end in ends if end is not None)
        elif isinstance(atom.value, frozenset) and atom.kind == "number":
            for each in atom.value:
                assert isinstance(each, int | DecimalValue)
                yield scaled(each)


class ConditionIndex:
    """
    Conditions 0 to n − 1, compiled.

    The first n rows are the first conjunctions of the conditions, so that most
    answers need no translation; further conjunctions follow and know their owner.
    """

    def __init__(self, conditions: Sequence[Condition]) -> None:
        """Compile *conditions*; None of them is kept."""
        self.size = len(conditions)
        rows: list[tuple[Atom, ...] | None] = [None] * self.size
        self._owners: list[int] = []
        for owner, condition in enumerate(conditions):
            for place, conjunction in enumerate(condition.dnf):
                if place == 0:
                    rows[owner] = conjunction
                else:
                    rows.append(conjunction)
                    self._owners.append(owner)
        count = len(rows)
        self.possible = mask_of((at for at, row in enumerate(rows) if row is not None), count)
        by_name: dict[str, Rows] = {}
        for at, row in enumerate(rows):
            for atom in row or ():
                own = by_name.setdefault(atom.attribute, {})
                own[at] = (*own.get(at, ()), atom)
        self.columns = {name: Column(name, each, count) for name, each in by_name.items()}
        self._asks = [column.reading for column in self.columns.values()]
        self._firsts = (1 << self.size) - 1

    def rows(self, attributes: AttributeMap, columns: Iterable[Column] | None = None) -> int:
        """Give the rows that *attributes* do not refuse, by all or some *columns*."""
        mask = self.possible
        asks = self._asks if columns is None else [column.reading for column in columns]
        for name, texts, other_texts, read in asks:
            value = attributes.get(name)
            # Most attributes are text, and text is one look-up.
            mask &= texts.get(value, other_texts) if type(value) is str else read(value)
            if not mask:
                break
        return mask

    def owners(self, rows: int) -> int:
        """Translate a mask of rows into the mask of their conditions."""
        if not self._owners:
            return rows
        found = rows & self._firsts
        for at in bits(rows >> self.size):
            found |= 1 << self._owners[at]
        return found

    def holding(self, attributes: AttributeMap) -> int:
        """Give the conditions that hold on *attributes*."""
        return self.owners(self.rows(attributes))


class UnknownIndex:
    """
    What conditions 0 to n − 1 ask for in vain, compiled.

    Whether an atom can meet a value depends on the value's type alone, so one
    sample of each type is asked once.
    """

    def __init__(self, conditions: Sequence[Condition]) -> None:
        """Compile *conditions*; none of them is kept."""
        asking: dict[str, list[tuple[int, Atom]]] = {}
        for at, condition in enumerate(conditions):
            for atom in condition.atoms:
                asking.setdefault(atom.attribute, []).append((at, atom))
        self._tables = [
            (name, {kind: self._in_vain(asking[name], sample) for kind, sample in SAMPLES.items()})
            for name in sorted(asking)
        ]

    @staticmethod
    def _in_vain(asked: list[tuple[int, Atom]], sample: Any) -> int:
        found = 0
        for at, atom in asked:
            if ask(atom, {atom.attribute: sample}) is None:
                found |= 1 << at
        return found

    def names(self, things: Sequence[AttributeMap], wanted: int) -> dict[int, tuple[str, ...]]:
        """
        Name, for each condition of the mask *wanted*, what some of *things* lacks.

        Names are sorted; conditions that lack nothing have no entry.
        """
        found: dict[int, tuple[str, ...]] = {}
        for name, table in self._tables:
            mask = 0
            for attributes in things:
                mask |= table[_sample_kind(attributes.get(name))]
            for at in bits(mask & wanted):
                found[at] = (*found.get(at, ()), name)
        return found


# A decimal meets every test of a number but `purchase`, which counts.
SAMPLES: dict[str, Any] = {
    "missing": None,
    "string": "",
    "bool": True,
    "number": 1,
    "decimal": DecimalValue(15, 1),
    "set": (),
    "birth": Birth(1, 1, None, date(2000, 1, 1)),
    "other": OTHER_KIND,
}


def _sample_kind(value: Any) -> str:
    if value is None:
        return "missing"
    kind = kind_of(value)
    return "decimal" if kind == "number" and isinstance(value, DecimalValue) else kind
