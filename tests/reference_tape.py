"""What the reference reads: trades, quotes and gaps of a tape, in the order of section 1.

Section numbers are those of detectors.md. Nothing here is shared with the operators.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from math import inf, isinf, isnan
from pathlib import Path
from typing import Any

import duckdb

MICRO = 1_000_000  # prices and sizes are integers of 1e-6 dollar and 1e-6 share
NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Trade:
    """A print as the tape has it: dollars, shares, ns since epoch.

    `stated_side` is +1 or -1 only where the feed itself states the taker (section 3).
    """

    symbol: str
    ts_ns: int
    price: float | None
    size: float | None
    conditions: tuple[int, ...] = ()
    exchange: int | str = 0
    trf: int | None = 0
    trade_id: str | int | None = None
    participant_ns: int | None = None
    stated_side: int = 0


@dataclass(frozen=True, slots=True)
class Quote:
    """The state after a change of the best bid or ask; None, NaN or 0: that side is absent.

    Sizes in shares; the rules do not ask for them, what surrounds an alert does.
    """

    symbol: str
    ts_ns: int
    bid: float | None
    ask: float | None
    bid_size: float = 100.0
    ask_size: float = 100.0


Side = tuple[tuple[float | None, float | None], ...]


@dataclass(frozen=True, slots=True)
class Book:
    """A whole order book after a change: (price, size) of each level of a side, the best first.

    As the tape has it: dollars and shares; None, NaN or 0 where a level is absent.
    """

    symbol: str
    ts_ns: int
    bids: Side
    asks: Side


@dataclass(frozen=True, slots=True)
class Gap:
    """`symbol` (or `*`: every one) was not seen between the two times, and not refilled since.

    Its place in the arrival order is what counts; the times are for the reader.
    """

    symbol: str
    from_ns: int = 0
    to_ns: int = 0


Event = Trade | Quote | Book | Gap


@lru_cache(maxsize=1 << 16)
def micro(value: float | None) -> int | None:
    """Return `value` in millionths, from its shortest decimal text; None where it is absent."""
    if value is None or isnan(value):
        return None
    if isinf(value):
        return 10**30 if value == inf else -(10**30)  # out of every bound of section 8
    return round(Decimal(str(value)) * MICRO)


def whole_ms(ns: int) -> int:
    """Truncate a time to the whole milliseconds that every rule compares."""
    return ns // NS_PER_MS


TRADE_COLUMNS = {
    "symbol": "''",
    "ts_ns": "0",
    "price": "NULL",
    "size": "NULL",
    "conditions": "NULL",
    "exchange": "0",
    "trf_id": "0",
    "id": "NULL",
    "participant_ns": "NULL",
    "feed_seq": "NULL",
}
BOOK_LEVELS = 10
BOOK_COLUMNS = {
    "symbol": "''",
    "ts_ns": "0",
    **{
        f"{side}_{of}_{level}": "NULL"
        for level in range(1, BOOK_LEVELS + 1)
        for side in ("bid", "ask")
        for of in ("px", "sz")
    },
    "feed_seq": "NULL",
}
QUOTE_COLUMNS = {"symbol": "''", "ts_ns": "0", "bid": "NULL", "ask": "NULL", "feed_seq": "NULL"}


def _rows(path: Path, columns: dict[str, str], until_ns: int) -> tuple[list[tuple[Any, ...]], bool]:
    """Return the rows of one Parquet file in file order, and whether it has `feed_seq`."""
    with duckdb.connect() as db:
        described = db.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(path)]).fetchall()
        present = {row[0] for row in described}
        chosen = ", ".join(
            name if name in present else f"{default} AS {name}" for name, default in columns.items()
        )
        rows = db.execute(
            f"SELECT {chosen} FROM read_parquet(?, file_row_number=true)"
            " WHERE coalesce(ts_ns, 0) < ? ORDER BY file_row_number",
            [str(path), until_ns],
        ).fetchall()
    return rows, "feed_seq" in present


def _trade(row: tuple[Any, ...]) -> Trade:
    symbol, ts_ns, price, size, conditions, exchange, trf, trade_id, participant_ns, _ = row
    return Trade(
        symbol or "",
        ts_ns or 0,
        price,
        size,
        tuple(conditions or ()),
        0 if exchange is None else exchange,
        trf,
        trade_id,
        participant_ns,
    )


def _quote(row: tuple[Any, ...]) -> Quote:
    symbol, ts_ns, bid, ask, _ = row
    return Quote(symbol or "", ts_ns or 0, bid, ask)


def _book(row: tuple[Any, ...], levels: int) -> Book:
    px_and_sz = row[2 : 2 + 4 * levels]
    return Book(
        row[0] or "",
        row[1] or 0,
        tuple(zip(px_and_sz[0::4], px_and_sz[1::4], strict=True)),
        tuple(zip(px_and_sz[2::4], px_and_sz[3::4], strict=True)),
    )


def _read_books(path: Path, until_ns: int) -> tuple[list[tuple[Any, ...]], list[Event], bool]:
    """Return the rows of a file of books, the books, and whether it has `feed_seq`."""
    with duckdb.connect() as db:
        described = db.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(path)]).fetchall()
    levels = sum(name.startswith("ask_px_") for name, *_ in described)
    rows, sequenced = _rows(path, BOOK_COLUMNS, until_ns)
    return rows, [_book(row, levels) for row in rows], sequenced


def read_tape(
    trades: Iterable[str | Path],
    quotes: Iterable[str | Path] = (),
    books: Iterable[str | Path] = (),
    until_ns: int = 2**63 - 1,
) -> list[Event]:
    """Read Parquet files of trades, of quotes and of books and merge them (section 1).

    Only what happened before `until_ns`.

    By event time (ns), then `feed_seq` where all files have it, then trades before quotes before
    books, then file order and row number. The column `side` is truth for scoring and is not read.
    """
    keyed: list[tuple[tuple[int, int, int, int, int], Event]] = []
    everywhere = True
    for kind, paths, columns in ((0, trades, TRADE_COLUMNS), (1, quotes, QUOTE_COLUMNS)):
        for number, path in enumerate(paths):
            rows, sequenced = _rows(Path(path), columns, until_ns)
            everywhere = everywhere and sequenced
            for row_number, row in enumerate(rows):
                event = _trade(row) if kind == 0 else _quote(row)
                sequence = -1 if row[-1] is None else row[-1]
                keyed.append(((event.ts_ns, sequence, kind, number, row_number), event))
    for number, path in enumerate(books):
        rows, states, sequenced = _read_books(Path(path), until_ns)
        everywhere = everywhere and sequenced
        for row_number, (row, state) in enumerate(zip(rows, states, strict=True)):
            sequence = -1 if row[-1] is None else row[-1]
            keyed.append(((row[1] or 0, sequence, 2, number, row_number), state))
    if not everywhere:
        keyed = [((key[0], 0, *key[2:]), event) for key, event in keyed]
    keyed.sort(key=lambda item: item[0])
    return [event for _, event in keyed]
