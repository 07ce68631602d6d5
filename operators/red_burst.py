"""Red bursts: sudden one-sided volume, once an episode (detectors.md section 6)."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream

from operators.columns import columns
from operators.kernels import kernel, step
from operators.nbbo import Prints
from operators.records import BURST_CRITICAL, BURST_WARNING
from operators.state import Scratch, Snapshot, SymbolRows, blank
from operators.ticks import MS, Array, Row
from operators.verdicts import COUNTED

BASELINE_MINUTES = 5
CALM_RATIO = 2.0
VERSION = 1

STATE = np.dtype([("first_ns", np.int64), ("open", np.uint8)], align=True)
"""The episode: event time of its first alert, and how far it went (0: none is open)."""

BURST = np.dtype(
    [("first_ns", np.int64), ("row", np.int32), ("kind", np.uint8), ("escalates", np.uint8)],
    align=True,
)
"""A burst alert at print `row`; `first_ns` is that of the episode's first alert, which this
one escalates or is."""

_NO_BURSTS = np.empty(0, BURST)


@step
def _ratio(volume: Row) -> float:
    """Return the current minute over the average minute of the baseline, or -1: undefined."""
    if volume["warm"] == 0 or volume["baseline"] <= 0:
        return -1.0
    return float(BASELINE_MINUTES * volume["current"] / volume["baseline"])


@step
def _is_red(volume: Row, min_volume: int, sell_share: float) -> bool:
    """Whether the minute is large enough, classified enough, and sold enough."""
    classified = volume["sells"] + volume["buys"]
    if volume["current"] < min_volume or classified == 0 or 2 * classified < volume["current"]:
        return False
    return bool(volume["sells"] / classified > sell_share)


@kernel
def _find_bursts(
    rows: Array,
    verdict: Array,
    resets: Array,
    volume: Array,
    expected: Array,
    state: Array,
    calm: float,
    spike: float,
    critical: float,
    sell_share: float,
    min_volume: int,
    min_baseline: int,
    window_ms: int,
    out: Array,
) -> int:
    n = 0
    for i in range(len(rows)):
        episode = state[rows[i]["symbol"]]
        if resets[i]:
            episode["open"] = 0
        if verdict[i] != COUNTED:
            continue
        ratio = _ratio(expected[i])
        if ratio < 0:
            continue
        ms = rows[i]["ts_ns"] // MS
        if episode["open"] and ratio < calm and ms - episode["first_ns"] // MS >= window_ms:
            episode["open"] = 0
        if ratio < spike or not _is_red(volume[i], min_volume, sell_share):
            continue
        if volume[i]["baseline"] < min_baseline:
            continue
        kind = BURST_CRITICAL if ratio >= critical else BURST_WARNING
        if kind <= episode["open"]:
            continue
        out[n]["escalates"] = episode["open"] != 0
        if episode["open"] == 0:
            episode["first_ns"] = rows[i]["ts_ns"]
        episode["open"] = kind
        out[n]["row"] = i
        out[n]["kind"] = kind
        out[n]["first_ns"] = episode["first_ns"]
        n += 1
    return n


@dataclass(frozen=True, slots=True)
class BurstRules:
    """`spike` and `critical` are ratios; `min_volume` in 1e-6 share; `window_ms` of alerts.

    `min_baseline`: of the five minutes before, in 1e-6 share.
    """

    spike: float
    critical: float
    sell_share: float
    min_volume: int
    window_ms: int
    min_baseline: int = 0


class RedBurst:
    """Report each episode of heavy selling once, and once more when it turns critical."""

    def __init__(self, rules: BurstRules, saved: Snapshot | None = None) -> None:
        self._rules = rules
        # In decimal: two thirds of 2.1 is 1.4, which a product of floats overshoots.
        self._calm = min(CALM_RATIO, float(Fraction(str(rules.spike)) * 2 / 3))
        self._state = SymbolRows(blank(STATE), saved, VERSION)
        self._out = Scratch(BURST)

    def __call__(self, chunk: Prints) -> Prints:
        """Return `chunk` with `bursts`, rows of BURST in print order.

        A minute is held against `expected` where it is known, else against `volume`.
        """
        self._state.bind(chunk.names)
        out = self._out.of(len(chunk))
        rules = self._rules
        n = _find_bursts(
            chunk.rows,
            chunk.verdict,
            chunk.resets,
            chunk.volume,
            chunk.expected if len(chunk.expected) else chunk.volume,
            self._state.rows,
            self._calm,
            rules.spike,
            rules.critical,
            rules.sell_share,
            rules.min_volume,
            rules.min_baseline,
            rules.window_ms,
            out,
        )
        chunk.bursts = out[:n].copy() if n else _NO_BURSTS
        return chunk

    def finish(self) -> None:
        """Have nothing left to say at the end of the feed."""

    def snapshot(self) -> Snapshot:
        """Return the state to save."""
        return self._state.snapshot()


@operator
def red_burst(step_id: str, up: KeyedStream[Prints], rules: BurstRules) -> KeyedStream[Prints]:
    """Report sudden volume that is mostly selling, once an episode.

    Args:
        step_id: Name of the step, and the key of its saved state.
        up: `(shard, chunk)`, with verdicts and volume, in arrival order.
        rules: Ratios, sell share, and floors.

    Returns:
        `(shard, chunk)` with `bursts`.

    Source:
        detectors.md section 6.
    """
    return columns("columns", up, lambda saved: RedBurst(rules, saved))
