"""What a price, a size and a time may be (detectors.md section 8)."""

from __future__ import annotations

import math

import numpy as np
import pytest

from operators.records import Reject
from operators.ticks import ID_MOCK_ROW, ID_NUMBER, ID_TEXT, QUOTE, TICK, TRADE
from operators.values import MINUTE_NS, PROBLEMS, RejectLog, fill_values, trade_id
from tests.reference_cases import OPEN_MS

NAN, INF = math.nan, math.inf


def judged(
    kind: int, first: float, second: float, ms: int = OPEN_MS, symbol: int = 0
) -> tuple[str, int, int]:
    """What is wrong with one tick, and the values it was given."""
    ticks = np.zeros(1, TICK)
    ticks["kind"], ticks["ts_ns"], ticks["symbol"] = kind, ms * 10**6, symbol
    problem = fill_values(ticks, np.array([first]), np.array([second]))
    code = "" if problem is None else PROBLEMS[problem[0]]
    return code, int(ticks["price"][0]), int(ticks["size"][0])


@pytest.mark.parametrize(
    ("price", "size", "code"),
    [
        (1e7, 1e9, ""),
        (0.000001, 0.000001, ""),
        (10_000_000.01, 1.0, "bad_price"),
        (0.0, 1.0, "bad_price"),
        (4e-7, 1.0, "bad_price"),  # nothing is left of it in 1e-6 dollar
        (-1.0, 1.0, "bad_price"),
        (NAN, 1.0, "bad_price"),
        (INF, 1.0, "bad_price"),
        (1e300, 1e300, "bad_price"),
        (1.0, 0.0, "bad_size"),
        (1.0, -1.0, "bad_size"),
        (1.0, NAN, "bad_size"),
        (1.0, 1e9 + 1, "bad_size"),
        (1.0, INF, "bad_size"),
    ],
)
def test_a_trade_has_a_price_and_a_size_within_bounds(price: float, size: float, code: str) -> None:
    assert judged(TRADE, price, size)[0] == code


@pytest.mark.parametrize(
    ("bid", "ask", "code"),
    [
        (10.0, 10.1, ""),
        (0.0, 10.1, ""),  # absent sides
        (10.0, 0.0, ""),
        (0.0, 0.0, ""),
        (10.0, 10.0, ""),  # locked
        (10.1, 10.0, "crossed_quote"),
        (-0.01, 10.0, "bad_price"),
        (10.0, 1e8, "bad_price"),
        (NAN, 10.0, "bad_price"),
    ],
)
def test_a_quote_has_sides_within_bounds_or_none(bid: float, ask: float, code: str) -> None:
    assert judged(QUOTE, bid, ask)[0] == code


def test_a_crossed_quote_is_kept() -> None:
    assert judged(QUOTE, 10.1, 10.0) == ("crossed_quote", 10_100_000, 10_000_000)


@pytest.mark.parametrize(
    ("ms", "code"),
    [
        (946_684_800_000, ""),
        (946_684_799_999, "bad_time"),
        (4_102_444_799_999, ""),
        (4_102_444_800_000, "bad_time"),
        (OPEN_MS // 1000, "bad_time"),
        (0, "bad_time"),
        (-1, "bad_time"),
    ],
)
def test_a_time_lies_between_2000_and_2100(ms: int, code: str) -> None:
    assert judged(TRADE, 1.0, 1.0, ms)[0] == code
    assert judged(QUOTE, 1.0, 1.0, ms)[0] == code


def test_a_tick_without_a_symbol_is_a_bad_symbol_whatever_else_is_wrong() -> None:
    assert judged(TRADE, -1.0, -1.0, 0, symbol=-1)[0] == "bad_symbol"


@pytest.mark.parametrize(
    ("dollars", "units"),
    [(585.33, 585_330_000), (0.1 + 0.2, 300_000), (1641.92, 1_641_920_000), (1e7, 10**13)],
)
def test_values_become_whole_millionths(dollars: float, units: int) -> None:
    assert judged(TRADE, dollars, 1.0)[1] == units


def test_where_all_is_good_there_is_no_list_of_problems() -> None:
    ticks = np.zeros(2, TICK)
    ticks["ts_ns"] = OPEN_MS * 10**6
    assert fill_values(ticks, np.ones(2), np.ones(2)) is None


@pytest.mark.parametrize(
    ("text", "kind", "number"),
    [
        ("0", ID_NUMBER, 0),
        ("71675222901845", ID_NUMBER, 71675222901845),
        ("9" * 18, ID_NUMBER, 10**18 - 1),
        ("#17", ID_MOCK_ROW, 17),
    ],
)
def test_a_plain_number_is_its_own_id(text: str, kind: int, number: int) -> None:
    assert trade_id(text) == (number, kind)


@pytest.mark.parametrize(
    "text", ["007", "9" * 19, "-5", "x1", "1.0", "#", "#x", "٣", "²", "\ud800"]
)
def test_any_other_id_is_a_hash_of_its_text(text: str) -> None:
    number, kind = trade_id(text)
    assert kind == ID_TEXT
    assert -(2**63) <= number < 2**63
    assert trade_id(text + "x") != (number, kind)


def test_ten_records_a_minute_and_code_and_every_reject_is_counted() -> None:
    log = RejectLog()
    for i in range(25):
        log.add("X", "bad_price", b"x", i)
    log.add("X", "bad_size", b"x", 26)
    log.add("X", "bad_price", b"y", MINUTE_NS)
    kept, counts = log.take()
    assert [(r.code, r.fragment) for r in kept] == [("bad_price", "x")] * 10 + [
        ("bad_size", "x"),
        ("bad_price", "y"),
    ]
    assert counts == {("X", "bad_price"): 26, ("X", "bad_size"): 1}
    assert log.take() == ([], {})


def test_the_minute_goes_on_after_the_log_was_taken() -> None:
    log = RejectLog()
    for i in range(15):
        log.add("X", "bad_price", b"x", i)
        log.take()
    log.add("X", "bad_price", b"x", 16)
    assert log.take() == ([], {("X", "bad_price"): 1})


def test_a_reject_that_is_only_counted_has_no_record() -> None:
    log = RejectLog()
    log.count("X", "crossed_quote")
    assert log.take() == ([], {("X", "crossed_quote"): 1})


@pytest.mark.parametrize("fragment", [b"x" * 600, b"\xff" * 600, "é€😀".encode() * 100])
def test_a_fragment_is_text_of_at_most_512_bytes(fragment: bytes) -> None:
    log = RejectLog()
    log.add("X", "bad_type", fragment, 5)
    ((record,), _) = log.take()
    assert record == Reject("X", "bad_type", record.fragment, 5)
    assert 400 < len(record.fragment.encode()) <= 512
