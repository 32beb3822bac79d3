"""
Avro records and core values of the same shape.

A core value and the record that carries it have the same field names (a trailing
underscore, where Python reserves a word, aside), so one rule maps them all.  Writing
needs nothing: the codec reads attributes.  Reading is compiled once a type, from its
annotations.  `tests/schemas` holds every pair to every field.
"""

from collections.abc import Callable, Mapping
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct

from schemas.codec import CodecError
from streams.core.receipt import DecimalValue

Value = TypeVar("Value")
Read = Callable[[Any], Any]


def value_of(kind: type[Value], plain: Any) -> Value:
    """
    Build the core value of a decoded record.

    Raises:
        CodecError: UNDECODABLE, if a field isn't what the core takes: a status that
            doesn't exist, or a field that this build doesn't know how to fill.
    """
    reader: Read = _reader(cast("Any", kind))
    try:
        built: Value = reader(plain)
    except (msgspec.ValidationError, KeyError, TypeError, ValueError) as failed:
        message = f"no {kind.__name__}: {type(failed).__name__}"
        raise CodecError("UNDECODABLE", message) from None
    return built


def attributes_of(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Read open attributes: a list is a set of strings, a record an exact decimal."""
    return {name: _attribute(value) for name, value in plain.items()}


def _attribute(value: Any) -> Any:
    if type(value) is list:
        return tuple(value)
    if type(value) is dict:
        return DecimalValue(value["unscaled"], value["scale"])
    return value


@cache
def _reader(annotation: Any) -> Read:
    if isinstance(annotation, type) and issubclass(annotation, Struct):
        return _struct(annotation)
    if annotation in (str, int, bool, bytes):
        return _as_it_is
    return _compound(annotation)


def _compound(annotation: Any) -> Read:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        kinds = [each for each in arguments if each is not NoneType]
        return _attribute if DecimalValue in kinds else _optional(_reader(kinds[0]))
    if origin is tuple and arguments[-1] is Ellipsis:
        return _items(arguments[0])
    if origin is Literal:
        return _one_of(frozenset(arguments))
    if origin in (dict, Mapping):
        read = _reader(arguments[1])
        return lambda plain: {key: read(each) for key, each in plain.items()}
    raise TypeError(f"no record holds a {annotation}")


def _as_it_is(plain: Any) -> Any:
    return plain


def _optional(read: Read) -> Read:
    return lambda plain: None if plain is None else read(plain)


def _items(annotation: Any) -> Read:
    read = _reader(annotation)
    if read is _as_it_is:
        return tuple
    return lambda plain: tuple(map(read, plain))


def _one_of(admitted: frozenset[str]) -> Read:
    def read(plain: Any) -> Any:
        if plain not in admitted:
            raise ValueError("none of the admitted words")
        return plain

    return read


def _struct(kind: type[Struct]) -> Read:
    """
    Compile a struct's reader.

    Structs that msgspec keeps as maps are built by msgspec itself, which is several
    times faster; those kept as arrays are filled field by field.
    """
    if not _any_array(kind):
        return lambda plain: msgspec.convert(plain, kind)
    hints = get_type_hints(kind)
    fields = [(name.rstrip("_"), _reader(hints[name])) for name in kind.__struct_fields__]

    def read(plain: Any) -> Any:
        return kind(*[read_field(plain[name]) for name, read_field in fields])

    return read


@cache
def _any_array(annotation: Any) -> bool:
    """Tell whether *annotation* has a struct inside that msgspec keeps as an array."""
    if isinstance(annotation, type) and issubclass(annotation, Struct):
        config = annotation.__struct_config__
        renamed = annotation.__struct_fields__ != annotation.__struct_encode_fields__
        hints = get_type_hints(annotation)
        inside = any(_any_array(hints[name]) for name in annotation.__struct_fields__)
        return config.array_like or renamed or inside
    return any(_any_array(each) for each in get_args(annotation))
