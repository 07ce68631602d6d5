"""Levels that rest on the book: when they fire, when again, and how the book weighs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows.orderflow import rules_of
from flows.settings import Settings
from operators.resting_orders import MOST_FIRED, RestingOrders
from operators.ticks import MS
from tests.make import Tape, book, quote, stored, trade
from tests.operators import random_books
from tests.operators.engine import Engine, assert_agree, operator_rules, said
from tests.reference import run
from tests.reference_cases import OPEN_MS
from tests.reference_rules import Rules, alert_id
from tests.reference_tape import Event

DAY_MS = 86_400_000
WARNING, CRITICAL = "warning", "critical"


def fired(*events: Event, **rules: Any) -> list[tuple[float, float, str]]:
    """(ms, price, severity) of each alert on a level; 10,000 shares are large."""
    engine = Engine(Rules(**rules))
    engine.feed(*events)
    assert_agree(engine, run(events, Rules(**rules)))
    return [
        (alert.ts_ns / MS - OPEN_MS, alert.price_level, alert.severity)
        for alert in engine.alerts
        if alert.alert_type == "large_resting_seller"
    ]


def asks(ms: float, *sizes: float, first: float = 10.1, **more: Any) -> Event:
    """A book whose asks rise by a cent."""
    return book(ms, tuple((round(first + k / 100, 6), s) for k, s in enumerate(sizes)), **more)


def test_a_level_fires_when_its_displayed_size_first_reaches_the_threshold() -> None:
    books = [asks(1, 9_999.999999, 100), asks(2, 10_000, 100), asks(3, 12_000, 100)]
    assert fired(*books) == [(2, 10.1, WARNING)]


def test_twice_the_threshold_is_critical_and_escalates_the_warning() -> None:
    engine = Engine(Rules())
    engine.feed(asks(1, 10_000), asks(2, 19_999), asks(3, 20_000), asks(4, 90_000))
    first, second = engine.alerts
    assert (first.severity, first.escalates) == (WARNING, None)
    assert (second.severity, second.escalates) == (CRITICAL, first.alert_id)
    assert (second.first_ns, second.order_size) == (first.ts_ns, 20_000.0)


def test_both_at_once_are_one_alert() -> None:
    assert fired(asks(1, 20_000), asks(2, 30_000)) == [(1, 10.1, CRITICAL)]


def test_a_level_fires_again_only_once_it_has_been_below_half_the_threshold() -> None:
    books = [asks(1, 10_000), asks(2, 5_000), asks(3, 10_000), asks(4, 4_999), asks(5, 10_000)]
    assert fired(*books) == [(1, 10.1, WARNING), (5, 10.1, WARNING)]


def test_half_is_half_of_the_threshold_for_a_critical_level_too() -> None:
    books = [asks(1, 20_000), asks(2, 5_000), asks(3, 20_000), asks(4, 4_000), asks(5, 20_000)]
    assert fired(*books) == [(1, 10.1, CRITICAL), (5, 10.1, CRITICAL)]


def test_flicker_within_a_millisecond_is_no_second_alert() -> None:
    books = [asks(1, 10_000), asks(1.2, 1), asks(1.4, 10_000), asks(2, 10_000)]
    assert fired(*books) == [(1, 10.1, WARNING)]


def test_only_levels_near_the_touch_fire_and_do_once_they_come_near() -> None:
    deep = asks(1, 1, 1, 1, 1, 1, 10_000, levels=10)
    nearer = asks(2, 1, 1, 1, 1, 10_000, first=10.11, levels=10)
    assert fired(deep, nearer) == [(2, 10.15, WARNING)]
    assert fired(deep, nearer, book_levels=6) == [(1, 10.15, WARNING)]


def test_a_level_behind_the_last_one_shown_is_as_it_was() -> None:
    """It leaves the window of three levels and comes back: nobody saw it shrink."""
    books = [asks(1, 1, 1, 10_000), asks(2, 1, 1, 1, first=10.05), asks(3, 1, 1, 10_000)]
    assert fired(*books) == [(1, 10.12, WARNING)]


@pytest.mark.parametrize(
    "between",
    [
        asks(2, 1, 1, first=10.05),  # fewer levels than the tape has: there is nothing behind
        book(2),
        book(2, ((10.11, 1), (10.13, 1), (10.14, 1))),  # the price is passed over
        asks(2, 1, 1, 1, first=10.2),  # the market rose through it
    ],
)
def test_a_price_at_which_nothing_is_shown_is_below_half(between: Event) -> None:
    books = [asks(1, 1, 1, 10_000), between, asks(3, 1, 1, 10_000)]
    assert fired(*books) == [(1, 10.12, WARNING), (3, 10.12, WARNING)]


def test_levels_of_one_book_fire_the_best_first() -> None:
    assert fired(asks(1, 10_000, 1, 20_000)) == [(1, 10.1, WARNING), (1, 10.12, CRITICAL)]


def test_outside_the_sessions_nothing_fires_but_levels_are_seen() -> None:
    before = asks(-1_000, 10_000)
    assert fired(before, asks(5, 10_000)) == [(5, 10.1, WARNING)]
    after = [asks(6.5 * 3_600_000, 1), asks(6.6 * 3_600_000, 10_000)]
    assert fired(asks(5, 10_000), *after) == [(5, 10.1, WARNING)]


def test_a_new_phase_forgets_what_fired_and_a_market_without_sessions_never_does() -> None:
    books = [asks(-1_000, 10_000), asks(5, 10_000), asks(DAY_MS, 10_000)]
    twice = [(5, 10.1, WARNING), (DAY_MS, 10.1, WARNING)]
    assert fired(*books) == twice
    assert fired(*books, sessions="pre,regular") == [(-1_000, 10.1, WARNING), *twice]
    assert fired(*books, sessions="all") == [(-1_000, 10.1, WARNING)]


def test_symbols_do_not_share_levels() -> None:
    books = [asks(1, 10_000), asks(2, 10_000, symbol="Y"), asks(3, 10_000)]
    assert sorted(fired(*books)) == [(1, 10.1, WARNING), (2, 10.1, WARNING)]


def test_the_levels_remembered_are_bounded_and_the_furthest_is_forgotten() -> None:
    """Two levels, then a new price below at each step; the highest is the one given up."""
    first, back = (asks(ms, 10_000, 10_000, first=150.0, levels=2) for ms in (0, 100))
    falling = [asks(k, 10_000, 1, first=150 - k, levels=2) for k in range(1, MOST_FIRED)]
    found = fired(first, *falling, back, sessions="all")
    assert len(found) == 1 + MOST_FIRED + 1
    assert found[-1] == (100, 150.01, WARNING)


def test_the_id_has_the_price_for_the_trade_key() -> None:
    engine = Engine(Rules())
    engine.feed(asks(1, 10_000, first=224.0), asks(2, 10_000, first=0.201))
    assert [alert.alert_id for alert in engine.alerts] == [
        alert_id("X", "large_resting_seller", WARNING, OPEN_MS + 1, "224.00|ask", "fixed"),
        alert_id("X", "large_resting_seller", WARNING, OPEN_MS + 2, "0.201|ask", "fixed"),
    ]


def test_an_alert_on_a_level_says_what_the_book_was() -> None:
    engine = Engine(Rules())
    engine.feed(book(1, ((10.1, 100), (10.12, 12_500)), ((10.0, 1_400),)))
    (alert,) = engine.alerts
    assert (alert.order_size, alert.price_level, alert.notional) == (12_500.0, 10.12, 126_500.0)
    assert (alert.bid, alert.ask, alert.quote_age_ms) == (10.0, 10.1, 0.0)
    assert (alert.threshold, alert.session, alert.book_imbalance) == (10_000.0, "regular", -0.8)
    assert alert.message == "Large seller detected: X 12,500 resting @ 10.12"


def test_adaptive_mode_asks_for_the_notional_besides() -> None:
    plain, adaptive = (
        rules_of(Settings(detection_mode=mode, min_notional=200_000), "replay").resting
        for mode in ("fixed", "adaptive")
    )
    assert (plain.threshold, adaptive.threshold) == (10_000_000_000, 10_000_000_000)
    assert (plain.min_notional, adaptive.min_notional) == (0.0, 200_000.0)
    step, tape = RestingOrders(adaptive), Tape()
    poor, rich = asks(1, 19_000, first=10.0), asks(2, 20_000, first=10.0)
    assert len(step(tape.ticks(poor)).resting) == 0
    assert step(tape.ticks(rich)).resting["size"].tolist() == [20_000_000_000]


def test_a_level_never_counts_toward_an_exit() -> None:
    """Two sellers and three levels: no signal, and neither is counted among the sellers."""
    sales = [quote(0), *(trade(k * 1_000, 10.0, 10_000) for k in (1, 2))]
    levels = [asks(3_000 + k, *sizes) for k, sizes in enumerate([(10_000,), (1, 10_000)])]
    engine = Engine(Rules())
    engine.feed(*sales, *levels, trade(4_000, 10.0, 1))
    assert [alert.alert_type for alert in engine.alerts] == [
        *["large_seller"] * 2,
        *["large_resting_seller"] * 2,
    ]
    assert [alert.large_sells for alert in engine.alerts] == [1, 2, 2, 2]


def test_a_level_stands_among_its_own_prints_whatever_other_symbols_do() -> None:
    """The alert knows of the sellers before it and of none behind it."""
    others = [trade(k, symbol="Y") for k in range(5)]
    sales = [trade(k, 10.0, 10_000) for k in (10, 1_000)]
    engine = Engine(Rules())
    engine.feed(quote(0), *others, sales[0], asks(500, 10_000), sales[1])
    assert [(a.alert_type, a.large_sells) for a in engine.by_symbol()["X"]] == [
        ("large_seller", 1),
        ("large_resting_seller", 1),
        ("large_seller", 2),
    ]


# The book beside a print.


def imbalances(*events: Event, **rules: Any) -> list[float | None]:
    """Of each large seller; every print sells enough."""
    engine = Engine(Rules(**{"large_order_size": 1_000, "parent_gap_ms": 0, **rules}))
    engine.feed(quote(0), *events)
    return [a.book_imbalance for a in engine.alerts if a.alert_type == "large_seller"]


def sale(ms: float, **more: Any) -> Event:
    return trade(ms, 10.0, 1_000, **more)


def test_a_print_has_the_imbalance_of_the_book_before_it() -> None:
    first, second = book(1, ((10.1, 100),), ((10.0, 300),)), book(3, ((10.1, 200),))
    assert imbalances(sale(0), first, sale(2), second, sale(4)) == [None, 0.5, -1.0]


def test_the_imbalance_is_that_of_the_levels_looked_at() -> None:
    deep = book(1, ((10.1, 100), (10.2, 900)), ((10.0, 100), (9.9, 100)))
    assert imbalances(deep, sale(2)) == [-0.6667]
    assert imbalances(deep, sale(2), book_levels=1) == [0.0]


def test_an_empty_or_an_old_book_has_no_imbalance() -> None:
    full = book(1, ((10.1, 100),))
    assert imbalances(full, book(2), sale(3)) == [None]
    assert imbalances(full, quote(60_000), sale(60_001), sale(60_002)) == [-1.0, None]
    assert imbalances(full, quote(900), sale(1_002), quote_max_age_seconds=1) == [None]


def test_a_book_of_another_symbol_says_nothing() -> None:
    assert imbalances(book(1, ((10.1, 100),), symbol="Y"), sale(2)) == [None]


# Against the reference.

repeatable = settings(
    max_examples=60, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck)
)
chunk_sizes = st.lists(st.integers(1, 40), min_size=1, max_size=4)


def in_chunks(engine: Engine, tape: list[Event], sizes: list[int]) -> Engine:
    at = turn = 0
    while at < len(tape):
        size = sizes[turn % len(sizes)]
        engine.feed(*tape[at : at + size])
        at, turn = at + size, turn + 1
    return engine


@repeatable
@given(random_books.tapes, random_books.rules, chunk_sizes)
def test_operators_and_reference_agree_on_random_books(
    tape: list[Event], rules: Rules, sizes: list[int]
) -> None:
    assert_agree(in_chunks(Engine(rules), tape, sizes), run(tape, rules))


@repeatable
@given(
    random_books.tapes, random_books.rules, st.integers(0, 300), st.permutations(["X", "Y", "Z"])
)
def test_books_saved_and_restored_go_on_as_if_nothing_had_been(
    tape: list[Event], rules: Rules, cut: int, names: list[str]
) -> None:
    whole, first = Engine(rules), Engine(rules)
    whole.feed(*tape)
    first.feed(*tape[:cut])
    again = Engine(rules, Engine(rules, first.snapshot(), names).snapshot(), names[::-1])
    again.tape._newest_ns = _by_name(first, again)
    again.feed(*tape[cut:])
    parts = [*first.alerts, *again.alerts]
    assert {s: [said(a) for a in alerts] for s, alerts in whole.by_symbol().items()} == {
        s: [said(a) for a in parts if a.symbol == s] for s in {a.symbol for a in parts}
    }


def _by_name(first: Engine, again: Engine) -> Any:
    """The feed, not the operator, knows which book stands."""
    newest = again.tape._newest_ns.copy()
    for name in first.tape.names:
        newest[again.tape.code(name)] = first.tape._newest_ns[first.tape.code(name)]
    return newest


def test_random_books_reach_every_kind_of_alert_and_reject() -> None:
    alerts, rejects = set(), set()
    for seed in range(12):
        found = run(random_books.made(seed, 300), Rules(large_order_size=1_000, sessions="all"))
        alerts |= {
            (a["severity"], a["escalates"] is not None)
            for a in found.alerts
            if a["alert_type"] == "large_resting_seller"
        }
        rejects |= {code for _, code in found.rejects}
    assert alerts == {(WARNING, False), (CRITICAL, False), (CRITICAL, True)}
    books = {"bad_time", "bad_price", "bad_size", "unsorted_book", "crossed_book", "stale_book"}
    assert rejects == books


def test_only_live_levels_are_saved() -> None:
    rules = operator_rules(Rules()).resting
    tape = Tape()
    step = RestingOrders(rules)
    step(tape.ticks(asks(1, 10_000, 1, 20_000), asks(2, 1, symbol="Y")))
    saved = stored(step.snapshot())
    assert saved.names == ("X", "Y")
    assert saved.parts[0]["price"].tolist() == [10_100_000, 10_120_000]
    assert len(RestingOrders(rules).snapshot().rows) == 0
