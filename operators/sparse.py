"""Rows of counts that are mostly zero, as a snapshot keeps them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from operators.ticks import Array

Pair = tuple[Array, Array]  # where a row is not zero, and what it is there
Prior = tuple[Array, Array, int]  # the same of what was known before the day, and its span in ms
NO_SPAN = -1


class Sparse(NamedTuple):
    """One entry a row of state: its counts, and what of them was known before (None: nothing)."""

    counts: list[Pair]
    priors: list[Prior | None]

    @classmethod
    def of_rows(cls, counts: Array, priors: Iterable[Prior | None]) -> Sparse:
        """Return the rows of `counts` without their zeros."""
        rows, places = np.nonzero(counts)
        cuts = np.searchsorted(rows, np.arange(1, len(counts)))
        parts = zip(
            np.split(places.astype(np.int32), cuts),
            np.split(counts[rows, places], cuts),
            strict=True,
        )
        return cls([*parts][: len(counts)], [*priors])

    def followed_by(self, other: Sparse, rows: Sequence[int]) -> Sparse:
        """Return these rows and, behind them, some of `other`."""
        return Sparse(
            [*self.counts, *(other.counts[row] for row in rows)],
            [*self.priors, *(other.priors[row] for row in rows)],
        )

    def parts(self) -> tuple[Array, ...]:
        """Return flat arrays: lengths, places and counts; the same of the priors, and spans."""
        empty = np.empty(0, np.int32)
        priors = [(empty, empty, NO_SPAN) if prior is None else prior for prior in self.priors]
        spans = np.array([span for _, _, span in priors], np.int64)
        return *_flat(self.counts), *_flat([(a, b) for a, b, _ in priors]), spans

    @classmethod
    def of_parts(cls, parts: Sequence[Array] | None) -> Sparse:
        """Return what `parts` returned; None: no rows."""
        if parts is None:
            return cls([], [])
        *flat, spans = parts
        known = zip(_pairs(*flat[3:]), spans.tolist(), strict=True)
        return cls(
            _pairs(*flat[:3]),
            [None if span == NO_SPAN else (*pair, span) for pair, span in known],
        )


def _flat(pairs: Sequence[Pair]) -> tuple[Array, Array, Array]:
    lengths = np.array([len(places) for places, _ in pairs], np.int64)
    empty = np.empty(0, np.int32)
    return (
        lengths,
        np.concatenate([empty, *(places for places, _ in pairs)]),
        np.concatenate([empty, *(counts for _, counts in pairs)]),
    )


def _pairs(lengths: Array, places: Array, counts: Array) -> list[Pair]:
    cuts = lengths.cumsum()[:-1]
    parts = zip(np.split(places, cuts), np.split(counts, cuts), strict=True)
    return [*parts][: len(lengths)]
