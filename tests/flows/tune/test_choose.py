"""Choosing among settings: near the target, honest about few alerts and about days."""

from __future__ import annotations

from datetime import date

import msgspec

from flows.settings import Settings
from flows.tune.choose import choose, front, split
from flows.tune.grid import Point, current
from flows.tune.study import Figures

OWN = current(Settings())


def figures(a_day: float, lift: float, alerts: int = 100) -> Figures:
    return Figures(
        alerts_a_day=a_day, large_sellers_a_day=a_day, red_bursts_a_day=0.0,
        exit_signals_a_day=0.0, alerts=alerts, measured=alerts, fall_share=0.1 * lift,
        base_share=0.1, lift=lift, shrunk_lift=lift,
    )  # fmt: skip


def at(size: int) -> Point:
    return msgspec.structs.replace(OWN, large_order_size=size)


def chosen(target: float, *found: Figures, points: list[Point] | None = None) -> int:
    return choose(found, points or [OWN] * len(found), OWN, target)


def test_the_best_lift_between_half_the_target_and_the_target_is_chosen() -> None:
    found = (figures(11, 9.0), figures(10, 1.2), figures(5, 1.5), figures(4.9, 9.0))
    assert chosen(10, *found) == 2


def test_where_nothing_is_near_the_nearest_below_is_chosen_then_the_fewest() -> None:
    assert chosen(10, figures(50, 2.0), figures(1, 3.0), figures(4, 1.1)) == 2
    assert chosen(10, figures(50, 2.0), figures(30, 1.0)) == 1


def test_of_equals_the_one_that_changes_least_is_chosen() -> None:
    assert chosen(10, figures(8, 1.5), figures(8, 1.5), points=[at(20_000), OWN]) == 1


def test_the_front_has_no_point_that_another_beats_in_both() -> None:
    found = [figures(9, 1.5), figures(3, 1.4), figures(5, 1.3), figures(9, 1.6), figures(1, 1.4)]
    assert front([*found, figures(0, 1.0, alerts=0)]) == [4, 3]


def test_days_are_split_by_halves_and_one_day_leaves_none_to_report_on() -> None:
    days = [date(2026, 11, n) for n in (16, 17, 18)]
    ordinals = [day.toordinal() for day in days]
    assert split(days) == (ordinals[:2], ordinals[2:])
    assert split(days[:1]) == (ordinals[:1], [])
