"""The reference's view of single prints, by hand: order, verdicts, sides, sessions, the merge.

Times are ms after 09:30:00 New York on Tuesday 2024-01-02 (detectors.md, 1, 2, 3 and 8).
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.reference import Quote, Trade, run
from tests.reference_cases import at, clock, ns, rows, verdicts
from tests.reference_rules import BUY, SELL, UNKNOWN, sale_class
from tests.reference_tape import Event

NAN, INF = float("nan"), float("inf")


def side(
    price: float, bid: float | None, ask: float | None, *, age_ms: int = 0, **rules: Any
) -> tuple[int, bool, str | None]:
    """The side of one counted print after prints at 9.00 and 9.50, so the tick rule says BUY."""
    before = [at(0, 9.0), at(1, 9.5)]
    row = rows(*before, Quote("X", ns(2), bid, ask), at(2 + age_ms, price), **rules)[-1]
    return row.side, row.certain, row.evidence


# Section 8.


@pytest.mark.parametrize(
    ("trade", "code"),
    [
        (at(0, 0.0), "bad_price"),
        (at(0, -1.0), "bad_price"),
        (at(0, NAN), "bad_price"),
        (at(0, INF), "bad_price"),
        (at(0, None), "bad_price"),
        (at(0, 10_000_000.000001), "bad_price"),
        (at(0, 10_000_000.0), None),
        (at(0, 0.000001), None),
        (at(0, 1.0, 0.0), "bad_size"),
        (at(0, 1.0, 1_000_000_000.000001), "bad_size"),
        (at(0, 1.0, 1_000_000_000.0), None),
        (at(0, 1.0, 0.000001), None),
        (Trade("", ns(0), 1.0, 1.0), "bad_symbol"),
        (Trade("A|B", ns(0), 1.0, 1.0), "bad_symbol"),
        (Trade(".A", ns(0), 1.0, 1.0), "bad_symbol"),
        (Trade("A B", ns(0), 1.0, 1.0), "bad_symbol"),
        (Trade("Ä", ns(0), 1.0, 1.0), "bad_symbol"),
        (Trade("A" * 33, ns(0), 1.0, 1.0), "bad_symbol"),
        (Trade("A" * 32, ns(0), 1.0, 1.0), None),
        (Trade("BRK.B/x:_+$^=*-", ns(0), 1.0, 1.0), None),
        (Trade("X", 946_684_799_999_999_999, 1.0, 1.0), "bad_time"),
        (Trade("X", 4_102_444_800_000_000_000, 1.0, 1.0), "bad_time"),
    ],
)
def test_a_trade_is_rejected_by_its_bounds(trade: Trade, code: str | None) -> None:
    result = run([trade])
    rejected = sum(n for (_, _, verdict), n in result.verdicts.items() if verdict == "rejected")
    assert (rejected, dict(result.rejects)) == (
        (0, {}) if code is None else (1, {(trade.symbol, code): 1})
    )


def test_a_rejected_print_takes_a_row_number_and_touches_nothing_else() -> None:
    tape = [at(0, trade_id=7), at(900_000, -1.0, trade_id=8), at(5, 9.0, trade_id=8), at(6)]
    got = rows(*tape)
    assert [row.verdict for row in got] == ["counted", "rejected", "counted", "counted"]
    assert [row.n for row in got] == [1, 2, 3, 4]


@pytest.mark.parametrize("bad", [-0.01, 10_000_000.01, INF])
def test_a_rejected_quote_does_not_replace_the_last_one(bad: float) -> None:
    got = rows(Quote("X", ns(0), 10.0, 10.1), Quote("X", ns(1), bad, 10.1), at(2, 10.0))
    assert (got[0].side, got[0].evidence) == (SELL, "at_bid")


# Section 1.


def test_a_print_with_the_key_of_another_within_six_minutes_is_a_duplicate() -> None:
    key: dict[str, Any] = {"exchange": 4, "trade_id": "71"}
    assert verdicts(at(0, **key), at(360_000, **key)) == ["counted", "duplicate"]
    assert verdicts(at(0, **key), at(360_001, **key)) == ["counted", "counted"]


def test_a_duplicate_refreshes_the_time_of_its_key() -> None:
    key: dict[str, Any] = {"trade_id": "71"}
    tape = [at(0, **key), at(360_000, **key), at(720_000, **key), at(1_080_001, **key)]
    assert verdicts(*tape) == ["counted", "duplicate", "duplicate", "counted"]


def test_the_six_minutes_end_at_the_newest_print_whatever_its_verdict() -> None:
    key: dict[str, Any] = {"trade_id": "71"}
    block = at(360_001, conditions=(24,))
    assert verdicts(at(0, **key), block, at(1, **key)) == ["counted", "block", "counted"]
    assert verdicts(at(0, **key), at(360_000, conditions=(24,)), at(1, **key))[-1] == "duplicate"


@pytest.mark.parametrize(
    ("first", "second", "again"),
    [
        ({"trade_id": "71", "exchange": 4}, {"trade_id": "71", "exchange": 5}, False),
        ({"trade_id": "71", "trf": 201}, {"trade_id": "71", "trf": 202}, False),
        ({"trade_id": "71", "trf": None}, {"trade_id": 71, "trf": 0}, True),
        ({}, {}, False),  # without ids
        ({"trade_id": "#1", "exchange": 4}, {"trade_id": "#1", "exchange": 5}, True),
    ],
)
def test_the_key_is_exchange_trf_and_id(
    first: dict[str, Any], second: dict[str, Any], again: bool
) -> None:
    assert verdicts(at(0, **first), at(0, **second))[1] == ("duplicate" if again else "counted")


def test_another_symbol_has_its_own_keys() -> None:
    other = Trade("Y", ns(0), 10.0, 100, trade_id="71")
    assert verdicts(at(0, trade_id="71"), other) == ["counted", "counted"]


@pytest.mark.parametrize(
    ("ms", "verdict"),
    [
        (400_999, "counted"),  # equal
        (400_999.5, "counted"),  # the nanoseconds are later
        (400_998, "out_of_order"),
        (41_000, "out_of_order"),  # second 41 is 400 - 359
        (40_999, "too_late"),
    ],
)
def test_a_print_before_the_newest_is_out_of_order_or_too_late(ms: float, verdict: str) -> None:
    assert verdicts(at(0), at(400_999.9), at(ms))[-1] == verdict


def test_an_out_of_order_print_adds_unsigned_volume_to_its_own_second_and_no_more() -> None:
    book = Quote("X", ns(0), 10.0, 10.1)
    tape: list[Event] = [
        book,
        at(0, 10.1),
        at(70_000, 10.1),
        at(9_000, 9.99, 50_000),
        at(70_001, 10.1),
    ]
    result = run(tape, rows=True)
    last = result.rows[-1]
    assert [row.verdict for row in result.rows][2] == "out_of_order"
    assert (last.volume, last.before, last.side) == (200_000_000, 50_100_000_000, UNKNOWN)
    assert result.alerts == []


def test_an_out_of_order_print_neither_joins_nor_breaks_a_parent() -> None:
    book = Quote("X", ns(0), 10.0, 10.1)
    tape: list[Event] = [book, at(5, 10.0, 6_000), at(4, 10.1, 10_000), at(6, 10.0, 4_000)]
    assert [a["order_size"] for a in run(tape).alerts] == [10_000.0]


# Section 2.


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ((), "regular"),
        ((0,), "regular"),
        ((14, 37, 41), "regular"),
        ((57, 60, 62, 71, 30, 31), "regular"),
        ((12, 37), "extended_hours"),
        ((9,), "block"),
        ((9, 41), "block"),
        ((12, 24), "block"),
        ((17, 9, 41), "auction_open"),
        ((8, 9, 41), "auction_close"),
        ((8, 17), "auction_open"),
        ((17, 18), "auction_reopen"),
        ((28, 2), "non_flow"),
        ((16, 53), "summary_drop"),
        ((61,), "unknown_condition"),
        ((26, 15), "unknown_condition"),
        ((-1,), "unknown_condition"),
        ((12, 13), "non_flow"),
    ],
)
def test_the_class_is_the_strictest_among_the_conditions(
    conditions: tuple[int, ...], expected: str
) -> None:
    assert sale_class(conditions) == expected


@pytest.mark.parametrize(
    ("participant", "verdict"),
    [
        (ns(4_000), "counted"),  # exactly 1000 ms
        (ns(3_999.999999), "late"),
        (ns(9_000), "counted"),
        (None, "counted"),
    ],
)
def test_a_print_reported_more_than_a_second_after_its_trade_is_late(
    participant: int | None, verdict: str
) -> None:
    assert verdicts(at(5_000.9, participant_ns=participant)) == [verdict]


@pytest.mark.parametrize(
    ("bid", "ask", "price", "age_ms", "conditions", "verdict"),
    [
        (10.00, 10.10, 9.98, 0, (), "counted"),  # exactly 2 cents below
        (10.00, 10.10, 9.979999, 0, (), "off_market"),
        (10.00, 10.10, 10.12, 0, (), "counted"),
        (10.00, 10.10, 10.120001, 0, (), "off_market"),
        (10.00, 10.10, 9.0, 0, (14,), "counted"),
        (10.00, 10.10, 9.0, 1_000, (), "off_market"),
        (10.00, 10.10, 9.0, 1_001, (), "counted"),
        (10.00, 10.00, 9.0, 0, (), "counted"),  # locked: not usable
        (99.90, 100.10, 99.80, 0, (), "counted"),  # exactly 0.1 % of 100
        (99.90, 100.10, 99.799999, 0, (), "off_market"),
    ],
)
def test_a_print_far_outside_a_fresh_quote_is_off_market(
    bid: float, ask: float, price: float, age_ms: int, conditions: tuple[int, ...], verdict: str
) -> None:
    tape = Quote("X", ns(0), bid, ask), at(age_ms, price, conditions=conditions)
    assert verdicts(*tape) == [verdict]


def test_the_first_verdict_that_applies_is_the_one() -> None:
    tape: list[Event] = [
        at(5, 20.0, trade_id="7"),
        Quote("X", ns(0), 20.0, 20.1),
        at(1, 10.0, conditions=(24,), participant_ns=ns(-9_000), trade_id="7"),
        at(1, 10.0, conditions=(24,), participant_ns=ns(-9_000)),
        clock("03:00:00", conditions=(24,)),
        clock("03:00:00", participant_ns=ns(-99_000_000)),
        at(1, 10.0, participant_ns=ns(-9_000)),
        at(1, 10.0),
        at(1, 20.0),
    ]
    expected = ["counted", "duplicate", "block", "block", "out_of_session", "late", "off_market"]
    assert verdicts(*tape) == [*expected, "out_of_order"]


# Section 3.


@pytest.mark.parametrize(
    ("price", "expected"),
    [
        (10.00, (SELL, True, "at_bid")),
        (9.99, (SELL, True, "at_bid")),
        (10.10, (BUY, True, "at_ask")),
        (10.11, (BUY, True, "at_ask")),
        (10.03, (SELL, False, "inside")),  # exactly 0.3 x spread
        (10.030001, (BUY, False, "tick")),
        (10.069999, (BUY, False, "tick")),
        (10.07, (BUY, False, "inside")),
    ],
)
def test_the_clnv_rule(price: float, expected: tuple[int, bool, str]) -> None:
    assert side(price, 10.00, 10.10) == expected


@pytest.mark.parametrize(
    ("rule", "below", "middle", "above"),
    [
        ("lee_ready", (SELL, "inside"), (BUY, "tick"), (BUY, "inside")),
        ("quote", (SELL, "inside"), (UNKNOWN, None), (BUY, "inside")),
        ("emo", (BUY, "tick"), (BUY, "tick"), (BUY, "tick")),
        ("tick", (BUY, "tick"), (BUY, "tick"), (BUY, "tick")),
    ],
)
def test_the_other_side_rules(
    rule: str, below: tuple[int, str], middle: tuple[int, str], above: tuple[int, str]
) -> None:
    """585.935 is the midpoint of 585.93 / 585.94, and not in binary floats."""
    got = [side(p, 585.93, 585.94, side_rule=rule) for p in (585.934999, 585.935, 585.935001)]
    assert [(s, evidence) for s, _, evidence in got] == [below, middle, above]
    assert side(585.93, 585.93, 585.94, side_rule=rule) == (SELL, True, "at_bid")


@pytest.mark.parametrize(
    ("bid", "ask", "age_ms"),
    [
        (10.0, 10.0, 0),  # locked
        (10.1, 10.0, 0),  # crossed
        (None, 10.1, 0),
        (10.0, NAN, 0),
        (0.0, 10.1, 0),
        (10.0, 10.1, 60_001),
    ],
)
def test_without_a_usable_quote_the_tick_rule_decides(
    bid: float | None, ask: float | None, age_ms: int
) -> None:
    assert side(10.0, bid, ask, age_ms=age_ms) == (BUY, False, "tick")


def test_a_quote_is_usable_at_exactly_its_greatest_age() -> None:
    assert side(10.0, 10.0, 10.1, age_ms=60_000) == (SELL, True, "at_bid")


def test_an_unusable_quote_replaces_a_usable_one() -> None:
    tape: list[Event] = [
        at(0, 9.0),
        Quote("X", ns(1), 10.0, 10.1),
        Quote("X", ns(2), 10.0, None),
        at(3, 10.0),
    ]
    assert (rows(*tape)[-1].side, rows(*tape)[-1].evidence) == (BUY, "tick")


def test_the_tick_rule_looks_through_equal_prices() -> None:
    prices = [10.0, 10.0, 10.1, 10.1, 10.0, 10.0, 10.1]
    got = [row.side for row in rows(*[at(i, price) for i, price in enumerate(prices)])]
    assert got == [UNKNOWN, UNKNOWN, BUY, BUY, SELL, SELL, BUY]


def test_only_counted_prints_move_the_tick_reference() -> None:
    tape = [at(5, 10.0), at(6, 11.0, conditions=(24,)), at(4, 12.0), at(7, 10.5)]
    assert rows(*tape)[-1].side == BUY
