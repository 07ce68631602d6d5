"""Intervals and tests for means of events that come in clusters.

Alerts of one hour see the same market, so an hour (a day, where there are enough days) is drawn
as a whole. With few blocks the plain percentile interval is too narrow; the studentised one
(bootstrap-t) is right to second order. Below `FEWEST_BLOCKS` there is no interval at all.

Sources: Efron and Tibshirani 1993, chapter 12; Cameron, Gelbach and Miller 2008 (few clusters);
Benjamini and Hochberg 1995 (many hypotheses).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from operators.ticks import Array

DRAWS = 2_000
FEWEST_BLOCKS = 6
FEWEST_EVENTS = 10
LEVEL = 0.95


class Estimate(NamedTuple):
    """A mean over `n` events in `blocks` blocks; no interval and no p-value with too few."""

    n: int
    blocks: int
    mean: float | None
    low: float | None = None
    high: float | None = None
    p: float | None = None


def block_sums(values: Array, blocks: Array) -> tuple[Array, Array]:
    """Return the sum and the number of known values of each block."""
    known = np.isfinite(values)
    _, block = np.unique(blocks[known], return_inverse=True)
    return np.bincount(block, values[known]), np.bincount(block)


def resampled(blocks: int, random: np.random.Generator, draws: int = DRAWS) -> Array:
    """Return how often each block is in each resample of as many blocks."""
    return random.multinomial(blocks, np.full(blocks, 1 / blocks), size=draws)


def estimate(values: Array, blocks: Array, seed: int) -> Estimate:
    """Return the mean with its 95 % interval and the two-sided p-value of a mean of nought.

    Args:
        values: One an event; nan is left out.
        blocks: The block each event belongs to.
        seed: Of the resampling.
    """
    sums, counts = block_sums(values, blocks)
    n, g = int(counts.sum()), len(counts)
    if n == 0:
        return Estimate(0, 0, None)
    mean = float(sums.sum() / n)
    if g < FEWEST_BLOCKS or n < FEWEST_EVENTS:
        return Estimate(n, g, mean)
    error = _error(sums, counts, mean)
    if error == 0:
        return Estimate(n, g, mean)
    weights = resampled(g, np.random.default_rng(seed))
    totals = weights @ counts
    means = weights @ sums / totals
    residuals = sums[None, :] - means[:, None] * counts[None, :]
    errors = np.sqrt((weights * residuals**2).sum(axis=1) * g / (g - 1)) / totals
    # A resample of one block over and over has no error: infinitely far, on its side.
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.nan_to_num((means - mean) / errors, nan=0.0, posinf=np.inf, neginf=-np.inf)
    low, high = np.quantile(t, ((1 + LEVEL) / 2, (1 - LEVEL) / 2), method="inverted_cdf")
    p = (1 + np.count_nonzero(np.abs(t) >= abs(mean) / error)) / (1 + len(t))
    return Estimate(n, g, mean, float(mean - low * error), float(mean - high * error), float(p))


def _error(sums: Array, counts: Array, mean: float) -> float:
    """Return the standard error of a mean whose blocks, not values, are independent."""
    g = len(sums)
    return float(np.sqrt(((sums - mean * counts) ** 2).sum() * g / (g - 1)) / counts.sum())


def ratio_interval(over: Array, under: Array, blocks: Array, seed: int) -> tuple[float, float]:
    """Return the 95 % percentile interval of the ratio of two sums; nan with too few blocks."""
    known = np.isfinite(over) & np.isfinite(under)
    _, block = np.unique(blocks[known], return_inverse=True)
    g = int(block.max()) + 1 if len(block) else 0
    if g < FEWEST_BLOCKS or len(block) < FEWEST_EVENTS or not under[known].any():
        return float("nan"), float("nan")
    weights = resampled(g, np.random.default_rng(seed))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = (weights @ np.bincount(block, over[known])) / (
            weights @ np.bincount(block, under[known])
        )
    edges = np.nanquantile(ratios, ((1 - LEVEL) / 2, (1 + LEVEL) / 2), method="inverted_cdf")
    return float(edges[0]), float(edges[1])


def mean_bands(values: Array, blocks: Array, seed: int) -> tuple[Array, Array, Array]:
    """Return mean, lower and upper bound along each column of `values`.

    Pointwise, percentile: bands to look at, not to test with. Without `FEWEST_BLOCKS` blocks
    the bounds are nan.
    """
    _, block = np.unique(blocks, return_inverse=True)
    g = int(block.max()) + 1 if len(block) else 0
    known = np.isfinite(values)
    sums, counts = np.zeros((g, values.shape[1])), np.zeros((g, values.shape[1]))
    np.add.at(sums, block, np.where(known, values, 0.0))
    np.add.at(counts, block, known)
    seen = counts.sum(axis=0)
    mean = np.divide(sums.sum(axis=0), seen, out=np.full(len(seen), np.nan), where=seen > 0)
    low, high = np.full(len(seen), np.nan), np.full(len(seen), np.nan)
    if g >= FEWEST_BLOCKS:
        weights = resampled(g, np.random.default_rng(seed))
        totals = weights @ counts
        means = np.divide(
            weights @ sums, totals, out=np.full(totals.shape, np.nan), where=totals > 0
        )
        edges = np.nanquantile(means[:, seen > 0], ((1 - LEVEL) / 2, (1 + LEVEL) / 2), axis=0)
        low[seen > 0], high[seen > 0] = edges
    return mean, low, high


def benjamini_hochberg(p: Array) -> Array:
    """Return the q-value of each p-value: the least false discovery rate that accepts it."""
    m = len(p)
    order = np.argsort(p)
    raised = p[order] * m / np.arange(1, m + 1)
    q = np.empty(m)
    q[order] = np.minimum.accumulate(raised[::-1])[::-1]
    return np.minimum(q, 1.0)
