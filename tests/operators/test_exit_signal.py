"""Exit signals and the alerts they stand on (detectors.md sections 4, 6, 7 and 9)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from operators.exit_signal import AlertRules, Alerts, SymbolAlerts, alert_id, money, shares
from operators.records import (
    BURST_CRITICAL,
    BURST_WARNING,
    LARGE_BUYER,
    SELLER_CRITICAL,
    SELLER_WARNING,
    Alert,
    Firing,
    Parent,
)
from tests.make import stored
from tests.reference_cases import OPEN_MS, ns

RULES = AlertRules("replay", "fixed", 10_000.0, 3.0, 4.0, 3, 120_000)


def parent(kind: int, number: int, size: float = 10_000.0) -> Parent:
    return Parent(kind, number, size, 100_000.0, 10.0, 2, 1, ns(0))


def firing(ms: float, **more: Any) -> Firing:
    """A print on which something fired; its key is its time."""
    said = {
        "symbol": "X", "ts_ns": ns(ms), "received_ns": 5, "trade_key": f"4|0|{ms}", "price": 10.0,
        "bid": 10.0, "ask": 10.1, "quote_age_ms": 3.0, "side_evidence": "at_bid",
        "session": "regular", "parent": None, "burst": 0, "burst_escalates": False,
        "burst_first_ns": 0, "volume_1m": 24_000.0, "avg_volume_1m": 6_000.0,
        "volume_ratio": 4.0, "sell_share": 0.75,
    }  # fmt: skip
    return Firing(**{**said, **more})


def seller(ms: float, number: int, kind: int = SELLER_WARNING) -> Firing:
    return firing(ms, parent=parent(kind, number))


def burst(ms: float, kind: int = BURST_CRITICAL, escalates: bool = False) -> Firing:
    return firing(ms, burst=kind, burst_escalates=escalates, burst_first_ns=ns(ms))


def alerts(*prints: Firing, rules: AlertRules = RULES) -> list[Alert]:
    logic = Alerts(rules, SymbolAlerts())
    return [alert for one in prints for alert in logic.on_print(one)]


def kinds(found: list[Alert]) -> list[tuple[str, str]]:
    return [(alert.alert_type, alert.severity) for alert in found]


@pytest.mark.parametrize(
    ("key", "expected"),
    [("12|0|71675222901845", "0ERR5WJQGKECZBJZ12FWSFXPTR"), ("#17", "3GKV1M90DXX1SYN4FC4FXES05G")],
)
def test_the_ids_of_the_page_come_out(key: str, expected: str) -> None:
    assert alert_id("AAPL", "large_seller", "critical", 1795187045123, key, "fixed") == expected


def test_a_large_seller_says_all_the_contract_asks() -> None:
    one = firing(
        5.25, price=9.98, parent=Parent(SELLER_WARNING, 1, 10_000.5, 99_904.99, 9.99, 3, 2, ns(0.5))
    )
    assert alerts(one) == [
        Alert(
            alert_id=alert_id("X", "large_seller", "warning", OPEN_MS + 5, "4|0|5.25", "fixed"),
            symbol="X",
            alert_type="large_seller",
            severity="warning",
            ts_ns=ns(5.25),
            received_ns=5,
            feed="replay",
            mode="fixed",
            session="regular",
            order_size=10_000.5,
            price_level=9.98,
            notional=99_904.99,
            vwap=9.99,
            prints=3,
            venues=2,
            bid=10.0,
            ask=10.1,
            quote_age_ms=3.0,
            side_evidence="at_bid",
            large_sells=1,
            large_buys=0,
            threshold=10_000.0,
            first_ns=ns(0.5),
            message="Large seller detected: X 10,000.5 @ 9.98 (3 prints, 2 venues)",
        )
    ]


def test_a_red_burst_says_its_volumes() -> None:
    (alert,) = alerts(burst(7, BURST_WARNING))
    said = (alert.volume_ratio, alert.volume_1m, alert.avg_volume_1m, alert.sell_share)
    assert said == (4.0, 24_000.0, 6_000.0, 0.75)
    assert (alert.threshold, alert.first_ns, alert.order_size) == (3.0, ns(7), None)
    assert alert.message == (
        "Red burst detected: X 24,000 shares in 60 s, 4.0x the 5-minute average, 75% sells"
    )


def test_a_critical_parent_escalates_its_first_alert_and_counts_once() -> None:
    first, second = alerts(seller(0, 7), seller(1, 7, SELLER_CRITICAL))
    assert (second.escalates, second.severity, second.large_sells) == (
        first.alert_id,
        "critical",
        1,
    )


def test_a_parent_that_is_critical_at_once_escalates_nothing() -> None:
    assert [a.escalates for a in alerts(seller(0, 7), seller(1, 8, SELLER_CRITICAL))] == [None] * 2


def test_a_print_that_is_a_parent_by_itself_does_not_take_an_escalation() -> None:
    found = alerts(seller(0, 7), seller(1, -1), seller(2, 7, SELLER_CRITICAL))
    assert found[2].escalates == found[0].alert_id


def test_a_critical_burst_escalates_the_warning_of_its_episode() -> None:
    found = alerts(burst(0, BURST_WARNING), burst(1, escalates=True))
    assert kinds(found) == [
        ("red_burst", "warning"),
        ("red_burst", "critical"),
        ("exit_signal", "critical"),
    ]
    assert [a.escalates for a in found] == [None, found[0].alert_id, None]


def test_large_buyers_are_counted_and_not_alerted() -> None:
    buyers = [firing(ms, parent=parent(LARGE_BUYER, 1 + ms)) for ms in (0, 1)]
    (alert,) = alerts(*buyers, seller(120_000, 9))
    assert (alert.large_buys, alert.large_sells) == (2, 1)
    (alert,) = alerts(*buyers, seller(120_001, 9))
    assert (alert.large_buys, alert.large_sells) == (1, 1)


@pytest.mark.parametrize(("ms", "signals"), [(120_000.9, 1), (120_001, 0)])
def test_as_many_sellers_as_asked_within_the_window_are_an_exit(ms: float, signals: int) -> None:
    found = alerts(seller(0, 1), seller(60_000, 2), seller(ms, 3))
    assert kinds(found)[3:] == [("exit_signal", "critical")] * signals


def test_an_exit_signal_names_its_evidence_and_how_long_it_holds() -> None:
    *sellers, signal = alerts(seller(0, 1), seller(1, 2), seller(2, 3))
    assert (signal.reasons, signal.evidence) == (
        ("large_sellers",),
        tuple(a.alert_id for a in sellers),
    )
    assert signal.valid_until_ns == ns(120_002)
    assert (signal.threshold, signal.large_sells, signal.first_ns) == (3.0, 3, ns(2))
    assert (signal.order_size, signal.volume_ratio, signal.side_evidence) == (None, None, "at_bid")
    assert signal.message == "Exit signal triggered: X 3 large sellers in 120 s"


def test_an_escalated_parent_is_no_further_seller() -> None:
    escalated = seller(2, 2, SELLER_CRITICAL)
    assert "exit_signal" not in [
        a.alert_type for a in alerts(seller(0, 1), seller(1, 2), escalated)
    ]


def test_alerts_of_one_print_come_in_order_and_a_signal_carries_both_reasons() -> None:
    both = firing(2, parent=parent(SELLER_WARNING, 3), burst=BURST_CRITICAL)
    found = alerts(seller(0, 1), seller(1, 2), both)
    assert [a.alert_type for a in found[2:]] == ["large_seller", "red_burst", "exit_signal"]
    signal = found[-1]
    assert signal.reasons == ("large_sellers", "red_burst")
    assert signal.evidence == tuple(a.alert_id for a in found[:4])
    assert (signal.threshold, signal.volume_ratio, signal.volume_1m) == (3.0, 4.0, 24_000.0)
    assert signal.message == (
        "Exit signal triggered: X 3 large sellers in 120 s and red burst 4.0x the 5-minute "
        "average, 75% sells"
    )


def test_a_signal_for_a_burst_alone_names_the_red_burst_threshold() -> None:
    signal = alerts(burst(0))[-1]
    assert (signal.reasons, signal.threshold, signal.sell_share) == (("red_burst",), 4.0, 0.75)


def test_a_warning_burst_is_no_reason() -> None:
    assert kinds(alerts(burst(0, BURST_WARNING))) == [("red_burst", "warning")]


@pytest.mark.parametrize(("ms", "signals"), [(120_002, 1), (120_003, 2)])
def test_the_cooldown_lasts_until_more_than_the_window_has_passed(ms: int, signals: int) -> None:
    tape = [seller(at, n) for n, at in enumerate((0, 1, 2, 3, 90_000, 100_000, ms))]
    assert [a.alert_type for a in alerts(*tape)].count("exit_signal") == signals


def test_in_the_cooldown_a_reason_of_a_new_kind_escalates_the_first_signal() -> None:
    tape = [burst(0), seller(1, 1), seller(2, 2), seller(3, 3), seller(4, 4), burst(5)]
    signals = [a for a in alerts(*tape) if a.alert_type == "exit_signal"]
    assert [s.reasons for s in signals] == [("red_burst",), ("large_sellers",)]
    assert [s.escalates for s in signals] == [None, signals[0].alert_id]
    assert signals[1].threshold == 3.0


def test_the_cooldown_counts_from_its_first_signal() -> None:
    tape = [burst(0), *[seller(60_000 + n, n) for n in range(3)], burst(120_001)]
    signals = [a for a in alerts(*tape) if a.alert_type == "exit_signal"]
    assert [(s.reasons, s.escalates is None) for s in signals] == [
        (("red_burst",), True),
        (("large_sellers",), False),
        (("large_sellers", "red_burst"), True),
    ]


def test_what_is_remembered_outlives_a_restart_and_is_bounded_by_the_window() -> None:
    before = Alerts(RULES, SymbolAlerts())
    for n in range(1_000):
        before.on_print(seller(n * 1_000, n))
    state: Any = stored(before.state)  # type: ignore[arg-type]
    assert len(state.parents) == 121
    after = Alerts(RULES, state)
    one, two = seller(999_001, 1_000), burst(999_002)
    assert [after.on_print(x) for x in (one, two)] == [before.on_print(x) for x in (one, two)]


@pytest.mark.parametrize(
    ("price", "text"),
    [
        (10.0, "10.00"),
        (175.5, "175.50"),
        (0.1234, "0.1234"),
        (0.000001, "0.000001"),
        (1e7, "10000000.00"),
    ],
)
def test_a_price_is_shown_with_two_decimals_or_what_it_needs(price: float, text: str) -> None:
    assert money(price) == text


@pytest.mark.parametrize(
    ("size", "text"), [(24_100.0, "24,100"), (0.5, "0.5"), (10_000.000001, "10,000.000001")]
)
def test_a_size_is_shown_with_what_it_needs(size: float, text: str) -> None:
    assert shares(size) == text


def test_a_short_position_gets_alerts_but_no_signal_and_no_cooldown() -> None:
    held = {"X": -100}
    rules = replace(RULES, is_short=lambda symbol: held.get(symbol, 0) < 0)
    logic = Alerts(rules, SymbolAlerts())
    found = [a for n in range(4) for a in logic.on_print(seller(n, n))]
    found += logic.on_print(burst(4))
    assert kinds(found) == [("large_seller", "warning")] * 4 + [("red_burst", "critical")]
    held["X"] = 100
    signal = logic.on_print(seller(5, 5))[-1]
    assert (signal.alert_type, signal.reasons, signal.escalates) == (
        "exit_signal",
        ("large_sellers",),
        None,
    )


def test_an_escalation_alone_is_no_moment_to_signal() -> None:
    """The cooldown has just ended and three sellers are in the window, but none fired first."""
    tape = [seller(at, n) for n, at in enumerate((0, 1, 2, 119_000, 119_001, 119_002))]
    found = alerts(*tape, seller(120_003, 5, SELLER_CRITICAL))
    assert [a.ts_ns for a in found if a.alert_type == "exit_signal"] == [ns(2)]
    again = alerts(*tape, seller(120_003, 6))
    assert [a.ts_ns for a in again if a.alert_type == "exit_signal"] == [ns(2), ns(120_003)]
