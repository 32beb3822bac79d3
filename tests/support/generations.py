"""How often a group has shared its partitions anew, by the broker's own log of groups."""

import struct
from collections.abc import Mapping
from typing import Any

from streams.reading.log import LogReader

OFFSETS_TOPIC = "__consumer_offsets"
GROUP_KEY = 2
"""The version of a key of that topic under which a group's members are kept."""


def generations(client: Mapping[str, Any], group: str) -> list[int]:
    """Give the generations of *group* in order; each rebalance makes one."""
    found: list[int] = []
    with LogReader(dict(client)) as log:
        for record in log.to_end([OFFSETS_TOPIC]):
            if record.value is not None and is_group(record.key or b"", group):
                (generation,) = struct.unpack_from(">i", record.value, after_text(record.value, 2))
                if not found or found[-1] != generation:
                    found.append(generation)
    return found


def is_group(key: bytes, group: str) -> bool:
    """Whether *key* is that of the members of *group*."""
    version, length = struct.unpack_from(">hh", key)
    return version == GROUP_KEY and key[4 : 4 + length] == group.encode()


def after_text(value: bytes, at: int) -> int:
    """Give the place after the text that stands at *at*."""
    (length,) = struct.unpack_from(">h", value, at)
    return at + 2 + max(length, 0)
