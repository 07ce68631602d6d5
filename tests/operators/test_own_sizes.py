"""Large by the symbol's own measure: which parents enter, and when (detectors.md section 4)."""

from __future__ import annotations

import numpy as np
import pytest

from operators.large_orders import ParentRules
from operators.learned import SizeDay
from operators.own_sizes import PICO, OwnLargeOrders, OwnRules
from operators.records import LARGE_BUYER, SELLER_CRITICAL, SELLER_WARNING
from operators.size_sketch import EDGES
from tests.make import P, buy, prints, sell, stored, tick_sell

MICRO = 1_000_000
DAY = 19_724  # 2024-01-02
RULES = OwnRules(ParentRules(10, 10_000 * MICRO), 0)
QUIET = SizeDay("X", DAY - 1, 0, 3_600_000, np.array([0, 1]), np.array([998, 2], np.int32))
"""A session in which two parents in a thousand had just over 1,000 shares: one too many."""


def fired(*rows: P, least: int = 0, **known: SizeDay) -> list[tuple[int, int, float]]:
    """Print, kind and size of each parent that reached its threshold."""
    operator = OwnLargeOrders(OwnRules(RULES.parents, least), {k: [d] for k, d in known.items()})
    return [
        (int(p["row"]), int(p["kind"]), p["size"] / MICRO) for p in operator(prints(*rows)).parents
    ]


def learnt(operator: OwnLargeOrders) -> list[tuple[int, list[int], list[int]]]:
    last = operator.finish()
    parts = [] if last is None else last.learned
    return [
        (p.day - DAY, p.bins.tolist(), p.counts.tolist()) for p in parts if isinstance(p, SizeDay)
    ]


def test_a_known_session_sets_the_threshold_from_the_first_print_on() -> None:
    rows = [sell(0, 1_020.202020), sell(1, 1_020.202019), buy(2, 3_000)]
    assert fired(*rows, X=QUIET) == [
        (0, SELLER_WARNING, 1_020.20202),
        (2, LARGE_BUYER, 3_000),
    ]
    assert fired(sell(0, 1_020.202019), X=QUIET) == []
    assert fired(sell(0, 2_040.404040), X=QUIET) == [(0, SELLER_CRITICAL, 2_040.40404)]
    assert fired(*rows) == []


@pytest.mark.parametrize(("size", "count"), [(20_000, 1), (19_999.999999, 0)])
def test_money_is_compared_exactly(size: float, count: int) -> None:
    assert len(fired(sell(0, size, price=10.0), least=200_000 * PICO, X=QUIET)) == count


def test_the_money_of_a_run_adds_up_exactly() -> None:
    """0.1 dollar a hundred thousand times over is 10,000 dollars, and no float's sum."""
    rows = [sell(0, 100, price=0.1) for _ in range(1_000)]
    assert len(fired(*rows, least=10_000 * PICO, X=QUIET)) == 1
    assert len(fired(*rows, least=10_000 * PICO + 1, X=QUIET)) == 0


def test_parents_enter_when_they_are_over_whatever_their_side() -> None:
    operator = OwnLargeOrders(RULES, {})
    operator(prints(sell(0, 60), sell(5, 40), buy(6, 5_000), sell(30, 100), sell(41, 100)))
    large = int(np.searchsorted(EDGES, 5_000 * MICRO, "right"))
    assert learnt(operator) == [(0, [0, large], [3, 1])]  # an open one as if it were over
    assert learnt(operator) == [(0, [0, large], [3, 1])]  # and nothing is forgotten
    operator(prints(buy(41, 100)))
    assert learnt(operator) == [(0, [0, large], [4, 1])]


def test_a_parent_is_not_measured_by_itself() -> None:
    rows = [sell(20 * n, 100) for n in range(600)]
    assert fired(*rows, sell(20_000, 1_500), sell(20_020, 1_500)) == [(600, SELLER_WARNING, 1_500)]


def test_without_quotes_every_signed_print_enters_alone() -> None:
    operator = OwnLargeOrders(RULES, {"X": [QUIET]})
    chunk = operator(prints(tick_sell(0, 5_000), tick_sell(1, 300)))
    assert [(int(p["row"]), int(p["kind"])) for p in chunk.parents] == [(0, SELLER_CRITICAL)]
    assert learnt(operator) == [
        (0, [0, int(np.searchsorted(EDGES, 5_000 * MICRO, "right"))], [1, 1])
    ]


def test_a_day_that_is_over_is_said_once_with_its_next_print() -> None:
    operator = OwnLargeOrders(RULES, {})
    assert operator(prints(sell(0, 100), sell(20, 100))).learned == ()
    tomorrow = 86_400_000
    chunk = operator(prints(sell(tomorrow, 100, resets=True), sell(tomorrow + 50, 100)))
    (part,) = chunk.learned
    assert isinstance(part, SizeDay)
    assert (part.day, part.counts.tolist(), part.span_ms) == (DAY, [2], 20)
    assert learnt(operator) == [(1, [0], [2])]


def test_saved_and_restored_it_goes_on_under_another_order_of_names() -> None:
    first = OwnLargeOrders(RULES, {})
    first(prints(sell(0, 3_000), buy(20, 100), sell(0, 100, symbol="Y")))
    again = OwnLargeOrders(RULES, {}, stored(first.snapshot()))
    kept = OwnLargeOrders(RULES, {}, stored(again.snapshot()))  # nothing seen in between
    kept(prints(buy(40, 100, symbol="Y"), buy(40, 100), names=["Y", "X"]))
    first(prints(buy(40, 100), buy(40, 100, symbol="Y"), names=["X", "Y"]))
    assert sorted(learnt(kept)) == sorted(learnt(first))


def spans(operator: OwnLargeOrders) -> list[tuple[int, int]]:
    """Parents and trading time of each day, of the day alone."""
    last = operator.finish()
    parts = [] if last is None else last.learned
    return [(int(p.counts.sum()), p.span_ms) for p in parts if isinstance(p, SizeDay)]


def test_trading_time_is_that_between_prints_of_a_phase() -> None:
    operator = OwnLargeOrders(RULES, {})
    operator(prints(sell(0), sell(1_000), sell(100_000, resets=True), sell(100_500)))
    assert spans(operator) == [(4, 1_500)]


def test_a_thin_past_is_never_counted_as_the_day() -> None:
    thin = SizeDay("X", DAY - 1, 0, 3_600_000, np.array([0]), np.array([300], np.int32))
    operator = OwnLargeOrders(RULES, {"X": [thin]})
    operator(prints(*(sell(20 * n) for n in range(250))))
    assert spans(operator) == [(250, 249 * 20)]
    tomorrow = 86_400_000
    chunk = operator(prints(sell(tomorrow, resets=True), sell(tomorrow + 40)))
    assert [int(p.counts.sum()) for p in chunk.learned] == [250]  # type: ignore[attr-defined]
    assert spans(operator) == [(2, 40)]  # 550 parents decide by now, and are not of the day
