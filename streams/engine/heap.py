"""The heap of a process that has read what it needs and begins to work."""

import ctypes
import gc


def settle() -> None:
    """
    Give back what reading took, and have the collector pass over what stays.

    glibc keeps freed memory that lies between used: after a million products some 25 MB.
    Other C libraries have no `malloc_trim`, and are left alone.
    """
    gc.collect()
    gc.freeze()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
