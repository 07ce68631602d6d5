from __future__ import annotations

import numpy as np

from flows.scorecard.exits import exits
from tests.flows.scorecard.days import day, ns

# Mid 100; the bid falls to 99.70 at 60 s, 99.60 60 ms later, and ends at 99.89.
MARKS = [(0, 99.99, 100.01), (60, 99.70, 99.72), (60.06, 99.60, 99.62), (600, 99.89, 99.91)]


def judged(at: float, stop_bp: float, delay_ms: float = 50.0, until: float = 2000) -> list[float]:
    out = exits(day(MARKS, until=until), ns(at), stop_bp, delay_ms)
    return [round(float(values[0]), 2) for values in out]


def test_an_exit_beside_holding_and_a_stop_loss_that_was_hit() -> None:
    """The stop at 99.80 is hit at 60 s and sells 50 ms later, at 99.70: the lowest it saw."""
    assert judged(0, 20) == [1.0, 10.0, 29.0, 39.0, 29.0]


def test_a_stop_loss_sells_at_what_stands_after_the_delay() -> None:
    assert judged(0, 20, delay_ms=60) == [1.0, 10.0, 39.0, 39.0, 39.0]


def test_a_stop_loss_that_was_not_hit_is_a_holder() -> None:
    assert judged(0, 40.1) == [1.0, 10.0, 10.0, 39.0, 39.0]


def test_an_exit_below_what_came_later_was_not_profitable() -> None:
    assert judged(100, 500)[:2] == [0.0, round((99.60 - 99.89) / 99.61 * 1e4, 2)]


def test_a_bid_that_did_not_move_is_no_profit() -> None:
    assert judged(700, 20) == [0.0, 0.0, 0.0, 0.0, 0.0]


def test_a_day_that_ends_too_soon_judges_nobody() -> None:
    assert all(np.isnan(judged(0, 20, until=899)))
