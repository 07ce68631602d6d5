"""Rolling volume: one-minute volume by side against the five minutes before it.

Volume is kept in buckets of one second. A bucket enters the current minute, moves to the
baseline when a minute has passed and leaves after six: each is touched a fixed number of times
whatever the pause between prints, and only seconds that traded take memory.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream

from operators.aggressor import BUY, SELL, UNKNOWN
from operators.columns import columns
from operators.eligibility import WINDOW_S
from operators.kernels import kernel, step
from operators.nbbo import Prints
from operators.parts import PartStore, RowRanges, WaitingParts, bytes_of
from operators.state import Snapshot, SymbolRows, blank
from operators.ticks import MS, Array, Row
from operators.verdicts import COUNTED, GAP_MARK, OUT_OF_ORDER, SEEN_MARK
from operators.volume_journal import (
    BUCKET,
    NONE,
    SAVED,
    STATE,
    VolumeJournal,
    living,
    pack_saved,
)

CURRENT_S = 60
NOT_YET = -1
VERSION = 3

VOLUME = np.dtype(
    [
        ("current", np.int64),  # last 60 s, this print included
        ("baseline", np.int64),  # the 300 s before them
        ("sells", np.int64),  # of `current`
        ("buys", np.int64),
        ("warm", np.int64),  # 1: 360 s have been seen, up to now
    ]
)
"""Rolling volume at a counted print, in 1e-6 share; zeros at prints that do not count."""


@step
def _new_bucket(buckets: Array, pool: Array, second: Any) -> int:
    """Take a free bucket; `pool` holds the first free one and how many were ever used."""
    at = int(pool[0])
    if at == NONE:
        at = int(pool[1])
        pool[1] += 1
    else:
        pool[0] = buckets[at]["next"]
    pool[2] += 1
    bucket = buckets[at]
    bucket["volume"] = 0
    bucket["sells"] = 0
    bucket["buys"] = 0
    bucket["second"] = second
    bucket["next"] = NONE
    return at


@step
def _free_bucket(buckets: Array, pool: Array, at: int) -> None:
    buckets[at]["next"] = pool[0]
    pool[0] = at
    pool[2] -= 1


@kernel
def _clear(mine: Row, buckets: Array, pool: Array) -> None:
    """Forget a symbol's windows."""
    at = mine["oldest"]
    while at != NONE:
        after = buckets[at]["next"]
        _free_bucket(buckets, pool, at)
        at = after
    mine["current"] = 0
    mine["baseline"] = 0
    mine["sells"] = 0
    mine["buys"] = 0
    mine["first_ms"] = NOT_YET
    mine["oldest"] = NONE
    mine["middle"] = NONE
    mine["newest"] = NONE
    mine["since"] = NONE
    mine["changed"] = 1
    mine["generation"] += 1


@step
def _advance(mine: Row, buckets: Array, pool: Array, second: int) -> None:
    """Move the windows on so that `second` is their newest."""
    at = mine["middle"]
    while at != NONE and np.int64(buckets[at]["second"]) <= second - CURRENT_S:
        bucket = buckets[at]
        mine["current"] -= bucket["volume"]
        mine["sells"] -= bucket["sells"]
        mine["buys"] -= bucket["buys"]
        mine["baseline"] += bucket["volume"]
        at = bucket["next"]
    mine["middle"] = at
    at = mine["oldest"]
    while at != NONE and np.int64(buckets[at]["second"]) <= second - WINDOW_S:
        after = buckets[at]["next"]
        mine["baseline"] -= buckets[at]["volume"]
        if at == mine["since"]:
            mine["since"] = NONE
        _free_bucket(buckets, pool, at)
        at = after
    mine["oldest"] = at
    if at == NONE:
        mine["newest"] = NONE


