"""The trade keys of the last 360 seconds: a print reported twice counts once.

A print is a duplicate if its key (exchange, TRF, id) is that of an earlier print of the symbol
from within 360 s of the newest one; duplicates keep their key alive (detectors.md section 1).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from operators.kernels import kernel, step
from operators.key_journal import LOOK_BACK_MS, SEEN, KeyJournal, living, pack, unpack
from operators.parts import PartStore, Place, RowRanges, WaitingParts, bytes_of
from operators.ticks import ID_MOCK_ROW, Array, Row

FREE = 0
"""`ms` of a free cell, so that a new table is memory nobody has touched yet."""

SAMPLES = 64  # stretches of a large table tell how many of its keys are young
SAMPLED = 64  # cells of each
COUNTED = 1 << 17  # cells that are counted in a fraction of a millisecond
PER_PRINT, PER_CHUNK = 8, 1024  # cells of the old table that are moved
TOUCHED = 4  # so many times as many cells of the next table are made ready
CELLS_PER_PAGE = 4096 // SEEN.itemsize


@step
def _find(seen: Array, trade_id: int, symbol: int, exchange: int, trf: int) -> int:
    """Return the place of a trade key, or of the free cell where it belongs."""
    mask = len(seen) - 1
    h = trade_id ^ (symbol << 24) ^ (exchange << 12) ^ (trf << 4)
    # Ids count up per exchange: without the multiplication their runs would lie on each other.
    h = ((h ^ (h >> 32)) & 0xFFFFFFFF) * 0x1E3779B1
    at = (h >> 20) & mask
    while True:
        cell = seen[at]
        if cell["ms"] == FREE:
            return at
        if (
            cell["trade_id"] == trade_id
            and cell["symbol"] == symbol
            and cell["exchange"] == exchange
            and cell["trf"] == trf
        ):
            return at
        at = (at + 1) & mask


@kernel
def _young(seen: Array, newest_ms: Array, stretch: int, cells: int) -> int:
    """Return how many keys are younger than 360 s among the first `cells` of each `stretch`."""
    young = 0
    for first in range(0, len(seen), stretch):
        for i in range(first, first + cells):
            ms = seen[i]["ms"]
            if ms != FREE and ms >= newest_ms[seen[i]["symbol"]] - LOOK_BACK_MS:
                young += 1
    return young


@kernel
def _move(old: Array, newest_ms: Array, new: Array) -> int:
    """Put what is younger than 360 s into `new`, too; return how many cells that took.

    Of a key that is there already the younger counts: parts may have it twice, in any order.
    """
    n = 0
    for i in range(len(old)):
        cell = old[i]
        if cell["ms"] == FREE or cell["ms"] < newest_ms[cell["symbol"]] - LOOK_BACK_MS:
            continue
        at = _find(new, cell["trade_id"], cell["symbol"], cell["exchange"], cell["trf"])
        if new[at]["ms"] == FREE:
            n += 1
            new[at] = cell
        else:
            new[at]["ms"] = max(new[at]["ms"], cell["ms"])
    return n


@step
def remember(seen: Array, old: Array, moved: int, row: Row, ms: int, newest_ms: int) -> Any:
    """Note the trade key of a print; return whether it is a duplicate, and cells newly used.

    `old` is the table before `seen` as long as keys are moved from it, its first `moved` cells
    have been, and are not looked at again; otherwise it is empty.
    """
    exchange, trf = row["exchange"], row["trf"]
    if row["id_kind"] == ID_MOCK_ROW:
        exchange, trf = exchange * 0, trf * 0 - 1
    at = _find(seen, row["trade_id"], row["symbol"], exchange, trf)
    cell = seen[at]
    if cell["ms"] == FREE:
        if len(old):
            before = _find(old, row["trade_id"], row["symbol"], exchange, trf)
            if before >= moved and old[before]["ms"] != FREE:
                duplicate = old[before]["ms"] >= newest_ms - LOOK_BACK_MS
                old[before]["ms"] = max(old[before]["ms"], ms)
                return duplicate, 0
        cell["trade_id"] = row["trade_id"]
        cell["ms"] = ms
        cell["symbol"] = row["symbol"]
        cell["exchange"] = exchange
        cell["trf"] = trf
        return False, 1
    duplicate = cell["ms"] >= newest_ms - LOOK_BACK_MS
    cell["ms"] = max(cell["ms"], ms)
    return duplicate, 0


_NO_MS = np.empty(0, np.int64)


class TradeKeys:
    """The table of keys: little more than half full, so that a look-up is short.

    When it is half full, the young keys move to the next one. Live, that one is made and filled a
    little with each chunk: all at once, a busy hour's millions would hold up the alerts for up to
    half a second.

    Args:
        saved: Parts of a snapshot; their `symbol` is the row they were saved under.
        saved_ms: By that row, the newest print: what is 360 s older is left out.
        at_once: The run is live, or saves its state often: do all work little by little.
        store: Has the parts that a snapshot only names, and keeps new ones.

    Raises:
        StateError: a part is named, and there is no store.
    """

    def __init__(
        self,
        saved: tuple[Array | Place, ...] = (),
        saved_ms: Array = _NO_MS,
        *,
        at_once: bool = False,
        store: PartStore | None = None,
    ) -> None:
        self.table = np.zeros(1024, SEEN)
        self.old = np.empty(0, SEEN)
        self.moved = 0  # cells of `old`
        self._next = self.old
        self._ready = 0  # cells of `next`
        self._gradually = at_once
        self._used = 0
        self._to_come = 0  # keys that are still in `old`, about
        self._journal = KeyJournal(at_once, store)
        self._waiting = WaitingParts(store)
        blocks = [bytes_of(part, store) for part in saved]
        keys = np.concatenate([np.empty(0, SEEN), *map(unpack, blocks)])
        young = np.empty(len(keys), SEEN)
        young = young[: living(keys, np.ascontiguousarray(saved_ms), young)]
        self._saved = young[np.argsort(young["symbol"], kind="stable")]
        self._ranges = RowRanges(self._saved["symbol"])

    def noted(self, rows: Array, cells: int) -> None:
        """Know that a kernel has put the keys of prints into the table, `cells` of them new."""
        self._used += cells
        self._journal.note(rows)

    def is_ready(self, prints: int) -> bool:
        """Whether that many keys can be added, and there is nothing else to do."""
        return len(self.old) == 0 and not self._is_half_full(prints)

    def _is_half_full(self, prints: int) -> bool:
        """Whether it is time to begin with a new table."""
        return 2 * (self._used + self._to_come + prints) > len(self.table)

    def _is_full(self, prints: int) -> bool:
        return 5 * (self._used + self._to_come + prints) > 3 * len(self.table)

    def make_ready(self, prints: int, newest_ms: Array) -> None:
        """Make sure that many keys can be added without growing inside a kernel.

        Args:
            prints: Most keys that may come.
            newest_ms: By symbol, the newest print: what is 360 s older is forgotten.
        """
        cells = PER_CHUNK + PER_PRINT * prints
        if len(self.old):
            self._move(cells, newest_ms)
        if len(self.old) and (self._is_full(prints) or 4 * prints > len(self.table)):
            self._move(len(self.old), newest_ms)
        if len(self.old) or not self._is_half_full(prints):
            return
        if not len(self._next):
            self._next = np.zeros(self._size_for(prints, newest_ms), SEEN)
            self._ready = 0
        if self._gradually and not self._is_full(prints) and self._ready < len(self._next):
            until = self._ready + TOUCHED * cells
            # The system gives memory when it is touched, and page by page.
            self._next["ms"][self._ready : until : CELLS_PER_PAGE] = FREE
            self._ready = until
            return
        size = self._size_for(prints, newest_ms)
        self.old, self.table = self.table, self._next
        if size > 2 * len(self.table):  # far more prints than were to be expected
            self.table = np.zeros(size, SEEN)
        self._next = self.old[:0].copy()
        self._to_come = self._about(newest_ms, self.old)
        self.moved = self._used = 0
        # How many keys are to come is an estimate, and a large chunk leaves it no room for error.
        slowly = self._gradually and 4 * prints <= len(self.table)
        self._move(cells if slowly else len(self.old), newest_ms)

    def _about(self, newest_ms: Array, table: Array) -> int:
        """Return how many young keys there are; live, and of many, a tenth more than it seems.

        Keys lie in no order, so a few stretches are like all.
        """
        if not self._gradually or len(table) <= COUNTED:
            return _young(table, newest_ms, len(table), len(table))
        stretch = len(table) // SAMPLES
        seen = _young(table, newest_ms, stretch, SAMPLED)
        return seen * stretch // SAMPLED * 11 // 10 + 1

    def _size_for(self, prints: int, newest_ms: Array) -> int:
        """Return how large a new table is to be: with room to spare, or it is soon full again."""
        size = len(self.table)
        while 3 * (self._about(newest_ms, self.table) + prints) > size:
            size *= 2
        return size

    def _move(self, cells: int, newest_ms: Array) -> None:
        """Move what is young in so many more cells of the old table."""
        until = min(self.moved + cells, len(self.old))
        part = self.old[self.moved : until]
        self._to_come -= self._to_come * len(part) // max(len(self.old) - self.moved, 1)
        self._used += _move(part, newest_ms, self.table)
        self.moved = until
        if until == len(self.old):
            self.old = self.old[:0].copy()
            self.moved = self._to_come = 0

    def _whole(self, newest_ms: Array) -> Array:
        """Return the one table of all keys."""
        self._move(len(self.old), newest_ms)
        return self.table

    def adopt(self, restored: list[tuple[int, int]], newest_ms: Array) -> None:
        """Bring back the saved keys of symbols, given as (row now, row as saved)."""
        for row, saved_row in restored if len(self._saved) else ():
            keys = self._saved[self._ranges.of(saved_row)].copy()
            if len(keys):
                keys["symbol"] = row
                self.make_ready(len(keys), newest_ms)
                self._used += _move(keys, newest_ms, self.table)
                self._journal.add(keys)

    def snapshot(self, newest_ms: Array, waiting: list[int]) -> tuple[Array | Place, ...]:
        """Return the young keys, then those whose symbol has not come back yet, in parts.

        Args:
            newest_ms: By symbol.
            waiting: Saved rows without a symbol, in the order the snapshot keeps them.
        """
        symbols = len(newest_ms)

        def pack_waiting(rows: list[int]) -> Array:
            absent = [self._saved[self._ranges.of(row)] for row in rows]
            keys = np.concatenate(absent)
            now_rows = np.arange(symbols, symbols + len(rows))
            keys["symbol"] = np.repeat(now_rows, [*map(len, absent)])
            return pack(keys)

        return (
            *self._journal.parts(lambda: self._whole(newest_ms), newest_ms),
            *self._waiting.parts(symbols, waiting, pack_waiting),
        )
