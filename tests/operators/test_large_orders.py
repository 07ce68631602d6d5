"""Prints joined to the parent order they came from (detectors.md section 4)."""

from __future__ import annotations

import pytest

from operators.aggressor import BUY, INSIDE, SELL, STATED
from operators.large_orders import LargeOrders, ParentRules
from operators.records import LARGE_BUYER, SELLER_CRITICAL, SELLER_WARNING
from operators.verdicts import BLOCK
from tests.make import P, behind, buy, prints, sell, stored, tick_sell
from tests.reference_cases import ns

MICRO = 1_000_000
RULES = ParentRules(10, 10_000 * MICRO)


def fired(*rows: P, gap_ms: int = 10) -> list[tuple[int, int, float]]:
    """Print, kind and size of each parent that reached a threshold."""
    parents = LargeOrders(ParentRules(gap_ms, 10_000 * MICRO))(prints(*rows)).parents
    return [(int(p["row"]), int(p["kind"]), p["size"] / MICRO) for p in parents]


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([9_999.999999], []),
        ([10_000], [(0, SELLER_WARNING, 10_000)]),
        ([9_999, 1, 1], [(1, SELLER_WARNING, 10_000)]),
        (
            [10_000, 9_999, 1, 50_000],
            [(0, SELLER_WARNING, 10_000), (2, SELLER_CRITICAL, 20_000)],
        ),
        ([20_000, 20_000], [(0, SELLER_CRITICAL, 20_000)]),
        ([9_999, 10_001], [(1, SELLER_CRITICAL, 20_000)]),
    ],
)
def test_a_parent_fires_at_the_threshold_and_once_more_at_twice(
    sizes: list[float], expected: list[tuple[int, int, float]]
) -> None:
    assert fired(*[sell(10 * i, size) for i, size in enumerate(sizes)]) == expected


def test_a_parent_says_what_it_did_so_far() -> None:
    rows = [
        sell(0.25, 4_000, price=10.00, exchange=4),
        sell(3, 2_000, price=9.99, exchange=62),
        sell(5, 4_000, price=9.98, exchange=4),
        sell(6, 1, price=1.0, exchange=9),
    ]
    (parent,) = LargeOrders(RULES)(prints(*rows)).parents
    said = {name: parent[name] for name in ("row", "prints", "venues", "first_ns", "number")}
    assert said == {"row": 2, "prints": 3, "venues": 2, "first_ns": ns(0.25), "number": 1}
    assert float(parent["notional"]) == pytest.approx(99_900.0)


@pytest.mark.parametrize(
    ("gap_ms", "second_ms", "joined"),
    [(10, 10.999999, True), (10, 11, False), (0, 0, False), (1_000, 1_000, True)],
)
def test_prints_at_most_the_gap_apart_are_one_parent(
    gap_ms: int, second_ms: float, joined: bool
) -> None:
    rows = [sell(0, 5_000), sell(second_ms, 5_000)]
    assert fired(*rows, gap_ms=gap_ms) == [(1, SELLER_WARNING, 10_000)] * joined


def test_the_gap_counts_from_the_print_before_and_a_run_crosses_venues() -> None:
    rows = [sell(0, 4_000), sell(10, 3_000, exchange=2), sell(20, 3_000, exchange=3)]
    assert fired(*rows) == [(2, SELLER_WARNING, 10_000)]


def test_a_certain_buy_ends_a_sell_run_and_a_certain_sell_a_buy_run() -> None:
    assert fired(sell(0, 6_000), buy(1, 1), sell(2, 6_000)) == []
    assert fired(buy(0, 6_000), sell(1, 1), buy(2, 6_000)) == []


def test_inferred_unknown_and_uncounted_prints_neither_join_nor_break() -> None:
    between = [
        P(1, 9_000, SELL, INSIDE),
        P(1, 9_000, BUY, INSIDE),
        P(1, 9_000),
        behind(0, 9_000),
        buy(1, 9_000, verdict=BLOCK),
        sell(1, 9_000, verdict=BLOCK),
        tick_sell(1, 10_000, quoted=True),
    ]
    assert fired(sell(0, 5_000), *between, sell(2, 5_000)) == [(8, SELLER_WARNING, 10_000)]


def test_what_the_feed_states_is_certain() -> None:
    assert fired(P(0, 5_000, SELL, STATED), sell(1, 5_000)) == [(1, SELLER_WARNING, 10_000)]


def test_a_large_buyer_is_reported_once() -> None:
    assert fired(buy(0, 6_000), buy(5, 4_000), buy(6, 50_000)) == [(1, LARGE_BUYER, 10_000)]


def test_before_any_quote_a_tick_sell_counts_alone() -> None:
    rows = [tick_sell(0, 9_999), tick_sell(1, 9_999), tick_sell(2, 10_000), tick_sell(3, 20_000)]
    assert fired(*rows) == [(2, SELLER_WARNING, 10_000), (3, SELLER_CRITICAL, 20_000)]
    assert fired(tick_sell(0, 20_000)._replace(side=BUY)) == []


def test_nothing_joins_a_tick_sell_and_it_joins_nothing() -> None:
    assert fired(tick_sell(0, 6_000), sell(1, 6_000)) == []
    assert fired(sell(0, 6_000), tick_sell(1, 6_000), sell(2, 1)) == []
    assert fired(sell(0, 6_000), tick_sell(1, 1), sell(2, 4_000)) == [(2, SELLER_WARNING, 10_000)]


def test_a_reset_ends_the_run_of_its_symbol_alone() -> None:
    rows = [sell(0, 6_000), sell(0, 6_000, symbol="Y"), P(1, verdict=BLOCK, resets=True)]
    assert fired(*rows, sell(2, 6_000), sell(2, 6_000, symbol="Y")) == [(4, SELLER_WARNING, 12_000)]


def test_runs_are_numbered_so_that_an_escalation_finds_its_alert() -> None:
    rows = [sell(0, 10_000), sell(1, 10_000), sell(50, 20_000)]
    parents = LargeOrders(RULES)(prints(*rows)).parents
    assert parents["number"].tolist() == [1, 1, 2]


def test_a_run_goes_on_over_chunks_and_restarts() -> None:
    operator = LargeOrders(RULES)
    operator(prints(sell(0, 4_000), sell(0, 9_000, symbol="Y")))
    operator(prints(sell(5, 4_000)))
    again = LargeOrders(RULES, stored(operator.snapshot()))
    chunk = again(prints(sell(6, 1_000, symbol="Y"), sell(9, 2_000), sell(9, 10_000, symbol="Y")))
    assert [(int(p["row"]), int(p["kind"]), int(p["prints"])) for p in chunk.parents] == [
        (0, SELLER_WARNING, 2),
        (1, SELLER_WARNING, 3),
        (2, SELLER_CRITICAL, 3),
    ]
