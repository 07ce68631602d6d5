"""The reference's detectors against cases worked out by hand (detectors.md, 4, 6, 7 and 9).

The book stands at 10.00 / 10.10 before every print, so 10.00 is a certain sell, 10.10 a certain
buy and 10.05 the midpoint. Times are ms after 09:30:00 New York on Tuesday 2024-01-02.
"""

from __future__ import annotations

import pytest

from tests.reference import Quote, Rules, Trade, alert_id, run
from tests.reference_cases import (
    OPEN_MS,
    WARM,
    burst,
    buy,
    exit_at,
    fired,
    mid,
    ns,
    quoted,
    sell,
    seller,
)

# Section 9.


@pytest.mark.parametrize(
    ("key", "expected"),
    [("12|0|71675222901845", "0ERR5WJQGKECZBJZ12FWSFXPTR"), ("#17", "3GKV1M90DXX1SYN4FC4FXES05G")],
)
def test_the_id_examples_of_the_page_come_out(key: str, expected: str) -> None:
    assert alert_id("AAPL", "large_seller", "critical", 1795187045123, key, "fixed") == expected


# Section 4.


def test_a_large_seller_says_what_the_parent_did_so_far() -> None:
    parent = [
        Trade("X", ns(0.25), 10.00, 4_000, exchange="N"),
        Trade("X", ns(3), 9.99, 2_000, exchange="Q"),
        Trade("X", ns(5), 9.98, 4_000, exchange="N"),
    ]
    assert run(quoted(*parent)).alerts == [
        {
            "alert_id": alert_id("X", "large_seller", "warning", OPEN_MS + 5, "#3", "fixed"),
            "symbol": "X",
            "alert_type": "large_seller",
            "severity": "warning",
            "ts_ms": OPEN_MS + 5,
            "mode": "fixed",
            "order_size": 10_000.0,
            "price": 9.98,
            "vwap": 9.99,
            "notional": 99_900.0,
            "prints": 3,
            "venues": 2,
            "side_evidence": "at_bid",
            "volume_1m": None,
            "avg_volume_1m": None,
            "ratio": None,
            "sell_share": None,
            "large_sells": 1,
            "large_buys": 0,
            "threshold": 10_000.0,
            "reasons": [],
            "evidence": [],
            "escalates": None,
            "valid_until_ms": None,
            "first_ns": ns(0.25),
            "percentile": None,
            "baseline": None,
            "book_imbalance": None,
        }
    ]


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([9_999], []),
        ([9_999.999999], []),
        ([10_000], [seller(0)]),
        ([9_999, 1], [seller(10)]),
        ([10_000, 9_999], [seller(0)]),
        ([10_000, 10_000, 90_000], [seller(0), seller(10, "critical")]),
        ([19_999], [seller(0)]),
        ([20_000, 20_000], [seller(0, "critical")]),  # both at one print: one alert
        ([9_999, 10_001], [seller(10, "critical")]),
    ],
)
def test_a_parent_fires_at_the_threshold_and_once_more_at_twice(
    sizes: list[float], expected: list[tuple[int, str, str]]
) -> None:
    result = run(quoted(*[sell(10 * i, size) for i, size in enumerate(sizes)]))
    assert fired(result) == expected


def test_the_critical_alert_escalates_the_first_and_is_the_same_parent() -> None:
    warning, critical = run(quoted(sell(0, 10_000), sell(1, 10_000))).alerts
    assert critical["escalates"] == warning["alert_id"]
    assert (critical["large_sells"], critical["order_size"], critical["threshold"]) == (
        1,
        20_000.0,
        10_000.0,
    )


@pytest.mark.parametrize(
    ("gap", "second_ms", "expected"),
    [
        (10, 10, [seller(10)]),
        (10, 10.999999, [seller(10)]),  # nanoseconds are not compared
        (10, 11, []),
        (0, 0, []),  # every print alone
    ],
)
def test_prints_at_most_the_gap_apart_are_one_parent(
    gap: int, second_ms: float, expected: list[tuple[int, str, str]]
) -> None:
    tape = quoted(sell(0, 5_000), sell(second_ms, 5_000))
    assert fired(run(tape, Rules(parent_gap_ms=gap))) == expected


