"""Buckets of rolling volume as a snapshot has them: those of an epoch packed at its end.

Of each symbol whose buckets changed since the snapshot before, a part has the chain from the first
bucket that did; in the parts before it, what is newer than that bucket is void. A symbol that went
quiet is packed whole once its last part has become too old.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from operators.eligibility import WINDOW_S
from operators.kernels import kernel, step
from operators.packing import LONGEST, get, get_shares, put, put_shares
from operators.parts import PartLog, PartStore, Place
from operators.ticks import Array, Row

NONE = -1
TOGETHER = 16  # chains a processor can wait for at a time
FEWEST_BYTES, MOST_BYTES = 4, 4 * LONGEST  # of a packed bucket
HEAD_BYTES = 3 * LONGEST  # of a chain

STATE = np.dtype(
    [
        ("current", np.int64),
        ("baseline", np.int64),
        ("sells", np.int64),
        ("buys", np.int64),
        ("first_ms", np.int64),  # from when on the symbol was fully seen, or NOT_YET
        ("oldest", np.int32),  # first bucket of the baseline, or of all
        ("middle", np.int32),  # first bucket of the current minute
        ("newest", np.int32),
        ("since", np.int32),  # first bucket that may differ from the last snapshot; NONE: all
        ("changed", np.int32),  # whether any does
        ("generation", np.int32),  # how often the windows were cleared
    ],
    align=True,
)

BUCKET = np.dtype(
    [
        ("volume", np.int64),
        ("sells", np.int64),
        ("buys", np.int64),
        ("second", np.uint32),
        ("next", np.int32),  # the next newer bucket of the symbol, or the next free one
    ],
    align=True,
)

SAVED = np.dtype(
    [
        ("sells", np.int64),
        ("buys", np.int64),
        ("unknown", np.int64),
        ("second", np.int64),
        ("symbol", np.int32),
        ("generation", np.int32),
        ("chain", np.int32),  # which of a part it was in
    ],
    align=True,
)
"""One bucket of a snapshot; `symbol` is the row it was saved under."""


@step
def _start(mine: Row) -> int:
    return int(mine["oldest"]) if mine["since"] == NONE else int(mine["since"])


@step
def _fetch(state: Array, buckets: Array, at: Array, first: int, last: int) -> None:
    """Bring the buckets of a few symbols into the cache.

    A chain lies all over the memory, and its next bucket is not known before this one is there.
    Several chains side by side wait together for what one would wait alone.
    """
    for k in range(first, last):
        at[k - first] = _start(state[k]) if state[k]["changed"] else NONE
    more = True
    while more:
        more = False
        for k in range(last - first):
            if at[k] != NONE:
                at[k] = buckets[at[k]]["next"]
                more = True


@step
def _put_head(out: Array, n: int, symbol: Any, generation: Any, length: int) -> int:
    n = put(out, n, symbol)
    n = put(out, n, generation)
    return put(out, n, length)


@step
def _put_bucket(out: Array, n: int, later: Any, sells: Any, buys: Any, unknown: Any) -> int:
    """Write a bucket; `later`: than the one before it in the chain, in seconds."""
    n = put(out, n, later)
    n = put_shares(out, n, sells)
    n = put_shares(out, n, buys)
    return put_shares(out, n, unknown)


@kernel
def _pack(state: Array, buckets: Array, scratch: Array, out: Array) -> int:
    """Write what changed of every symbol, and begin anew; return the bytes used."""
    n = 0
    for k in range(len(state)):
        if k % TOGETHER == 0:
            _fetch(state, buckets, scratch, k, min(k + TOGETHER, len(state)))
        mine = state[k]
        if not mine["changed"]:
            continue
        start = _start(mine)
        length = 0
        at = start
        while at != NONE:
            length += 1
            at = buckets[at]["next"]
        if length:
            n = _put_head(out, n, k, mine["generation"], length)
        second = np.int64(0)
        at = start
        while at != NONE:
            bucket = buckets[at]
            later = np.int64(bucket["second"]) - second
            second += later
            sells, buys = bucket["sells"], bucket["buys"]
            n = _put_bucket(out, n, later, sells, buys, bucket["volume"] - sells - buys)
            at = bucket["next"]
        mine["since"] = mine["newest"]
        mine["changed"] = 0
    return n


@kernel
def _newest_ms(state: Array, buckets: Array) -> int:
    """Return the newest second any symbol traded in."""
    newest = 0
    for k in range(len(state)):
        if state[k]["newest"] != NONE:
            newest = max(newest, int(buckets[state[k]["newest"]]["second"]))
    return newest * 1000


@kernel
def _unpack(data: Array, out: Array) -> int:
    """Read a part; return how many buckets it has."""
    n = i = chain = 0
    while n < len(data):
        symbol, n = get(data, n)
        generation, n = get(data, n)
        length, n = get(data, n)
        second = np.int64(0)
        for _ in range(np.int64(length)):
            later, n = get(data, n)
            second += np.int64(later)
            saved = out[i]
            saved["sells"], n = get_shares(data, n)
            saved["buys"], n = get_shares(data, n)
            saved["unknown"], n = get_shares(data, n)
            saved["second"] = second
            saved["symbol"] = symbol
            saved["generation"] = generation
            saved["chain"] = chain
            i += 1
        chain += 1
    return i


def unpack(data: Array) -> Array:
    """Return the buckets of a part, rows of SAVED, chain by chain and oldest first."""
    buckets = np.empty(len(data) // FEWEST_BYTES, SAVED)
    return buckets[: _unpack(data, buckets)]


@kernel
def _still_valid(buckets: Array, generations: Array, valid_before: Array, newest: Array) -> int:
    """Move the buckets of a part that later parts have not made void to its front; how many.

    Parts are to be given from the newest to the oldest. `valid_before` is by symbol the second
    from which on later parts have the chain; `newest` its newest second, or NONE.
    """
    kept = 0
    end = len(buckets)
    while end > 0:  # chain by chain, from the last one
        start = end - 1
        while start > 0 and buckets[start - 1]["chain"] == buckets[end - 1]["chain"]:
            start -= 1
        symbol = buckets[start]["symbol"]
        if buckets[start]["generation"] == generations[symbol]:
            if newest[symbol] == NONE:
                newest[symbol] = buckets[end - 1]["second"]
            for i in range(start, end):
                second = buckets[i]["second"]
                if second < valid_before[symbol] and second > newest[symbol] - WINDOW_S:
                    buckets[i]["chain"] = NONE  # which means: keep
            valid_before[symbol] = min(valid_before[symbol], buckets[start]["second"])
        end = start
    for i in range(len(buckets)):
        if buckets[i]["chain"] == NONE:
            buckets[kept] = buckets[i]
            kept += 1
    return kept


def living(parts: list[Array], generations: Array) -> Array:
    """Return the buckets that parts hold, rows of SAVED by symbol and second.

    Args:
        parts: Packed, in the order they were written.
        generations: By symbol, of its windows; buckets of another one were cleared.
    """
    valid_before = np.full(len(generations), np.iinfo(np.int64).max)
    newest = np.full(len(generations), NONE, np.int64)
    generations = np.ascontiguousarray(generations)
    found = [np.empty(0, SAVED)]
    for data in reversed(parts):
        buckets = unpack(data)
        found.append(buckets[: _still_valid(buckets, generations, valid_before, newest)].copy())
    buckets = np.concatenate(found)
    return buckets[np.lexsort((buckets["second"], buckets["symbol"]))]


@kernel
def _mark_quiet(old: Array, state: Array, buckets: Array) -> None:
    """Have the symbols packed whole of which a part, `old`, has buckets that still count."""
    for i in range(len(old)):
        mine = state[old[i]["symbol"]]
        if mine["newest"] == NONE or mine["generation"] != old[i]["generation"]:
            continue
        if old[i]["second"] > np.int64(buckets[mine["newest"]]["second"]) - WINDOW_S:
            mine["since"] = NONE
            mine["changed"] = 1


def pack_saved(buckets: Array, symbols: Array) -> Array:
    """Pack saved buckets again, under other rows.

    Args:
        buckets: Rows of SAVED by symbol and second.
        symbols: Of each bucket, the row it is saved under now.
    """
    out = np.empty(len(buckets) * (MOST_BYTES + HEAD_BYTES), np.uint8)
    return out[: _pack_saved(buckets, symbols, out)].copy()


@kernel
def _pack_saved(buckets: Array, symbols: Array, out: Array) -> int:
    n = start = 0
    while start < len(buckets):
        end = start + 1
        while end < len(buckets) and symbols[end] == symbols[start]:
            end += 1
        n = _put_head(out, n, symbols[start], buckets[start]["generation"], end - start)
        second = np.int64(0)
        for i in range(start, end):
            saved = buckets[i]
            later = saved["second"] - second
            second = saved["second"]
            n = _put_bucket(out, n, later, saved["sells"], saved["buys"], saved["unknown"])
        start = end
    return n


class VolumeJournal:
    """What buckets there are, in parts to save.

    Args:
        store: Keeps parts beside the snapshots; None: each snapshot holds them all.
    """

    def __init__(self, store: PartStore | None = None) -> None:
        self._log = PartLog(store)

    def parts(self, state: Array, buckets: Array, in_use: int) -> tuple[Array | Place, ...]:
        """Return what the symbols have, in parts to save; after that they have not changed.

        Args:
            state: One row of STATE a symbol.
            buckets: All of them, rows of BUCKET.
            in_use: How many a symbol has.
        """
        now_ms = _newest_ms(state, buckets)
        while old := self._log.give_up(now_ms - WINDOW_S * 1000):
            for part in old:
                _mark_quiet(unpack(part), state, buckets)
        out = np.empty(len(state) * HEAD_BYTES + in_use * MOST_BYTES, np.uint8)
        n = _pack(state, buckets, np.empty(TOGETHER, np.int64), out)
        if n:
            self._log.add(out[:n].copy())
        return self._log.close_epoch(now_ms)


def warm_up() -> None:
    """Compile what a run needs only once its first snapshots are old, or after one of before."""
    rows = np.empty(0, STATE)
    saved = living([pack_saved(np.empty(0, SAVED), np.empty(0, np.int64))], rows["generation"])
    _mark_quiet(saved, rows, np.empty(0, BUCKET))
