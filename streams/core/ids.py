"""Ids derived from the input: ledger.md §1.

An id is a letter and the first 20 hex digits of a SHA-256, so that a replay
gives the same ids and a repeated message the same record.
"""

from hashlib import sha256

from streams.core.calendar import iso
from streams.core.receipt import EpochMs

UNIT = "\x1f"  # Stands between parts, so that ("ab", "c") and ("a", "bc") differ.
DIGITS = 20


def derived(letter: str, *parts: str | int) -> str:
    """Give the id of *parts*: numbers in decimal, text in UTF-8."""
    return _digested(letter, UNIT.join(map(str, parts)))


def _digested(letter: str, text: str) -> str:
    return letter + sha256(text.encode()).hexdigest()[:DIGITS]


def lot_id(document: str, rule: str) -> str:
    """Give the id of the lot that *rule* pays for *document*; `adjust` for adjustments."""
    return _digested("L", f"{document}{UNIT}{rule}")


def reissued_id(document: str, line: int, *, original: str, original_line: int, draw: int) -> str:
    """
    Give the id of the lot in which a return brings points back.

    Args:
        document: The returning document.
        line: Its line.
        original: The document that spent the points.
        original_line: The line that spent them.
        draw: Which of that line's draws comes back, from 0.
    """
    return derived("L", document, line, original, original_line, draw)


def result_id(document: str, attempt: int | str) -> str:
    """Give a result's id: *attempt* is 0 deferred, 1 final, or a conflict's digest."""
    return _digested("R", f"{document}{UNIT}{attempt}")


def entry_id(result: str, ordinal: int) -> str:
    """Give the id of a result's entry, counted from 0."""
    return derived("E", result, ordinal)


def event_id(result: str, ordinal: int) -> str:
    """Give the id of a result's event, counted from 0."""
    return _digested("N", f"{result}{UNIT}{ordinal}")


def tick_id(account: str, at: EpochMs) -> str:
    """Give the document id of a tick."""
    return derived("T", account, iso(at))
