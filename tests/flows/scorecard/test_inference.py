from __future__ import annotations

import numpy as np
import pytest

from flows.scorecard.inference import (
    FEWEST_BLOCKS,
    benjamini_hochberg,
    estimate,
    mean_bands,
    ratio_interval,
)


def clustered(random: np.random.Generator, blocks: int, size: int) -> tuple[list[float], list[int]]:
    """Values whose blocks have a mean of their own, as alerts of one hour have."""
    values, of = [], []
    for block in range(blocks):
        shift = random.normal()
        n = int(random.integers(1, size))
        values += (shift + 0.5 * random.normal(size=n)).tolist()
        of += [block] * n
    return values, of


def test_a_mean_of_few_blocks_or_events_has_no_interval() -> None:
    values = np.arange(20.0)
    few = estimate(values, np.arange(20) % (FEWEST_BLOCKS - 1), 1)
    assert few == (20, FEWEST_BLOCKS - 1, 9.5, None, None, None)
    assert estimate(values[:9], np.arange(9), 1) == (9, 9, 4.0, None, None, None)
    assert estimate(np.full(3, np.nan), np.arange(3), 1) == (0, 0, None, None, None, None)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    """Ten clustered blocks, of which the naive interval of a mean is far too sure."""
    random = np.random.default_rng(7)
    held = naive = rejected = 0
    runs = 300
    for seed in range(runs):
        values, blocks = map(np.array, clustered(random, 10, 30))
        found = estimate(values, blocks, seed)
        assert found.low is not None
        assert found.high is not None
        assert found.p is not None
        held += found.low <= 0 <= found.high
        rejected += found.p < 0.05
        naive += abs(values.mean()) <= 1.96 * values.std(ddof=1) / np.sqrt(len(values))
    assert naive / runs < 0.6
    assert 0.90 <= held / runs <= 0.99
    assert rejected / runs <= 0.08


def test_a_clear_mean_is_found() -> None:
    random = np.random.default_rng(3)
    values, blocks = map(np.array, clustered(random, 12, 30))
    found = estimate(values - 5, blocks, 1)
    assert found.high is not None
    assert found.high < -3
    assert found.p == pytest.approx(1 / 2001)


def test_unknown_values_are_left_out_and_draws_repeat() -> None:
    random = np.random.default_rng(3)
    values, blocks = map(np.array, clustered(random, 12, 30))
    with_gaps = np.append(values, [np.nan] * 5)
    assert estimate(with_gaps, np.append(blocks, [99] * 5), 4) == estimate(values, blocks, 4)
    assert estimate(values, blocks, 4) != estimate(values, blocks, 5)


def test_q_values_are_those_of_benjamini_and_hochberg() -> None:
    """Worked by hand: p * m / rank, made monotone from the largest down."""
    p = np.array([0.04, 0.01, 0.03, 0.5, 0.005])
    assert benjamini_hochberg(p).round(6).tolist() == [0.05, 0.025, 0.05, 0.5, 0.025]
    assert benjamini_hochberg(np.array([])).tolist() == []


def test_the_interval_of_a_ratio_holds_the_ratio_of_the_sums() -> None:
    blocks = np.repeat(np.arange(8), 5)
    over = np.tile([1.0, 0, 0, 1, 0], 8)
    under = np.tile([0.2, 0.2, 0.2, 0.2, 0.2], 8)
    assert ratio_interval(over, under, blocks, 1) == (2.0, 2.0)
    assert np.isnan(ratio_interval(over[:10], under[:10], blocks[:10], 1)).all()


def test_bands_are_pointwise_and_absent_with_few_blocks() -> None:
    values = np.array([[1.0, np.nan], [3.0, 4.0]] * 6)
    mean, low, high = mean_bands(values, np.repeat(np.arange(6), 2), 1)
    assert mean.tolist() == low.tolist() == high.tolist() == [2.0, 4.0]
    mean, low, _ = mean_bands(values, np.zeros(12), 1)
    assert (mean.tolist(), np.isnan(low).all()) == ([2.0, 4.0], True)
