"""
The reading half of the codec: Avro's binary form into values, without trust.

A schema and the type to build are turned into Python source, one function a record, and
compiled once: half the time of fastavro and of building the type from its dicts.  The
bytes are bounded before anything is made of them: a string ends where the bytes do, an
array or map has no more items than bytes are left, since no item of ours takes less than
one, and no record holds itself.

Without a type, records become dicts, arrays lists, and a record of a union of several
the pair (full name, dict).  With one, fields and types go together by the names and
annotations of a struct: records become structs, arrays tuples, and a record of a union
of several the struct that is given for its name.
"""

from collections.abc import Callable, Mapping
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from msgspec import Struct

from schemas.encoding import OddError

Read = Callable[[bytes, int], tuple[Any, int]]

MORE = 0x80
SIXTY_FOUR_BITS = 64


def long(data: bytes, index: int) -> tuple[int, int]:
    """
    Read a long from *index* on; give it and where it ends.

    Raises:
        IndexError: If the bytes end before it does.
        OddError: If it has more than 64 bits.
    """
    byte = data[index]
    index += 1
    value, shift = byte & 0x7F, 7
    while byte & MORE:
        byte = data[index]
        index += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if shift > SIXTY_FOUR_BITS + 6:
            raise OddError
    if value >> SIXTY_FOUR_BITS:
        raise OddError
    return value >> 1 ^ -(value & 1), index


def length(data: bytes, index: int) -> tuple[int, int]:
    """Read the length of a string or bytes, which is not negative."""
    value, index = long(data, index)
    if value < 0:
        raise OddError
    return value, index


def count(data: bytes, index: int) -> tuple[int, int]:
    """
    Read the count of a block of items: 1 or more, and no more than bytes are left.

    A negative one is followed by the block's size, as some writers give it.
    """
    value, index = long(data, index)
    if value < 0:
        _, index = length(data, index)
        value = -value
    if not 0 < value <= len(data) - index:
        raise EOFError
    return value, index


# One byte for most quantities, two for most prices; the rest is instants.
_LONG = """\
{x} = data[i]
if {x} < 128:
 {x} = {x} >> 1 ^ -({x} & 1)
 i += 1
elif data[i + 1] < 128:
 {x} = {x} & 127 | data[i + 1] << 7
 {x} = {x} >> 1 ^ -({x} & 1)
 i += 2
else: {x}, i = long(data, i)
"""
_SIZED = """\
size = data[i]
if size > 127 or size & 1: size, i = length(data, i)
else:
 size >>= 1
 i += 1
end = i + size
if end > limit: raise EOFError
"""
_STRING = (
    _SIZED
    + """\
{x} = data[i:end].decode()
i = end
"""
)
_BYTES = (
    _SIZED
    + """\
{x} = data[i:end]
i = end
"""
)
_BOOLEAN = """\
{x} = data[i]
if {x} > 1: raise Odd
{x} = {x} == 1
i += 1
"""
_NULL = """\
{x} = None
"""
_SIMPLE = {
    "long": _LONG,
    "boolean": _BOOLEAN,
    "string": _STRING,
    "bytes": _BYTES,
    "null": _NULL,
}


def compile_reader(schema: Any, kind: Any = None, bodies: Mapping[str, type] | None = None) -> Read:
    """
    Compile a record's schema into the function that reads it.

    The function takes the bytes and where the record begins, and gives the value and
    where it ends.  It raises IndexError or EOFError where the bytes end too soon, and
    OddError or UnicodeDecodeError where they are wrong.

    Args:
        schema: The parsed JSON, without logical types.
        kind: The struct to build; None builds a dict.
        bodies: For a union of several records, the struct for each record's name.

    Raises:
        ValueError: If schema and struct don't have the same fields.
    """
    compiler = _Compiler(schema["namespace"], bodies or {}, typed=kind is not None)
    read: Read = compiler.globals[compiler.record(schema, kind)]
    return read


