"""Small tapes for tests of the mock and of the live feed, and a bare client."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

NINE_THIRTY_NS = 1_795_185_000_000_000_000  # 2026-11-20 09:30 New York
MS = 1_000_000

_TYPES = {
    "symbol": "VARCHAR",
    "ts_ns": "BIGINT",
    "price": "DOUBLE",
    "size": "DOUBLE",
    "conditions": "INTEGER[]",
    "exchange": "VARCHAR",
    "id": "VARCHAR",
    "trf_id": "INTEGER",
    "participant_ns": "BIGINT",
    "feed_seq": "BIGINT",
    "bid": "DOUBLE",
    "bid_size": "DOUBLE",
    "ask": "DOUBLE",
    "ask_size": "DOUBLE",
    "bid_px_1": "DOUBLE",
}

TRADES = ("symbol", "ts_ns", "price", "size")
QUOTES = ("symbol", "ts_ns", "bid", "bid_size", "ask", "ask_size")


def write_tape(path: Path, columns: tuple[str, ...], *rows: tuple[Any, ...]) -> Path:
    """Write rows as a Parquet file with columns of the normalised schema."""
    db = duckdb.connect()
    db.execute("CREATE TABLE tape (" + ", ".join(f"{c} {_TYPES[c]}" for c in columns) + ")")
    marks = "(" + ", ".join("?" for _ in columns) + ")"
    for part in (rows[i : i + 100] for i in range(0, len(rows), 100)):
        values = [value for row in part for value in row]
        db.execute(f"INSERT INTO tape VALUES {', '.join(marks for _ in part)}", values)
    db.execute(f"COPY tape TO '{path}' (FORMAT parquet)")
    db.close()
    return path


def at(ms: float) -> int:
    """Return a time so many milliseconds after the open, in ns."""
    return NINE_THIRTY_NS + int(ms * MS)


def small_tape(
    folder: Path, trades: int = 200, symbols: tuple[str, ...] = ("AAPL", "MSFT")
) -> Path:
    """Write a folder with a trade and two quotes a millisecond, the symbols in turn."""
    db = duckdb.connect()
    names = ", ".join(f"'{symbol}'" for symbol in symbols)
    db.execute(f"CREATE MACRO named(i) AS [{names}][i % {len(symbols)} + 1]")
    for name, columns, rows in (
        ("trades", f"{NINE_THIRTY_NS} + i * {MS} AS ts_ns, 100 + i / 100 AS price, "
         "100.0 + i AS size, [14, 41] AS conditions", trades),
        ("quotes", f"{NINE_THIRTY_NS} + i * {MS // 2} AS ts_ns, 99.9 + i % 2 / 100 AS bid, "
         "200.0 AS bid_size, 100.1 AS ask, 300.0 AS ask_size", 2 * trades),
    ):  # fmt: skip
        turn = "i" if name == "trades" else "i // 2"
        db.execute(
            f"COPY (SELECT named({turn}) AS symbol, {columns} FROM range({rows}) AS r(i)) "
            f"TO '{folder / f'small.{name}.parquet'}' (FORMAT parquet)"
        )
    db.close()
    return folder


class Client:
    """A bare client of the protocol: every frame as the list it is."""

    def __init__(self, url: str) -> None:
        self._opened = connect(url, compression=None, proxy=None, close_timeout=1)
        self.socket = self._opened.__enter__()

    def close(self) -> None:
        self._opened.__exit__(None, None, None)

    def say(self, action: str, params: str, binary: bool = False) -> None:
        text = json.dumps({"action": action, "params": params})
        self.socket.send(text.encode() if binary else text)

    def hear(self, timeout: float = 5) -> Any:
        return json.loads(self.socket.recv(timeout))

    def hears_nothing(self) -> bool:
        try:
            self.socket.recv(0.15)
        except TimeoutError:
            return True
        return False


def open_client(url: str, market: str = "/stocks") -> Client:
    """Connect, without logging in."""
    return Client(url + market)


def log_in(url: str, key: str = "mock-key") -> Client:
    """Connect and log in."""
    client = open_client(url)
    client.hear()
    client.say("auth", key)
    client.hear()
    return client


def subscribed(url: str, topics: str = "T.*,Q.*") -> Client:
    """Connect, log in and subscribe."""
    client = log_in(url)
    client.say("subscribe", topics)
    client.hear()
    return client


def until_closed(client: Client) -> list[Any]:
    """Return all events until the connection ends."""
    heard: list[Any] = []
    try:
        while True:
            heard += client.hear()
    except ConnectionClosed:
        return heard
