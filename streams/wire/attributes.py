"""Open attributes as they come in a decoded dict, made into the core's."""

from collections.abc import Mapping
from typing import Any

from streams.core.receipt import Attribute, DecimalValue


def attributes_of(plain: Mapping[str, Any]) -> dict[str, Attribute]:
    """Read open attributes: a list is a set of strings, a record an exact decimal."""
    return {name: _attribute(value) for name, value in plain.items()}


def _attribute(value: Any) -> Attribute:
    if type(value) is list:
        return tuple(value)
    if type(value) is dict:
        return DecimalValue(value["unscaled"], value["scale"])
    return value  # type: ignore[no-any-return]  # the schema admits no other type