def test_the_gap_counts_from_the_print_before_not_from_the_first() -> None:
    tape = quoted(sell(0, 4_000), sell(10, 3_000), sell(20, 3_000))
    assert fired(run(tape)) == [seller(20)]


def test_a_certain_buy_ends_a_sell_run_and_an_inferred_print_does_not() -> None:
    assert fired(run(quoted(sell(0, 5_000), buy(1, 1), sell(2, 5_000)))) == []
    assert fired(run(quoted(sell(0, 5_000), mid(1, 9_000), sell(2, 5_000)))) == [seller(2)]


def test_an_inferred_sell_is_no_part_of_a_parent_once_a_quote_was_seen() -> None:
    near_bid = Trade("X", ns(0), 10.01, 50_000)
    assert fired(run(quoted(near_bid))) == []


def test_a_stated_seller_is_certain_wherever_it_traded() -> None:
    tape = [Trade("X", ns(0), 10.10, 10_000, stated_side=-1)]
    assert fired(run(quoted(*tape))) == [seller(0)]


def test_without_any_quote_a_tick_sell_of_full_size_fires_alone() -> None:
    tape = [buy(0, 1), sell(1, 9_999), sell(2, 9_999), sell(3, 10_000)]
    result = run(tape)
    assert fired(result) == [seller(3)]
    assert result.alerts[0]["side_evidence"] == "tick"


def test_a_tick_sell_does_not_join_a_run_of_stated_sells() -> None:
    tape = [buy(0, 1), sell(1, 6_000, stated_side=-1), sell(2, 6_000)]
    assert fired(run(tape)) == []
    assert fired(run([*tape, sell(3, 4_000, stated_side=-1)])) == [seller(3)]


@pytest.mark.parametrize(
    ("quote", "expected"),
    [
        (Quote("X", ns(0), None, 0.0), []),  # unusable, and still a quote
        (Quote("X", ns(0), -1.0, 10.0), [seller(3)]),  # rejected
        (Quote("Y", ns(0), 10.0, 10.1), [seller(3)]),  # of another symbol
    ],
)
def test_tick_evidence_ends_at_the_first_quote_of_any_quality(
    quote: Quote, expected: list[tuple[int, str, str]]
) -> None:
    assert fired(run([quote, buy(0, 1), sell(3, 10_000)])) == expected


def test_large_buyers_are_counted_within_the_alert_window() -> None:
    tape = quoted(buy(0, 10_000), sell(1, 10_000), buy(50, 6_000), buy(60, 6_000), buy(61, 9_000))
    at_end = run([*tape, *quoted(sell(120_000, 10_000))]).alerts[-1]
    assert (at_end["large_sells"], at_end["large_buys"]) == (2, 2)
    after = run([*tape, *quoted(sell(120_001, 10_000))]).alerts[-1]
    assert (after["large_sells"], after["large_buys"]) == (2, 1)


def test_a_certain_sell_ends_a_buy_run_and_a_pause_does() -> None:
    for tape in (
        [buy(0, 6_000), sell(1, 1), buy(2, 6_000), sell(200, 10_000)],
        [buy(0, 6_000), buy(11, 6_000), sell(200, 10_000)],
    ):
        assert [a["large_buys"] for a in run(quoted(*tape)).alerts] == [0]


# Section 7.


@pytest.mark.parametrize(("third", "signals"), [(120_000, 1), (120_001, 0)])
def test_three_sellers_within_exactly_the_alert_window_are_an_exit(
    third: int, signals: int
) -> None:
    alerts = run(quoted(sell(0, 10_000), sell(60_000, 10_000), sell(third, 10_000))).alerts
    found = [a for a in alerts if a["alert_type"] == "exit_signal"]
    assert len(found) == signals
    for signal in found:
        assert signal["reasons"] == ["large_sellers"]
        assert signal["evidence"] == [a["alert_id"] for a in alerts[:3]]
        assert signal["valid_until_ms"] == OPEN_MS + third + 120_000
        assert (signal["large_sells"], signal["severity"], signal["threshold"]) == (
            3,
            "critical",
            3,
        )


