"""Benchmark inputs as files: made once into the user's cache folder, never committed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import duckdb
import numpy as np

from benchmarks.market import CONDITIONS, Market, Shape, make_market
from flows import places

GENERATORS = ("inputs.py", "market.py", "prints.py", "wire_frames.py")


class Tape(NamedTuple):
    """The two files of a tape, and how many ticks they hold together."""

    trades: Path
    quotes: Path
    ticks: int

    @property
    def files(self) -> dict[str, str]:
        """The files, as a side takes them."""
        return {"trades": str(self.trades), "quotes": str(self.quotes)}


def cache_folder() -> Path:
    """Return where inputs are kept: in the program's own cache folder."""
    folder = places.cache_folder() / "benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def fingerprint(*parts: object) -> str:
    """Return a hash of the generators' sources and of `parts`: another input, another file."""
    digest = hashlib.blake2b(digest_size=6)
    for name in GENERATORS:
        digest.update(Path(__file__).with_name(name).read_bytes())
    digest.update("|".join(map(str, parts)).encode())
    return digest.hexdigest()


def text_hash(text: str) -> str:
    """Return a short hash of a text."""
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def made(path: Path, make: Callable[[Path], None]) -> Path:
    """Return `path`, made first if it is not there; a broken attempt leaves nothing behind."""
    if not path.exists():
        partial = path.with_suffix(f".{os.getpid()}.tmp")
        make(partial)
        partial.replace(path)
    return path


def _write(select: str, columns: dict[str, object], names: list[str], path: Path) -> None:
    with duckdb.connect() as db:
        db.execute("SET preserve_insertion_order = true")
        named = {"code": np.arange(len(names), dtype=np.int32), "name": np.array(names)}
        db.register("columns", columns)
        db.register("named", named)
        db.execute(f"COPY ({select}) TO '{path}' (FORMAT parquet, COMPRESSION snappy)")


def _write_trades(made_up: Market, path: Path) -> None:
    select = f"""
        SELECT n.name AS symbol, ts_ns, price, size, ({CONDITIONS})[conditions + 1] AS conditions,
               exchange, id::VARCHAR AS id, trf_id, participant_ns
        FROM columns c JOIN named n ON n.code = c.symbol ORDER BY ts_ns, id
    """
    _write(select, dict(made_up.trades), made_up.names, path)


def _write_quotes(made_up: Market, path: Path) -> None:
    select = """
        SELECT n.name AS symbol, ts_ns, bid, 300::DOUBLE AS bid_size, ask, 200::DOUBLE AS ask_size
        FROM columns c JOIN named n ON n.code = c.symbol ORDER BY ts_ns, row
    """
    columns = {**made_up.quotes, "row": np.arange(len(made_up.quotes["ts_ns"]))}
    _write(select, dict(columns), made_up.names, path)


def tape(shape: Shape) -> Tape:
    """Return the tape of a shape."""
    stem = f"tape-{shape.symbols}x{shape.ticks}-{fingerprint(shape)}"
    trades = cache_folder() / f"{stem}.trades.parquet"
    quotes = cache_folder() / f"{stem}.quotes.parquet"
    if not (trades.exists() and quotes.exists()):
        made_up = make_market(shape)
        made(trades, lambda path: _write_trades(made_up, path))
        made(quotes, lambda path: _write_quotes(made_up, path))
    return Tape(trades, quotes, shape.ticks)


def beginning(whole: Tape, ticks: int) -> Tape:
    """Return the first part of a tape in time, of about `ticks` ticks."""
    key = fingerprint(whole.trades.name, ticks)
    with duckdb.connect() as db:
        both = f"(SELECT ts_ns FROM '{whole.trades}' UNION ALL SELECT ts_ns FROM '{whole.quotes}')"
        cut = db.execute(f"SELECT ts_ns FROM {both} ORDER BY ts_ns LIMIT 1 OFFSET {ticks}")
        ((end,),) = cut.fetchall()
    parts = [
        copied(f"SELECT * FROM '{path}' WHERE ts_ns < {end}", f"part-{ticks}-{key}.{kind}.parquet")
        for path, kind in ((whole.trades, "trades"), (whole.quotes, "quotes"))
    ]
    return Tape(parts[0], parts[1], sum(map(rows_in, parts)))


def copied(select: str, name: str) -> Path:
    """Return a Parquet file of a query's rows."""

    def write(path: Path) -> None:
        with duckdb.connect() as db:
            db.execute(f"COPY ({select}) TO '{path}' (FORMAT parquet, COMPRESSION snappy)")

    return made(cache_folder() / name, write)


def rows_in(path: Path) -> int:
    """Return how many rows a Parquet file holds."""
    with duckdb.connect() as db:
        ((rows,),) = db.execute(f"SELECT count(*) FROM '{path}'").fetchall()
    return int(rows)
