"""The analyst's queries over a small history, each answer worked out by hand."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from flows.answers import SQL, queries
from flows.history import history_file
from operators.records import Alert, Reject
from sinks.iso import ns_of
from tests.flows.alerts import (
    FIRED,
    MS,
    SECOND,
    alert,
    run,
    write_alerts,
    write_rejects,
    write_runs,
)
from tests.sinks.shelf import ask

Rows = list[tuple[Any, ...]]
OPEN = ns_of("2026-11-20T14:30:00.000000Z")  # 09:30 in New York
MINUTE = 60 * SECOND


def seller(name: str, at_ns: int, **changes: Any) -> Alert:
    return alert(name, **{"ts_ns": at_ns, "escalates": None, "severity": "warning", **changes})


def exit_signal(name: str, at_ns: int, *evidence: str, **changes: Any) -> Alert:
    fields = {"alert_type": "exit_signal", "evidence": evidence, "reasons": ("large_sellers",)}
    return alert(name, **{"ts_ns": at_ns, "escalates": None, **fields, **changes})


def _at(text: str) -> datetime:
    """Return a time without a zone, as the view shows it."""
    return datetime.fromisoformat(text)


def answer(root: Path, name: str) -> Rows:
    history = history_file(root)
    history.catch_up()
    return ask(history.path, (SQL / f"{name}.sql").read_text())


@pytest.mark.parametrize("name", sorted(queries()))
def test_every_query_runs_on_an_empty_history(tmp_path: Path, name: str) -> None:
    assert answer(tmp_path, name) == []


@pytest.mark.parametrize("path", sorted(SQL.glob("*.sql")), ids=lambda path: path.name)
def test_every_file_holds_one_statement_and_begins_with_what_it_is_for(path: Path) -> None:
    text = path.read_text()
    assert text.startswith("-- ")
    assert ";" not in "\n".join(line.partition("--")[0] for line in text.splitlines())
    assert text.endswith("\n")


def test_the_view_shows_utc_and_new_york_in_winter_and_summer(tmp_path: Path) -> None:
    july = ns_of("2026-07-01T13:30:00.000001Z")
    write_alerts(tmp_path, alert("w", valid_until_ns=FIRED + SECOND), alert("s", ts_ns=july))
    history = history_file(tmp_path)
    history.catch_up()
    columns = "timestamp_utc, timestamp_new_york, valid_until_utc"
    assert ask(history.path, f"select {columns} from alert_history order by seq") == [
        (
            _at("2026-11-20 15:04:05.123000"),
            _at("2026-11-20 10:04:05.123000"),
            _at("2026-11-20 15:04:06.123000"),
        ),
        (_at("2026-07-01 13:30:00.000001"), _at("2026-07-01 09:30:00.000001"), None),
    ]


def test_alerts_by_day_sums_all_but_resting_sellers(tmp_path: Path) -> None:
    """The New York day ends at 05:00 UTC: the last two are of different days."""
    write_alerts(
        tmp_path,
        seller("a", OPEN),
        seller("b", OPEN, severity="critical", escalates="a"),
        seller("c", OPEN, alert_type="red_burst"),
        exit_signal("d", OPEN),
        seller("e", OPEN, alert_type="large_resting_seller"),
        seller("f", OPEN, mode="adaptive"),
        seller("g", OPEN, symbol="MSFT"),
        seller("h", ns_of("2026-11-21T04:59:59.000000Z"), symbol="MSFT"),
        seller("i", ns_of("2026-11-21T05:00:00.000000Z"), symbol="MSFT"),
    )
    today, tomorrow = _at("2026-11-20 00:00:00").date(), _at("2026-11-21 00:00:00").date()
    assert answer(tmp_path, "alerts_by_day") == [
        (today, "AAPL", "adaptive", 1, 0, 0, 1, 0),
        (today, "AAPL", "fixed", 2, 1, 1, 4, 1),
        (today, "MSFT", "fixed", 2, 0, 0, 2, 0),
        (tomorrow, "MSFT", "fixed", 1, 0, 0, 1, 0),
    ]


def test_alerts_by_hour_counts_per_symbol_and_type(tmp_path: Path) -> None:
    write_alerts(
        tmp_path,
        seller("a", OPEN),
        seller("b", OPEN + 29 * MINUTE, severity="critical"),
        seller("c", OPEN + 30 * MINUTE),
        seller("d", OPEN, symbol="MSFT"),
        exit_signal("e", OPEN),
    )
    assert answer(tmp_path, "alerts_by_hour") == [
        (_at("2026-11-20 09:00:00"), "AAPL", "large_seller", 2, 1),
        (_at("2026-11-20 09:00:00"), "AAPL", "exit_signal", 1, 1),
        (_at("2026-11-20 09:00:00"), "MSFT", "large_seller", 1, 0),
        (_at("2026-11-20 10:00:00"), "AAPL", "large_seller", 1, 0),
    ]


def test_latency_is_shown_per_run_and_replays_have_none(tmp_path: Path) -> None:
    write_runs(tmp_path, run("R1", OPEN), run("R2", OPEN + MINUTE))
    live = [seller(f"a{n}", OPEN, received_ns=OPEN + SECOND - n * MS) for n in range(1, 102)]
    write_alerts(tmp_path, *live, at_ns=OPEN + SECOND)
    replayed = seller("b", OPEN, received_ns=0, feed="replay")
    write_alerts(tmp_path, replayed, at_ns=OPEN + MINUTE)
    assert answer(tmp_path, "latency_percentiles") == [
        ("R1", _at("2026-11-20 14:30:00"), "live", 101, 101, 51.0, 91.0, 100.0, 101.0),
        ("R2", _at("2026-11-20 14:31:00"), "replay", 1, 0, None, None, None, None),
    ]


def test_the_largest_sellers_come_by_money_and_each_parent_once(tmp_path: Path) -> None:
    write_alerts(
        tmp_path,
        seller("small", OPEN, notional=2e6),
        seller("large", OPEN, notional=3e6),
        seller("larger", OPEN + MS, notional=6e6, severity="critical", escalates="large"),
        exit_signal("exit", OPEN, escalates="small", notional=9e9),
    )
    rows = answer(tmp_path, "largest_sellers")
    assert [(row[-1], row[4]) for row in rows] == [("larger", 6e6), ("small", 2e6)]


def test_resting_sellers_come_by_money_with_their_distance_and_each_level_once(
    tmp_path: Path,
) -> None:
    resting = {"alert_type": "large_resting_seller", "ask": 100.0, "book_imbalance": -0.25}
    write_alerts(
        tmp_path,
        seller("near", OPEN, notional=2e6, price_level=100.0, **resting),
        seller("deep", OPEN, notional=3e6, price_level=100.05, **resting),
        seller("deeper", OPEN + MS, notional=6e6, escalates="deep", price_level=100.05, **resting),
        seller("executed", OPEN, notional=9e9),
    )
    rows = answer(tmp_path, "resting_sellers")
    assert [(row[-1], row[6], row[7]) for row in rows] == [
        ("deeper", 5.0, -0.25),
        ("near", 0.0, -0.25),
    ]


def test_exit_signals_come_with_one_row_a_piece_of_evidence(tmp_path: Path) -> None:
    write_alerts(
        tmp_path,
        seller("s1", OPEN, message="first"),
        seller("s2", OPEN + SECOND, message="second"),
        exit_signal("e1", OPEN + MINUTE, "s2", "s1", "archived"),
        exit_signal("e2", OPEN + 2 * MINUTE),
    )
    rows = answer(tmp_path, "exit_signals")
    assert [(row[-1], row[-2], row[-3]) for row in rows] == [
        ("e1", "s1", "first"),
        ("e1", "s2", "second"),
        ("e1", "archived", None),
        ("e2", None, None),
    ]


def test_an_exit_is_doubted_for_buyers_for_mere_ticks_and_for_a_higher_price(
    tmp_path: Path,
) -> None:
    write_alerts(
        tmp_path,
        seller("tick", OPEN, side_evidence="tick"),
        seller("bid", OPEN),
        exit_signal("plain", OPEN, "bid", "tick", symbol="A", large_sells=3, large_buys=2),
        exit_signal("fight", OPEN, "bid", symbol="B", large_sells=3, large_buys=3),
        exit_signal("ticks", OPEN, "tick", symbol="C"),
        exit_signal("cheap", OPEN, "bid", symbol="D", price_level=10.0),
        seller("up", OPEN + 30 * MINUTE, symbol="D", price_level=10.01),
        exit_signal("right", OPEN, "bid", symbol="E", price_level=10.0),
        seller("down", OPEN + MINUTE, symbol="E", price_level=9.99),
        seller("late", OPEN + 31 * MINUTE, symbol="E", price_level=11.0),
    )
    rows = answer(tmp_path, "false_exit_candidates")
    assert [(row[-1], row[3], row[4]) for row in rows] == [
        ("cheap", ["price_rose"], 10.01),
        ("fight", ["two_sided"], None),
        ("ticks", ["tick_rule_only"], None),
    ]


def test_rejects_are_counted_by_the_runs_and_shown_as_written(tmp_path: Path) -> None:
    ended = {"ended_utc": "2026-11-20T21:00:00.000000Z", "how": "finished"}
    write_runs(
        tmp_path,
        run("R1", OPEN, rejects={"bad_price": 50, "crossed_quote": 7}, **ended),
        run("R2", OPEN + MINUTE, rejects={"bad_price": 2}, **ended),
        run("R3", OPEN + 2 * MINUTE),
    )
    rejects = [Reject("A", "bad_price", "1", OPEN), Reject("B", "bad_price", "2", OPEN)]
    write_rejects(tmp_path, rejects, OPEN)
    write_rejects(tmp_path, [Reject("", "malformed_json", "{", 0)], OPEN + MINUTE)
    opened, later = _at("2026-11-20 14:30:00"), _at("2026-11-20 14:31:00")
    assert answer(tmp_path, "rejects_by_code") == [
        ("bad_price", 52, 2, 2, opened, opened, "2"),
        ("crossed_quote", 7, 0, 0, None, None, None),
        ("malformed_json", None, 1, 1, later, later, "{"),
    ]
