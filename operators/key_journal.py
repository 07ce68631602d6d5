"""Trade keys as a snapshot has them: packed once, not again at every epoch's end.

The table of keys is large and in no order, so going through it takes long; what an epoch adds is
little. So each snapshot packs what is new since the last one into a part of its own, and hands
on the parts before it as they are. Once there are many, the oldest is read again and what still
counts of it goes into the newest: by then it is hardly anything.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from operators.kernels import kernel
from operators.packing import LONGEST, get, get_change, put, put_change
from operators.ticks import ID_MOCK_ROW, ID_ROW, MS, TRADE, Array

LOOK_BACK_MS = 360_000
PARTS = 40  # at an epoch of 10 s, a little more than the look-back
NEW = 1 << 17  # keys between two snapshots; with more, the whole table is packed anew
_VENUES = 64

SEEN = np.dtype(
    [
        ("trade_id", np.int64),
        ("ms", np.int64),
        ("symbol", np.int32),  # -1: free
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
        symbol = keys[i]["symbol"]
        if symbol >= 0 and keys[i]["ms"] >= newest_ms[symbol] - LOOK_BACK_MS:
            out[n] = keys[i]
            n += 1
    return n


def pack(keys: Array) -> Array:
    """Return keys as bytes: how many, then each."""
    most = 5 * LONGEST * len(keys)
    out = np.empty(8 + most, np.uint8)
    out[:8] = np.array([len(keys)], np.int64).view(np.uint8)
    n = _pack(keys, np.empty(_VENUES, np.uint64), out[8:])
    return out[: 8 + n].copy()


def unpack(part: Array) -> Array:
    """Return the keys of one part."""
    keys = np.empty(int(part[:8].view(np.int64)[0]), SEEN)
    _unpack(part[8:], np.empty(_VENUES, np.uint64), keys)
    return keys


class KeyJournal:
    """What a table of keys was given since its first snapshot; costs nothing before it.

    A key that is said again stands here again; the youngest counts.
    """

    def __init__(self) -> None:
        self._parts: deque[Array] = deque()
        self._new: Array | None = None  # None: not kept, the table is packed anew
        self._n = 0

    def note(self, rows: Array) -> None:
        """Note the keys of prints, as they come."""
        if self._new is None:
            return
        if self._n + len(rows) > NEW:  # a tape read at full speed, whose epochs hold hours
            self._new = None
            return
        self._n = _note(rows, self._new, self._n)

    def add(self, keys: Array) -> None:
        """Note keys that came back from a snapshot."""
        if self._new is None:
            return
        if self._n + len(keys) > NEW:
            self._new = None
            return
        self._new[self._n : self._n + len(keys)] = keys
        self._n += len(keys)

    def parts(self, table: Array, newest_ms: Array) -> tuple[Array, ...]:
        """Return what the table holds, in parts to save.

        Args:
            table: All keys, used cells and free ones; read only where nothing was noted.
            newest_ms: By symbol, the newest print: what is 360 s older is left out.
        """
        if self._new is None:
            keys = np.empty(len(table), SEEN)
            keys = keys[: living(table, newest_ms, keys)]
            self._parts = deque([pack(keys[np.argsort(keys["ms"], kind="stable")])])
            self._new = np.empty(NEW, SEEN)
        elif self._n or len(self._parts) >= PARTS:
            keys = self._new[: self._n]
            if len(self._parts) >= PARTS:
                keys = np.concatenate([unpack(self._parts.popleft()), keys])
            young = np.empty(len(keys), SEEN)
            self._parts.append(pack(young[: living(keys, newest_ms, young)]))
        self._n = 0
        return tuple(self._parts)
