"""Prints by symbol shard: what the operators behind it keep state for.

A shard is a stable hash of the symbol modulo a fixed count, so that saved state meets the same
symbols whatever the number of workers. Quotes never get here: each is put beside the prints
that follow it and goes no further, and four ticks in five need no copy.
"""

from __future__ import annotations

import zlib
from dataclasses import replace

import bytewax.operators as op
import numpy as np
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream

from operators.kernels import kernel
from operators.nbbo import PRINT, Prints
from operators.ticks import Array, no_resting

SHARDS = 4  # fixed; a small chunk costs a little in each


def shard_of(symbol: str) -> int:
    """Return the shard of a symbol: the same on every machine and in every run."""
    return zlib.crc32(symbol.encode()) % SHARDS


@kernel
def _count(rows: Array, shard: Array, counts: Array) -> None:
    for i in range(len(rows)):
        counts[shard[rows[i]["symbol"]]] += 1


@kernel
def _scatter(rows: Array, shard: Array, slot: Array, at: Array, out: Array) -> None:
    for i in range(len(rows)):
        code = rows[i]["symbol"]
        s = shard[code]
        out[at[s]] = rows[i]
        out[at[s]]["symbol"] = slot[code]
        at[s] += 1


@kernel
def _scatter_beside(rows: Array, shard: Array, at: Array, beside: Array, out: Array) -> None:
    for i in range(len(rows)):
        s = shard[rows[i]["symbol"]]
        out[at[s]] = beside[i]
        at[s] += 1


class Splitter:
    """Split chunks of one feed by symbol shard, keeping the order within each.

    A symbol gets its slot in its shard when the feed first names it, so the state arrays
    downstream are dense.
    """

    def __init__(self) -> None:
        self._names: list[list[str]] = [[] for _ in range(SHARDS)]
        self._shard = np.empty(0, np.int32)
        self._slot = np.empty(0, np.int32)

    def _learn(self, names: list[str]) -> None:
        known = len(self._shard)
        if len(names) == known:
            return
        shard = [shard_of(name) for name in names[known:]]
        slot = []
        for s, name in zip(shard, names[known:], strict=True):
            slot.append(len(self._names[s]))
            self._names[s].append(name)
        self._shard = np.append(self._shard, np.array(shard, np.int32))
        self._slot = np.append(self._slot, np.array(slot, np.int32))

    def split(self, chunk: Prints) -> list[tuple[str, Prints]]:
        """Return `(shard, chunk)` for each shard that has anything in `chunk`."""
        self._learn(chunk.names)
        counts = np.zeros(SHARDS, np.int64)
        _count(chunk.rows, self._shard, counts)
        ends = counts.cumsum()
        rows = np.empty(len(chunk), PRINT)
        _scatter(chunk.rows, self._shard, self._slot, ends - counts, rows)
        context = chunk.context
        if len(context):
            context = np.empty_like(context)
            _scatter_beside(chunk.rows, self._shard, ends - counts, chunk.context, context)
        resting = self._resting(chunk) if len(chunk.resting) else {}
        places = zip((ends - counts).tolist(), ends.tolist(), strict=True)
        return [
            (
                str(s),
                replace(
                    chunk,
                    names=self._names[s],
                    rows=rows[start:end],
                    context=context[start:end],
                    resting=resting.get(s, no_resting()),
                ),
            )
            for s, (start, end) in enumerate(places)
            if end > start or s in resting
        ]

    def _resting(self, chunk: Prints) -> dict[int, Array]:
        """Return what the books showed, by shard, `at` its place among the shard's prints."""
        shard, of_prints = self._shard[chunk.resting["symbol"]], self._shard[chunk.rows["symbol"]]
        out = {}
        for s in np.unique(shard).tolist():
            part = out[s] = chunk.resting[shard == s]
            part["at"] = np.concatenate([[0], np.cumsum(of_prints == s)])[part["at"]]
            part["symbol"] = self._slot[part["symbol"]]
        return out


@operator
def by_shard(step_id: str, up: KeyedStream[Prints]) -> KeyedStream[Prints]:
    """Key prints by symbol shard.

    Args:
        step_id: Name of the step.
        up: `(key, chunk)` of one feed, in arrival order, before any operator of a shard.

    Returns:
        `(shard, chunk)`; the prints of a symbol keep their order and always meet one shard.
    """
    splitter = Splitter()
    return op.flat_map("split", up, lambda keyed: splitter.split(keyed[1]))
