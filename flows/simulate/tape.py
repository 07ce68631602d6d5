"""A finished tape: its columns in feed order, what was planted, and its files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import numpy as np
import numpy.typing as npt

from flows.simulate.planting import Label
from flows.simulate.prints import DOLLAR, SHARE

Array = npt.NDArray[Any]

LABELS = "labels.json"

_TRADES = """
COPY (
    SELECT ($symbols::VARCHAR[])[symbol + 1] AS symbol, ts_ns, price, size,
        ($conditions::INT[][])[conditions + 1] AS conditions,
        exchange::INT AS exchange, id::VARCHAR AS id, nullif(trf_id, 0)::INT AS trf_id,
        participant_ns, feed_seq, side::TINYINT AS side
    FROM columns ORDER BY feed_seq
) TO '{path}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 19, PARQUET_VERSION v2)
"""
_QUOTES = """
COPY (
    SELECT ($symbols::VARCHAR[])[symbol + 1] AS symbol, ts_ns, bid, bid_size, ask, ask_size,
        feed_seq
    FROM columns ORDER BY feed_seq
) TO '{path}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 19, PARQUET_VERSION v2)
"""


@dataclass(frozen=True)
class Tape:
    """Trades and quotes of some symbols, each by `feed_seq`, and the labels of what was planted.

    Attributes:
        symbols: Tickers; the columns `symbol` index it.
        conditions: Lists of sale conditions; the column `conditions` indexes it.
        trades: Columns symbol, ts_ns, price (1e-4 dollar), size (1e-6 share), conditions,
            exchange, id, trf_id (0: on an exchange), participant_ns, feed_seq, side (who
            initiated: +1, -1, or 0 for nobody).
        quotes: Columns symbol, ts_ns, bid, bid_size, ask, ask_size (1e-4 dollar, shares;
            0: side absent), feed_seq.
        labels: By start.
    """

    symbols: tuple[str, ...]
    conditions: tuple[tuple[int, ...], ...]
    trades: Mapping[str, Array]
    quotes: Mapping[str, Array]
    labels: tuple[Label, ...]

    def row_hash(self) -> str:
        """Return a digest of every row: equal tapes, equal digests, on any machine."""
        digest = hashlib.blake2b(digest_size=16)
        digest.update(repr((self.symbols, self.conditions)).encode())
        for columns in (self.trades, self.quotes):
            for name, column in columns.items():
                digest.update(name.encode())
                digest.update(column.astype("<i8").tobytes())
        return digest.hexdigest()

    def write(self, folder: Path, name: str = "sample") -> tuple[Path, Path, Path]:
        """Write `name.trades.parquet`, `name.quotes.parquet` and `labels.json` into `folder`.

        Returns:
            The three paths.
        """
        trades, quotes = self.write_ticks(folder, name)
        return trades, quotes, write_labels(self.labels, folder)

    def write_ticks(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Write the two Parquet files, and return their paths.

        Prices are written in dollars and sizes in shares, as the tape reader takes them; a
        regular sale has NULL conditions.
        """
        folder.mkdir(parents=True, exist_ok=True)
        trades, quotes = folder / f"{name}.trades.parquet", folder / f"{name}.quotes.parquet"
        names = list(self.symbols)
        listed = [list(one) or None for one in self.conditions]
        with duckdb.connect() as db:
            db.register("columns", _in_units(self.trades, {"price": DOLLAR, "size": SHARE}))
            db.execute(
                _TRADES.format(path=_quoted(trades)), {"symbols": names, "conditions": listed}
            )
            db.unregister("columns")
            db.register("columns", _in_units(self.quotes, {"bid": DOLLAR, "ask": DOLLAR}))
            db.execute(_QUOTES.format(path=_quoted(quotes)), {"symbols": names})
        return trades, quotes


def write_labels(labels: tuple[Label, ...], folder: Path) -> Path:
    """Write `labels.json` into a folder, and return its path."""
    path = folder / LABELS
    path.write_bytes(msgspec.json.format(msgspec.json.encode(labels), indent=1) + b"\n")
    return path


def read_labels(path: Path) -> tuple[Label, ...]:
    """Return the labels that `write_labels` wrote.

    Raises:
        msgspec.ValidationError: the file is JSON but holds no labels.
    """
    return msgspec.json.decode(path.read_bytes(), type=tuple[Label, ...])


def _in_units(columns: Mapping[str, Array], units: Mapping[str, int]) -> dict[str, Array]:
    out = dict(columns)
    for name, unit in units.items():
        out[name] = columns[name] / float(unit)
    for name in ("bid_size", "ask_size"):
        if name in out:
            out[name] = out[name].astype(np.float64)
    return out


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
