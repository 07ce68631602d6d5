"""The symbols of a tape as codes, found by the hash DuckDB gives their text.

Strings never reach numpy, and DuckDB has no cheap way to number them: a join or a cast to an
enum looks text up, and a hash of a column is computed once for each entry of its dictionary.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from operators.kernels import kernel
from operators.ticks import Array

ABSENT = -1  # the code of what is no symbol
UNKNOWN = -2  # of what was never noted

CELL = np.dtype([("hash", np.int64), ("code", np.int32)], align=True)
"""One symbol, in an open-addressed table of a power-of-two size; the code UNKNOWN: a free one."""


@kernel
def _look_up(hashes: Array, cells: Array, codes: Array) -> None:
    mask = len(cells) - 1
    for i in range(len(hashes)):
        at = hashes[i] & mask
        while cells[at]["code"] != UNKNOWN and cells[at]["hash"] != hashes[i]:
            at = (at + 1) & mask
        codes[i] = cells[at]["code"]


@kernel
def _enter(hashes: Array, codes: Array, cells: Array) -> None:
    mask = len(cells) - 1
    for i in range(len(hashes)):
        at = hashes[i] & mask
        while cells[at]["code"] != UNKNOWN:
            at = (at + 1) & mask
        cells[at]["hash"] = hashes[i]
        cells[at]["code"] = codes[i]


class SymbolHashes:
    """Hash of a symbol's text to its code; the codes are the caller's.

    Two symbols with one hash would be taken for each other: among 20,000 the odds are 1 in 10**11.
    """

    def __init__(self) -> None:
        self._codes: dict[int, int] = {}
        self._cells = np.full(8, UNKNOWN, CELL)

    def learn(self, coded: Iterable[tuple[int, int]]) -> None:
        """Note hashes and their codes."""
        self._codes.update(coded)
        size = len(self._cells)
        while size < 4 * len(self._codes):  # short chains, and still small against a chunk
            size *= 2
        self._cells = np.zeros(size, CELL)
        self._cells["code"] = UNKNOWN
        hashes = np.array([*self._codes], np.uint64).view(np.int64)
        _enter(hashes, np.array([*self._codes.values()], np.int32), self._cells)

    def codes(self, hashes: Array) -> Array:
        """Return the code of each hash (uint64), UNKNOWN where it was never noted."""
        found = np.empty(len(hashes), np.int32)
        _look_up(hashes.view(np.int64), self._cells, found)
        return found
