"""The surfaces of a scorecard: two thresholds of each kind varied, the others as they are."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from flows.scorecard.judge import Terms
from flows.scorecard.recorded import SymbolDay
from flows.scorecard.surface import Cell, Surface
from flows.settings import Settings
from flows.tune.condense import Condensed
from flows.tune.days import Observed
from flows.tune.grid import Grid, Point, current, grid_of
from flows.tune.study import Counted, count
from flows.tune.worth import shard_of

AXES = {
    "large_seller": ("large_order_size", "parent_gap_ms"),
    "red_burst": ("volume_spike_threshold", "sell_share"),
    "exit_signal": ("exit_sellers", "alert_window_seconds"),
}
_NAMES = {
    "large_order_size": "large order size, shares",
    "parent_gap_ms": "parent gap, ms",
    "volume_spike_threshold": "volume spike threshold",
    "sell_share": "sell share above",
    "exit_sellers": "exit sellers",
    "alert_window_seconds": "alert window, s",
}
_WIDE = (
    "large_order_size=2000,5000,10000,20000,50000,100000",
    "parent_gap_ms=0,10,50,200",
    "volume_spike_threshold=2,3,4,5,6,8",
    "sell_share=0.5,0.6,0.7,0.8",
    "exit_sellers=2,3,4,5,8",
    "alert_window_seconds=60,120,300",
)


def grid_around(settings: Settings) -> Grid:
    """Return the values of each axis, those in force among them."""
    return grid_of(settings, _WIDE)


def surfaces(
    condensed: Iterable[Condensed], days: list[SymbolDay], settings: Settings, terms: Terms
) -> tuple[Surface, ...]:
    """Return a surface for each kind of alert, over the days it was condensed from.

    Args:
        condensed: By a `Condenser` with the bounds of `grid_around`.
        days: The symbol-days.
        settings: Those in force.
        terms: What a fall is, and how fast one acts.
    """
    shards = [shard_of(one, days, terms) for one in condensed]
    observed = Observed(shards, [(day.day.toordinal(), day.symbol) for day in days])
    own, grid = current(settings), grid_around(settings)
    planes = {kind: _plane(own, grid, *axes) for kind, axes in AXES.items()}
    counted = count(observed, sorted({p for plane in planes.values() for r in plane for p in r}))
    return tuple(
        _surface(kind, planes[kind], grid, own, counted, len(observed.symbol_days)) for kind in AXES
    )


def _plane(own: Point, grid: Grid, x: str, y: str) -> list[list[Point]]:
    return [[_moved(own, {x: a, y: b}) for a in grid.values[x]] for b in grid.values[y]]


def _moved(own: Point, values: dict[str, float]) -> Point:
    """Return a point with other thresholds; critical goes along where it would be below spike."""
    point = msgspec.structs.replace(own, **values)
    critical = max(point.red_burst_threshold, point.volume_spike_threshold)
    return msgspec.structs.replace(point, red_burst_threshold=critical)


def _surface(
    kind: str, plane: list[list[Point]], grid: Grid, own: Point, counted: Counted, days: int
) -> Surface:
    x, y = AXES[kind]
    rows = []
    for line in plane:
        found = [counted.figures(counted.points.index(p), counted.days, (kind,)) for p in line]
        rows.append(tuple(Cell(f.alerts / days, f.lift, f.alerts) for f in found))
    xs, ys = grid.values[x], grid.values[y]
    place = ys.index(getattr(own, y)), xs.index(getattr(own, x))
    return Surface(kind, _NAMES[x], xs, _NAMES[y], ys, tuple(rows), place)
