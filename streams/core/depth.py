"""How deep a search may call itself.

A search goes one call deeper with each decision, and a basket may have thousands of
lines.  Calls between Python functions take heap, not stack, since Python 3.11, so the
interpreter's limit is only a guard against endless recursion; the searches end.
"""

import sys

SPARE = 1_000  # For whoever called, and for what a decision calls.


def allow_depth(decisions: int) -> None:
    """Raise the interpreter's limit so that *decisions* nested calls fit; it never falls."""
    needed = decisions + SPARE
    if sys.getrecursionlimit() < needed:
        sys.setrecursionlimit(needed)
