"""The digest of a document: ledger.md §3.

Two documents of one id are the same when their canonical forms are: JSON with
sorted keys of all that the till said.  When it was accepted is not part of it.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from streams.core.receipt import Receipt

_encoder = msgspec.json.Encoder(order="deterministic")


def document_digest(document: Struct | Mapping[str, Any] | Sequence[Any]) -> str:
    """Give the hex SHA-256 of a command's canonical form."""
    return sha256(_encoder.encode(document)).hexdigest()


def receipt_digest(receipt: Receipt) -> str:
    """Give the hex SHA-256 of *receipt* without `accepted_at`."""
    return document_digest(replace(receipt, accepted_at=0))
