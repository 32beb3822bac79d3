"""
The writing half of the codec: Avro's binary form of values, without mercy.

fastavro writes what it is given: 1.7 becomes 1, True becomes 1, a missing string fails
somewhere inside.  Here a value has exactly the type that the schema says, or is refused.

Values: None, bool, int, str, bytes, list or tuple for arrays, dict for maps, and for a
record a dict or a struct with the same fields.  An array may also come as `Written`: its
items as `Codec.items` wrote them, which it copies.  In a union of several records, a struct
is found by its class's name, and a dict comes as the pair (full name, dict).  Maps are
written in the order of their keys, so that equal values have equal bytes.

Encoding is most of what a record costs, so a schema is turned into Python source, one
function a record, and compiled once: half the time of nested functions, a third of
checking a value and handing it to fastavro.  The source holds positions, never names.
It only knows *that* something is wrong; `schemas.faults` walks the value again to say
what.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from operator import attrgetter
from typing import Any

from msgspec import Struct

Write = Callable[[bytearray, Any], None]
Get = Callable[[Any], tuple[Any, ...]]

LONG_MIN, LONG_MAX = -(2**63), 2**63 - 1
SEVEN_BITS = 0x7F
# A union's index is written as one byte, and ends here.
BRANCHES_MAX = 64
MISSING = object()


class Written(list[bytes]):
    """The items of an array, each written already; for values that seldom change."""


class OddError(Exception):
    """A value is not of its schema's type, or bytes are what no writer of it writes."""


@lru_cache(maxsize=8_192)
def zigzag(value: int) -> bytes:
    """Write a long: zigzag, seven bits a byte, lowest first."""
    if not LONG_MIN <= value <= LONG_MAX:
        raise OddError
    rest = (value << 1) ^ (value >> 63)
    body = bytearray()
    while rest > SEVEN_BITS:
        body.append(rest & SEVEN_BITS | 0x80)
        rest >>= 7
    body.append(rest)
    return bytes(body)


# Quantities, prices and lengths are mostly small, and a lookup takes a third of the time.
SHORT = tuple(zigzag(value) for value in range(1 << 13))

_LONG = """\
if {x}.__class__ is not int: raise Odd
out += short[{x}] if 0 <= {x} < 8192 else zigzag({x})
"""
_BOOLEAN = """\
if {x}.__class__ is not bool: raise Odd
out.append({x})
"""
_STRING = """\
if {x}.__class__ is not str: raise Odd
body = {x}.encode()
size = len(body)
out += short[size] if size < 8192 else zigzag(size)
out += body
"""
_BYTES = """\
if {x}.__class__ is not bytes: raise Odd
out += zigzag(len({x}))
out += {x}
"""
_NULL = """\
if {x} is not None: raise Odd
"""
_SIMPLE = {
    "long": _LONG,
    "boolean": _BOOLEAN,
    "string": _STRING,
    "bytes": _BYTES,
    "null": _NULL,
}
# Type of a union's branch → the condition on a value that chooses it.
_CHOICES = {
    "null": "{x} is None",
    "long": "{x}.__class__ is int",
    "boolean": "{x}.__class__ is bool",
    "string": "{x}.__class__ is str",
    "bytes": "{x}.__class__ is bytes",
    "array": "{x}.__class__ is list or {x}.__class__ is tuple",
    "map": "{x}.__class__ is dict",
}


def compile_writer(schema: Any, *, namespace: str = "") -> Write:
    """
    Compile a schema into the function that writes its values.

    The function raises whatever it stumbles over when a value is not of the schema's
    type: OddError, or a built-in error.

    Args:
        schema: The parsed JSON, without logical types.
        namespace: Of names without one.

    Raises:
        ValueError: If the schema holds a type that no schema of ours uses: float, double,
            int, enum, fixed, or a record inside itself.
    """
    return _Compiler(schema.get("namespace", namespace) if isinstance(schema, dict) else "").of(
        schema
    )