@step
def _add_in_order(
    mine: Row, buckets: Array, pool: Array, second: int, size: int, side: int
) -> None:
    mine["changed"] = 1
    newest = mine["newest"]
    if newest == NONE or np.int64(buckets[newest]["second"]) != second:
        _advance(mine, buckets, pool, second)
        at = _new_bucket(buckets, pool, second)
        if mine["newest"] == NONE:
            mine["oldest"] = at
        else:
            buckets[mine["newest"]]["next"] = at
        if mine["middle"] == NONE:
            mine["middle"] = at
        mine["newest"] = at
        newest = at
    bucket = buckets[newest]
    bucket["volume"] += size
    mine["current"] += size
    if side == SELL:
        bucket["sells"] += size
        mine["sells"] += size
    elif side == BUY:
        bucket["buys"] += size
        mine["buys"] += size


@kernel
def _add_behind(mine: Row, buckets: Array, pool: Array, second: int, size: int) -> None:
    """Add volume of unknown side to a second that is not the newest, which must exist."""
    newest_second = np.int64(buckets[mine["newest"]]["second"])
    before = NONE
    at = mine["oldest"]
    while np.int64(buckets[at]["second"]) < second:
        before = at
        at = buckets[at]["next"]
    if np.int64(buckets[at]["second"]) != second:
        fresh = _new_bucket(buckets, pool, second)
        buckets[fresh]["next"] = at
        if before == NONE:
            mine["oldest"] = fresh
        else:
            buckets[before]["next"] = fresh
        if mine["middle"] == at and second > newest_second - CURRENT_S:
            mine["middle"] = fresh
        at = fresh
    buckets[at]["volume"] += size
    mine["changed"] = 1
    since = mine["since"]
    if since != NONE and second < np.int64(buckets[since]["second"]):
        mine["since"] = at
    if second > newest_second - CURRENT_S:
        mine["current"] += size
    else:
        mine["baseline"] += size


