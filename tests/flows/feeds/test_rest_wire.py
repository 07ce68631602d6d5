"""Listings and frames of the same trades and quotes decode to the same ticks."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import numpy as np

from flows.feeds.rest_wire import FRAME_EVENTS, frames_of, key_of, trade_event
from operators.frames import Decoder
from operators.ticks import ID_ROW, Frames
from tests.flows.files import on_the_wire
from tests.flows.market import market
from tests.make import wire_trade
from tests.reference_tape import Event, Quote, Trade

MS = 1_000_000


def listed(event: Event, sequence: int) -> dict[str, Any]:
    """An event as REST lists it: ns, and names in full."""
    if isinstance(event, Quote):
        return {
            "sip_timestamp": event.ts_ns,
            "bid_price": event.bid or 0,
            "ask_price": event.ask or 0,
            "sequence_number": sequence,
        }
    assert isinstance(event, Trade)
    return {
        "sip_timestamp": event.ts_ns,
        "participant_timestamp": event.participant_ns,
        "price": event.price,
        "size": event.size,
        "decimal_size": f"{event.size:.6f}",
        "conditions": list(event.conditions),
        "exchange": event.exchange,
        "trf_id": event.trf,
        "id": event.trade_id,
        "sequence_number": sequence,
        "tape": 3,
    }


def test_a_day_as_listed_is_the_day_as_sent() -> None:
    rng = random.Random(5)
    seen = set()
    events = []
    for event in market():
        if event.symbol == "IBM" and event.ts_ns // MS not in seen:
            seen.add(event.ts_ns // MS)
            events.append(
                type(event)(
                    **{n: getattr(event, n) for n in event.__slots__}
                    | {"ts_ns": event.ts_ns // MS * MS + rng.randrange(MS)}
                )
            )
    rows = [(event, listed(event, i)) for i, event in enumerate(events)]
    rng.shuffle(rows)
    trades = [row for event, row in rows if isinstance(event, Trade)]
    quotes = [row for event, row in rows if isinstance(event, Quote)]
    sent = Decoder()(Frames([7], [msgspec.json.encode([on_the_wire(e) for e in events])]))
    frames = frames_of("IBM", trades, quotes)
    fetched = Decoder()(Frames([7] * len(frames), frames))
    assert len(sent) > 500
    assert np.array_equal(fetched.ticks, sent.ticks)
    assert np.array_equal(fetched.details, sent.details)
    assert fetched.rejected == sent.rejected
    assert len(frames) == -(-len(events) // FRAME_EVENTS)


def test_at_one_time_trades_come_first_then_the_lower_sequence() -> None:
    trades = [{"sip_timestamp": 5 * MS, "id": "b", "sequence_number": 9}]
    trades += [{"sip_timestamp": 5 * MS, "id": "a", "sequence_number": 8}]
    quotes = [{"sip_timestamp": 5 * MS, "sequence_number": 1}, {"sip_timestamp": 5 * MS - 1}]
    (frame,) = frames_of("X", trades, quotes)
    events = msgspec.json.decode(frame)
    assert [(e["ev"], e.get("i"), e["t"]) for e in events] == [
        ("Q", None, 4),
        ("T", "a", 5),
        ("T", "b", 5),
        ("Q", None, 5),
    ]


def test_what_makes_no_sense_is_left_to_the_decoder() -> None:
    good = {"sip_timestamp": 1_704_205_800_000 * MS, "price": 10, "size": 5, "exchange": 3}
    rows: list[dict[str, Any]] = [
        good,
        {},
        {**good, "price": "ten"},
        {**good, "sip_timestamp": "noon"},
        {**good, "conditions": 5},
        {**good, "exchange": [1], "id": {"a": 1}, "sequence_number": "x"},
    ]
    decoded = Decoder()(Frames([7], frames_of("X", rows, [])))
    assert len(decoded) == 1
    assert decoded.details["id_kind"].tolist() == [ID_ROW]
    assert sum(decoded.rejected.values()) == 5


def test_a_trade_is_known_by_its_key_and_without_an_id_by_time_and_price() -> None:
    row = {"sip_timestamp": 5 * MS + 3, "price": 10, "exchange": 4, "id": "7", "trf_id": 201}
    assert key_of(trade_event("X", row)) == key_of(wire_trade(trfi=201)) == (4, 201, "7")
    assert key_of(wire_trade(i=7, x=4.0)) == (4, 0, "7")
    nameless = trade_event("X", {"sip_timestamp": 5 * MS + 3, "price": 10})
    assert key_of(nameless) == key_of({"t": 5, "p": 10.0}) == (5, 10)
