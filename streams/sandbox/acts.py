"""
What tills send: an act is one record, and the tally counts what was sent.

The reconciliation needs the tally: which documents were sent, and how many records were
broken.  A sale is good for at most one of a script's stories, so that what should become
of each document can be told from the tally alone.
"""

from collections import Counter
from typing import Literal

from msgspec import Struct

from connectors.pos import Document

Kind = Literal["sale", "return", "exchange", "void", "duplicate", "conflict", "broken"]


class Act(Struct, frozen=True):
    """
    One record that a till sends.

    Attributes:
        at_ms: When it is accepted; acts come in this order.
        document: What the till tells; of a broken record, what it would have told.
        value: The bytes of a broken record.
        code: The code that the codec gives a broken record.
    """

    kind: Kind
    at_ms: int
    document: Document
    value: bytes | None = None
    code: str | None = None

    @property
    def awaits_result(self) -> bool:
        """Whether the document is new, so that a result of its own must follow."""
        return self.kind not in ("duplicate", "conflict", "broken")


class Tally:
    """
    What was sent.

    Attributes:
        documents: Ids by kind: sale, return, exchange, void.  Each must get exactly one
            final result, and no other id may.
        duplicates: How often each id was sent again unchanged: nothing may come of it.
        conflicts: How many other contents were sent under each id: a conflict result each.
        broken: Undecodable records by the codec's code: a dead letter each.
    """

    def __init__(self) -> None:
        self.documents: dict[str, list[str]] = {
            "sale": [],
            "return": [],
            "exchange": [],
            "void": [],
        }
        self.duplicates: Counter[str] = Counter()
        self.conflicts: Counter[str] = Counter()
        self.broken: Counter[str] = Counter()
        self.records = 0

    def add(self, act: Act) -> None:
        """Count an act."""
        self.records += 1
        if act.kind == "duplicate":
            self.duplicates[act.document.id] += 1
        elif act.kind == "conflict":
            self.conflicts[act.document.id] += 1
        elif act.kind == "broken":
            self.broken[str(act.code)] += 1
        else:
            self.documents[act.kind].append(act.document.id)

    def ids(self) -> set[str]:
        """Give the id of every document that must have exactly one final result."""
        return {each for kind in self.documents.values() for each in kind}
