"""REST listings in the spelling of the WebSocket, so that one decoder judges both.

A listed trade, `{"id":"7167","exchange":4,"price":263.1,"size":0.037,"decimal_size":"0.037",
"conditions":[37],"sip_timestamp":1789718400831008119,"trf_id":202, ...}`, was sent as `{"ev":"T",
"i":"7167","x":4,"p":263.1,"s":0,"ds":"0.037","c":[37],"t":1789718400831,"trfi":202, ...}`.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter
from typing import Any

import msgspec

from operators.ticks import MS, QUOTE, TRADE

FRAME_EVENTS = 1000
DROPPED_CORRECTIONS = (1, 7, 8, 10, 11)  # corrected, cancelled, and the notes of it

Json = dict[str, Any]
Key = tuple[Any, ...]

_TRADE = {
    "exchange": "x",
    "id": "i",
    "price": "p",
    "size": "s",
    "decimal_size": "ds",
    "conditions": "c",
    "sequence_number": "q",
    "trf_id": "trfi",
}
_QUOTE = {
    "bid_price": "bp",
    "bid_size": "bs",
    "ask_price": "ap",
    "ask_size": "as",
    "sequence_number": "q",
}

_encode = msgspec.json.Encoder().encode


def _ms(ns: Any) -> Any:
    """Return a time as the socket would say it; what is no time is left for the decoder."""
    return ns // MS if type(ns) is int else ns


def ns_of(row: Json) -> int:
    """Return the SIP time of a row, 0 where there is none."""
    ns = row.get("sip_timestamp")
    return ns if type(ns) is int else 0


def _number(value: Any) -> float:
    return value if isinstance(value, int | float) else 0


def key_of(event: Json) -> Key:
    """Return what identifies a trade event: its trade key; without an id, its time and price."""
    if event.get("i", "") == "":
        return _number(event.get("t")), _number(event.get("p"))
    return _number(event.get("x")), _number(event.get("trfi")), str(event["i"])


def trade_event(symbol: str, row: Json) -> Json:
    """Return a listed trade as the event the socket sent of it."""
    event = {name: row[listed] for listed, name in _TRADE.items() if row.get(listed) is not None}
    if row.get("participant_timestamp") is not None:
        event["pt"] = _ms(row["participant_timestamp"])
    return {"ev": "T", "sym": symbol, "t": _ms(row.get("sip_timestamp")), **event}


def quote_event(symbol: str, row: Json) -> Json:
    """Return a listed quote as the event the socket sent of it."""
    event = {name: row[listed] for listed, name in _QUOTE.items() if row.get(listed) is not None}
    return {"ev": "Q", "sym": symbol, "t": _ms(row.get("sip_timestamp")), **event}


def _order(kind: int, row: Json) -> tuple[int, int, int]:
    sequence = row.get("sequence_number")
    return ns_of(row), kind, sequence if type(sequence) is int else 0


def frames_of(symbol: str, trades: Iterable[Json], quotes: Iterable[Json]) -> list[bytes]:
    """Return listed trades and quotes of a symbol as frames, in the order they happened.

    That is by SIP time, trades before quotes, then by sequence number (detectors.md section 1).
    """
    events = [(_order(TRADE, row), trade_event(symbol, row)) for row in trades]
    events += [(_order(QUOTE, row), quote_event(symbol, row)) for row in quotes]
    events.sort(key=itemgetter(0))
    said = [event for _, event in events]
    return [_encode(said[i : i + FRAME_EVENTS]) for i in range(0, len(said), FRAME_EVENTS)]
