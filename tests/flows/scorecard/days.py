"""Made-up symbol-days, in seconds from nine thirty in New York."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np

from flows.scorecard.recorded import COUNTED_PRINT, MARK, SymbolDay
from flows.scorecard.study import Events
from operators.ticks import Array

OPEN = 1_381_239_000_000_000_000  # 2013-10-08 09:30 in New York
SECOND = 1_000_000_000


def ns(*seconds: float) -> Array:
    return np.array([OPEN + round(s * SECOND) for s in seconds], np.int64)


def seconds(times: Array) -> list[float]:
    return ((times - OPEN) / SECOND).tolist()


def day(
    marks: Sequence[tuple[float, float, float]],
    prints: Sequence[tuple[float, float, float]] = (),
    until: float | None = None,
    symbol: str = "X",
    on: date = date(2013, 10, 8),
) -> SymbolDay:
    """Marks are (second, bid, ask), prints (second, price, size)."""
    held = np.zeros(len(marks), MARK)
    for row, (second, bid, ask) in zip(held, marks, strict=True):
        row["ts_ns"] = OPEN + round(second * SECOND)
        row["bid"], row["ask"], row["mid"] = bid, ask, (bid + ask) / 2
    mine = np.zeros(len(prints), COUNTED_PRINT)
    mine["average"] = np.nan
    for row, (second, price, size) in zip(mine, prints, strict=True):
        row["ts_ns"] = OPEN + round(second * SECOND)
        row["price"], row["size"] = price, size
    end = int(held["ts_ns"][-1]) if until is None else OPEN + round(until * SECOND)
    return SymbolDay(symbol, on, int(held["ts_ns"][0]), end, True, held, mine)


def path(*mids: tuple[float, float], until: float, spread: float = 0.02) -> SymbolDay:
    """A day by its (second, mid)."""
    return day([(s, m - spread / 2, m + spread / 2) for s, m in mids], until=until)


def events(on: SymbolDay, fired: Array, controls: Array, market: SymbolDay | None = None) -> Events:
    return Events("large_seller", on, market, fired, controls)
