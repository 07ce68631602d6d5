"""What a snapshot holds of the trade keys."""

from __future__ import annotations

import numpy as np
import pytest

from operators.duplicates import LOOK_BACK_MS, SEEN, TradeKeys
from operators.ticks import Array

SYMBOLS = 3


def keys(ms: list[int]) -> Array:
    """Return one key for each time, of symbols in turn."""
    rows = np.zeros(len(ms), SEEN)
    rows["ms"] = ms
    rows["trade_id"] = np.arange(len(ms))
    rows["symbol"] = np.arange(len(ms)) % SYMBOLS
    return rows


def saved(ms: list[int], newest_ms: int, most: int | None) -> list[int]:
    """Return the times of the keys that are saved of those with these times."""
    newest = np.full(SYMBOLS, newest_ms)
    held = TradeKeys(keys(ms), most)
    held.adopt([(symbol, symbol) for symbol in range(SYMBOLS)], newest)
    return sorted(held.snapshot(newest, [])["ms"].tolist())


def test_all_of_the_last_360_seconds_are_saved() -> None:
    times = [0, 1, LOOK_BACK_MS, LOOK_BACK_MS + 1]
    assert saved(times, LOOK_BACK_MS + 1, None) == times[1:]


@pytest.mark.parametrize("most", [1, 10, 250, 1_000, 2_000])
def test_of_too_many_the_newest_are_saved(most: int) -> None:
    times = list(range(1_000))
    assert saved(times, 1_000, most) == times[-most:]


def test_of_many_more_than_a_sample_about_as_many_are_saved() -> None:
    times = list(range(100_000))
    found = saved(times, 100_000, 10_000)
    assert found == times[-len(found) :]
    assert 9_500 < len(found) < 10_500
