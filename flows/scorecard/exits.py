"""What leaving on an alert was worth to a holder, against staying and against a stop-loss.

The holder sells at the bid, then and later, so the spread is paid once either way; where there
are no quotes the last print stands for it. All in basis points of the mid at the alert.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from flows.scorecard.falls import lowest
from flows.scorecard.recorded import SymbolDay
from flows.scorecard.study import BP, HORIZONS_S, SECOND
from operators.ticks import MS, Array

HOLD_NS = HORIZONS_S[-1] * SECOND


class Exits(NamedTuple):
    """One value an alert, nan where the day ends within the quarter of an hour it is judged by.

    `profitable` is 1 where the bid at the end is below the exit, else 0. `over_*` is the exit
    less what holding, or a stop-loss, sold for; `drawdown_*` the exit less the lowest bid that
    holder sat through.
    """

    profitable: Array
    over_hold: Array
    over_stop: Array
    drawdown_hold: Array
    drawdown_stop: Array


def exits(day: SymbolDay, ns: Array, stop_bp: float, delay_ms: float) -> Exits:
    """Return what an exit at each time was worth.

    Args:
        day: The symbol-day.
        ns: When one could have acted.
        stop_bp: How far below the mid at the alert the stop-loss stands.
        delay_ms: From the quote that triggers the stop to its sale.
    """
    mid, out = day.at(ns), day.at(ns, "bid")
    held, low = day.at(ns + HOLD_NS, "bid"), lowest(day, ns, HOLD_NS, "bid")
    mark = _triggers(day, ns, mid * (1 - stop_bp / BP), low)
    hit, triggered = mark >= 0, day.marks[np.maximum(mark, 0)]
    # The bid may be through the level already when the alert comes.
    sold_ns = np.maximum(triggered["ts_ns"], ns) + int(delay_ms * MS)
    sold = day.at(np.minimum(sold_ns, day.until_ns), "bid")
    stop = np.where(hit, sold, held)
    low_stop = np.where(hit, np.minimum(sold, triggered["bid"]), low)
    return Exits(
        np.where(np.isfinite(held), out > held, np.nan),
        BP * (out - held) / mid,
        BP * (out - stop) / mid,
        BP * (out - low) / mid,
        BP * (out - low_stop) / mid,
    )


def _triggers(day: SymbolDay, ns: Array, level: Array, low: Array) -> Array:
    """Return the mark at which the bid first is at or below each level; -1 where none is."""
    times, bid = day.marks["ts_ns"], day.marks["bid"]
    mark = np.full(len(ns), -1)
    for i in np.flatnonzero(low <= level):
        first = int(np.searchsorted(times, ns[i], side="right")) - 1
        last = int(np.searchsorted(times, ns[i] + HOLD_NS, side="right"))
        mark[i] = first + int(np.argmax(bid[first:last] <= level[i]))
    return mark