class _Compiler:
    """Compiles one schema; knows the records that it has compiled so far."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._names: dict[str, str] = {}
        self._globals: dict[str, Any] = {
            "Odd": OddError,
            "Written": Written,
            "short": SHORT,
            "zigzag": zigzag,
        }
        self._variables = 0

    def of(self, schema: Any) -> Write:
        """Compile the function of a whole schema."""
        return self._function("value", self._lines(schema, "value"))

    def _function(self, argument: str, lines: list[str]) -> Write:
        source = "\n".join([f"def write(out, {argument}):", *_indented(lines)])
        made: dict[str, Any] = {}
        # The source is made of the templates above and of positions alone.
        exec(compile(source, "<avro>", "exec"), self._globals, made)  # noqa: S102
        write: Write = made["write"]
        return write

    def _variable(self) -> str:
        self._variables += 1
        return f"v{self._variables}"

    def _lines(self, schema: Any, x: str) -> list[str]:
        """Give the statements that write the value in the variable *x*."""
        if isinstance(schema, list):
            return self._union(schema, x)
        kind = schema["type"] if isinstance(schema, dict) else schema
        if kind == "array":
            return self._array(schema["items"], x)
        if kind == "map":
            return self._map(schema["values"], x)
        if kind in _SIMPLE:
            return _SIMPLE[kind].format(x=x).splitlines()
        return [f"{self._record(schema)}(out, {x})"]

    def _array(self, items: Any, x: str) -> list[str]:
        item = self._variable()
        return [
            f"if {x}.__class__ is Written:",
            f" if {x}: out += zigzag(len({x}))",
            f" out += b''.join({x})",
            f"elif not isinstance({x}, (list, tuple)): raise Odd",
            f"elif {x}:",
            f" out += zigzag(len({x}))",
            f" for {item} in {x}:",
            *_indented(self._lines(items, item), by=2),
            "out.append(0)",
        ]

    def _map(self, values: Any, x: str) -> list[str]:
        key, value = self._variable(), self._variable()
        return [
            f"if {x}.__class__ is not dict: raise Odd",
            f"if {x}:",
            f" out += zigzag(len({x}))",
            f" for {key} in sorted({x}):",
            *_indented(self._lines("string", key), by=2),
            f"  {value} = {x}[{key}]",
            *_indented(self._lines(values, value), by=2),
            "out.append(0)",
        ]

    def _union(self, branches: list[Any], x: str) -> list[str]:
        """Choose by the value's type; what is left is a record, or one of several."""
        if len(branches) > BRANCHES_MAX:
            raise ValueError(f"a union of more than {BRANCHES_MAX} types")
        lines: list[str] = []
        rest: dict[str, tuple[int, str]] = {}
        word = "if"
        for index, branch in enumerate(branches):
            kind = branch["type"] if isinstance(branch, dict) else branch
            if kind in _CHOICES:
                lines.append(f"{word} {_CHOICES[kind].format(x=x)}:")
                lines.append(f" out.append({index << 1})")
                lines += _indented(self._lines(branch, x))
                word = "elif"
            else:
                rest[self._full_name(branch)] = (index << 1, self._record(branch))
        lines.append("else:" if lines else "if True:")
        return lines + _indented(self._records(rest, x))

    def _records(self, records: dict[str, tuple[int, str]], x: str) -> list[str]:
        if not records:
            return ["raise Odd"]
        if len(records) == 1:
            ((index, write),) = records.values()
            return [f"out.append({index})", f"{write}(out, {x})"]
        name = f"choose{len(self._globals)}"
        chosen = {full: (index, self._globals[write]) for full, (index, write) in records.items()}
        self._globals[name] = _chooser(chosen, self._namespace)
        return [f"{name}(out, {x})"]

    def _record(self, schema: Any) -> str:
        """Name the function of a record, which is compiled when it is first met."""
        full = self._full_name(schema)
        if full in self._names:
            return self._names[full]
        if not isinstance(schema, dict) or schema["type"] != "record":
            raise ValueError(f"{schema!r} is no type that our schemas use here")
        fields = schema["fields"]
        variables = [self._variable() for _ in fields]
        lines = ["get = getters.get(value.__class__) or find(value)"]
        if fields:
            lines.append(f"{', '.join(variables)}, = get(value)")
        for field, variable in zip(fields, variables, strict=True):
            lines += self._lines(field["type"], variable)
        # Known only from here on, so that a record cannot contain itself: a deep value of
        # such a type would end a decoder by exhausting its stack.
        name = self._names[full] = f"write{len(self._names)}"
        getters: dict[type, Get] = {}
        prefix = f"{name}_"
        self._globals[f"{prefix}getters"] = getters
        self._globals[f"{prefix}find"] = _finder(fields, getters)
        lines[0] = f"get = {prefix}getters.get(value.__class__) or {prefix}find(value)"
        self._globals[name] = self._function("value", lines)
        return name

    def _full_name(self, schema: Any) -> str:
        name = str(schema["name"] if isinstance(schema, dict) and "name" in schema else schema)
        return name if "." in name else f"{self._namespace}.{name}"


def _indented(lines: list[str], *, by: int = 1) -> list[str]:
    return [" " * by + line for line in lines]


def _chooser(records: Mapping[str, tuple[int, Write]], namespace: str) -> Write:
    """Write one of several records: a struct by its class's name, a pair by its first."""

    def choose(out: bytearray, value: Any) -> None:
        if value.__class__ is tuple:
            name, value = value
        else:
            name = f"{namespace}.{type(value).__name__}"
        if name not in records:
            raise OddError
        index, write = records[name]
        out.append(index)
        write(out, value)

    return choose


def _finder(fields: list[dict[str, Any]], getters: dict[type, Get]) -> Callable[[Any], Get]:
    """Find how a type's values give the fields of a record in order, and remember it."""
    names = [field["name"] for field in fields]
    defaults = {field["name"]: field.get("default", MISSING) for field in fields}

    def of_dict(value: dict[str, Any]) -> tuple[Any, ...]:
        if not value.keys() <= defaults.keys():
            raise OddError
        return tuple([value.get(name, defaults[name]) for name in names])

    def find(value: Any) -> Get:
        kind = type(value)
        if kind is not dict and not isinstance(value, Struct):
            raise OddError
        getters[kind] = of_dict if kind is dict else getter(kind, names)
        return getters[kind]

    return find


def getter(kind: type[Struct], names: list[str]) -> Get:
    """
    Read a struct's attributes in the order of a record's fields.

    Every field of either must be one of the other, so that nothing is left behind; an
    attribute may end in an underscore where Python reserves its name.

    Raises:
        OddError: If they differ.
    """
    attributes = {name.rstrip("_"): name for name in kind.__struct_fields__}
    if set(attributes) != set(names):
        raise OddError
    in_order = [attributes[name] for name in names]
    get = attrgetter(*in_order) if in_order else tuple
    return get if len(in_order) != 1 else lambda value: (get(value),)
