"""Cumulative volume delta: what the session bought at the ask less what it sold at the bid."""

from __future__ import annotations

import numpy as np
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream

from operators.columns import columns
from operators.kernels import kernel
from operators.nbbo import Prints
from operators.state import Snapshot, SymbolRows, blank
from operators.ticks import Array
from operators.verdicts import AUCTION_REOPEN, COUNTED

STATE = np.dtype([("delta", np.int64)])
VERSION = 1


@kernel
def _cumulate(
    rows: Array, verdict: Array, resets: Array, side: Array, state: Array, out: Array
) -> None:
    for i in range(len(rows)):
        mine = state[rows[i]["symbol"]]
        if resets[i] and verdict[i] != AUCTION_REOPEN:  # a halt is no end of a session
            mine["delta"] = 0
        if verdict[i] == COUNTED:
            mine["delta"] += side[i] * rows[i]["size"]
        out[i] = mine["delta"]


class VolumeDelta:
    """Keep the cumulative volume delta of each symbol and put it beside each print."""

    def __init__(self, saved: Snapshot | None = None) -> None:
        self._state = SymbolRows(blank(STATE), saved, VERSION)

    def __call__(self, chunk: Prints) -> Prints:
        """Return `chunk` with `delta`, in 1e-6 share."""
        self._state.bind(chunk.names)
        chunk.delta = np.empty(len(chunk), np.int64)
        _cumulate(
            chunk.rows, chunk.verdict, chunk.resets, chunk.side, self._state.rows, chunk.delta
        )
        return chunk

    def finish(self) -> None:
        """Have nothing left to say at the end of the feed."""

    def snapshot(self) -> Snapshot:
        """Return the state to save."""
        return self._state.snapshot()


@operator
def volume_delta(step_id: str, up: KeyedStream[Prints]) -> KeyedStream[Prints]:
    """Add buying less selling since the session's first counted print.

    Prints of unknown side add nothing. A new phase begins at nought; trading resumed after a
    halt goes on.

    Args:
        step_id: Name of the step, and the key of its saved state.
        up: `(shard, chunk)`, with verdicts and sides, in arrival order.

    Returns:
        `(shard, chunk)` with `delta`.

    Source:
        Cumulative volume delta, as trading platforms show it; signed by detectors.md section 3.
    """
    return columns("columns", up, VolumeDelta)
