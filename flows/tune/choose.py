"""A choice among the points: made on the earlier days, reported on the later ones.

The best of thousands of settings is partly luck. So points are ranked by a lift that is pulled
towards 1 where few falls stand behind it; how many were tried is said; and what is claimed for
the choice was measured on days that had no part in it. With a single day there are none, and
nothing is claimed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import msgspec

from flows.tune.days import Observed
from flows.tune.grid import FIELDS, Grid, Point
from flows.tune.study import Counted, Figures, lift_interval

LEAST_OF_TARGET = 0.5  # a choice gives at least this share of the alerts asked for


class Later(Figures, frozen=True, kw_only=True):
    """Figures of days that had no part in the choice, with the interval of the lift."""

    lift_low: float | None
    lift_high: float | None


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One point: on the days it was chosen by, and on the later ones (None: there are none)."""

    point: Point
    tuned: Figures
    later: Later | None = None


class Tuned(msgspec.Struct, frozen=True, kw_only=True):
    """What tuning found.

    `tuned_on` and `reported_on` are dates, `symbols` and `reported_symbols` what traded on them;
    with one day in all, `reported_on` is empty and no lift is claimed. `front`: points that no
    other beats in both lift and fewer alerts.
    """

    alerts_a_day: float
    tried: int
    symbols: tuple[str, ...]
    tuned_on: tuple[str, ...]
    reported_on: tuple[str, ...]
    reported_symbols: tuple[str, ...]
    fall_bp: float
    delay_ms: float
    sessions: str
    trades: int
    quotes: int
    grid: dict[str, tuple[float, ...]]
    current: Setting
    recommended: Setting
    front: list[Setting]


def split(days: Sequence[date]) -> tuple[list[int], list[int]]:
    """Return the earlier and the later half of the days, by ordinal; of one day no later ones."""
    ordinals = [day.toordinal() for day in days]
    cut = max(1, (len(ordinals) + 1) // 2)
    return ordinals[:cut], ordinals[cut:]


def choose(
    figures: Sequence[Figures], points: Sequence[Point], own: Point, alerts_a_day: float
) -> int:
    """Return the place of the point with the highest shrunk lift near a number of alerts.

    Near is from half of it to all of it; where no point lies there, the nearest below, and where
    none does, the one with the fewest alerts. Of equals, the one that changes fewest settings.
    """

    def changed(i: int) -> int:
        return sum(getattr(points[i], field) != getattr(own, field) for field in FIELDS)

    def rank(i: int) -> tuple[float, int]:
        return -round(figures[i].shrunk_lift, 9), changed(i)

    every = range(len(figures))
    least = LEAST_OF_TARGET * alerts_a_day
    near = [i for i in every if least <= figures[i].alerts_a_day <= alerts_a_day]
    if not near:
        below = [i for i in every if figures[i].alerts_a_day < least]
        most = max((figures[i].alerts_a_day for i in below), default=None)
        fewest = min(figure.alerts_a_day for figure in figures)
        wanted = fewest if most is None else most
        near = [i for i in every if figures[i].alerts_a_day == wanted]
    return min(near, key=rank)


def front(figures: Sequence[Figures]) -> list[int]:
    """Return the places of the Pareto front, fewest alerts first; who never fires is left out."""
    order = sorted(
        (i for i, figure in enumerate(figures) if figure.alerts),
        key=lambda i: (figures[i].alerts_a_day, -figures[i].shrunk_lift),
    )
    found: list[int] = []
    for i in order:
        if not found or figures[i].shrunk_lift > figures[found[-1]].shrunk_lift:
            found.append(i)
    return found


def tuned(
    observed: Observed,
    counted: Counted,
    grid: Grid,
    own: Point,
    alerts_a_day: float,
    about: dict[str, object],
    seed: int,
) -> Tuned:
    """Choose on the earlier days, and report on the later.

    Args:
        observed: What is kept of the tapes.
        counted: Every point of `grid`, counted.
        grid: What was tried.
        own: The thresholds in force.
        alerts_a_day: The target.
        about: Fields of `Tuned` that are handed on as they are.
        seed: Of the intervals.
    """
    earlier, later = split(observed.days)
    figures = [counted.figures(i, earlier) for i in range(len(counted.points))]

    def setting(i: int, report: bool) -> Setting:
        point = counted.points[i]
        if not (report and later):
            return Setting(point=point, tuned=figures[i])
        low, high = lift_interval(observed, point, later, seed)
        kept = msgspec.structs.asdict(counted.figures(i, later))
        return Setting(
            point=point, tuned=figures[i], later=Later(**kept, lift_low=low, lift_high=high)
        )

    def dates(ordinals: Sequence[int]) -> tuple[str, ...]:
        return tuple(date.fromordinal(n).isoformat() for n in ordinals)

    def traded(ordinals: Sequence[int]) -> tuple[str, ...]:
        return tuple(sorted({symbol for day, symbol in observed.symbol_days if day in ordinals}))

    chosen = choose(figures, counted.points, own, alerts_a_day)
    return Tuned(
        alerts_a_day=alerts_a_day,
        tried=len(counted.points),
        symbols=traded(earlier),
        tuned_on=dates(earlier),
        reported_on=dates(later),
        reported_symbols=traded(later),
        trades=observed.trades,
        quotes=observed.quotes,
        grid=grid.values,
        current=setting(counted.points.index(own), report=True),
        recommended=setting(chosen, report=True),
        front=[setting(i, report=False) for i in front(figures)],
        **about,  # type: ignore[arg-type]  # the terms, by name
    )
