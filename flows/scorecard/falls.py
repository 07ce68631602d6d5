"""Falls: how often one followed an alert, how often none was there, and how many were seen.

An instant is *followed by a fall* if the mid is at least x lower at some moment of the next five
minutes. For recall the other way round, a *fall* is one stretch of the tape: it is complete when
the mid is x below its highest of the last five minutes, and over when it has made up half of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flows.scorecard.recorded import SymbolDay
from flows.scorecard.study import BP, SECOND, at_least
from operators.ticks import Array

WITHIN_S = 300


def lowest(day: SymbolDay, ns: Array, span_ns: int, column: str = "mid") -> Array:
    """Return the lowest mid (or bid) from each time on, for `span_ns`; nan where the day ends."""
    flat = ns.ravel()
    times, values = day.marks["ts_ns"], day.marks[column]
    first = np.searchsorted(times, flat, side="right") - 1  # what stands at the time itself
    last = np.searchsorted(times, flat + span_ns, side="right")
    known = (first >= 0) & (flat + span_ns <= day.until_ns)
    out = np.full(len(flat), np.nan)
    if known.any():
        pairs = np.stack([first[known], last[known]], axis=1).ravel()
        padded = np.append(values, np.inf)  # an end may be the end of the array
        out[known] = np.minimum.reduceat(padded, pairs)[::2]
    return out.reshape(ns.shape)


def deepest(day: SymbolDay, ns: Array) -> Array:
    """Return how far the mid falls within five minutes of each time, in basis points (>= 0)."""
    fallen: Array = BP * (1 - lowest(day, ns, WITHIN_S * SECOND) / day.at(ns))
    return fallen


@dataclass(frozen=True, slots=True)
class Falls:
    """The falls of a symbol-day, by when each was complete, and how long was looked."""

    complete_ns: Array
    looked_s: float


def falls(day: SymbolDay, x_bp: float) -> Falls:
    """Return the falls of at least `x_bp` on a symbol-day, looking once a second."""
    start = -(-day.from_ns // SECOND) * SECOND
    looks = np.arange(start, day.until_ns + 1, SECOND)
    if len(looks) == 0:
        return Falls(looks, 0.0)
    mid = day.at(looks)
    reach = min(WITHIN_S, len(mid))
    # Before its first mark a symbol has no price, and so no high.
    padded = np.concatenate([np.full(reach - 1, -np.inf), np.where(mid > 0, mid, -np.inf)])
    high = np.lib.stride_tricks.sliding_window_view(padded, reach).max(axis=1)
    below = BP * (1 - mid / high)
    complete: list[int] = []
    deep, over = np.flatnonzero(at_least(below, x_bp)), np.flatnonzero(below <= x_bp / 2)
    i = 0
    while (k := int(np.searchsorted(deep, i))) < len(deep):
        complete.append(int(looks[deep[k]]))
        e = int(np.searchsorted(over, deep[k]))
        if e == len(over):
            break
        i = int(over[e])
    return Falls(np.array(complete, np.int64), float(len(looks)))


@dataclass(frozen=True, slots=True)
class Seen:
    """Falls with an alert in the five minutes before they were complete.

    `lead_s`: seconds from the first such alert to completion. `covered_s`: time that lies
    within five minutes after an alert, the share of falls that as many blind alarms would see.
    """

    falls: int
    lead_s: Array
    covered_s: float
    looked_s: float


def seen(found: Falls, until_ns: int, fired_ns: Array) -> Seen:
    """Return which falls the alerts of a symbol-day saw coming.

    Args:
        found: Its falls.
        until_ns: Its end.
        fired_ns: When one could have acted, sorted.
    """
    span = WITHIN_S * SECOND
    first = np.searchsorted(fired_ns, found.complete_ns - span)
    before = np.searchsorted(fired_ns, found.complete_ns)
    hit = first < before
    lead = (found.complete_ns[hit] - fired_ns[first[hit]]) / SECOND
    ends = np.append(fired_ns[1:], until_ns)
    covered = np.minimum(np.minimum(ends, until_ns) - fired_ns, span).clip(0).sum() / SECOND
    return Seen(len(found.complete_ns), lead, float(covered), found.looked_s)
