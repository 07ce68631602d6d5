from __future__ import annotations

import numpy as np
import pytest

from flows.scorecard.study import abnormal_moves, events_of, moves, net_moves
from operators.ticks import Array
from tests.flows.scorecard.days import OPEN, SECOND, day, events, ns, path, seconds

TEN = 10 * SECOND


def around(values: Array) -> list[float]:
    return [round(value, 6) if np.isfinite(value) else None for value in values]  # type: ignore[misc]


def test_a_move_is_of_the_mid_that_stands_at_both_ends() -> None:
    """A quote counts from its own time on: 100.00 until 10 s, then 99.00."""
    falling = path((0, 100.0), (10, 99.0), until=60)
    assert around(moves(falling, ns(0, 0.5, 10), TEN)) == [-100.0, -100.0, 0.0]


def test_a_move_beyond_the_end_of_the_day_is_not_known() -> None:
    falling = path((0, 100.0), (10, 99.0), until=60)
    assert around(moves(falling, ns(50, 50.000001, -1), TEN)) == [0.0, None, None]


def test_the_market_is_taken_off() -> None:
    falling, market = path((0, 100.0), (5, 99.0), until=60), path((0, 50.0), (5, 49.8), until=60)
    both = events(falling, ns(0), ns(0)[:, None], market)
    assert around(net_moves(both, both.ns, TEN)) == [-60.0]
    assert around(net_moves(events(falling, ns(0), ns(0)[:, None]), ns(0), TEN)) == [-100.0]


def test_an_abnormal_move_is_what_the_controls_did_not_see() -> None:
    """The alert sees -100 bp; one control the same, one nothing, one the end of the day."""
    falling = path((0, 100.0), (5, 99.0), until=60)
    one = events(falling, ns(0), ns(0, 20, 55)[None, :])
    assert around(abnormal_moves(one, TEN)) == [-50.0]


def test_one_can_act_a_delay_after_the_print() -> None:
    late = events_of("large_seller", path((0, 100.0), until=60), None, ns(1), 50.0, 3, 1)
    assert seconds(late.ns) == [1.05]


def test_controls_are_of_the_same_half_hour_and_the_same_seed() -> None:
    quiet = day([(0, 10.0, 10.02)], until=6 * 3600)

    def drawn(seed: int, kind: str = "large_seller") -> Array:
        return events_of(kind, quiet, None, ns(100, 2000), 50.0, 200, seed).controls

    controls = drawn(1)
    assert controls.shape == (2, 200)
    for row, bucket in zip(controls, (0, 1800), strict=True):
        within = (row - OPEN) / SECOND
        assert bucket <= within.min() < bucket + 60
        assert bucket + 1740 < within.max() < bucket + 1800
    assert np.array_equal(controls, drawn(1))
    assert not np.array_equal(controls, drawn(2))
    assert not np.array_equal(controls, drawn(1, "red_burst"))


@pytest.mark.parametrize("second", [-1.0, 61.0])
def test_what_fired_on_another_day_is_no_event_of_this_one(second: float) -> None:
    found = events_of("large_seller", path((0, 100.0), until=60), None, ns(second), 0.0, 3, 1)
    assert len(found) == 0
