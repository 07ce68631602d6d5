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
_FREE = -2

CELL = np.dtype([("hash", np.int64), ("code", np.int32)], align=True)
"""One symbol, in an open-addressed table of a power-of-two size; the code _FREE: none."""


@kernel
def _look_up(hashes: Array, cells: Array, codes: Array) -> None:
    mask = len(cells) - 1
    for i in range(len(hashes)):
        at = hashes[i] & mask
        while cells[at]["code"] != _FREE and cells[at]["hash"] != hashes[i]:
            at = (at + 1) & mask
        codes[i] = max(cells[at]["code"], ABSENT)


@kernel
def _enter(hashes: Array, codes: Array, cells: Array) -> None:
    mask = len(cells) - 1
    for i in range(len(hashes)):
        at = hashes[i] & mask
        while cells[at]["code"] != _FREE:
            at = (at + 1) & mask
        cells[at]["hash"] = hashes[i]
        cells[at]["code"] = codes[i]


class SymbolHashes:
    """Hash of a symbol's text to its code; the codes are the caller's."""

    def __init__(self) -> None:
        self._codes: dict[int, int] = {}
        self._cells = np.full(8, _FREE, CELL)

    def learn(self, coded: Iterable[tuple[int, int]]) -> None:
        """Note hashes and their codes.

        Raises:
            ValueError: two of all that were noted have one hash.
        """
        for hashed, code in coded:
            if self._codes.setdefault(hashed, code) != code:
                raise ValueError("two symbols have the same hash")
        size = len(self._cells)
        while size < 4 * len(self._codes):  # short chains, and still small against a chunk
            size *= 2
        self._cells = np.zeros(size, CELL)
        self._cells["code"] = _FREE
        hashes = np.array([*self._codes], np.uint64).view(np.int64)
        _enter(hashes, np.array([*self._codes.values()], np.int32), self._cells)

    def codes(self, hashes: Array) -> Array:
        """Return the code of each hash (uint64), ABSENT where it is unknown."""
        found = np.empty(len(hashes), np.int32)
        _look_up(hashes.view(np.int64), self._cells, found)
        return found
