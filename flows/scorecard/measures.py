"""Everything measured about the events of one kind on one symbol-day: one array a measure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from flows.scorecard.exits import HOLD_NS, Exits, exits
from flows.scorecard.falls import Falls, Seen, deepest, falls, lowest, seen
from flows.scorecard.recorded import SymbolDay
from flows.scorecard.study import (
    BP,
    HORIZONS_S,
    SECOND,
    Events,
    abnormal_moves,
    at_least,
    mean_known,
    moves,
    net_moves,
)
from operators.ticks import Array

FALL_HORIZON_NS = 300 * SECOND
GRID_NS = 60 * SECOND


@dataclass(frozen=True, slots=True)
class Measures:
    """The events, and per measure one value an event.

    `columns`: `move_10`, `net_10`, `abnormal_10` and so on for each horizon in seconds;
    `fall`, `fall_sd` (0 or 1) with the share among the controls in `base`, `base_sd`; the
    fields of `Exits`, and for those against holding the controls' mean, `over_hold_base` and so on.
    """

    events: Events
    columns: dict[str, Array]
    seen: Seen


def spread_of_moves(day: SymbolDay) -> float:
    """Return the standard deviation of the symbol's five-minute moves that day, in bp."""
    looks = np.arange(day.from_ns, day.until_ns, GRID_NS)
    found = moves(day, looks, FALL_HORIZON_NS)
    found = found[np.isfinite(found)]
    return float(np.std(found)) if len(found) else float("nan")


class Day(NamedTuple):
    """What is the same for every kind on a symbol-day: its falls, and how much it moves."""

    fell: Falls
    spread_bp: float


def day_of(day: SymbolDay, fall_bp: float) -> Day:
    """Look through a symbol-day once."""
    return Day(falls(day, fall_bp), spread_of_moves(day))


def measure(events: Events, about: Day, fall_bp: float, delay_ms: float) -> Measures:
    """Measure the events of one kind on one symbol-day.

    Args:
        events: The events.
        about: Their symbol-day.
        fall_bp: How deep a fall is, and where a plain stop-loss stands.
        delay_ms: From a quote to what can be done about it.
    """
    day, columns = events.day, dict[str, Array]()
    for horizon in HORIZONS_S:
        span = horizon * SECOND
        columns[f"move_{horizon}"] = moves(day, events.ns, span)
        columns[f"net_{horizon}"] = net_moves(events, events.ns, span)
        columns[f"abnormal_{horizon}"] = abnormal_moves(events, span)
    deep, deep_controls = deepest(day, events.ns), deepest(day, events.controls)
    for suffix, x in (("", fall_bp), ("_sd", about.spread_bp)):
        columns[f"fall{suffix}"] = _reaches(deep, x)
        # Compared alert by alert: where the alert's own five minutes are cut short, neither counts.
        base = mean_known(_reaches(deep_controls, x))
        columns[f"base{suffix}"] = np.where(np.isfinite(deep), base, np.nan)
    left = exits(day, events.ns, fall_bp, delay_ms)
    columns |= dict(zip(Exits._fields, left, strict=True))
    for name, values in _of_controls(day, events.controls).items():
        base = mean_known(values)
        columns[f"{name}_base"] = np.where(np.isfinite(left.over_hold), base, np.nan)
    return Measures(events, columns, seen(about.fell, day.until_ns, events.ns))


def _reaches(deep: Array, x: float) -> Array:
    return np.where(np.isfinite(deep), at_least(deep, x), np.nan)


def _of_controls(day: SymbolDay, ns: Array) -> dict[str, Array]:
    """Return what leaving at random instants was worth, against holding."""
    mid, now, later = day.at(ns), day.at(ns, "bid"), day.at(ns + HOLD_NS, "bid")
    return {
        "profitable": np.where(np.isfinite(later), now > later, np.nan),
        "over_hold": BP * (now - later) / mid,
        "drawdown_hold": BP * (now - lowest(day, ns, HOLD_NS, "bid")) / mid,
    }


def column(measured: Sequence[Measures], name: str) -> Array:
    """Return one measure of several symbol-days, end to end."""
    return np.concatenate([np.empty(0), *(part.columns[name] for part in measured)])