@kernel
def _roll(
    rows: Array,
    verdict: Array,
    resets: Array,
    side: Array,
    state: Array,
    buckets: Array,
    pool: Array,
    out: Array,
) -> None:
    for i in range(len(rows)):
        mine = state[rows[i]["symbol"]]
        volume = out[i]
        if resets[i]:
            _clear(mine, buckets, pool)
        if verdict[i] == COUNTED:
            ms = rows[i]["ts_ns"] // MS
            _add_in_order(mine, buckets, pool, ms // 1000, rows[i]["size"], side[i])
            if mine["first_ms"] == NOT_YET:
                mine["first_ms"] = ms
            volume["current"] = mine["current"]
            volume["baseline"] = mine["baseline"]
            volume["sells"] = mine["sells"]
            volume["buys"] = mine["buys"]
            whole = ms - mine["first_ms"] >= WINDOW_S * 1000 and rows[i]["stale"] == 0
            volume["warm"] = 1 if whole else 0
            continue
        volume["current"] = 0
        volume["baseline"] = 0
        volume["sells"] = 0
        volume["buys"] = 0
        volume["warm"] = 0
        if verdict[i] == OUT_OF_ORDER:
            second = rows[i]["ts_ns"] // MS // 1000
            newest = mine["newest"]
            # Newer than all buckets: only after a reset by a reopening print that came late.
            if newest == NONE or second > np.int64(buckets[newest]["second"]):
                _add_in_order(mine, buckets, pool, second, rows[i]["size"], UNKNOWN)
            else:
                _add_behind(mine, buckets, pool, second, rows[i]["size"])
        elif verdict[i] == GAP_MARK:
            mine["first_ms"] = NOT_YET
        elif verdict[i] == SEEN_MARK:
            mine["first_ms"] = rows[i]["ts_ns"] // MS


@kernel
def _chain(mine: Row, saved: Array, buckets: Array, pool: Array) -> None:
    """Chain the saved buckets of one symbol into the pool."""
    mine["oldest"] = NONE
    mine["middle"] = NONE
    mine["newest"] = NONE
    mine["since"] = NONE
    mine["changed"] = 1
    for i in range(len(saved)):
        at = _new_bucket(buckets, pool, saved[i]["second"])
        bucket = buckets[at]
        bucket["volume"] = saved[i]["sells"] + saved[i]["buys"] + saved[i]["unknown"]
        bucket["sells"] = saved[i]["sells"]
        bucket["buys"] = saved[i]["buys"]
        if mine["newest"] == NONE:
            mine["oldest"] = at
        else:
            buckets[mine["newest"]]["next"] = at
        mine["newest"] = at
    at = mine["oldest"]
    while at != NONE and np.int64(buckets[at]["second"]) <= saved[-1]["second"] - CURRENT_S:
        at = buckets[at]["next"]
    mine["middle"] = at


class RollingVolume:
    """Keep the rolling volume of each symbol and put it beside each counted print."""

    def __init__(self, saved: Snapshot | None = None, store: PartStore | None = None) -> None:
        empty = blank(STATE, first_ms=NOT_YET, oldest=NONE, middle=NONE, newest=NONE, since=NONE)
        self._state = SymbolRows(empty, saved, VERSION)
        self._buckets = np.empty(1024, BUCKET)
        self._pool = np.array([NONE, 0, 0])  # first free, ever used, in use
        self._journal = VolumeJournal(store)
        self._waiting = WaitingParts(store)
        self._saved = np.empty(0, SAVED)
        if saved is not None:
            parts = [bytes_of(part, store) for part in saved.parts]
            self._saved = living(parts, saved.rows["generation"])
        self._ranges = RowRanges(self._saved["symbol"])

    def __call__(self, chunk: Prints) -> Prints:
        """Return `chunk` with `volume`, rows of VOLUME."""
        for row, saved_row in self._state.bind(chunk.names):
            saved = self._saved[self._ranges.of(saved_row)]
            self._make_room(len(saved))
            _chain(self._state.rows[row], saved, self._buckets, self._pool)
        self._make_room(len(chunk))
        chunk.volume = np.empty(len(chunk), VOLUME)
        _roll(
            chunk.rows,
            chunk.verdict,
            chunk.resets,
            chunk.side,
            self._state.rows,
            self._buckets,
            self._pool,
            chunk.volume,
        )
        return chunk

    def _make_room(self, buckets: int) -> None:
        """Make sure that many new buckets can be had without growing inside the kernel."""
        needed = int(self._pool[2]) + buckets
        # Free buckets are reused before new ones are, so what is in use bounds what is needed.
        if max(needed, int(self._pool[1])) > len(self._buckets):
            grown = np.empty(max(needed, 3 * len(self._buckets) // 2), BUCKET)
            grown[: len(self._buckets)] = self._buckets
            self._buckets = grown

    def finish(self) -> None:
        """Have nothing left to say at the end of the feed."""

    def snapshot(self) -> Snapshot:
        """Return the state to save: rows, and the buckets of each."""
        symbols = len(self._state.names)
        live = self._state.rows[:symbols]
        parts = self._journal.parts(live, self._buckets, int(self._pool[2]))

        def pack_waiting(rows: list[int]) -> Array:
            chains = [self._saved[self._ranges.of(row)] for row in rows]
            now_rows = np.arange(symbols, symbols + len(rows))
            return pack_saved(np.concatenate(chains), np.repeat(now_rows, [*map(len, chains)]))

        waiting = self._waiting.parts(symbols, self._state.waiting(), pack_waiting)
        return self._state.snapshot((*parts, *waiting))


@operator
def rolling_volume(
    step_id: str, up: KeyedStream[Prints], store: PartStore | None = None
) -> KeyedStream[Prints]:
    """Add the volume of the last minute, by side, and of the five minutes before it.

    Args:
        step_id: Name of the step, and the key of its saved state.
        up: `(shard, chunk)`, with verdicts and sides, in arrival order.
        store: Keeps buckets beside the snapshots; None: these hold them.

    Returns:
        `(shard, chunk)` with `volume`.

    Source:
        detectors.md section 6.
    """
    return columns("columns", up, lambda saved: RollingVolume(saved, store))
