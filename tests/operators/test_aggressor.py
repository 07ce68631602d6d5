"""Who crossed the spread (detectors.md section 3)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from operators.aggressor import (
    AT_QUOTE,
    BUY,
    CLNV,
    EMO,
    INSIDE,
    LEE_READY,
    NONE,
    QUOTE_RULE,
    SELL,
    STATED,
    TICK,
    TICK_RULE,
    UNKNOWN,
    Aggressor,
    SideRules,
)
from operators.nbbo import Nbbo, Prints
from operators.verdicts import BLOCK, COUNTED, OUT_OF_ORDER
from tests.make import P, Tape, prints, quote, stored, trade
from tests.reference_tape import Event


def counted(*events: Event) -> Prints:
    """Prints with their quotes, all of them counted."""
    chunk = Nbbo()(Tape().ticks(*events))
    chunk.verdict = np.full(len(chunk), COUNTED, np.uint8)
    chunk.resets = np.zeros(len(chunk), np.uint8)
    return chunk


def signs(chunk: Prints, rule: int = CLNV, max_age_ms: int = 60_000) -> list[tuple[int, int]]:
    """Side and evidence of each print."""
    out = Aggressor(SideRules(rule, max_age_ms))(chunk)
    return list(zip(out.side.tolist(), out.evidence.tolist(), strict=True))


def side(
    price: float, bid: float, ask: float, rule: int = CLNV, age_ms: float = 0, **more: Any
) -> tuple[int, int]:
    """Of one print after prints at 9.00 and 9.50, so the tick rule says BUY above 9.50."""
    before = [trade(0, 9.0), trade(1, 9.5)]
    return signs(counted(*before, quote(2, bid, ask), trade(2 + age_ms, price, **more)), rule)[-1]


@pytest.mark.parametrize(
    ("price", "expected"),
    [
        (10.00, (SELL, AT_QUOTE)),
        (9.99, (SELL, AT_QUOTE)),
        (10.10, (BUY, AT_QUOTE)),
        (10.11, (BUY, AT_QUOTE)),
        (10.03, (SELL, INSIDE)),  # exactly 0.3 x spread
        (10.030001, (BUY, TICK)),
        (10.069999, (BUY, TICK)),
        (10.07, (BUY, INSIDE)),
    ],
)
def test_at_the_quote_it_is_certain_and_near_it_inferred(
    price: float, expected: tuple[int, int]
) -> None:
    assert side(price, 10.0, 10.1) == expected


def test_the_sell_test_comes_first() -> None:
    """With a spread of 2e-6 the middle is within 0.3 of neither; of 1e-6 there is no inside."""
    assert side(10.000001, 10.0, 10.000002) == (BUY, TICK)
    assert side(10.0, 10.0, 10.000001) == (SELL, AT_QUOTE)


@pytest.mark.parametrize(
    ("rule", "below", "middle", "above"),
    [
        (LEE_READY, (SELL, INSIDE), (BUY, TICK), (BUY, INSIDE)),
        (QUOTE_RULE, (SELL, INSIDE), (UNKNOWN, NONE), (BUY, INSIDE)),
        (EMO, (BUY, TICK), (BUY, TICK), (BUY, TICK)),
        (TICK_RULE, (BUY, TICK), (BUY, TICK), (BUY, TICK)),
    ],
)
def test_each_rule_inside_the_spread(
    rule: int, below: tuple[int, int], middle: tuple[int, int], above: tuple[int, int]
) -> None:
    """585.935 is the midpoint of 585.93 / 585.94, and not in binary floats."""
    assert [side(p, 585.93, 585.94, rule) for p in (585.934999, 585.935, 585.935001)] == [
        below,
        middle,
        above,
    ]
    assert side(585.93, 585.93, 585.94, rule) == (SELL, AT_QUOTE)
    assert side(585.94, 585.93, 585.94, rule) == (BUY, AT_QUOTE)


@pytest.mark.parametrize(
    ("bid", "ask", "age_ms"),
    [
        (10.0, 10.0, 0),  # locked
        (10.1, 10.0, 0),  # crossed
        (0.0, 10.1, 0),
        (10.0, 0.0, 0),
        (10.0, 10.1, 60_001),
    ],
)
def test_without_a_usable_quote_the_tick_rule_decides(bid: float, ask: float, age_ms: int) -> None:
    assert side(10.0, bid, ask, age_ms=age_ms) == (BUY, TICK)
    assert side(10.0, bid, ask, QUOTE_RULE, age_ms) == (BUY, TICK)


def test_a_quote_is_usable_at_exactly_its_greatest_age_in_whole_milliseconds() -> None:
    assert side(10.0, 10.0, 10.1, age_ms=60_000.9) == (SELL, AT_QUOTE)
    chunk = counted(trade(0, 9.0), trade(0, 9.5), quote(0.9, 10.0, 10.1), trade(2.1, 10.0))
    assert signs(chunk, max_age_ms=2)[-1] == (SELL, AT_QUOTE)
    assert signs(chunk, max_age_ms=1)[-1] == (BUY, TICK)


def test_the_tick_rule_looks_through_equal_prices() -> None:
    prices = (10.0, 10.0, 10.1, 10.1, 10.1, 10.0, 10.0, 10.0, 10.1)
    got = signs(counted(*[trade(i, price) for i, price in enumerate(prices)]))
    none, up, down = (UNKNOWN, NONE), (BUY, TICK), (SELL, TICK)
    assert got == [none, none, up, up, up, down, down, down, up]


def test_what_the_feed_states_goes_before_every_quote() -> None:
    assert side(10.1, 10.0, 10.1, stated_side=-1) == (SELL, STATED)
    assert side(10.0, 10.0, 10.1, stated_side=1) == (BUY, STATED)


def test_only_counted_prints_have_a_side_and_move_the_tick_reference() -> None:
    rows = [
        P(0, price=10.0),
        P(1, price=9.0, verdict=BLOCK),
        P(2, price=9.0, verdict=OUT_OF_ORDER),
        P(3, price=9.5),
    ]
    assert signs(prints(*rows)) == [(0, NONE), (0, NONE), (0, NONE), (SELL, TICK)]


def test_a_reset_forgets_the_tick_reference_of_its_symbol_alone() -> None:
    rows = [P(0, price=9.0), P(0, price=9.0, symbol="Y"), P(1, price=10.0, resets=True)]
    rows += [P(2, price=10.0, symbol="Y"), P(3, price=10.0, verdict=BLOCK, resets=True)]
    rows += [P(4, price=11.0), P(5, price=10.5)]
    sides = [s for s, _ in signs(prints(*rows))]
    assert sides == [UNKNOWN, UNKNOWN, UNKNOWN, BUY, UNKNOWN, UNKNOWN, SELL]


def test_the_tick_reference_outlives_a_restart() -> None:
    rules = SideRules(CLNV, 60_000)
    before = Aggressor(rules)
    before(prints(P(0, price=10.0), P(0, price=5.0, symbol="Y"), P(1, price=10.1)))
    after = Aggressor(rules, stored(before.snapshot()))
    chunk = after(
        prints(P(2, price=5.0, symbol="Y"), P(3, price=10.1), P(4, price=5.1, symbol="Y"))
    )
    assert chunk.side.tolist() == [UNKNOWN, BUY, BUY]
