"""Any value of a struct type, by its annotations: for properties over whole records."""

from collections.abc import Mapping
from functools import cache
from types import NoneType, UnionType
from typing import Literal, Union, get_args, get_origin, get_type_hints

from hypothesis import strategies as st
from msgspec import Struct

LONGS = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(max_size=12)


@cache
def values(annotation):
    """
    Draw values of *annotation*, edges included.

    Collections stay short: what is tested is each field, not their number.
    """
    if isinstance(annotation, type) and issubclass(annotation, Struct):
        hints = get_type_hints(annotation)
        fields = {name: values(hints[name]) for name in annotation.__struct_fields__}
        return st.builds(annotation, **fields)
    simple = {int: LONGS, str: TEXT, bool: st.booleans(), bytes: st.binary(max_size=12)}
    if annotation in simple:
        return simple[annotation]
    if annotation is NoneType:
        return st.none()
    return _compound(annotation)


def _compound(annotation):
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return st.one_of([values(each) for each in arguments])
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is tuple and arguments[-1] is Ellipsis:
        return st.lists(values(arguments[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values, arguments))
    if origin in (dict, Mapping):
        return st.dictionaries(values(arguments[0]), values(arguments[1]), max_size=3)
    raise TypeError(f"no strategy for {annotation}")
