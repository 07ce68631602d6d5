"""Rows of a tape as the vendor writes them: WebSocket events and REST results.

A trade that carries no id on its tape is served as `#n`, n its 1-based row among its symbol's
trades, so that an alert on it has the same id as in a replay of the tape.
What a tape does not know is served as the vendor serves "nothing": 0, or the key left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from flows.mock.tape import TRADES, Row, Tape
from flows.mock.venues import UNKNOWN_VENUE, venue_id

MS = 1_000_000  # nanoseconds
UNKNOWN_TAPE = 0  # the tapes do not say where a stock is listed
TWO_SIDED_OPEN = 1  # quote condition of nearly every quote
_MAX_INT = 2**63 - 1  # beyond it a size is written as the float it is

MISSING = b""  # an event that is printed, and sent to nobody

Json = dict[str, Any]

_encode = msgspec.json.Encoder().encode


class Block(NamedTuple):
    """Consecutive events of a tape, encoded.

    When each is due (tape time, ns), its topic code, its row number (0: it is not on the tape),
    its JSON object.
    """

    ts_ns: npt.NDArray[np.int64]
    topics: npt.NDArray[np.int32]
    numbers: npt.NDArray[np.int64]
    events: list[bytes]


class Topics:
    """The topics of a tape, and how far each has been printed.

    `T.SYM` has code 2n and `Q.SYM` 2n + 1, n growing as symbols appear.
    """

    def __init__(self) -> None:
        self.symbols: list[str] = []
        self._index: dict[str, int] = {}
        self._printed = np.zeros(0, np.int64)

    def code(self, kind: int, symbol: str) -> int:
        """Return the code of a symbol's trades (kind 0) or quotes (kind 1)."""
        index = self._index.get(symbol)
        if index is None:
            index = self._index[symbol] = len(self.symbols)
            self.symbols.append(symbol)
        return 2 * index + kind

    def print(self, block: Block, start: int, end: int) -> None:
        """Take note that `block[start:end]` has been printed."""
        more = 2 * len(self.symbols) - len(self._printed)
        if more:
            self._printed = np.append(self._printed, np.zeros(more, np.int64))
        np.maximum.at(self._printed, block.topics[start:end], block.numbers[start:end])

    def printed(self, kind: int, symbol: str) -> int:
        """Return the number of the last row printed of a symbol's trades or quotes, or 0."""
        printed, index = self._printed, self._index.get(symbol)
        if index is None or 2 * index >= len(printed):
            return 0
        return int(printed[2 * index + kind])


def whole_shares(size: float | None) -> float | None:
    """Return a size truncated to whole shares; what is no size stays what it is."""
    if size is None or not math.isfinite(size) or abs(size) > _MAX_INT:
        return size
    return int(size)


def exact_size(size: float) -> str:
    """Return a size as the exact decimal string of `ds`, never in exponent form."""
    text = repr(size)
    return format(Decimal(text), "f") if "e" in text else text


def trade_id(row: Row) -> str:
    """Return the trade's own id, or `#n`."""
    return row.trade_id or f"#{row.number}"


def _side(value: float | None) -> float:
    """Return a price or size of a quote's side, 0 where the side is absent."""
    if value is None or math.isnan(value):
        return 0
    return int(value) if value.is_integer() and abs(value) < _MAX_INT else value


def _price(value: float | None) -> float:
    return 0.0 if value is None or math.isnan(value) else value


def trade_event(row: Row) -> Json:
    """Return a trade as a `T` event: times in ms, rounded down."""
    event: Json = {
        "ev": "T",
        "sym": row.symbol,
        "x": venue_id(row.exchange),
        "i": trade_id(row),
        "z": UNKNOWN_TAPE,
        "p": row.price,
        "s": whole_shares(row.size),
    }
    if row.size is not None and math.isfinite(row.size):
        event["ds"] = exact_size(row.size)
    if row.conditions:
        event["c"] = row.conditions
    event["t"] = row.ts_ns // MS
    if row.participant_ns is not None:
        event["pt"] = row.participant_ns // MS
    event["q"] = row.number
    if row.trf:
        event["trfi"] = row.trf
    return event


def quote_event(row: Row) -> Json:
    """Return a quote as a `Q` event: times in ms, rounded down; an absent side is 0."""
    return {
        "ev": "Q",
        "sym": row.symbol,
        "bx": UNKNOWN_VENUE,
        "bp": _price(row.bid),
        "bs": _side(row.bid_size),
        "ax": UNKNOWN_VENUE,
        "ap": _price(row.ask),
        "as": _side(row.ask_size),
        "c": TWO_SIDED_OPEN,
        "t": row.ts_ns // MS,
        "q": row.number,
        "z": UNKNOWN_TAPE,
    }


def trade_result(row: Row) -> Json:
    """Return a trade as `/v3/trades` lists it: times in ns."""
    result: Json = {
        "conditions": row.conditions,
        "exchange": venue_id(row.exchange),
        "id": trade_id(row),
        "participant_timestamp": row.participant_ns,
        "price": row.price,
        "sequence_number": row.number,
        "sip_timestamp": row.ts_ns,
        "size": row.size,
        "tape": UNKNOWN_TAPE,
        "trf_id": row.trf or None,
    }
    if row.size is not None and math.isfinite(row.size):
        result["decimal_size"] = exact_size(row.size)
    return {key: value for key, value in result.items() if value is not None and value != []}


def quote_result(row: Row) -> Json:
    """Return a quote as `/v3/quotes` lists it: times in ns."""
    return {
        "ask_exchange": UNKNOWN_VENUE,
        "ask_price": _price(row.ask),
        "ask_size": _side(row.ask_size),
        "bid_exchange": UNKNOWN_VENUE,
        "bid_price": _price(row.bid),
        "bid_size": _side(row.bid_size),
        "conditions": [TWO_SIDED_OPEN],
        "sequence_number": row.number,
        "sip_timestamp": row.ts_ns,
        "tape": UNKNOWN_TAPE,
    }


def event_of(row: Row) -> Json:
    """Return a trade as a `T` event, a quote as a `Q` event."""
    return trade_event(row) if row.kind == TRADES else quote_event(row)


def block_of(rows: list[Row], topics: Topics) -> Block:
    """Return rows encoded, their topics named in `topics`."""
    return Block(
        np.array([row.ts_ns for row in rows], np.int64),
        np.array([topics.code(row.kind, row.symbol) for row in rows], np.int32),
        np.array([row.number for row in rows], np.int64),
        [_encode(event_of(row)) for row in rows],
    )


def blocks_of(tape: Tape, topics: Topics, size: int) -> Iterator[Block]:
    """Yield a whole tape encoded, at most `size` events a block."""
    for rows in tape.batches(size):
        yield block_of(rows, topics)


def frame_of(events: Iterable[bytes]) -> bytes:
    """Return encoded events as one frame: a JSON array."""
    return b"[" + b",".join(events) + b"]"
