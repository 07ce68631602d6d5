"""One small market in every spelling a feed takes: Parquet, flat files, frames, a capture."""

from __future__ import annotations

import gzip
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from tests.reference_tape import Book, Event, Quote, Trade

TYPES = {
    "symbol": "VARCHAR",
    "ts_ns": "BIGINT",
    "price": "DOUBLE",
    "size": "DOUBLE",
    "conditions": "INTEGER[]",
    "exchange": "INTEGER",
    "id": "VARCHAR",
    "trf_id": "INTEGER",
    "participant_ns": "BIGINT",
    "side": "DOUBLE",
    "bid": "DOUBLE",
    "ask": "DOUBLE",
    "bid_size": "DOUBLE",
    "ask_size": "DOUBLE",
    "feed_seq": "BIGINT",
}
TRADES = ("symbol", "ts_ns", "price", "size")
QUOTES = ("symbol", "ts_ns", "bid", "ask")


def parquet(
    path: Path,
    columns: Sequence[str],
    *rows: tuple[Any, ...],
    group: int = 122_880,
    **types: str,
) -> str:
    """Write rows in the order given; `types` other than those of the normalised schema."""
    chosen = {name: types.get(name, TYPES.get(name, "VARCHAR")) for name in columns}
    each = ", ".join(f"unnest(${k}::{t}[]) AS {n}" for k, (n, t) in enumerate(chosen.items(), 1))
    values = [[row[k] for row in rows] for k in range(len(columns))]
    with duckdb.connect() as db:
        db.execute(f"CREATE TABLE made AS SELECT {each}", values)
        db.execute(f"COPY made TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE {group})")
    return str(path)


def write_parquet(folder: Path, events: Iterable[Event], group: int = 122_880) -> list[str]:
    """Write events as a file of trades and one of quotes."""
    folder.mkdir(parents=True, exist_ok=True)
    trades = [e for e in events if isinstance(e, Trade)]
    quotes = [e for e in events if isinstance(e, Quote)]
    columns = (*TRADES, "conditions", "exchange", "id", "trf_id", "participant_ns")
    return [
        parquet(
            folder / "made.trades.parquet",
            columns,
            *[
                (t.symbol, t.ts_ns, t.price, t.size, list(t.conditions) or None, t.exchange,
                 t.trade_id, t.trf or None, t.participant_ns)
                for t in trades
            ],
            group=group,
        ),
        parquet(
            folder / "made.quotes.parquet",
            (*QUOTES, "bid_size", "ask_size"),
            *[(q.symbol, q.ts_ns, q.bid, q.ask, q.bid_size, q.ask_size) for q in quotes],
            group=group,
        ),
    ]  # fmt: skip


def write_books(
    path: Path, books: Sequence[Book], sequence: Sequence[int] = (), group: int = 122_880
) -> str:
    """Write books in the order given, with as many levels as the first has."""
    levels = range(1, 1 + len(books[0].bids))
    prices = [f"{side}_{of}_{k}" for k in levels for side in ("bid", "ask") for of in ("px", "sz")]
    columns = ("symbol", "ts_ns", *prices, *(["feed_seq"] if sequence else []))
    rows = []
    for i, b in enumerate(books):
        sides = [
            value for pair in zip(b.bids, b.asks, strict=True) for side in pair for value in side
        ]
        rows.append((b.symbol, b.ts_ns, *sides, *sequence[i : i + 1]))
    return parquet(path, columns, *rows, group=group, **dict.fromkeys(prices, "DOUBLE"))


FLAT_TRADES = (
    "ticker,conditions,correction,exchange,id,participant_timestamp,price,sequence_number,"
    "sip_timestamp,size,tape,trf_id,trf_timestamp"
)
FLAT_QUOTES = (
    "ticker,ask_exchange,ask_price,ask_size,bid_exchange,bid_price,bid_size,conditions,indicators,"
    "participant_timestamp,sequence_number,sip_timestamp,tape,trf_timestamp"
)


def flat_trade(t: Trade, sequence: int, correction: int = 0) -> str:
    """One row of a `trades_v1` file."""
    conditions = '"' + ",".join(map(str, t.conditions)) + '"' if t.conditions else ""
    return (
        f"{t.symbol},{conditions},{correction},{t.exchange},{t.trade_id},"
        f"{t.participant_ns or t.ts_ns},{t.price},{sequence},{t.ts_ns},{t.size},3,{t.trf or ''},"
    )


def flat_quote(q: Quote, sequence: int) -> str:
    """One row of a `quotes_v1` file; an absent side is 0."""
    bid, ask = (0.0 if p is None or math.isnan(p) else p for p in (q.bid, q.ask))
    sides = f"12,{ask},{q.ask_size:g},11,{bid},{q.bid_size:g}"
    return f"{q.symbol},{sides},1,,{q.ts_ns},{sequence},{q.ts_ns},3,"


def write_gz(path: Path, *lines: str) -> str:
    """Write a compressed text file."""
    path.write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode()))
    return str(path)


def write_flat(folder: Path, events: Sequence[Event]) -> list[str]:
    """Write events as the vendor's flat files: sorted by ticker, then by time."""
    folder.mkdir(parents=True, exist_ok=True)
    trades = [
        (e.symbol, e.ts_ns, i, flat_trade(e, i))
        for i, e in enumerate(events)
        if isinstance(e, Trade)
    ]
    quotes = [
        (e.symbol, e.ts_ns, i, flat_quote(e, i))
        for i, e in enumerate(events)
        if isinstance(e, Quote)
    ]
    return [
        write_gz(
            folder / "2024-01-02_trades.csv.gz", FLAT_TRADES, *[r[-1] for r in sorted(trades)]
        ),
        write_gz(
            folder / "2024-01-02_quotes.csv.gz", FLAT_QUOTES, *[r[-1] for r in sorted(quotes)]
        ),
    ]


def on_the_wire(event: Event) -> dict[str, Any]:
    """An event as the vendor's feed says it: times in ms, an exact size beside the whole one."""
    ms = {"sym": event.symbol, "t": event.ts_ns // 10**6} if not hasattr(event, "from_ns") else {}
    if isinstance(event, Quote):
        sides = {"bp": event.bid, "ap": event.ask}
        sizes = {"bs": event.bid_size, "as": event.ask_size}
        there = {n: p for n, p in sides.items() if p and not math.isnan(p)}
        return {"ev": "Q", **ms, **there, **sizes}
    assert isinstance(event, Trade)
    assert event.size is not None
    one = {
        "ev": "T", **ms, "p": event.price, "s": int(event.size), "ds": f"{event.size:.6f}",
        "i": event.trade_id, "x": event.exchange, "c": list(event.conditions) or None,
        "trfi": event.trf or None,
        "pt": event.participant_ns // 10**6 if event.participant_ns else None,
    }  # fmt: skip
    return {name: value for name, value in one.items() if value is not None}


def wire_frames(events: Sequence[Event], size: int = 7) -> list[bytes]:
    """Events as frames of a few each."""
    said = [on_the_wire(event) for event in events]
    return [msgspec.json.encode(said[i : i + size]) for i in range(0, len(said), size)]


def write_capture(path: Path, events: Sequence[Event]) -> str:
    """Write events as a raw capture of the feed."""
    lines = [
        msgspec.json.encode({"r": 10**18 + i, "f": frame.decode()}).decode()
        for i, frame in enumerate(wire_frames(events))
    ]
    return write_gz(path, *lines)
