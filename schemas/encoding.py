"""
The writing half of the codec: Avro's binary form of plain values, without mercy.

fastavro writes what it is given: 1.7 becomes 1, True becomes 1, a missing string fails
somewhere inside.  Here a value has exactly the type that the schema says, or is refused.
A schema is compiled once into nested functions, which costs less than checking a value
and then handing it to fastavro (tests/schemas hold both to the same bytes).

Values: None, bool, int, str, bytes, list or tuple for arrays, dict for maps, and for a
record a dict or a struct with the same fields.  In a union of several records, a struct
is found by its class's name, and a dict comes as the pair (full name, dict).  Maps are
written in the order of their keys, so that equal values have equal bytes.
"""

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any

from msgspec import Struct

Write = Callable[[bytearray, Any], None]

LONG_MIN, LONG_MAX = -(2**63), 2**63 - 1
SEVEN_BITS = 0x7F
# A union's index is written as one byte, and ends here.
BRANCHES_MAX = 64
_MISSING = object()


class UnencodableError(Exception):
    """A value that the schema does not admit; the message names types, never the value."""

    def __init__(self, expected: str, value: object) -> None:
        found = "nothing" if value is _MISSING else type(value).__name__
        super().__init__(f"{expected} expected, not {found}")
        self.path: list[str] = []


def compile_writer(schema: Any, *, namespace: str = "") -> Write:
    """
    Compile a schema into the function that writes its values.

    Args:
        schema: The parsed JSON.
        namespace: Of names without one.

    Raises:
        ValueError: If the schema holds a type that no schema of ours uses: float, double,
            enum, fixed, or a record inside itself.
    """
    return _compile(schema, namespace, {})


def _compile(schema: Any, namespace: str, named: dict[str, Write]) -> Write:
    if isinstance(schema, list):
        return _union(schema, namespace, named)
    kind = schema["type"] if isinstance(schema, dict) else schema
    if kind in _SIMPLE:
        return _SIMPLE[kind]
    if kind == "array":
        return _array(_compile(schema["items"], namespace, named))
    if kind == "map":
        return _map(_compile(schema["values"], namespace, named))
    if kind == "record":
        return _record(schema, schema.get("namespace", namespace), named)
    name = kind if "." in str(kind) else f"{namespace}.{kind}"
    if name not in named:
        raise ValueError(f"{kind!r} is no type that our schemas use here")
    return named[name]


def write_long(out: bytearray, value: Any) -> None:
    """Write a long: zigzag, seven bits a byte, lowest first."""
    if type(value) is not int:
        raise UnencodableError("long", value)
    if 0 <= value < _TWO_BYTES:
        out += _SHORT[value]
    elif LONG_MIN <= value <= LONG_MAX:
        out += _zigzag(value)
    else:
        raise UnencodableError("long", value)


def _zigzag(value: int) -> bytes:
    rest = (value << 1) ^ (value >> 63)
    body = bytearray()
    while rest > SEVEN_BITS:
        body.append(rest & SEVEN_BITS | 0x80)
        rest >>= 7
    body.append(rest)
    return bytes(body)


# Quantities, prices and lengths are mostly small; looking them up takes a third of the time.
_TWO_BYTES = 1 << 13
_SHORT = tuple(_zigzag(value) for value in range(_TWO_BYTES))


def _null(_: bytearray, value: Any) -> None:
    if value is not None:
        raise UnencodableError("null", value)


def _boolean(out: bytearray, value: Any) -> None:
    if type(value) is not bool:
        raise UnencodableError("boolean", value)
    out.append(value)


def _string(out: bytearray, value: Any) -> None:
    if type(value) is not str:
        raise UnencodableError("string", value)
    try:
        body = value.encode()
    except UnicodeEncodeError:
        raise UnencodableError("string of Unicode scalars", value) from None
    size = len(body)
    out += _SHORT[size] if size < _TWO_BYTES else _zigzag(size)
    out += body


def _bytes(out: bytearray, value: Any) -> None:
    if type(value) is not bytes:
        raise UnencodableError("bytes", value)
    write_long(out, len(value))
    out += value


_SIMPLE: Mapping[str, Write] = {
    "null": _null,
    "boolean": _boolean,
    "long": write_long,
    "string": _string,
    "bytes": _bytes,
}


