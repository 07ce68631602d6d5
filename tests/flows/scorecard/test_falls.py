from __future__ import annotations

from dataclasses import replace

import numpy as np

from flows.scorecard.falls import Falls, deepest, falls, lowest, seen
from tests.flows.scorecard.days import SECOND, ns, path, seconds

# 100.00, a dip to 99.90 (10 bp) at 100 s that is made up at 110 s, and 99.70 (30 bp) at 500 s.
TAPE = path((0, 100.0), (100, 99.9), (110, 100.0), (500, 99.7), until=1200)


def test_the_lowest_is_sought_from_what_stands_at_the_time_on() -> None:
    found = lowest(TAPE, ns(0, 50, 105, 110, 400), 60 * SECOND)
    assert np.round(found, 6).tolist() == [100.0, 99.9, 99.9, 100.0, 100.0]
    assert np.isnan(lowest(TAPE, ns(1140.1, -1), 60 * SECOND)).all()
    assert round(float(lowest(TAPE, ns(1140), 60 * SECOND)[0]), 6) == 99.7


def test_how_deep_it_falls_is_judged_over_five_minutes() -> None:
    assert np.round(deepest(TAPE, ns(0, 150, 199.9, 200, 600)), 4).tolist() == [10, 0, 0, 30, 0]


def test_a_fall_is_complete_when_the_mid_is_x_below_its_five_minute_high() -> None:
    assert seconds(falls(TAPE, 30.0).complete_ns) == [500]
    assert seconds(falls(TAPE, 10.0).complete_ns) == [100, 500]
    assert falls(TAPE, 30.1).complete_ns.tolist() == []
    assert falls(TAPE, 30.0).looked_s == 1201


def test_a_symbol_without_a_price_yet_has_no_high() -> None:
    """Its first print comes a minute before its first quote."""
    late = replace(TAPE, from_ns=int(ns(-60)[0]))
    assert seconds(falls(late, 10.0).complete_ns) == [100, 500]


def test_a_fall_that_goes_on_is_one_fall() -> None:
    """Down 20 bp, up by less than half of it, down again."""
    falling = path((0, 100.0), (10, 99.8), (20, 99.88), (30, 99.7), until=1000)
    assert seconds(falls(falling, 20.0).complete_ns) == [10]


def test_a_fall_is_seen_by_an_alert_in_the_five_minutes_before_it_is_complete() -> None:
    found = Falls(ns(500, 1000, 5000), 7200)
    hit = seen(found, int(ns(7200)[0]), ns(199, 200, 499, 1000))
    assert (hit.falls, hit.lead_s.tolist()) == (3, [300.0])


def test_covered_time_is_not_counted_twice() -> None:
    """199 to 499+300 s, and 1000 to the end of the day 100 s later."""
    hit = seen(Falls(ns(500), 1100), int(ns(1100)[0]), ns(199, 499, 1000))
    assert hit.covered_s == 300 + 300 + 100
