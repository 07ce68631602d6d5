"""Trade keys as a snapshot has them: packed as they come, not at an epoch's end.

The table of keys is large and in no order, so going through it takes long, and the flow stands
still meanwhile. So keys are packed block by block while prints come. A snapshot only closes the
part of its epoch, and hands on the parts before it as they are, or where they stand if a store has
them. Once a part is older than any look-up goes back, it is read again and what still counts of it
is noted anew: hardly anything.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from operators.kernels import kernel
from operators.packing import LONGEST, get, get_change, put, put_change
from operators.parts import PartLog, PartStore, Place
from operators.ticks import ID_MOCK_ROW, ID_ROW, MS, TRADE, Array

LOOK_BACK_MS = 360_000
BLOCK = 1 << 14  # keys packed at a time: a fraction of a millisecond
MOST = 1 << 21  # keys of one epoch: a tape read at full speed, whose epochs hold hours, has more
_VENUES = 64
_HEAD = 16

SEEN = np.dtype(
    [
        ("trade_id", np.int64),
        ("ms", np.int64),  # 0: a free cell
        ("symbol", np.int32),
        ("exchange", np.int16),
        ("trf", np.int16),
    ],
    align=True,
)
"""One trade key of the last 360 s."""


@kernel
def _pack(keys: Array, last_ids: Array, out: Array) -> int:
    """Write keys in arrival order; return the bytes used.

    An id differs little from the last one of its venue, a time from the time before.
    """
    last_ids[:] = 0
    ms = np.int64(0)
    n = 0
    for i in range(len(keys)):
        key = keys[i]
        venue = key["exchange"] & (_VENUES - 1)
        n = put(out, n, key["symbol"])
        trf = np.int64(key["trf"])
        n = put(out, n, 2 * np.int64(key["exchange"]) + (trf != 0))  # one byte, for most prints
        if trf != 0:
            n = put(out, n, trf + 1)
        number = np.uint64(key["trade_id"])
        n = put(out, n, number ^ last_ids[venue])
        last_ids[venue] = number
        n = put_change(out, n, key["ms"] - ms)
        ms = key["ms"]
    return n


@kernel
def _unpack(data: Array, last_ids: Array, out: Array) -> None:
    last_ids[:] = 0
    ms = np.int64(0)
    n = 0
    for i in range(len(out)):
        key = out[i]
        symbol, n = get(data, n)
        place, n = get(data, n)
        exchange = np.int64(place) >> 1
        trf = np.int64(0)
        if np.int64(place) & 1:
            above, n = get(data, n)
            trf = np.int64(above) - 1
        changed, n = get(data, n)
        later, n = get_change(data, n)
        venue = exchange & (_VENUES - 1)
        last_ids[venue] ^= changed
        ms += later
        key["symbol"] = symbol
        key["exchange"] = exchange
        key["trf"] = trf
        key["trade_id"] = np.int64(last_ids[venue])
        key["ms"] = ms


@kernel
def _note(rows: Array, keys: Array, n: int) -> int:
    """Add the keys of prints behind the first `n`; there must be room. Return how many are in."""
    for i in range(len(rows)):
        row = rows[i]
        if row["kind"] != TRADE or row["id_kind"] == ID_ROW:
            continue
        key = keys[n]
        key["trade_id"] = row["trade_id"]
        key["ms"] = row["ts_ns"] // MS
        key["symbol"] = row["symbol"]
        if row["id_kind"] == ID_MOCK_ROW:
            key["exchange"] = 0
            key["trf"] = -1
        else:
            key["exchange"] = row["exchange"]
            key["trf"] = row["trf"]
        n += 1
    return n


@kernel
def living(keys: Array, newest_ms: Array, out: Array) -> int:
    """Copy the keys younger than 360 s, which is where a look-up still finds them."""
    n = 0
    for i in range(len(keys)):
        ms = keys[i]["ms"]
        if ms != 0 and ms >= newest_ms[keys[i]["symbol"]] - LOOK_BACK_MS:
            out[n] = keys[i]
            n += 1
    return n


def pack(keys: Array) -> Array:
    """Return keys as a block of bytes: how many they are, how many bytes follow, the bytes."""
    out = np.empty(_HEAD + 5 * LONGEST * len(keys), np.uint8)
    n = _pack(keys, np.empty(_VENUES, np.uint64), out[_HEAD:])
    out[:_HEAD] = np.array([len(keys), n], np.int64).view(np.uint8)
    return out[: _HEAD + n].copy()


def unpack(block: Array) -> Array:
    """Return the keys of a block."""
    count, n = block[:_HEAD].view(np.int64).tolist()
    keys = np.empty(count, SEEN)
    _unpack(block[_HEAD : _HEAD + n], np.empty(_VENUES, np.uint64), keys)
    return keys


class KeyJournal:
    """What a table of keys was given, in parts to save.

    A key that is said again stands here again; the youngest counts.

    Args:
        at_once: Note from the start on. Otherwise from the first snapshot on, which packs the
            whole table: right for a replay, most of which are over by then.
        store: Keeps parts beside the snapshots; None: each snapshot holds them all.
    """

    def __init__(self, at_once: bool, store: PartStore | None = None) -> None:
        self._log = PartLog(store)
        self._new = np.empty(BLOCK, SEEN)
        self._n = 0
        self._noted = 0  # keys of this epoch
        self._noting = at_once

    def note(self, rows: Array) -> None:
        """Note the keys of prints, as they come."""
        for start in range(0, len(rows) if self._noting else 0, BLOCK):
            part = rows[start : start + BLOCK]
            if self._has_room(len(part)):
                self._n = _note(part, self._new, self._n)

    def add(self, keys: Array) -> None:
        """Note keys that came back from a snapshot."""
        for start in range(0, len(keys) if self._noting else 0, BLOCK):
            part = keys[start : start + BLOCK]
            if self._has_room(len(part)):
                self._new[self._n : self._n + len(part)] = part
                self._n += len(part)

    def _has_room(self, keys: int) -> bool:
        """Make room for so many more of this epoch, and return whether they are to be noted."""
        if self._n + keys > BLOCK:
            self._close_block()
        if self._noted > MOST:
            self._log.forget()  # the next snapshot is to pack the whole table
            self._noted, self._n = 0, 0
            self._noting = False
        return self._noting

    def _close_block(self) -> None:
        if self._n:
            self._log.add(pack(self._new[: self._n]))
        self._noted += self._n
        self._n = 0

    def parts(self, whole: Callable[[], Array], newest_ms: Array) -> tuple[Array | Place, ...]:
        """Return what the table holds, in parts to save.

        Args:
            whole: Gives the table, used cells and free ones; asked only where nothing was noted.
            newest_ms: By symbol, the newest print: what is 360 s older is left out.
        """
        now_ms = int(newest_ms.max()) if len(newest_ms) else 0
        while self._noting and (old := self._log.give_up(now_ms - LOOK_BACK_MS)):
            for block in old:
                keys = unpack(block)
                young = np.empty(len(keys), SEEN)
                self.add(young[: living(keys, newest_ms, young)])
        if not self._noting:
            table = whole()
            keys = np.empty(len(table), SEEN)
            keys = keys[: living(table, newest_ms, keys)]
            self._log.add(pack(keys[np.argsort(keys["ms"], kind="stable")]))
            self._noting = True
        self._close_block()
        self._noted = 0
        return self._log.close_epoch(now_ms)
