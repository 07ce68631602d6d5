"""A threshold from a symbol's own parents: what it promises (detectors.md section 4)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.learned import SizeDay, Trailing
from operators.size_sketch import BINS, EDGES, SKETCH, add_parent, begin_day
from operators.ticks import MICRO

LARGE = 10_000 * MICRO
HOUR_MS = 3_600_000
sizes = st.lists(
    st.one_of(st.floats(1, 1e9), st.sampled_from((999.999999, 1_000, 5_000, 20_000))), max_size=40
)


class Sketch:
    def __init__(self, *past: SizeDay) -> None:
        self.rows = np.zeros(1, np.dtype(SKETCH, align=True))
        self.counts = np.zeros((1, BINS), np.int32)
        self.prior = begin_day(self.rows[0], self.counts, 0, past, LARGE)

    def add(self, *shares: float, times: int = 1) -> Sketch:
        for size in shares * times:
            add_parent(self.rows[0], self.counts, 0, EDGES, LARGE, round(size * MICRO))
        return self

    def seen_for(self, ms: int) -> Sketch:
        self.rows[0]["span_ms"] = ms
        return self

    def with_small(self, parents: int) -> Sketch:
        """Count so many parents below all thresholds, at once."""
        self.counts[0, 0] += parents
        self.rows[0]["parents"] += parents
        return self

    @property
    def threshold(self) -> float:
        return float(self.rows[0]["threshold"] / MICRO)

    @property
    def percentile(self) -> Any:
        return self.rows[0]["percentile"]

    def day(self, day: int, since_ns: int = 0) -> SizeDay:
        bins = np.flatnonzero(self.counts[0])
        span_ms = int(self.rows[0]["span_ms"])
        return SizeDay("X", day, since_ns, span_ms, bins, self.counts[0, bins])


def test_the_fixed_size_is_a_floor_until_500_parents_are_known() -> None:
    sketch = Sketch().add(100, times=498).add(4_000)
    assert (sketch.threshold, bool(np.isnan(sketch.percentile))) == (10_000, True)
    sketch.add(100)
    assert 4_000 < sketch.threshold <= 4_000 * 1.0203
    assert sketch.percentile == 100


def test_what_was_seen_counts_beside_the_floor_from_the_first_parent_on() -> None:
    assert Sketch().threshold == 10_000
    assert 60_000 < Sketch().add(60_000).threshold <= 60_000 * 1.0203


def test_no_parent_below_a_thousand_shares_is_large() -> None:
    assert Sketch().add(999.999999, times=600).threshold == 1_000
    assert Sketch().add(1_000, times=600).threshold > 1_000


@settings(max_examples=60, deadline=None)
@given(sizes, st.sampled_from((0, HOUR_MS - 1, HOUR_MS, 100 * HOUR_MS)))
def test_no_more_than_one_in_a_thousand_and_one_in_20_minutes_reach_it(
    shares: list[float], span_ms: int
) -> None:
    sketch = Sketch().seen_for(span_ms).with_small(4_499).add(50, *shares)
    allowed = min((4_500 + len(shares)) // 1_000, span_ms // 1_200_000)
    micro = [round(size * MICRO) for size in shares]
    at = round(sketch.threshold * MICRO)
    if at < EDGES[-1]:  # sizes from there on are not told apart
        assert sum(size >= at for size in micro) <= allowed
    if at > EDGES[0]:  # one bin lower it would be too many
        assert sum(size >= EDGES[np.searchsorted(EDGES, at) - 1] for size in micro) > allowed
    assert EDGES[1:].astype(float) == pytest.approx(EDGES[:-1] * (101 / 99), rel=1e-9)


def test_order_does_not_matter_and_days_add_up() -> None:
    rng = np.random.default_rng(1)
    shares = np.round(rng.pareto(1.1, 3_000) * 300 + 1).tolist()
    forwards = Sketch().seen_for(HOUR_MS).add(*shares)
    backwards = Sketch().seen_for(HOUR_MS).add(*shares[::-1])
    parts = [Sketch().seen_for(HOUR_MS // 2).add(*shares[i::2]) for i in (0, 1)]
    merged = Sketch(parts[0].day(1), parts[1].day(1, 1))
    assert len({s.threshold for s in (forwards, backwards, merged)}) == 1
    assert forwards.percentile == backwards.percentile == merged.percentile


def test_past_sessions_with_500_parents_decide_all_day() -> None:
    past = Sketch().seen_for(HOUR_MS).add(100, times=499).add(3_000)
    today = Sketch(past.day(1))
    before = today.threshold
    assert today.add(50_000, times=10).threshold == before
    assert today.day(2).counts.tolist() == [10]


def test_a_thin_past_is_joined_by_the_day_but_is_not_of_the_day() -> None:
    past = Sketch().seen_for(HOUR_MS).add(100, times=499)
    today = Sketch(past.day(1))
    assert today.threshold == 10_000
    assert today.add(2_000).threshold == pytest.approx(2_000, rel=0.0203)
    bins, span_ms = today.prior
    assert (int(bins.sum()), span_ms) == (499, HOUR_MS)


def test_twenty_sessions_are_kept_and_none_from_the_day_on_is_used() -> None:
    parts = [Sketch().add(100).day(day) for day in range(30)]
    trailing = Trailing({"X": parts})
    assert [part.day for part in trailing.before("X", 25)] == list(range(5, 25))
    assert [part.day for part in trailing.before("X", 27)] == list(range(7, 27))
    assert trailing.before("Y", 27) == []
