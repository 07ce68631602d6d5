"""How large a symbol's parent orders usually are: a sketch of their sizes, in columns.

A DDSketch (Masson, Rim and Lee, "DDSketch: a fast and fully-mergeable quantile sketch with
relative-error guarantees", VLDB 2019): bins that grow by a constant factor, so that every
quantile is known to 1 %, and two sketches add up bin by bin. Sizes below the smallest threshold
there can be share one bin (the paper's collapsing of the lowest), which bounds the memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

import numpy as np

from operators.kernels import kernel, step
from operators.learned import SizeDay
from operators.ticks import MICRO, Array, Row

SMALLEST = 1_000 * MICRO  # no parent below is large
LARGEST = 10**9 * MICRO  # sizes from here on are not told apart
GROWTH = Fraction(101, 99)  # (1 + a) / (1 - a) with the accuracy a = 1 %
PER_PARENTS = 1_000  # one parent in so many may reach the threshold,
PER_MS = 20 * 60_000  # and no more than one in so long
FEWEST_PARENTS = 500
VERSION = 1


def _edges() -> Array:
    edges, value = [SMALLEST], Fraction(SMALLEST)
    while edges[-1] < LARGEST:
        value *= GROWTH
        edges.append(int(value))
    return np.array(edges, np.int64)


EDGES = _edges()
"""Where bins end: bin 0 holds sizes below the first, bin k those from k - 1 to below k."""

BINS = len(EDGES)

SKETCH = [
    ("parents", np.int64),  # in the counts
    ("span_ms", np.int64),  # trading time they were seen in
    ("above", np.int64),  # parents in bins above `bin`: those that reached the threshold
    ("threshold", np.int64),  # 1e-6 share
    ("percentile", np.float64),  # of parents below it, nan: too few are known
    ("bin", np.int32),
    ("settled", np.uint8),  # past sessions alone decide, all day
]
"""Fields of a state row beside the row of `counts`."""


@step
def _bin(edges: Array, size: int) -> int:
    low, high = 0, len(edges) - 1
    while low < high:
        middle = (low + high) // 2
        if edges[middle] <= size:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def set_threshold(mine: Row, counts: Array, code: int, edges: Array, large: int) -> None:
    """Move the threshold to the smallest edge that no more parents than allowed reached.

    `large` is the floor while too few parents are known; SMALLEST is it from then on.
    """
    allowed = min(mine["parents"] // PER_PARENTS, mine["span_ms"] // PER_MS)
    at, above = int(mine["bin"]), int(mine["above"])
    while above > allowed:
        at += 1
        above -= counts[code, at]
    while at > 0 and above + counts[code, at] <= allowed:
        above += counts[code, at]
        at -= 1
    mine["bin"] = at
    mine["above"] = above
    mine["threshold"] = edges[at]
    mine["percentile"] = np.nan
    if mine["parents"] < FEWEST_PARENTS:
        mine["threshold"] = max(edges[at], large)
    else:
        mine["percentile"] = 100.0 * (mine["parents"] - above) / mine["parents"]


@kernel
def add_parent(mine: Row, counts: Array, code: int, edges: Array, large: int, size: int) -> None:
    """Count a parent that is over; its like decide from now on, unless past sessions do."""
    at = _bin(edges, size)
    counts[code, at] += 1
    mine["parents"] += 1
    if mine["settled"] == 0:
        if at > mine["bin"]:
            mine["above"] += 1
        set_threshold(mine, counts, code, edges, large)


def begin_day(
    mine: Row, counts: Array, code: int, past: Iterable[SizeDay], large: int
) -> tuple[Array, int]:
    """Start a symbol's day with what its past sessions taught.

    With enough parents they decide all day; otherwise the day's own parents join them.

    Returns:
        Counts and span that are not of this day but stand in `counts` and `mine`.
    """
    prior, span_ms = np.zeros(BINS, np.int32), 0
    for part in past:
        np.add.at(prior, part.bins, part.counts)
        span_ms += part.span_ms
    counts[code] = prior
    mine["parents"], mine["span_ms"] = prior.sum(), span_ms
    mine["bin"], mine["above"], mine["settled"] = BINS - 1, 0, 0
    set_threshold(mine, counts, code, EDGES, large)
    if mine["parents"] >= FEWEST_PARENTS:
        counts[code] = prior = np.zeros(BINS, np.int32)
        mine["parents"], mine["span_ms"], mine["settled"], span_ms = 0, 0, 1, 0
    return prior, span_ms