def _array(write_item: Write) -> Write:
    def write(out: bytearray, value: Any) -> None:
        if type(value) is not list and type(value) is not tuple:
            raise UnencodableError("array", value)
        if value:
            write_long(out, len(value))
            for item in value:
                write_item(out, item)
        out.append(0)

    return write


def _map(write_value: Write) -> Write:
    def write(out: bytearray, value: Any) -> None:
        if type(value) is not dict:
            raise UnencodableError("map", value)
        if value:
            write_long(out, len(value))
            for key in sorted(value):
                _string(out, key)
                write_value(out, value[key])
        out.append(0)

    return write


def _record(schema: dict[str, Any], namespace: str, named: dict[str, Write]) -> Write:
    names: list[str] = [field["name"] for field in schema["fields"]]
    writers = [_compile(field["type"], namespace, named) for field in schema["fields"]]
    defaults = {field["name"]: field.get("default", _MISSING) for field in schema["fields"]}
    getters: dict[type, Callable[[Any], tuple[Any, ...]]] = {}

    def write(out: bytearray, value: Any) -> None:
        kind = type(value)
        if kind is dict:
            if not value.keys() <= defaults.keys():
                raise UnencodableError(f"record of {len(names)} fields and no other", value)
            items = tuple([value.get(name, defaults[name]) for name in names])
        elif isinstance(value, Struct):
            if kind not in getters:
                getters[kind] = _getter(kind, names)
            items = getters[kind](value)
        else:
            raise UnencodableError("record", value)
        index = 0
        try:
            for index, write_field in enumerate(writers):
                write_field(out, items[index])
        except UnencodableError as refused:
            refused.path.insert(0, names[index])
            raise

    # Known only from here on, so that a record cannot contain itself: a deep value of
    # such a type would end a decoder by exhausting its stack.
    named[f"{namespace}.{schema['name']}"] = write
    return write


def _getter(kind: type[Struct], names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    """
    Read a struct's attributes in the order of the record's fields.

    Every field of either must be one of the other, so that nothing is left behind; an
    attribute may end in an underscore where Python reserves its name.
    """
    attributes = {name.rstrip("_"): name for name in kind.__struct_fields__}
    if set(attributes) != set(names):
        odd = ", ".join(sorted(set(attributes) ^ set(names)))
        raise UnencodableError(f"{kind.__name__} and its record differ in {odd}; such a record", 0)
    in_order = [attributes[name] for name in names]
    get = attrgetter(*in_order)
    return get if len(in_order) > 1 else lambda value: (get(value),)


def _union(branches: list[Any], namespace: str, named: dict[str, Write]) -> Write:
    """Choose the branch by the value's type; among several records by name."""
    if len(branches) > BRANCHES_MAX:
        raise ValueError(f"a union of more than {BRANCHES_MAX} types")
    by_type: dict[type, tuple[int, Write]] = {}
    by_name: dict[str, tuple[int, Write]] = {}
    for index, branch in enumerate(branches):
        chosen = (index << 1, _compile(branch, namespace, named))
        kind = branch["type"] if isinstance(branch, dict) else branch
        for python_type in _PYTHON_TYPES.get(kind, ()):
            by_type[python_type] = chosen
        if kind not in _PYTHON_TYPES:
            name = branch["name"] if isinstance(branch, dict) else branch
            by_name[name if "." in name else f"{namespace}.{name}"] = chosen
    only = next(iter(by_name.values())) if len(by_name) == 1 else None

    def write(out: bytearray, value: Any) -> None:
        chosen = by_type.get(type(value), only)
        if chosen is None and isinstance(value, Struct):
            chosen = by_name.get(f"{namespace}.{type(value).__name__}")
        elif chosen is None and type(value) is tuple:
            name, value = value
            chosen = by_name.get(name)
        if chosen is None:
            raise UnencodableError("one of the union's types", value)
        out.append(chosen[0])
        chosen[1](out, value)

    return write


_PYTHON_TYPES: Mapping[str, tuple[type, ...]] = {
    "null": (type(None),),
    "boolean": (bool,),
    "long": (int,),
    "string": (str,),
    "bytes": (bytes,),
    "array": (list, tuple),
    "map": (dict,),
}