def test_an_escalation_of_a_parent_is_no_further_seller() -> None:
    tape = [sell(0, 10_000), sell(1, 10_000), sell(50, 10_000), sell(51, 10_000)]
    assert exit_at(51) not in fired(run(quoted(*tape)))


@pytest.mark.parametrize(("ms", "again"), [(122_000, False), (122_001, True)])
def test_the_cooldown_lasts_until_more_than_the_window_has_passed(ms: int, again: bool) -> None:
    tape = [sell(at, 10_000) for at in (0, 1_000, 2_000, 3_000, 60_000, ms)]
    result = fired(run(quoted(*tape)))
    assert [a for a in result if a[1] == "exit_signal"] == [exit_at(2_000)] + [exit_at(ms)] * again


def test_inside_the_cooldown_a_reason_of_a_new_kind_escalates_the_first_signal() -> None:
    """Against 40,000 / 5 = 8,000 the minute is 1.25, 2.5, 3.75 and, with 2,000 more, 4.0."""
    tape = [buy(0, 1), buy(10_000, 40_000)]
    tape += [sell(WARM + at, 10_000) for at in (0, 20, 40)]
    result = run(quoted(*tape, sell(WARM + 60, 2_000)))
    assert fired(result)[2:] == [
        seller(WARM + 40),
        burst(WARM + 40),
        exit_at(WARM + 40),
        burst(WARM + 60, "critical"),
        exit_at(WARM + 60),
    ]
    first, critical, second = result.alerts[4:]
    assert (second["reasons"], second["evidence"]) == (["red_burst"], [critical["alert_id"]])
    assert (first["threshold"], first["ratio"]) == (3.0, None)
    assert (second["threshold"], second["ratio"], second["volume_1m"]) == (4.0, 4.0, 32_000.0)
    assert (second["avg_volume_1m"], second["sell_share"]) == (8_000.0, 1.0)
    assert (second["escalates"], first["escalates"]) == (first["alert_id"], None)


def test_one_signal_carries_both_reasons_of_one_print() -> None:
    """Against 30,000 / 5 = 6,000 the third seller makes the minute 5.0."""
    tape = [buy(0, 1), buy(10_000, 30_000)]
    result = run(quoted(*tape, *[sell(WARM + at, 10_000) for at in (0, 20, 40)]))
    first, second, _, third, critical, signal = result.alerts
    assert signal["reasons"] == ["large_sellers", "red_burst"]
    assert signal["evidence"] == [a["alert_id"] for a in (first, second, third, critical)]
    assert (signal["threshold"], signal["ratio"], signal["side_evidence"]) == (3.0, 5.0, "at_bid")


def test_the_cooldown_and_fired_sellers_outlive_a_reset() -> None:
    reopening = Trade("X", ns(1_500), 10.0, 100, conditions=(18,))
    tape = [sell(0, 10_000), sell(1_000, 10_000), reopening, sell(2_000, 10_000)]
    assert fired(run(quoted(*tape)))[-1] == exit_at(2_000)


# Adaptive mode.


@pytest.mark.parametrize(
    ("size", "percentile", "expected"),
    [
        (20_000, 7_000, [seller(0, "critical")]),
        (20_000, 20_000, [seller(0)]),
        (20_000, 20_001, []),
        (19_999, 7_000, []),  # 199,990 dollars
    ],
)
def test_adaptive_needs_the_symbols_own_size_and_money(
    size: int, percentile: int, expected: list[tuple[int, str, str]]
) -> None:
    rules = Rules(detection_mode="adaptive", own_percentile={"X": percentile})
    assert fired(run(quoted(sell(0, size)), rules)) == expected
