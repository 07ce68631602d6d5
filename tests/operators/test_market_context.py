"""What surrounds a print, against the slow reference and against cases worked out by hand."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from operators.market_context import ContextRules, MarketContext
from operators.market_wide import UNKNOWN_OFI
from operators.ticks import LATE
from tests.make import Tape, quote, stored, trade
from tests.reference_cases import ns
from tests.reference_context import Context, ContextReference
from tests.reference_tape import Event, Gap, Quote, Trade

RULES = ContextRules(late_ms=1_000, quote_max_age_ms=60_000)
SYMBOLS = ("SPY", "A", "B", "C", "D", "E")
STEPS_MS = (0, 0, 1, 400, 900, 1_000, 3_000, 20_000, 59_000, 61_000, 200_000, 301_000)
BOOKS = ((10.0, 10.1), (10.0, 10.2), (9.9, 10.1), (9.99, 10.0), (10.1, 10.1), (10.2, 10.1),
         (0.0, 10.1), (10.0, 0.0), (0.0, 0.0))  # fmt: skip
PRICES = (9.9, 10.0, 10.0, 10.05, 10.1, 10.1, 10.15)
SIZES = (0.0, 0.0, 1.0, 100.0, 250.5, 700.0)
HOURS_MS = 3_600_000


def random_tape(seed: int, n: int) -> list[Event]:
    """Return a tape with every trouble: late and false stamps, gaps, books without a mid."""
    rng = random.Random(seed)
    symbols = SYMBOLS[rng.randrange(2) :]
    unquoted = {symbol for symbol in symbols if rng.random() < 0.2}
    busy = rng.random() < 0.5
    ms, out = 0.0, list[Event]()
    for _ in range(n):
        ms += rng.choice(STEPS_MS[:6] if busy and rng.random() < 0.95 else STEPS_MS)
        ms += 5 * HOURS_MS if rng.random() < 0.005 else 0
        symbol, at = rng.choice(symbols), ms
        if rng.random() < 0.1:
            at -= rng.choice((10, 2_000, 5_000, 6_000, 59_000, 61_000, 299_000, 400_000))
        if rng.random() < 0.003:
            at += rng.choice((70_000, 24 * HOURS_MS))
        if rng.random() < 0.01:
            out.append(Gap(symbol, 0, ns(at)))
        elif symbol not in unquoted and rng.random() < 0.6:
            out.append(
                Quote(symbol, ns(at), *rng.choice(BOOKS), rng.choice(SIZES), rng.choice(SIZES))
            )
        else:
            late = rng.choice((0, 0, 0, 1_001))
            conditions = rng.choice(((), (), (), (37,), (12,), (2,)))
            out.append(
                Trade(symbol, ns(at), rng.choice(PRICES), rng.choice((1.0, 100.0, 333.333333)),
                      conditions, participant_ns=ns(at - late))
            )  # fmt: skip
    return out


def rows_of(chunks: Sequence[Any]) -> list[Context]:
    out = []
    for chunk in chunks:
        for row in chunk.context.tolist():
            now, then, market_now, market_then, ofi, beta, selling, trading = row
            known = None if ofi == UNKNOWN_OFI else ofi
            out.append(Context(now, then, market_now, market_then, known, beta, selling, trading))
    return out


def fed(context: MarketContext, tape: Tape, events: Sequence[Event], size: int) -> list[Context]:
    """Feed events in chunks of a size."""
    parts = [events[i : i + size] for i in range(0, len(events), size)]
    return rows_of([context(tape.ticks(*part)) for part in parts])


def surrounds(*events: Event) -> list[Context]:
    return fed(MarketContext(RULES), Tape(), events, len(events))


repeatable = settings(
    max_examples=60, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck)
)


@settings(repeatable)
@given(st.integers(0, 2**32), st.integers(1, 300), st.sampled_from((1, 3, 50, 400)))
def test_every_value_is_that_of_the_reference_whatever_the_chunks(
    seed: int, n: int, size: int
) -> None:
    events = random_tape(seed, n)
    assert fed(MarketContext(RULES), Tape(), events, size) == ContextReference().run(events)


def test_such_tapes_reach_every_kind_of_value() -> None:
    found = [row for seed in range(20) for row in ContextReference().run(random_tape(seed, 300))]
    assert any(row.ofi is None for row in found)
    assert any(row.ofi for row in found)
    assert any(row.now and row.then and row.market_now and row.market_then for row in found)
    assert any(row.then == 0 for row in found)
    assert any(row.market_then == 0 for row in found)
    assert len({row.beta for row in found}) > 10
    assert {row.trading for row in found} >= {0, 1, 2, 3, 4, 5}
    assert {row.selling for row in found} >= {0, 1, 2, 3}


@settings(repeatable)
@given(st.integers(0, 2**32), st.integers(0, 300), st.permutations(SYMBOLS))
def test_a_run_that_is_saved_and_restored_goes_on_as_if_nothing_had_been(
    seed: int, cut: int, names: list[str]
) -> None:
    """After the restore the feed names its symbols in another order, and some only later."""
    events = random_tape(seed, 300)
    first = MarketContext(RULES)
    before = fed(first, Tape(), events[:cut], 40)
    again = MarketContext(RULES, stored(first.snapshot()))
    again = MarketContext(RULES, stored(again.snapshot()))  # nothing seen in between
    again(Tape(names[:2]).ticks())
    again = MarketContext(RULES, stored(again.snapshot()))
    after = fed(again, Tape(names[2:4]), events[cut:], 40)
    assert [*before, *after] == ContextReference().run(events)


# By hand.


def sized(ms: float, bid: float, bid_size: float, ask: float, ask_size: float) -> Quote:
    return Quote("X", ns(ms), bid, ask, bid_size, ask_size)


START = sized(0, 10.0, 500, 10.1, 300)


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (sized(61_000, 10.0, 700, 10.1, 300), 200),  # more bid for
        (sized(61_000, 10.0, 500, 10.1, 250), 50),  # less offered
        (sized(61_000, 10.01, 80, 10.1, 300), 80),  # a better bid: all of it is new
        (sized(61_000, 9.99, 80, 10.1, 300), -500),  # the bid is gone
        (sized(61_000, 10.0, 500, 10.09, 40), -40),  # a better ask
        (sized(61_000, 10.0, 500, 10.11, 40), 300),  # the ask is gone
        (sized(61_000, 0.0, 0, 10.1, 300), -500),  # nobody bids
        (sized(61_000, 10.0, 500, 0.0, 0), 300),  # nobody offers
    ],
)
def test_what_a_quote_adds_to_the_order_flow(after: Quote, expected: int) -> None:
    (row,) = surrounds(START, after, trade(61_500))
    assert row.ofi == expected * 10**6


def test_order_flow_leaves_after_sixty_seconds_and_is_unknown_before() -> None:
    more = sized(30_000, 10.0, 700, 10.1, 300)
    prints = [trade(59_999), trade(60_000), trade(89_999), trade(90_000)]
    rows = surrounds(START, more, *prints)
    assert [row.ofi for row in rows] == [None, 200_000_000, 200_000_000, 0]


def test_a_symbol_that_is_only_quoted_for_hours_keeps_its_last_minute() -> None:
    """No print asks; each second adds one to the bid, and so sixty in a minute."""
    quotes = [sized(1_000 * s, 10.0, 500 + s, 10.1, 300) for s in range(1_000)]
    (row,) = surrounds(*quotes, trade(999_500))
    assert (row.ofi, row.now, row.then) == (60_000_000, 20_100_000, 20_100_000)


def test_order_flow_is_unknown_for_a_minute_after_a_gap_and_without_sizes() -> None:
    again = [Gap("X"), sized(70_000, 10.0, 9, 10.1, 9), trade(129_000), trade(130_000)]
    assert [row.ofi for row in surrounds(START, trade(69_000), *again)] == [0, None, 0]
    bare = [Quote("X", ns(0), 10.0, 10.1, 0, 0), trade(99_000)]
    assert [row.ofi for row in surrounds(*bare)] == [None]


def test_order_flow_is_unknown_for_a_minute_after_quotes_were_shed() -> None:
    context, tape = MarketContext(RULES), Tape()
    shed = tape.ticks(sized(70_000, 10.0, 500, 10.1, 300))
    shed.quotes_shed = True
    chunks = [tape.ticks(START), shed, tape.ticks(trade(129_000), trade(130_000))]
    assert [row.ofi for row in rows_of([context(chunk) for chunk in chunks])] == [None, 0]


def test_the_return_is_of_the_mid_at_the_end_of_the_second_a_minute_ago() -> None:
    quotes = [quote(500, 10.0, 10.2), quote(900, 10.0, 10.4), quote(1_000, 10.0, 10.6)]
    rows = surrounds(*quotes, trade(60_500), trade(61_000))
    assert [(row.now, row.then) for row in rows] == [
        (20_600_000, 20_400_000),
        (20_600_000, 20_600_000),
    ]


def test_a_price_nobody_confirmed_for_five_minutes_is_none() -> None:
    rows = surrounds(quote(0), trade(300_999), trade(301_000))
    assert [row.now for row in rows] == [20_100_000, 0]
    rows = surrounds(quote(0), quote(100_000), trade(160_000), trade(459_999), trade(460_000))
    assert [row.then for row in rows] == [20_100_000, 20_100_000, 0]


def test_without_quotes_the_last_print_is_the_price() -> None:
    rows = surrounds(trade(0, 10.0), trade(60_000, 9.9), trade(60_001, 9.8, conditions=(2,)))
    assert [(row.now, row.then) for row in rows] == [
        (20_000_000, 0),
        (19_800_000, 20_000_000),
        (19_800_000, 20_000_000),  # an average-price report is no price
    ]


def test_the_market_is_spy_wherever_it_stands_among_the_names() -> None:
    spy = [quote(0, 100.0, 100.2, "SPY"), quote(60_000, 99.0, 99.2, "SPY")]
    (row,) = surrounds(quote(0), spy[0], spy[1], trade(60_500))
    assert (row.market_now, row.market_then) == (198_200_000, 200_200_000)
    later = surrounds(quote(0), *spy, trade(360_000), trade(361_000))
    assert [r.market_now for r in later] == [198_200_000, 0]


def test_a_print_far_behind_the_market_is_not_compared_with_it() -> None:
    spy = quote(70_000, 100.0, 100.2, "SPY")
    rows = surrounds(quote(0), spy, trade(64_999), trade(65_000))
    assert [row.market_now for row in rows] == [0, 200_200_000]


def test_beta_is_one_of_the_market_and_is_drawn_towards_one_elsewhere() -> None:
    """Each minute the market falls 10 bp and X falls 20: beta goes from one towards two."""
    tape: list[Event] = []
    for minute in range(6):
        low, lower = 100 * 0.999**minute, 100 * 0.998**minute
        tape += [quote(60_000 * minute, low, low + 0.01, "SPY")]
        tape += [quote(60_000 * minute, lower, lower + 0.01)]
        tape += [trade(60_000 * minute + 1), trade(60_000 * minute + 1, symbol="SPY")]
    rows = surrounds(*tape)
    assert {row.beta for row in rows[1::2]} == {1.0}
    betas = [row.beta for row in rows[::2]]
    assert betas[:2] == [1.0, 1.0]
    assert betas == sorted(betas)
    assert betas[-1] == pytest.approx((4 * 200 + 256) / (4 * 100 + 256), rel=0.01)


def test_the_breadth_counts_symbols_by_what_they_did_at_the_touch() -> None:
    events = [quote(0, symbol=s) for s in ("A", "B", "C")]
    events += [
        trade(1_000, 10.0, 300, symbol="A"),
        trade(2_000, 10.1, 200, symbol="B"),
        trade(3_000, 10.05, 900, symbol="C"),  # between: nobody knows
        trade(4_000, 10.1, 300, symbol="A"),  # balanced
        trade(5_000, 10.1, 1, symbol="A"),
        trade(61_000, 10.05, 1, symbol="C"),  # what A did at 1 s has left
        trade(62_000, 10.05, 1, symbol="C"),
    ]  # fmt: skip
    found = [(row.selling, row.trading) for row in surrounds(*events)]
    assert found == [(1, 1), (1, 2), (1, 2), (0, 1), (0, 2), (0, 2), (0, 1)]


def test_what_was_fetched_afterwards_does_not_turn_the_clock_back() -> None:
    context, tape = MarketContext(RULES), Tape()
    live = tape.ticks(quote(0), trade(1_000_000, 10.0))
    fetched = tape.ticks(trade(1_000, 10.0))
    fetched.origin = LATE
    now = tape.ticks(trade(1_001_000, 10.05))
    chunks = [context(chunk) for chunk in (live, fetched, now)]
    assert [row.selling for row in rows_of(chunks)] == [0, 0, 0]
    assert [row.then for row in rows_of(chunks)] == [0, 0, 0]
