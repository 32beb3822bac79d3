"""
The schemas of this checkout, as files and committed ids.

`ids.json` lists each file of `avro/` with the id that the in-process registry gives it
and with the digest of its bytes.  The list only grows: programs outside know the ids,
and a released file is never edited.
"""

import hashlib
import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from msgspec import Struct

FOLDER = Path(__file__).parent
AVRO = FOLDER / "avro"
IDS = FOLDER / "ids.json"


class Schema(Struct, frozen=True):
    """
    One version of one record.

    Attributes:
        id: In front of every value written with it: 1 or more.
        record: Name of the record, without its namespace.
        version: From 1, without gaps.
        text: The file, as it is.
    """

    id: int
    record: str
    version: int
    text: str

    @property
    def tree(self) -> dict[str, Any]:
        """Parse the file's JSON; a fresh copy each time."""
        tree: dict[str, Any] = json.loads(self.text)
        return tree


def file_of(record: str, version: int) -> Path:
    """Name the file of one version of a record."""
    return AVRO / f"{record}.{version}.avsc"


def fingerprint(text: str) -> str:
    """Digest a schema file, every byte of it counting: SHA-256 in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def catalogue() -> tuple[Schema, ...]:
    """
    Read every schema, in the order of ids.

    Raises:
        OSError: If a listed file is not there.
    """
    return tuple(
        Schema(
            row["id"],
            row["record"],
            row["version"],
            file_of(row["record"], row["version"]).read_text(encoding="utf-8"),
        )
        for row in listed()
    )


def listed() -> list[dict[str, Any]]:
    """Read `ids.json`: rows of id, record, version, sha256."""
    rows: list[dict[str, Any]] = json.loads(IDS.read_text(encoding="utf-8"))
    return rows


def unlisted() -> tuple[tuple[str, int], ...]:
    """Name the records and versions that have a file and no id yet, in order."""
    known = {(row["record"], row["version"]) for row in listed()}
    there = []
    for path in AVRO.glob("*.avsc"):
        record, _, version = path.stem.rpartition(".")
        there.append((record, int(version)))
    return tuple(sorted(set(there) - known))


def release(rows: list[dict[str, Any]], new: Iterable[tuple[str, int]]) -> list[dict[str, Any]]:
    """Give each of *new* the next free id; what is listed keeps its own."""
    grown = list(rows)
    for record, version in new:
        text = file_of(record, version).read_text(encoding="utf-8")
        grown.append(
            {
                "id": len(grown) + 1,
                "record": record,
                "version": version,
                "sha256": fingerprint(text),
            }
        )
    return grown


if __name__ == "__main__":
    # `python -m schemas.catalogue` releases the new files of avro/.
    IDS.write_text(json.dumps(release(listed(), unlisted()), indent=1) + "\n", encoding="utf-8")
