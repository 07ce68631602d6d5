"""The trade keys of the last 360 seconds: a print reported twice counts once.

A print is a duplicate if its key (exchange, TRF, id) is that of an earlier print of the symbol
from within 360 s of the newest one; duplicates keep their key alive (detectors.md section 1).
"""

from __future__ import annotations

import numpy as np

from operators.kernels import kernel, step
from operators.ticks import ID_MOCK_ROW, Array, Row

LOOK_BACK_MS = 360_000
NEVER = -(2**62)
_SAMPLE = 2**14  # cells

SEEN = np.dtype(
    [
        ("trade_id", np.int64),
        ("ms", np.int64),
        ("symbol", np.int32),  # in the table one more than it is, so that zeros are free
        ("exchange", np.int16),
        ("trf", np.int16),
    ],
    align=True,
)
"""One trade key of the last 360 s, in an open-addressed table of a power-of-two size."""


@step
def _find(seen: Array, trade_id: int, symbol: int, exchange: int, trf: int) -> int:
    """Return the place of a trade key, or of the free cell where it belongs."""
    mask = len(seen) - 1
    place = symbol + 1
    h = trade_id ^ (symbol << 24) ^ (exchange << 12) ^ (trf << 4)
    # Ids count up per exchange: without the multiplication their runs would lie on each other.
    h = ((h ^ (h >> 32)) & 0xFFFFFFFF) * 0x1E3779B1
    at = (h >> 20) & mask
    while True:
        cell = seen[at]
        if cell["symbol"] == 0:
            return at
        if (
            cell["trade_id"] == trade_id
            and cell["symbol"] == place
            and cell["exchange"] == exchange
            and cell["trf"] == trf
        ):
            return at
        at = (at + 1) & mask


@step
def _is_young(cell: Row, newest_ms: Array) -> bool:
    """Whether a cell holds a key of the last 360 s of its symbol."""
    place = cell["symbol"]
    return bool(place > 0 and cell["ms"] >= newest_ms[place - 1] - LOOK_BACK_MS)


@kernel
def _count_young(seen: Array, newest_ms: Array) -> int:
    n = 0
    for i in range(len(seen)):
        if _is_young(seen[i], newest_ms):
            n += 1
    return n


@kernel
def _rehash(old: Array, newest_ms: Array, new: Array) -> int:
    """Move what is younger than 360 s to `new`; return how many."""
    n = 0
    for i in range(len(old)):
        cell = old[i]
        if not _is_young(cell, newest_ms):
            continue
        at = _find(new, cell["trade_id"], cell["symbol"] - 1, cell["exchange"], cell["trf"])
        new[at] = cell
        n += 1
    return n


@kernel
def _young(seen: Array, newest_ms: Array, since_ms: int, out: Array) -> int:
    """Copy what is younger than 360 s, and not from before `since_ms`; return how many."""
    n = 0
    for i in range(len(seen)):
        cell = seen[i]
        if cell["ms"] >= since_ms and _is_young(cell, newest_ms):
            out[n] = cell
            out[n]["symbol"] -= 1
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
    if cell["symbol"] == 0:
        cell["trade_id"] = row["trade_id"]
        cell["ms"] = ms
        cell["symbol"] = row["symbol"] + 1
        cell["exchange"] = exchange
        cell["trf"] = trf
        return False, 1
    duplicate = cell["ms"] >= newest_ms - LOOK_BACK_MS
    cell["ms"] = max(cell["ms"], ms)
    return duplicate, 0


class TradeKeys:
    """The table of keys: at most half full, so that a look-up is short.

    Args:
        saved: Keys of a snapshot; their `symbol` is the row they were saved under.
        most_saved: About how many keys a snapshot holds at most, the newest; None: all.
    """

    def __init__(self, saved: Array | None = None, most_saved: int | None = None) -> None:
        self._most_saved = most_saved
        self.table = np.zeros(1024, SEEN)
        self._used = 0
        self._saved = saved if saved is not None else np.empty(0, SEEN)

    def note_used(self, cells: int) -> None:
        """Know that a kernel has put that many new keys into the table."""
        self._used += cells

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
        alive = _count_young(self.table, newest_ms)
        size = len(self.table)
        while 4 * (alive + prints) > size:  # room to spare, or the next chunk rehashes again
            size *= 2
        live = np.zeros(size, SEEN)
        self._used = _rehash(self.table, newest_ms, live)
        self.table = live

    def adopt(self, restored: list[tuple[int, int]], newest_ms: Array) -> None:
        """Bring back the saved keys of symbols, given as (row now, row as saved)."""
        if not restored or not len(self._saved):
            return
        here = {old: new for new, old in restored}
        mine = np.isin(self._saved["symbol"], np.array(list(here), np.int32))
        keys = self._saved[mine]
        self._saved = self._saved[~mine]
        keys["symbol"] = [here[int(old)] for old in keys["symbol"]]
        keys["symbol"] += 1
        self.make_room(len(keys), newest_ms)
        self._used += _rehash(keys, newest_ms, self.table)

    def snapshot(self, newest_ms: Array, waiting: list[int]) -> Array:
        """Return the young keys, then those whose symbol has not come back yet.

        Args:
            newest_ms: By symbol.
            waiting: Saved rows without a symbol, in the order the snapshot keeps them.
        """
        young = np.empty(self._used, SEEN)
        young = young[: _young(self.table, newest_ms, self._since_ms(), young)].copy()
        if not waiting or not len(self._saved):
            return young
        keys = self._saved[np.isin(self._saved["symbol"], waiting)]
        moved = {old: len(newest_ms) + k for k, old in enumerate(waiting)}
        keys["symbol"] = [moved[int(old)] for old in keys["symbol"]]
        return np.concatenate([young, keys])

    def _since_ms(self) -> int:
        """Return from when on keys are saved, by a sample: looking at all takes twice as long."""
        if self._most_saved is None or self._used <= self._most_saved:
            return NEVER
        sample = self.table[:: max(1, len(self.table) // _SAMPLE)]
        times = sample["ms"][sample["symbol"] > 0]
        saved = max(1, len(times) * self._most_saved // self._used)
        return int(np.partition(times, -saved)[-saved])
