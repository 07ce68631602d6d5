"""A short, dense tape on which much is sold: known alerts, a few of them every minute.

Made for plays at many times its own speed: every symbol prints all the time, each has waves of
selling, and the last print raises an alert, so that a run knows when it has seen everything.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from benchmarks import inputs
from benchmarks.market import OPEN_NS

MS = 1_000_000
SYMBOLS = ("AQUA", "BIRCH", "CORAL", "DUNE", "EMBER", "FLINT")
SETTINGS = {
    "ORDER_FLOW_LARGE_ORDER_SIZE": "1000",
    "ORDER_FLOW_MIN_BURST_VOLUME": "500",
    "ORDER_FLOW_ALERT_WINDOW_SECONDS": "30",
    "ORDER_FLOW_VOLUME_SPIKE_THRESHOLD": "1.5",
    "ORDER_FLOW_RED_BURST_THRESHOLD": "2.5",
    "ORDER_FLOW_MONITORING_MODE": "watchlist",
    "ORDER_FLOW_SYMBOLS": ",".join(SYMBOLS),
}
WINDOW_S = 30.0
BEGIN_S = 390.0  # over when the play begins, so that windows are warm from REST: all of a warm-up
QUIET_S = 30.0  # before the last alert
TAIL_S = 1800.0  # of prints behind it, so that a gap has an end however slow the machine is
_WAVE_S, _WAVES_EVERY_S = 30.0, 170.0
_BOOKS = ((10.0, 10.1), (10.0, 10.05), (9.99, 10.1))
_SIZES = (1.0, 100.0, 250.5, 600.0, 1_200.0)
_ODD = ((37,), (14, 41), (12,), (10,), (15,))


class ChaosTape(NamedTuple):
    """The files of a tape, and when its last alert comes, in seconds since it began."""

    trades: Path
    quotes: Path
    length_s: float

    @property
    def files(self) -> tuple[str, str]:
        """Both files, as a command takes them."""
        return str(self.trades), str(self.quotes)


def _prints(symbol: str, length_s: float, rng: random.Random) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    turn = SYMBOLS.index(symbol)
    ms, number = rng.random() * 500, 10**12 * (1 + turn)
    while ms < (length_s - QUIET_S) * 1000:
        since_s = (ms / 1000 - 25 * turn) % _WAVES_EVERY_S
        wave = since_s < _WAVE_S and ms > 360_000
        ms += 2 if rng.random() < 0.08 else rng.expovariate(1 / (260 if wave else 900))
        number += 1
        at_bid = rng.random() < (0.8 if wave else 0.45)
        ts_ns = OPEN_NS + int(ms * MS)
        out.append(
            {
                "symbol": symbol,
                "ts_ns": ts_ns,
                "price": 10.0 if at_bid else 10.1,
                "size": rng.choice(_SIZES) * (1.5 if wave else 0.6),
                "conditions": list(rng.choice(_ODD)) if rng.random() < 0.1 else None,
                "exchange": rng.randint(1, 20),
                "id": str(number),
                "trf_id": 202 if rng.random() < 0.2 else None,
                "participant_ns": ts_ns - rng.choice((0, 0, 400, 400, 400, 400, 400, 1_700)) * MS,
            }
        )
    return out


def _quotes(symbol: str, length_s: float, rng: random.Random) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    ms = 0.0
    while ms < (length_s + TAIL_S) * 1000:
        bid, ask = rng.choice(_BOOKS)
        ts_ns = OPEN_NS + int(ms * MS)
        out.append({"symbol": symbol, "ts_ns": ts_ns, "bid": bid, "ask": ask})
        ms += rng.expovariate(1 / 700)
    return out


def _tail(length_s: float) -> list[dict[str, Any]]:
    """Return what is printed after the last alert: a share a second, bought."""
    last = _last(length_s)
    return [
        last
        | {
            "symbol": SYMBOLS[n % len(SYMBOLS)],
            "ts_ns": last["ts_ns"] + (n + 1) * 500 * MS,
            "participant_ns": last["ts_ns"] + (n + 1) * 500 * MS,
            "price": 10.1,
            "size": 1.0,
            "id": str(100 + n),
        }
        for n in range(int(2 * TAIL_S))
    ]


def _last(length_s: float) -> dict[str, Any]:
    """Return the print that ends the tape: a large seller, after a quiet time."""
    ts_ns = OPEN_NS + int(length_s * 1000 + 1) * MS
    return {
        "symbol": SYMBOLS[0],
        "ts_ns": ts_ns,
        "price": 9.99,
        "size": 5_000.0,
        "conditions": None,
        "exchange": 4,
        "id": "99",
        "trf_id": None,
        "participant_ns": ts_ns,
    }


_TRADE = (
    "symbol VARCHAR, ts_ns BIGINT, price DOUBLE, size DOUBLE, conditions INTEGER[], "
    "exchange INTEGER, id VARCHAR, trf_id INTEGER, participant_ns BIGINT"
)
_QUOTE = "symbol VARCHAR, ts_ns BIGINT, bid DOUBLE, ask DOUBLE"


def _write(rows: list[dict[str, Any]], columns: str, path: Path) -> None:
    rows.sort(key=lambda row: row["ts_ns"])
    kinds = dict(column.split(" ") for column in columns.split(", "))
    each = ", ".join(f"unnest(${n}::{kind}[]) AS {n}" for n, kind in kinds.items())
    values: Mapping[str, Any] = {n: [row[n] for row in rows] for n in kinds}
    with duckdb.connect() as db:
        db.execute(f"CREATE TABLE made AS SELECT {each}", values)
        db.execute(f"COPY made TO '{path}' (FORMAT parquet)")


def _key(length_s: float) -> str:
    return inputs.text_hash(f"{length_s}{Path(__file__).read_text(encoding='utf-8')}")


def tape(length_s: float, seed: int = 11) -> ChaosTape:
    """Return the tape of that length, made once."""
    stem = f"chaos-{seed}-{_key(length_s)}"
    trades = inputs.cache_folder() / f"{stem}.trades.parquet"
    quotes = inputs.cache_folder() / f"{stem}.quotes.parquet"
    if not (trades.exists() and quotes.exists()):
        rng = random.Random(seed)
        prints = [row for symbol in SYMBOLS for row in _prints(symbol, length_s, rng)]
        books = [row for symbol in SYMBOLS for row in _quotes(symbol, length_s, rng)]
        prints += [_last(length_s), *_tail(length_s)]
        inputs.made(trades, lambda path: _write(prints, _TRADE, path))
        inputs.made(quotes, lambda path: _write(books, _QUOTE, path))
    return ChaosTape(trades, quotes, length_s)
