"""The trade keys of the last 360 seconds: a print reported twice counts once.

A print is a duplicate if its key (exchange, TRF, id) is that of an earlier print of the symbol
from within 360 s of the newest one; duplicates keep their key alive (detectors.md section 1).
"""

from __future__ import annotations

import numpy as np

from operators.kernels import kernel, step
from operators.key_journal import LOOK_BACK_MS, SEEN, KeyJournal, pack, unpack
from operators.parts import PartStore, Place, bytes_of
from operators.ticks import ID_MOCK_ROW, Array, Row


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
        if cell["symbol"] < 0:
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
def _living(seen: Array, newest_ms: Array) -> int:
    """Return how many keys are younger than 360 s."""
    n = 0
    for i in range(len(seen)):
        symbol = seen[i]["symbol"]
        if symbol >= 0 and seen[i]["ms"] >= newest_ms[symbol] - LOOK_BACK_MS:
            n += 1
    return n


@kernel
def _rehash(old: Array, newest_ms: Array, new: Array) -> int:
    """Move what is younger than 360 s to `new`; return how many."""
    n = 0
    for i in range(len(old)):
        cell = old[i]
        if cell["symbol"] < 0 or cell["ms"] < newest_ms[cell["symbol"]] - LOOK_BACK_MS:
            continue
        at = _find(new, cell["trade_id"], cell["symbol"], cell["exchange"], cell["trf"])
        new[at] = cell
        n += 1
    return n


@step
def remember(seen: Array, row: Row, ms: int, newest_ms: int) -> tuple[bool, int]:
    """Note the trade key of a print; return whether it is a duplicate, and cells newly used."""
    exchange, trf = row["exchange"], row["trf"]
    if row["id_kind"] == ID_MOCK_ROW:
        exchange, trf = exchange * 0, trf * 0 - 1
    at = _find(seen, row["trade_id"], row["symbol"], exchange, trf)
    cell = seen[at]
    if cell["symbol"] < 0:
        cell["trade_id"] = row["trade_id"]
        cell["ms"] = ms
        cell["symbol"] = row["symbol"]
        cell["exchange"] = exchange
        cell["trf"] = trf
        return False, 1
    duplicate = cell["ms"] >= newest_ms - LOOK_BACK_MS
    cell["ms"] = max(cell["ms"], ms)
    return duplicate, 0


def _free(size: int) -> Array:
    table = np.zeros(size, SEEN)
    table["symbol"] = -1
    return table


class TradeKeys:
    """The table of keys: at most half full, so that a look-up is short.

    Args:
        saved: Parts of a snapshot; their `symbol` is the row they were saved under.
        at_once: Pack keys for the first snapshot as they come.
        store: Has the parts that a snapshot only names, and keeps new ones.

    Raises:
        StateError: a part is named, and there is no store.
    """

    def __init__(
        self,
        saved: tuple[Array | Place, ...] = (),
        *,
        at_once: bool = False,
        store: PartStore | None = None,
    ) -> None:
        self.table = _free(1024)
        self._used = 0
        self._journal = KeyJournal(at_once, store)
        blocks = [bytes_of(part, store) for part in saved]
        keys = np.concatenate([np.empty(0, SEEN), *map(unpack, blocks)])
        self._saved = keys[np.argsort(keys["symbol"], kind="stable")]

    def noted(self, rows: Array, cells: int) -> None:
        """Know that a kernel has put the keys of prints into the table, `cells` of them new."""
        self._used += cells
        self._journal.note(rows)

    def have_room(self, prints: int) -> bool:
        """Whether that many keys can be added as it is."""
        return 2 * (self._used + prints) <= len(self.table)

    def make_room(self, prints: int, newest_ms: Array) -> None:
        """Make sure that many keys can be added without growing inside a kernel.

        Args:
            prints: Most keys that may come.
            newest_ms: By symbol, the newest print: what is 360 s older is forgotten.
        """
        if self.have_room(prints):
            return
        alive = _living(self.table, newest_ms)
        size = len(self.table)
        while 3 * (alive + prints) > size:  # room to spare, or the next chunk rehashes again
            size *= 2
        table = _free(size)
        self._used = _rehash(self.table, newest_ms, table)
        self.table = table

    def _saved_of(self, row: int) -> slice:
        """Return where the saved keys of a row stand."""
        ends = np.searchsorted(self._saved["symbol"], [row, row + 1]).tolist()
        return slice(*ends)

    def adopt(self, restored: list[tuple[int, int]], newest_ms: Array) -> None:
        """Bring back the saved keys of symbols, given as (row now, row as saved)."""
        for row, saved_row in restored if len(self._saved) else ():
            keys = self._saved[self._saved_of(saved_row)].copy()
            if len(keys):
                keys["symbol"] = row
                self.make_room(len(keys), newest_ms)
                self._used += _rehash(keys, newest_ms, self.table)
                self._journal.add(keys)

    def snapshot(self, newest_ms: Array, waiting: list[int]) -> tuple[Array | Place, ...]:
        """Return the young keys, then those whose symbol has not come back yet, in parts.

        Args:
            newest_ms: By symbol.
            waiting: Saved rows without a symbol, in the order the snapshot keeps them.
        """
        parts = self._journal.parts(self.table, newest_ms)
        absent = [self._saved[self._saved_of(row)] for row in waiting]
        self._saved = np.concatenate([self._saved[:0], *absent])
        self._saved.sort(order="symbol", kind="stable")
        if not len(self._saved):
            return parts
        lengths = [len(keys) for keys in absent]
        keys = np.concatenate(absent)
        keys["symbol"] = len(newest_ms) + np.repeat(np.arange(len(absent)), lengths)
        return (*parts, pack(keys))
