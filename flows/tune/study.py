"""Every point of the grid, counted day by day: alerts, falls after them, and the base rate."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from flows.scorecard.inference import FEWEST_BLOCKS, ratio_interval
from flows.scorecard.scores import known
from flows.tune.condense import Condensed
from flows.tune.days import Observed
from flows.tune.evaluate import Events, Fired, bursts, events, exits, parents
from flows.tune.grid import Point
from operators.large_orders import ParentRules
from operators.red_burst import BurstRules
from operators.ticks import Array

KINDS = ("large_seller", "red_burst", "exit_signal")
EXPECTED_MORE = 5.0  # falls added on either side, which pull the lift of few alerts towards 1
HOUR_NS = 3_600_000_000_000


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What one point would have given on some days.

    `alerts_a_day`: of all symbols together, over the days of the tapes; `lift`: falls after the
    alerts over the falls that random instants of the same half hours saw; `shrunk_lift` is what
    points are ranked by: the same with `EXPECTED_MORE` falls added to both.
    """

    alerts_a_day: float
    large_sellers_a_day: float
    red_bursts_a_day: float
    exit_signals_a_day: float
    alerts: int
    measured: int
    fall_share: float | None
    base_share: float | None
    lift: float | None
    shrunk_lift: float


@dataclass(frozen=True, slots=True)
class Counted:
    """One row a point, in the order of `points`: sums a day and kind.

    `sums`: shape (points, days, kinds, 4): alerts, those with five minutes left, falls, base.
    """

    points: list[Point]
    days: list[int]
    sums: Array

    def figures(self, i: int, days: Sequence[int], kinds: Sequence[str] = KINDS) -> Figures:
        """Return what a point gave on some days, by their ordinals."""
        on = [self.days.index(day) for day in days]
        mine = self.sums[i][on][:, [KINDS.index(kind) for kind in kinds]]
        by_kind = self.sums[i][on].sum(axis=0)[:, 0] / len(on)
        alerts, measured, fell, base = mine.sum(axis=(0, 1))
        return Figures(
            alerts_a_day=float(alerts / len(on)),
            large_sellers_a_day=float(by_kind[0]),
            red_bursts_a_day=float(by_kind[1]),
            exit_signals_a_day=float(by_kind[2]),
            alerts=int(alerts),
            measured=int(measured),
            fall_share=float(fell / measured) if measured else None,
            base_share=float(base / measured) if measured else None,
            lift=float(fell / base) if base else None,
            shrunk_lift=float((fell + EXPECTED_MORE) / (base + EXPECTED_MORE)),
        )


def count(
    observed: Observed, points: Sequence[Point], step: Callable[[], None] = lambda: None
) -> Counted:
    """Run the rules of every point over the condensed tape.

    Parents and bursts are each found once for all points that share them; only exit signals
    depend on both.

    Args:
        observed: What is kept of the tapes.
        points: Which; each once.
        step: Called once a point.
    """
    points = list(points)
    days = [day.toordinal() for day in observed.days]
    sums = np.zeros((len(points), len(days), len(KINDS), 4))
    together: dict[tuple[ParentRules, BurstRules], list[int]] = defaultdict(list)
    for i, point in enumerate(points):
        together[point.parents, point.bursts].append(i)
    sold = {rules: _each(observed, parents, rules) for rules in {p.parents for p in points}}
    burst = {rules: _each(observed, bursts, rules) for rules in {p.bursts for p in points}}
    sold_sums = {rules: _sums(observed, _rows(found), days) for rules, found in sold.items()}
    burst_sums = {rules: _sums(observed, _rows(found), days) for rules, found in burst.items()}
    for (parent_rules, burst_rules), places in together.items():
        sums[places, :, 0] = sold_sums[parent_rules]
        sums[places, :, 1] = burst_sums[burst_rules]
        found = _events(observed, sold[parent_rules], burst[burst_rules])
        for i in places:
            sums[i, :, 2] = _sums(observed, _exits(found, points[i]), days)
            step()
    return Counted(points, days, sums)


def _each(observed: Observed, rule: Callable[[Condensed, Any], Fired], rules: Any) -> list[Fired]:
    return [rule(shard.condensed, rules) for shard in observed.shards]


def _rows(found: Iterable[Fired]) -> list[Array]:
    return [one.rows for one in found]


def _events(observed: Observed, sold: Iterable[Fired], burst: Iterable[Fired]) -> list[Events]:
    return [
        events(shard.condensed, one, other)
        for shard, one, other in zip(observed.shards, sold, burst, strict=True)
    ]


def _exits(found: Iterable[Events], point: Point) -> list[Array]:
    window_ms = point.alert_window_seconds * 1000
    return [np.array(exits(one, point.exit_sellers, window_ms), np.int64) for one in found]


def _sums(observed: Observed, rows: Iterable[Array], days: Sequence[int]) -> Array:
    """Return alerts, those that were measured, falls and base rate, a row a day."""
    out = np.zeros((len(days), 4))
    for shard, at in zip(observed.shards, rows, strict=True):
        if not len(at):
            continue
        day = np.searchsorted(days, shard.day[at])
        fall, base = shard.fall[at], shard.base[at]
        told = np.isfinite(fall) & np.isfinite(base)
        weights = (np.ones(len(at)), told, np.where(told, fall, 0.0), np.where(told, base, 0.0))
        for column, weight in enumerate(weights):
            out[:, column] += np.bincount(day, weight, len(days))
    return out


def alerts_of(observed: Observed, point: Point) -> list[list[Array]]:
    """Return the rows of each kind at one point: a list a kind, an array a shard."""
    sold, burst = (
        _each(observed, parents, point.parents),
        _each(observed, bursts, point.bursts),
    )
    return [_rows(sold), _rows(burst), _exits(_events(observed, sold, burst), point)]


def lift_interval(
    observed: Observed, point: Point, days: Iterable[int], seed: int
) -> tuple[float | None, float | None]:
    """Return the 95 % interval of the lift of all alerts of a point on some days.

    Blocks are days where there are enough of them, else hours, as on the scorecard.
    """
    wanted = np.array(sorted(days))
    parts: list[Array] = []
    for rows in alerts_of(observed, point):
        for shard, at in zip(observed.shards, rows, strict=True):
            kept = at[np.isin(shard.day[at], wanted)]
            ns = shard.condensed.rows["print"]["ts_ns"][kept]
            parts.append(
                np.stack([shard.fall[kept], shard.base[kept], shard.day[kept], ns // HOUR_NS])
            )
    fall, base, day, hour = np.concatenate([np.empty((4, 0)), *parts], axis=1)
    block = day if len(np.unique(day)) >= FEWEST_BLOCKS else hour
    low, high = ratio_interval(fall, base, block, seed)
    return known(low), known(high)
