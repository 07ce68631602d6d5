"""A symbol's last minute, in buckets of one second that saw a quote.

A ring a symbol: a minute has 60 seconds, so what stands 64 places back has left it, and a quote
costs one bucket written, whatever the market does. What left the minute is looked at when somebody
asks: order flow is summed up since ever, and a minute's is the difference to the newest bucket
before it.
"""

from __future__ import annotations

import numpy as np

from operators.kernels import kernel, step
from operators.ticks import Array, Row

WINDOW_S = 60
PLACES = 64  # at least WINDOW_S, and a power of two
LAST = PLACES - 1
NOT_YET = -(2**40)  # seconds: before all time

BUCKET = np.dtype(
    [
        ("flow", np.int64),  # the symbol's `flow` at the end of this second
        ("price", np.int64),  # at its end; 0: unknown
        ("second", np.int64),
    ],
    align=True,
)


@step
def advance(mine: Row, window: Array) -> None:
    """Let what is older than a minute at the symbol's newest event leave."""
    at, end = mine["oldest"], mine["end"]
    before = mine["second"] - WINDOW_S
    while at != end and window[at & LAST]["second"] <= before:
        at += 1
    if at != mine["oldest"]:
        left = window[(at - 1) & LAST]
        mine["flow_then"] = left["flow"]
        mine["then"] = left["price"]
        mine["then_second"] = left["second"]
        mine["oldest"] = at


@step
def note(mine: Row, window: Array) -> None:
    """Note a symbol's flow and price in the second of its newest event."""
    end = mine["end"]
    if mine["noted"] != mine["second"]:
        if end - mine["oldest"] == PLACES:
            advance(mine, window)
        mine["noted"] = mine["second"]
        end += 1
        mine["end"] = end
    bucket = window[(end - 1) & LAST]
    bucket["second"] = mine["second"]
    bucket["flow"] = mine["flow"]
    bucket["price"] = mine["price"]


@step
def forget(mine: Row) -> None:
    """Forget what a symbol's windows hold: it was not seen for a while."""
    mine["oldest"] = mine["end"]
    mine["noted"] = NOT_YET
    mine["flow_then"] = mine["flow"]
    mine["price"] = 0
    mine["then"] = 0
    mine["since"] = NOT_YET
    mine["minute"] = NOT_YET


@kernel
def pack(state: Array, windows: Array, counts: Array, out: Array) -> None:
    """Copy the buckets to `out`, symbol by symbol and oldest first, and count each symbol's."""
    n = 0
    for k in range(len(counts)):
        mine = state[k]
        counts[k] = mine["end"] - mine["oldest"]
        for at in range(mine["oldest"], mine["end"]):
            out[n] = windows[k, at & LAST]
            n += 1


def unpack(mine: Row, saved: Array, window: Array) -> None:
    """Put the saved buckets of one symbol back into its ring."""
    mine["oldest"] = 0
    mine["end"] = len(saved)
    window[: len(saved)] = saved
