from __future__ import annotations

import math

import msgspec
import orjson
import pytest

from flows.lines import AlertLine, alert_line, coverage_line, event_line, reject_line
from operators.records import Coverage, MarketWide, Reject
from tests.flows.alerts import FIRED, MS, alert

# The line of the alert contract, with an emission 8.402 ms after the event.
CONTRACT = (
    '{"event":"order_flow_alert","schema":1,"alert_id":"5Q8Z","seq":17,"symbol":"AAPL",'
    '"alert_type":"large_seller","severity":"critical",'
    '"timestamp_utc":"2026-11-20T15:04:05.123000Z","emitted_utc":"2026-11-20T15:04:05.131402Z",'
    '"latency_ms":6.402,"feed":"live","mode":"fixed","session":"regular","order_size":24100.0,'
    '"price_level":175.5,"notional":4229312.0,"vwap":175.49,"prints":7,"venues":4,'
    '"bid":175.5,"ask":175.52,"quote_age_ms":12.0,"side_evidence":"at_bid",'
    '"volume_ratio":null,"volume_1m":null,"avg_volume_1m":null,"sell_share":null,'
    '"large_sells":2,"large_buys":0,"threshold":10000.0,"reasons":[],"evidence":[],'
    '"escalates":"5Q8X","valid_until":null,"late":false,'
    '"first_ts_utc":"2026-11-20T15:04:05.101000Z","percentile":null,"baseline":null,'
    '"market_wide":null,"track_record":null,"cvd":null,"ofi_60s":null,'
    '"book_imbalance":null,'
    '"message":"Large seller detected: AAPL 24,100 @ 175.50 (7 prints, 4 venues)"}'
)


def test_an_alert_line_is_the_line_of_the_contract() -> None:
    assert alert_line(alert(), 17, FIRED + 8_402_000).decode() == CONTRACT


def test_latency_is_from_receipt_to_emission_in_ms_rounded_to_microseconds() -> None:
    line = orjson.loads(alert_line(alert(received_ns=FIRED), 1, FIRED + 1_234_567))
    assert line["latency_ms"] == 1.235


def test_a_replay_has_no_latency() -> None:
    assert orjson.loads(alert_line(alert(received_ns=0), 1, FIRED))["latency_ms"] is None


def test_reasons_evidence_and_validity_of_an_exit_are_in_the_line() -> None:
    signal = alert(
        reasons=("large_sellers", "red_burst"), evidence=("A", "B"), valid_until_ns=FIRED + MS
    )
    line = orjson.loads(alert_line(signal, 1, FIRED))
    assert (line["reasons"], line["evidence"], line["valid_until"]) == (
        ["large_sellers", "red_burst"],
        ["A", "B"],
        "2026-11-20T15:04:05.124000Z",
    )


def test_what_surrounds_an_alert_is_in_the_line() -> None:
    around = MarketWide(-20.5, -12.0, 1.2, -6.1, None, 3, "SPY", True)
    line = orjson.loads(alert_line(alert(cvd=-100.5, ofi_60s=7.0, market_wide=around), 1, FIRED))
    assert (line["cvd"], line["ofi_60s"]) == (-100.5, 7.0)
    assert line["market_wide"] == {
        "return_60s_bps": -20.5,
        "market_return_60s_bps": -12.0,
        "beta": 1.2,
        "residual_bps": -6.1,
        "net_selling_share": None,
        "symbols": 3,
        "source": "SPY",
        "is_market_wide": True,
    }


def test_the_imbalance_of_the_book_is_in_the_line() -> None:
    line = orjson.loads(alert_line(alert(book_imbalance=-0.25), 1, FIRED))
    assert line["book_imbalance"] == -0.25


def test_a_line_from_before_the_imbalance_is_still_read() -> None:
    older = orjson.loads(CONTRACT)
    del older["book_imbalance"]
    assert msgspec.convert(older, AlertLine).book_imbalance is None


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_json_has_no_number_for_is_null(value: float) -> None:
    assert orjson.loads(alert_line(alert(volume_ratio=value), 1, FIRED))["volume_ratio"] is None


def test_a_line_read_back_has_every_field() -> None:
    line = msgspec.convert(orjson.loads(CONTRACT), AlertLine)
    assert msgspec.json.encode(line).decode() == CONTRACT


def test_a_reject_line_holds_symbol_code_fragment_and_time() -> None:
    reject = Reject("AAPL", "bad_price", '{"p":-1}', FIRED)
    assert reject_line(reject, 3, FIRED + MS).decode() == (
        '{"event":"reject","schema":1,"seq":3,"symbol":"AAPL","code":"bad_price",'
        '"fragment":"{\\"p\\":-1}","timestamp_utc":"2026-11-20T15:04:05.123000Z",'
        '"emitted_utc":"2026-11-20T15:04:05.124000Z"}'
    )


@pytest.mark.parametrize("ts_ns", [0, -1, 1 << 63])
def test_a_time_that_could_not_be_read_is_null(ts_ns: int) -> None:
    line = orjson.loads(reject_line(Reject("", "bad_time", "", ts_ns), 1, FIRED))
    assert line["timestamp_utc"] is None


def test_no_fragment_is_too_odd_to_be_written() -> None:
    line = orjson.loads(reject_line(Reject("\ud800", "bad_symbol", "é\0\ud800\n", 0), 1, FIRED))
    assert (line["symbol"], line["fragment"]) == ("\\ud800", "é\0\\ud800\n")


def test_a_coverage_line_holds_the_interval_and_its_cause() -> None:
    gap = Coverage("*", FIRED, FIRED + MS, "disconnect", True)
    assert orjson.loads(coverage_line(gap, 2, FIRED)) == {
        "event": "coverage",
        "schema": 1,
        "seq": 2,
        "symbol": "*",
        "from_utc": "2026-11-20T15:04:05.123000Z",
        "to_utc": "2026-11-20T15:04:05.124000Z",
        "cause": "disconnect",
        "refilled": True,
        "emitted_utc": "2026-11-20T15:04:05.123000Z",
    }


def test_an_event_line_has_no_number() -> None:
    said = event_line("heartbeat", FIRED, {"feed": "ok", "lag_ms": 1.5, "suspended": ["X"]})
    assert said.decode() == (
        '{"event":"heartbeat","seq":null,"feed":"ok","lag_ms":1.5,"suspended":["X"],'
        '"emitted_utc":"2026-11-20T15:04:05.123000Z"}'
    )
