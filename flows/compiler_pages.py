"""Memory of the compiler, given back once the kernels are there: nothing uses it any more."""

from __future__ import annotations

import ctypes
import re
import sys
from pathlib import Path

COMPILER = "libllvmlite"
_DONTNEED = 4  # of madvise(2)
_MAPS = Path("/proc/self/smaps")
_HEAD = re.compile(r"([0-9a-f]+)-([0-9a-f]+) [r-]-[x-]p .*/([^/]+)$")


def give_back() -> int:
    """Take the compiler's code out of this process; what is called again comes back by itself.

    Only where no page was ever written: the file has those still. On Linux only.

    Returns:
        How many KiB of memory were given back.
    """
    if not sys.platform.startswith("linux"):
        return 0
    madvise = ctypes.CDLL(None, use_errno=True).madvise
    madvise.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
    given, head, resident = 0, None, 0
    for line in _MAPS.read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "Rss":
            resident = int(value.split()[0])
        elif name == "Anonymous":  # the pages of its own that a write makes
            if head and head[3].startswith(COMPILER) and value.split()[0] == "0":
                start, end = int(head[1], 16), int(head[2], 16)
                if madvise(start, end - start, _DONTNEED) == 0:
                    given += resident
        elif "-" in name:
            head = _HEAD.match(line)
    return given
