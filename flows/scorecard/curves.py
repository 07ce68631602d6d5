"""Event-study curves: the mean path of the price around the alerts of one kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from flows.scorecard.inference import mean_bands
from flows.scorecard.measures import Measures
from flows.scorecard.recorded import SymbolDay
from flows.scorecard.scores import blocks_of
from flows.scorecard.study import BP, SECOND, Events, mean_known
from operators.ticks import Array

OFFSETS_S = np.arange(-300, 901, 30)


class Curve(NamedTuple):
    """Mean abnormal move in basis points at each offset from the alert, with its band."""

    events: int
    offsets_s: Array
    mean: Array
    low: Array
    high: Array


def paths(events: Events) -> Array:
    """Return a row an event: its net move from the alert to each offset, less its controls'."""
    return _net_paths(events, events.ns) - mean_known(
        np.moveaxis(_net_paths(events, events.controls), 1, -1)
    )


def _net_paths(events: Events, ns: Array) -> Array:
    own = _paths(events.day, ns)
    return own if events.market is None else own - _paths(events.market, ns)


def _paths(day: SymbolDay, ns: Array) -> Array:
    start = day.at(ns)
    moved = [day.at(ns + int(s) * SECOND) / start - 1 for s in OFFSETS_S]
    out: Array = BP * np.stack(moved, axis=-1)
    return out


def curve(measured: Sequence[Measures], found: Sequence[Array], seed: int) -> Curve:
    """Return the mean of the paths of several symbol-days.

    Args:
        measured: The symbol-days.
        found: The `paths` of each.
        seed: Of the resampling.
    """
    every = np.concatenate([np.empty((0, len(OFFSETS_S))), *found])
    _, blocks = blocks_of(measured)
    return Curve(len(every), OFFSETS_S, *mean_bands(every, blocks, seed))
