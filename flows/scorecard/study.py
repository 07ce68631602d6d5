"""Event study: how far the mid had moved a while after one could have acted on an alert.

Each move is set beside the market's (SPY, where it is on the tapes of that day) and beside
random instants of the same symbol in the same half hour of the same day. Those see the same
session and drift, so the difference is what the alert adds; where alerts fill the half hour it
errs towards zero. Moves are basis points; nan where the day ends before the horizon does.

Sources: the mean-, market- and matched-control models are well specified at these horizons
(Marshall, Nguyen and Visaltanachoti, on intraday event studies).
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from flows.scorecard.recorded import SymbolDay
from operators.ticks import MS, Array

SECOND = 1_000_000_000
HORIZONS_S = (10, 60, 300, 900)
BUCKET_NS = 1_800 * SECOND
BP = 10_000.0


@dataclass(frozen=True, slots=True)
class Events:
    """When one kind of alert fired on one symbol-day, and its controls.

    `ns` are the times one could have acted: event time plus delay. `controls` has a row of
    random instants for each of them.
    """

    kind: str
    day: SymbolDay
    market: SymbolDay | None
    ns: Array
    controls: Array

    def __len__(self) -> int:
        return len(self.ns)

    @property
    def hours(self) -> Array:
        """The hour of each event, counted from the epoch: symbols share their hours."""
        hours: Array = self.ns // (3_600 * SECOND)
        return hours


def events_of(
    kind: str,
    day: SymbolDay,
    market: SymbolDay | None,
    fired_ns: Array,
    delay_ms: float,
    draws: int,
    seed: int,
) -> Events:
    """Return the events of one kind on one symbol-day.

    Args:
        kind: Alert type or rival.
        day: Where they fired.
        market: The market's day, if it is on the tapes and not this symbol.
        fired_ns: Event times of the prints that fired.
        delay_ms: From the print to the moment one could have acted.
        draws: Controls an event.
        seed: Of the draws; each kind and symbol-day has its own stream.
    """
    ns = np.asarray(fired_ns, np.int64) + int(delay_ms * MS)
    ns = ns[(ns >= day.from_ns) & (ns <= day.until_ns)]
    own = zlib.crc32(f"{kind}|{day.symbol}|{day.day}".encode())
    random = np.random.default_rng((seed, own))
    start = np.maximum(ns // BUCKET_NS * BUCKET_NS, day.from_ns)
    end = np.minimum(ns // BUCKET_NS * BUCKET_NS + BUCKET_NS, day.until_ns)
    share = random.random((len(ns), draws))
    controls = start[:, None] + (share * (end - start)[:, None]).astype(np.int64)
    return Events(kind, day, market, ns, controls)


def moves(day: SymbolDay, ns: Array, horizon_ns: int) -> Array:
    """Return the move of the mid over `horizon_ns` from each time on, in basis points."""
    later: Array = BP * (day.at(ns + horizon_ns) / day.at(ns) - 1)
    return later


def net_moves(events: Events, ns: Array, horizon_ns: int) -> Array:
    """Return moves less the market's, or as they are where there is no market to take off."""
    own = moves(events.day, ns, horizon_ns)
    return own if events.market is None else own - moves(events.market, ns, horizon_ns)


def at_least(values: Array, x: float) -> Array:
    """Return whether moves reach `x`; a millionth of a basis point is the floats' and nobody's."""
    reached: Array = values >= x - 1e-6
    return reached


def mean_known(values: Array) -> Array:
    """Return the mean along the last axis of what is known; nan where nothing is."""
    known = np.isfinite(values)
    n = known.sum(axis=-1)
    sums = np.where(known, values, 0.0).sum(axis=-1)
    mean: Array = np.divide(sums, n, out=np.full(n.shape, np.nan), where=n > 0)
    return mean


def abnormal_moves(events: Events, horizon_ns: int) -> Array:
    """Return each event's net move less the mean net move of its controls."""
    control = mean_known(net_moves(events, events.controls, horizon_ns))
    difference: Array = net_moves(events, events.ns, horizon_ns) - control
    return difference
