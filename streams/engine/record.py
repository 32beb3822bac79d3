"""
What crosses the edge of a stage: records in and outputs out.

Keys and values are bytes.  What they mean is the stage's business.
"""

from msgspec import Struct

Headers = tuple[tuple[str, bytes], ...]


class Record(Struct, frozen=True, gc=False):
    """One record of a source topic, as it stands in the log."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    """Milliseconds since the epoch, from the producer or the broker as the topic is configured."""
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class Output(Struct, frozen=True, gc=False):
    """One record that a stage emits; it becomes visible when its batch commits."""

    topic: str
    key: bytes | None
    value: bytes | None
    partition: int | None = None
    """None lets the key decide: murmur2, as the Java clients do."""
    headers: Headers = ()
    timestamp: int | None = None
    """Milliseconds since the epoch; None takes the clock of the producer."""


def partition_for(key: bytes, count: int) -> int:
    """
    Choose the partition of *key* among *count*, as Kafka's Java clients do.

    It is the murmur2 hash with the sign bit cleared, modulo *count*.
    """
    return (_murmur2(key) & 0x7FFFFFFF) % count


def _murmur2(data: bytes) -> int:
    """Hash *data* to 32 bits with the constants of Kafka's Utils.murmur2."""
    multiplier, mask = 0x5BD1E995, 0xFFFFFFFF
    value = 0x9747B28C ^ len(data)
    whole = len(data) & ~3
    for start in range(0, whole, 4):
        word = int.from_bytes(data[start : start + 4], "little") * multiplier & mask
        word = (word ^ word >> 24) * multiplier & mask
        value = (value * multiplier & mask) ^ word
    if rest := data[whole:]:
        value = (value ^ int.from_bytes(rest, "little")) * multiplier & mask
    value = (value ^ value >> 13) * multiplier & mask
    return value ^ value >> 15
