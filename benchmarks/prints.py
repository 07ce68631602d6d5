"""Made-up prints with sides, for the red-burst rule alone: two million of 500 symbols.

Times of a symbol are distinct nanoseconds, so that "up to this print" means the same to every
engine; many prints share a second. Bursts of selling are planted, and fade.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np

from benchmarks.inputs import cache_folder, copied, fingerprint, made, rows_in
from benchmarks.market import OPEN_NS, SESSION_NS, Array, ticker

SYMBOLS = 500
BURST_S = 45
BURSTS_A_SYMBOL = 4


def columns(prints: int, symbols: int = SYMBOLS, seed: int = 11) -> dict[str, Array]:
    """Return symbol code, ts_ns, price, size and side of each print, in time order."""
    rng = np.random.default_rng(seed)
    symbol = rng.integers(0, symbols, prints).astype(np.int32)
    ts_ns = np.sort(rng.integers(0, SESSION_NS, prints)) + np.arange(prints)
    seconds = ts_ns // 1_000_000_000
    starts = rng.integers(600, 23_000, (symbols, BURSTS_A_SYMBOL))
    since = seconds[:, None] - starts[symbol]
    in_burst = ((since >= 0) & (since < BURST_S)).any(axis=1)
    lots = 1 + np.asarray(rng.exponential(2.0, prints), np.int64)
    size = 100 * lots * np.where(in_burst, rng.integers(4, 16, prints), 1)
    sell = rng.random(prints) < np.where(in_burst, 0.85, 0.5)
    return {
        "symbol": symbol,
        "ts_ns": OPEN_NS + ts_ns,
        "price": np.round(20.0 + rng.random(prints), 2),
        "size": size.astype(np.float64),
        "side": np.where(sell, -1, 1).astype(np.int8),
    }


def _write(prints: int, symbols: int, path: Path) -> None:
    made_up = columns(prints, symbols)
    names = {
        "code": np.arange(symbols, dtype=np.int32),
        "name": np.array([ticker(k * 37) for k in range(symbols)]),
    }
    with duckdb.connect() as db:
        db.register("made_up", made_up)
        db.register("names", names)
        db.execute(
            f"""
            COPY (
                SELECT name AS symbol, ts_ns, price, size, side
                FROM made_up JOIN names ON code = symbol ORDER BY ts_ns
            ) TO '{path}' (FORMAT parquet, COMPRESSION zstd)
            """
        )


def prints_file(prints: int, symbols: int = SYMBOLS) -> Path:
    """Return the Parquet file of that many prints."""
    name = f"prints-{symbols}x{prints}-{fingerprint('prints', symbols, prints)}.parquet"
    return made(cache_folder() / name, lambda path: _write(prints, symbols, path))


def beginning(whole: Path, prints: int) -> Path:
    """Return the first prints of a file in time, as a file."""
    return copied(f"SELECT * FROM '{whole}' LIMIT {prints}", f"{whole.stem}-first{prints}.parquet")


def few_symbols(whole: Path, symbols: int) -> tuple[Path, int]:
    """Return the prints of a few symbols, as a file, and how many they are."""
    chosen = ", ".join(f"'{ticker(k * 37)}'" for k in range(symbols))
    select = f"SELECT * FROM '{whole}' WHERE symbol IN ({chosen}) ORDER BY ts_ns"
    path = copied(select, f"{whole.stem}-symbols{symbols}.parquet")
    return path, rows_in(path)