class _Compiler:
    """Compiles one schema; knows the records that it has compiled so far."""

    def __init__(self, namespace: str, bodies: Mapping[str, type], *, typed: bool) -> None:
        self.globals: dict[str, Any] = {
            "Odd": OddError,
            "long": long,
            "length": length,
            "count": count,
        }
        self._namespace = namespace
        self._bodies = bodies
        self._typed = typed
        self._schemas: dict[str, Any] = {}
        self._functions: dict[tuple[str, Any], str] = {}
        self._variables = 0

    def record(self, schema: Any, kind: Any) -> str:
        """Name the function that reads a record into *kind*; compile it when first met."""
        if isinstance(schema, dict):
            self._schemas[schema["name"]] = schema
        else:
            schema = self._schemas[schema.rpartition(".")[2]]
        key = (schema["name"], kind)
        if key in self._functions:
            return self._functions[key]
        if self._typed and kind is None:
            raise ValueError(f"no type is given for {schema['name']}")
        hints = _hints(kind, schema) if self._typed else {}
        variables = {field["name"]: self._variable() for field in schema["fields"]}
        lines: list[str] = []
        for field in schema["fields"]:
            name = field["name"]
            lines += self._lines(field["type"], hints.get(name), variables[name])
            lines += self._words(hints.get(name), variables[name])
        lines.append(f"return {self._made(kind, hints, variables)}, i")
        name = self._functions[key] = f"read{len(self._functions)}"
        source = "\n".join(["def read(data, i):", " limit = len(data)", *_indented(lines)])
        made: dict[str, Any] = {}
        # The source is made of the templates above, of positions, and of field names,
        # which Avro restricts to letters, digits and underscores.
        exec(compile(source, "<avro>", "exec"), self.globals, made)  # noqa: S102
        self.globals[name] = made["read"]
        return name

    def _made(self, kind: Any, hints: Mapping[str, Any], variables: Mapping[str, str]) -> str:
        """Give the expression that builds a record of its fields."""
        if not self._typed:
            return "{" + ", ".join(f"{name!r}: {x}" for name, x in variables.items()) + "}"
        arguments = ", ".join(variables[name] for name in hints)
        if get_origin(kind) is tuple:
            return f"({arguments})"
        maker = f"make{len(self.globals)}"
        self.globals[maker] = kind
        return f"{maker}({arguments})"

    def _words(self, hint: Any, x: str) -> list[str]:
        """Admit no words but those of a Literal."""
        for each in (hint, *get_args(hint)):
            if get_origin(each) is Literal:
                name = f"words{len(self.globals)}"
                self.globals[name] = frozenset({*get_args(each), *({None} if each != hint else ())})
                return [f"if {x} not in {name}: raise Odd"]
        return []

    def _lines(self, schema: Any, hint: Any, x: str) -> list[str]:
        """Give the statements that read a value into the variable *x*."""
        if isinstance(schema, list):
            return self._union(schema, hint, x)
        kind = schema["type"] if isinstance(schema, dict) else schema
        if kind in _SIMPLE:
            return _SIMPLE[kind].format(x=x).splitlines()
        inner = _inner(hint)
        if kind == "array":
            return self._array(schema["items"], inner, x)
        if kind == "map":
            return self._map(schema["values"], inner, x)
        return [f"{x}, i = {self.record(schema, _kind_of(hint))}(data, i)"]

    def _array(self, items: Any, hint: Any, x: str) -> list[str]:
        number, item = self._variable(), self._variable()
        return [
            f"{x} = []",
            "while data[i]:",
            f" {number}, i = count(data, i)",
            f" for _ in range({number}):",
            *_indented(self._lines(items, hint, item), by=2),
            f"  {x}.append({item})",
            "i += 1",
            *([f"{x} = tuple({x})"] if self._typed else []),
        ]

    def _map(self, values: Any, hint: Any, x: str) -> list[str]:
        number, key, value = self._variable(), self._variable(), self._variable()
        return [
            f"{x} = {{}}",
            "while data[i]:",
            f" {number}, i = count(data, i)",
            f" for _ in range({number}):",
            *_indented(self._lines("string", None, key), by=2),
            *_indented(self._lines(values, hint, value), by=2),
            f"  {x}[{key}] = {value}",
            "i += 1",
        ]

    def _union(self, branches: list[Any], hint: Any, x: str) -> list[str]:
        records = [each for each in branches if _is_record(each)]
        chosen = self._variable()
        lines = [f"{chosen} = data[i]", "i += 1"]
        word = "if"
        for index, branch in enumerate(branches):
            lines.append(f"{word} {chosen} == {index << 1}:")
            if len(records) > 1 and branch in records:
                lines += _indented(self._body(branch, x))
            else:
                lines += _indented(self._lines(branch, _branch(branch, hint), x))
            word = "elif"
        return [*lines, "else: raise Odd"]

    def _body(self, branch: Any, x: str) -> list[str]:
        name = branch["name"] if isinstance(branch, dict) else branch.rpartition(".")[2]
        if not self._typed:
            read = self.record(branch, None)
            return [f"{x}, i = {read}(data, i)", f"{x} = ('{self._namespace}.{name}', {x})"]
        if name not in self._bodies:
            raise ValueError(f"no type is given for {name}")
        return [f"{x}, i = {self.record(branch, self._bodies[name])}(data, i)"]

    def _variable(self) -> str:
        self._variables += 1
        return f"v{self._variables}"


