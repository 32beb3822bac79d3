"""The heap of a process that has read what it needs and begins to work."""

import ctypes
import gc

# New containers that make the collector look for cycles among the young.  What the work
# makes and drops has none, and looking for them took one part in twenty of a long search.
YOUNG_MOST = 50_000


def settle() -> None:
    """
    Give back what reading took, and have the collector pass over what stays.

    It looks at the young more seldom, too.  glibc keeps freed memory that lies between used:
    after a million products some 25 MB.  Other C libraries have no `malloc_trim`, and are left
    alone.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_MOST, *gc.get_threshold()[1:])
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
