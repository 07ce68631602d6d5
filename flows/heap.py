"""The C heap of a replay: what a chunk was freed of is there for the next one."""

from __future__ import annotations

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of mallopt(3)
LARGEST = 32 << 20  # a block from here on is given back to the system; glibc takes no more
KEPT = 128 << 20  # at the end of the heap


def keep_freed() -> bool:
    """Keep freed blocks, as large as the columns of a chunk, instead of giving them back.

    The system zeroes each page it gives, and a chunk's columns are tens of megabytes: to read a
    file of prints and find its bursts took a sixth longer so. With glibc only.

    Returns:
        Whether the heap takes the advice.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_MMAP_THRESHOLD, LARGEST) and mallopt(_TRIM_THRESHOLD, KEPT))
