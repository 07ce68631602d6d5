"""`orderflow import` of a whole day: flat files as the vendor's, to tapes in the order of time.

The files are sorted by symbol and then by time, so that every row has to move; they are made by
a query that streams, and hold more than the import may keep in memory.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import duckdb

from benchmarks.inputs import cache_folder, fingerprint, made
from benchmarks.market import OPEN_NS, SESSION_NS, ticker
from benchmarks.report import Figure, Result
from benchmarks.sides import BenchmarkError, peak_mib

DAY = "2026-11-20"
SYMBOLS = 5_000
ROWS, QUICK_ROWS = 20_000_000, 1_000_000
TRADES_OF = 5  # one row in so many is a trade
MOST_S = 300.0

TRADES = """
    SELECT ticker, CASE i % 8 WHEN 0 THEN '37' WHEN 1 THEN '14,41' END AS conditions,
           CASE WHEN i % 5000 = 0 THEN 8 ELSE 0 END AS correction, 4 + i % 9 AS exchange,
           i AS id, ns - 20000 AS participant_timestamp, (2000 + h % 2000) / 100 AS price,
           i AS sequence_number, ns AS sip_timestamp, 1 + h % 900 AS size, 3 AS tape,
           CASE WHEN i % 3 = 0 THEN 202 END AS trf_id,
           CASE WHEN i % 3 = 0 THEN ns - 900 END AS trf_timestamp
"""
QUOTES = """
    SELECT ticker, 12 AS ask_exchange, (2001 + h % 2000) / 100 AS ask_price,
           1 + h % 70 AS ask_size, 11 AS bid_exchange, (2000 + h % 2000) / 100 AS bid_price,
           1 + h % 90 AS bid_size, '1' AS conditions, NULL AS indicators,
           ns - 20000 AS participant_timestamp, i AS sequence_number, ns AS sip_timestamp,
           3 AS tape, NULL AS trf_timestamp
"""


def write(select: str, rows: int, path: Path, symbols: int = SYMBOLS) -> None:
    """Write rows of all symbols, the symbols one after the other as in the vendor's files."""
    each = rows // symbols
    step = SESSION_NS // each
    with duckdb.connect() as db:
        db.execute("SET preserve_insertion_order = true")
        db.execute("SET enable_progress_bar = false")
        names = sorted(ticker(k * 37) for k in range(symbols))
        db.execute("CREATE TABLE names AS SELECT unnest(?) AS ticker", [names])
        db.execute(
            f"""
            COPY (
                {select}
                FROM (
                    SELECT i, (hash(i) % 1000000007)::BIGINT AS h, i // {each} AS code,
                           {OPEN_NS} + i % {each} * {step} + (hash(-i) % {step})::BIGINT AS ns
                    FROM range({rows}) AS counted(i)
                ) POSITIONAL JOIN (
                    SELECT unnest(range({each})) AS n, ticker FROM names
                )
            ) TO '{path}' (FORMAT csv, HEADER, COMPRESSION gzip)
            """
        )


def flat_files(rows: int) -> list[Path]:
    """Return a day's file of trades and its file of quotes, of so many rows together."""
    trades = rows // TRADES_OF
    out = []
    for name, select, n in (("trades_v1", TRADES, trades), ("quotes_v1", QUOTES, rows - trades)):
        folder = cache_folder() / f"flat-{rows}-{fingerprint(select, SYMBOLS)}" / name
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{DAY}.csv.gz"
        out.append(made(path, lambda to, select=select, n=n: write(select, n, to)))  # type: ignore[misc]
    return out


def run(runs: int, quick: bool) -> Result:
    """Import a day once, whatever `runs` says: it takes minutes, and few of them are chance.

    Raises:
        BenchmarkError: it failed, or the tapes hold other than what was in the files.
    """
    rows = QUICK_ROWS if quick else ROWS
    files = flat_files(rows)
    with tempfile.TemporaryDirectory(prefix="orderflow-bench-", dir=cache_folder()) as name:
        command = [sys.executable, "-m", "flows.cli", "import", *map(str, files), "--out", name]
        started = time.perf_counter()
        peak = peak_mib("orderflow import", command)
        seconds = time.perf_counter() - started
        records = json.loads((Path(name) / "manifest.json").read_text())["files"]
    kept, dropped = rows - rows // TRADES_OF // 5_000, rows // TRADES_OF // 5_000
    found = sum(record["rows"] for record in records)
    gone = sum(sum(record["dropped"].values()) for record in records)
    if (found, gone) != (kept, dropped):
        raise BenchmarkError(f"{found:,} rows and {gone:,} dropped, not {kept:,} and {dropped:,}")
    return Result(
        "import_day",
        f"flat files (.csv.gz) of a day to tapes, {rows:,} rows, {SYMBOLS:,} symbols",
        (
            Figure("one import", seconds, "s", None if quick else MOST_S, at_most=True),
            Figure("rows a second", rows / seconds, "rows/s"),
            Figure("peak memory", peak, "MiB"),
        ),
        (),
        {
            "flat_mib": round(sum(file.stat().st_size for file in files) / 2**20, 1),
            "tape_mib": round(sum(record["bytes"] for record in records) / 2**20, 1),
            "seconds": {record["kind"]: record["seconds"] for record in records},
        },
    )
