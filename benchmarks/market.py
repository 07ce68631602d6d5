"""A made-up market day: trades and quotes of many symbols, the same on every machine.

Activity is Zipf-like over the symbols and U-shaped over the day. Quotes walk, prints stand on
the quote before them (at the bid, at the ask or inside), and large sales are planted: single
blocks at the bid, and runs of smaller prints 2 ms apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

OPEN_NS = 1_795_185_000_000_000_000  # 2026-11-20 09:30 in New York, a Friday
SESSION_NS = 23_400 * 1_000_000_000
CENT = 0.01
RUN_PRINTS, RUN_SHARES, RUN_STEP_NS = 5, 3_000.0, 2_000_000
CONDITIONS = "[NULL, [37], [14, 41], [14, 37, 41], [10], [53], [15], [12]]"
CONDITION_SHARES = (0.35, 0.3, 0.2, 0.13, 0.005, 0.005, 0.005, 0.005)


@dataclass(frozen=True, slots=True)
class Shape:
    """What a made-up tape holds: one tick in 5 a trade, one planted group of sales in so many."""

    symbols: int
    ticks: int
    ticks_a_plant: int = 25_000
    trade_share: float = 0.2
    seed: int = 7


@dataclass(frozen=True, slots=True)
class Market:
    """Columns in time order. `symbol` is an index into `names`; `conditions` into CONDITIONS."""

    names: list[str]
    trades: dict[str, Array]
    quotes: dict[str, Array]


def ticker(number: int) -> str:
    """Return a four-letter ticker, another for each number below 456,976."""
    letters = []
    for _ in range(4):
        number, digit = divmod(number, 26)
        letters.append(chr(65 + digit))
    return "".join(letters)


def times(rng: np.random.Generator, ticks: int) -> Array:
    """Return sorted event times of one session, three times as dense at its ends as at noon."""
    grid = np.linspace(0.0, 1.0, 201)
    density = 1.0 + 2.0 * (2.0 * grid - 1.0) ** 2
    share = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    at = np.interp(np.sort(rng.random(ticks)), share / share[-1], grid)
    return OPEN_NS + np.asarray(at * (SESSION_NS - 1_000_000), np.int64)


def symbols_of(rng: np.random.Generator, shape: Shape) -> Array:
    """Return a symbol a tick; the activity of rank r is proportional to 1 / (r + 10)."""
    weight = 1.0 / (np.arange(shape.symbols) + 10.0)
    edges = np.cumsum(weight) / weight.sum()
    drawn = np.searchsorted(edges, rng.random(shape.ticks), side="right")
    return np.minimum(drawn, shape.symbols - 1).astype(np.int32)


def book(rng: np.random.Generator, symbol: Array, is_trade: Array) -> tuple[Array, Array]:
    """Return bid and ask in cents at each tick (rows grouped by symbol): a walk that quotes move.

    A trade has the quote before it, so its step is 0 and its spread that of the last quote.
    """
    n = len(symbol)
    step = np.where(is_trade, 0, rng.integers(-1, 2, n))
    starts = np.flatnonzero(np.diff(symbol, prepend=-1))
    step[starts] = 0
    walk = np.cumsum(step)
    group = np.cumsum(np.bincount(starts, minlength=n)[:n]) - 1
    walk -= walk[starts][group]
    spread = rng.integers(1, 4, n)
    quoted = np.where(is_trade, 0, np.arange(n))
    quoted[starts] = starts
    spread = spread[np.maximum.accumulate(quoted)]
    base = 2_000 + (symbol.astype(np.int64) * 7_919) % 30_000
    bid = np.maximum(base + walk, 100)
    return bid, bid + spread


def sizes(rng: np.random.Generator, n: int) -> Array:
    """Return print sizes: a third odd lots, the rest round lots, rarely a few thousand shares."""
    odd = rng.integers(1, 100, n)
    lots = 100 * np.minimum(1 + np.asarray(rng.exponential(1.5, n), np.int64), 40)
    return np.where(rng.random(n) < 0.35, odd, lots).astype(np.float64)


def plant(rng: np.random.Generator, symbol: Array, trades: dict[str, Array], plants: int) -> None:
    """Make large sales of some trades (rows grouped by symbol, in time order), in place.

    Each plant is three sales of one symbol a few prints apart, one of them a run, so that
    exits have their evidence.
    """
    at = rng.choice(len(symbol) - 40, min(plants, len(symbol) // 80), replace=False)
    for offset in (0, 8):
        rows = at + offset
        trades["price"][rows] = trades["bid"][rows]
        trades["size"][rows] = 1_000.0 * rng.integers(10, 25, len(rows))
        trades["conditions"][rows] = 0
    for k in range(RUN_PRINTS):
        rows, first = at + 16 + k, at + 16
        same = symbol[rows] == symbol[first]
        rows, first = rows[same], first[same]
        trades["price"][rows] = trades["bid"][first]
        trades["size"][rows] = RUN_SHARES
        trades["ts_ns"][rows] = trades["ts_ns"][first] + RUN_STEP_NS * k
        trades["conditions"][rows] = 0


def _trades(rng: np.random.Generator, symbol: Array, ts_ns: Array, bid: Array, ask: Array) -> Any:
    n = len(symbol)
    place = rng.random(n)
    inside = (bid + ask) / 2
    cents = np.where(place < 0.45, bid, np.where(place < 0.9, ask, inside))
    return {
        "symbol": symbol,
        "ts_ns": ts_ns.copy(),
        "price": np.round(cents * CENT, 3),
        "size": sizes(rng, n),
        "bid": np.round(bid * CENT, 2),
        "conditions": rng.choice(len(CONDITION_SHARES), n, p=CONDITION_SHARES).astype(np.int8),
        "exchange": rng.integers(1, 21, n).astype(np.int16),
    }


def _finish(rng: np.random.Generator, trades: dict[str, Array]) -> dict[str, Array]:
    """Put trades in time order, and give them what does not depend on the symbol."""
    order = np.argsort(trades["ts_ns"], kind="stable")
    out = {name: column[order] for name, column in trades.items() if name != "bid"}
    n = len(order)
    late = rng.random(n) < 0.002
    delay = np.where(late, 5_000_000_000, rng.integers(50_000, 900_000, n))
    out["participant_ns"] = out["ts_ns"] - delay
    out["id"] = 52_983_525_000_000 + np.arange(n) * 3
    out["trf_id"] = np.where(out["exchange"] == 4, 202, 0).astype(np.int16)
    return out


def make_market(shape: Shape) -> Market:
    """Return the market of a shape; equal shapes give equal markets."""
    rng = np.random.default_rng(shape.seed)
    ts_ns = times(rng, shape.ticks)
    symbol = symbols_of(rng, shape)
    order = np.argsort(symbol, kind="stable")  # within a symbol the time order stays
    ts_ns, symbol = ts_ns[order], symbol[order]
    is_trade = rng.random(shape.ticks) < shape.trade_share
    bid, ask = book(rng, symbol, is_trade)
    trades = _trades(rng, symbol[is_trade], ts_ns[is_trade], bid[is_trade], ask[is_trade])
    plant(rng, trades["symbol"], trades, shape.ticks // shape.ticks_a_plant)
    is_quote = ~is_trade
    quotes = {
        "symbol": symbol[is_quote],
        "ts_ns": ts_ns[is_quote],
        "bid": np.round(bid[is_quote] * CENT, 2),
        "ask": np.round(ask[is_quote] * CENT, 2),
    }
    by_time = np.argsort(quotes["ts_ns"], kind="stable")
    names = [ticker(k * 37) for k in range(shape.symbols)]
    return Market(
        names, _finish(rng, trades), {name: column[by_time] for name, column in quotes.items()}
    )