def _indented(lines: list[str], *, by: int = 1) -> list[str]:
    return [" " * by + line for line in lines]


def _is_record(branch: Any) -> bool:
    kind = branch["type"] if isinstance(branch, dict) else branch
    return kind not in {*_SIMPLE, "array", "map"}


def _hints(kind: Any, schema: Any) -> dict[str, Any]:
    """
    Give the annotation of each field, in the order in which *kind* takes them.

    A trailing underscore, where Python reserves a name, is no part of it.  A pair takes
    a record's two fields in their order.
    """
    names = [field["name"] for field in schema["fields"]]
    if get_origin(kind) is tuple:
        return dict(zip(names, get_args(kind), strict=True))
    annotated = get_type_hints(kind)
    hints = {name.rstrip("_"): annotated[name] for name in kind.__struct_fields__}
    odd = sorted(hints.keys() ^ set(names))
    if odd:
        raise ValueError(f"{kind.__name__} and {schema['name']} differ in {', '.join(odd)}")
    return hints


def _alternatives(hint: Any) -> tuple[Any, ...]:
    if get_origin(hint) in (Union, UnionType):
        return tuple(each for each in get_args(hint) if each is not NoneType)
    return (hint,)


def _kind_of(hint: Any) -> Any:
    """Find what a record becomes: the struct or the pair among the alternatives."""
    for each in _alternatives(hint):
        is_pair = get_origin(each) is tuple and Ellipsis not in get_args(each)
        if is_pair or (isinstance(each, type) and issubclass(each, Struct)):
            return each
    return None


def _inner(hint: Any) -> Any:
    """Give the annotation of the items of a tuple, or of the values of a mapping."""
    for each in _alternatives(hint):
        arguments = get_args(each)
        if get_origin(each) is tuple and Ellipsis in arguments:
            return arguments[0]
        if len(arguments) == 2 and get_origin(each) is not tuple:  # noqa: PLR2004 -- a mapping
            return arguments[1]
    return None


def _branch(branch: Any, hint: Any) -> Any:
    """Give the part of *hint* that a union's branch becomes."""
    kind = branch["type"] if isinstance(branch, dict) else branch
    if kind == "array":
        return next((each for each in _alternatives(hint) if get_origin(each) is tuple), None)
    return hint
