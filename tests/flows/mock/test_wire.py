"""Rows as the vendor writes them."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from flows.mock.tape import QUOTES, TRADES, Row
from flows.mock.venues import venue_id
from flows.mock.wire import (
    Topics,
    block_of,
    exact_size,
    frame_of,
    quote_event,
    quote_result,
    trade_event,
    trade_result,
)

T_NS = 1_795_185_000_123_999_999


def row(**values: Any) -> Row:
    empty = dict.fromkeys(Row._fields)
    return Row(**{**empty, "kind": TRADES, "ts_ns": T_NS, "symbol": "AAPL", "number": 7, **values})


def test_a_trade_with_all_it_can_have() -> None:
    full = row(
        price=263.1612,
        size=240.5,
        conditions=[14, 41],
        exchange="D",
        trade_id="71675222901845",
        trf=202,
        participant_ns=T_NS - 17_000_000,
    )
    assert trade_event(full) == {
        "ev": "T",
        "sym": "AAPL",
        "x": 4,
        "i": "71675222901845",
        "z": 0,
        "p": 263.1612,
        "s": 240,
        "ds": "240.5",
        "c": [14, 41],
        "t": 1_795_185_000_123,
        "pt": 1_795_185_000_106,
        "q": 7,
        "trfi": 202,
    }
    assert trade_result(full) == {
        "conditions": [14, 41],
        "exchange": 4,
        "id": "71675222901845",
        "participant_timestamp": T_NS - 17_000_000,
        "price": 263.1612,
        "sequence_number": 7,
        "sip_timestamp": T_NS,
        "size": 240.5,
        "tape": 0,
        "trf_id": 202,
        "decimal_size": "240.5",
    }


def test_a_trade_with_the_least_it_can_have_is_numbered_by_its_row() -> None:
    least = row(price=10.0, size=0.0073)
    assert trade_event(least) == {
        "ev": "T",
        "sym": "AAPL",
        "x": 0,
        "i": "#7",
        "z": 0,
        "p": 10.0,
        "s": 0,
        "ds": "0.0073",
        "t": 1_795_185_000_123,
        "q": 7,
    }
    assert trade_result(least)["id"] == "#7"


@pytest.mark.parametrize("size", [math.nan, math.inf, None, 1e300, -3.7])
def test_a_size_that_is_none_is_still_written(size: float | None) -> None:
    (event,) = block_of([row(price=math.nan, size=size)], Topics()).events
    written = msgspec.json.decode(event)
    assert written["p"] is None
    assert written["s"] == {1e300: 1e300, -3.7: -3}.get(size or 0)


def test_an_absent_side_of_a_quote_is_zero() -> None:
    quote = row(kind=QUOTES, bid=math.nan, bid_size=None, ask=48.18, ask_size=300.0)
    assert quote_event(quote) == {
        "ev": "Q",
        "sym": "AAPL",
        "bx": 0,
        "bp": 0.0,
        "bs": 0,
        "ax": 0,
        "ap": 48.18,
        "as": 300,
        "c": 1,
        "t": 1_795_185_000_123,
        "q": 7,
        "z": 0,
    }
    result = quote_result(quote)
    assert (result["bid_price"], result["bid_size"]) == (0.0, 0)
    assert (result["ask_price"], result["ask_size"]) == (48.18, 300)
    assert result["sip_timestamp"] == T_NS


@pytest.mark.parametrize(
    ("size", "text"),
    [(100.0, "100.0"), (1e-05, "0.00001"), (1e16, "10000000000000000"), (1641.92, "1641.92")],
)
def test_the_exact_size_is_never_in_exponent_form(size: float, text: str) -> None:
    assert exact_size(size) == text


def test_exchange_letters_become_the_vendors_numbers() -> None:
    letters = ("D", "P", "Q", "T", "N", "Z", "4", "62", "", None, "?")
    assert [venue_id(letter) for letter in letters] == [4, 11, 12, 12, 10, 19, 4, 62, 0, 0, 0]


def test_a_block_names_a_topic_for_each_event() -> None:
    topics = Topics()
    rows = [row(price=1.0, size=1.0), row(kind=QUOTES, symbol='B"'), row(kind=QUOTES)]
    block = block_of(rows, topics)
    assert (topics.symbols, block.topics.tolist()) == (["AAPL", 'B"'], [0, 3, 1])
    assert [e["sym"] for e in msgspec.json.decode(frame_of(block.events))] == ["AAPL", 'B"', "AAPL"]
