from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import bytewax.operators as op
import duckdb
import pytest
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSource, run_main

from flows.errors import OrderflowError
from flows.history import History, Totals, history_file, new_run, rebuild_history
from flows.lines import alert_line, eligibility_line
from flows.rows import alert_row, coverage_row, reject_row, run_row
from operators.records import Alert, Coverage, Ledger, Reject
from sinks.appendlog import AppendLog
from sinks.jsonl import JsonlSink
from sinks.opening import Opening
from sinks.tailer import Tailer, parse_lines
from tests.flows.alerts import (
    FIRED,
    MS,
    SECOND,
    alert,
    run,
    write_alerts,
    write_coverage,
    write_rejects,
    write_runs,
)
from tests.sinks.shelf import ask, held

TOTALS = Totals(events=90, alerts=1, verdicts={"counted": 80}, rejects={"bad_price": 3})


def catch_up(root: Path) -> Path:
    history = history_file(root)
    history.catch_up()
    return history.path


def test_a_row_of_alerts_is_the_line_with_times_in_ns(tmp_path: Path) -> None:
    signal = alert(
        reasons=("red_burst",), evidence=("A", "B"), valid_until_ns=FIRED + SECOND, prints=None
    )
    write_alerts(tmp_path, signal)
    [row] = ask(catch_up(tmp_path), "select * from alerts")
    [line] = Tailer(tmp_path / "alerts.jsonl").read()
    times = {
        "timestamp_utc": FIRED,
        "emitted_utc": FIRED + 10 * MS,
        "valid_until": FIRED + SECOND,
        "first_ts_utc": FIRED - 22 * MS,
    }
    assert list(row) == [*(times.get(name, value) for name, value in line.items()), None]


def test_the_columns_of_alerts_are_the_fields_of_the_line_in_order(tmp_path: Path) -> None:
    write_alerts(tmp_path, alert())
    columns = ask(catch_up(tmp_path), "select column_name from (describe alerts)")
    [line] = Tailer(tmp_path / "alerts.jsonl").read()
    renamed = {
        "timestamp_utc": "timestamp_ns",
        "emitted_utc": "emitted_ns",
        "valid_until": "valid_until_ns",
        "first_ts_utc": "first_ts_ns",
    }
    assert [column for (column,) in columns] == [
        *(renamed.get(name, name) for name in line),
        "run_id",
    ]


def test_rejects_and_coverage_have_their_rows(tmp_path: Path) -> None:
    write_runs(tmp_path, run("R1", FIRED - SECOND))
    twice = Reject("AAPL", "bad_price", "{", FIRED)
    write_rejects(tmp_path, [twice, twice, Reject("", "malformed_json", "\0", 0)], FIRED + MS)
    write_coverage(tmp_path, [Coverage("*", FIRED, FIRED + MS, "disconnect", False)], FIRED + MS)
    db = catch_up(tmp_path)
    assert ask(db, "select * from rejects order by seq") == [
        (FIRED + MS, 1, "AAPL", "bad_price", "{", FIRED, "R1"),
        (FIRED + MS, 2, "AAPL", "bad_price", "{", FIRED, "R1"),
        (FIRED + MS, 3, "", "malformed_json", "\0", None, "R1"),
    ]
    assert ask(db, "select * from coverage") == [
        (FIRED + MS, 1, "*", FIRED, FIRED + MS, "disconnect", False, "R1")
    ]


def test_a_day_of_prints_has_its_row(tmp_path: Path) -> None:
    write_runs(tmp_path, run("R1", FIRED - SECOND))
    log = AppendLog(tmp_path / "eligibility.jsonl", eligibility_line, clock=lambda: FIRED)
    log.write([Ledger("AAPL", "2026-11-20", {"counted": 7, "late": 2})])
    log.close()
    columns = "emitted_ns, seq, symbol, day, counted, late, block, run_id"
    assert ask(catch_up(tmp_path), f"select {columns} from eligibility") == [
        (FIRED, 1, "AAPL", date(2026, 11, 20), 7, 2, 0, "R1")
    ]


def test_an_alert_belongs_to_the_run_started_last_before_its_emission(tmp_path: Path) -> None:
    write_runs(tmp_path, run("R1", FIRED), run("R2", FIRED + SECOND))
    for name, at_ns in [
        ("before", FIRED - MS),
        ("first", FIRED),
        ("last", FIRED + SECOND - 1000),
        ("second", FIRED + SECOND),
    ]:
        write_alerts(tmp_path, alert(name), at_ns=at_ns)
    assert ask(catch_up(tmp_path), "select alert_id, run_id from alerts order by seq") == [
        ("before", None),
        ("first", "R1"),
        ("last", "R1"),
        ("second", "R2"),
    ]


@pytest.mark.parametrize(
    ("row", "line"),
    [
        (alert_row, b'{"event":"order_flow_alert","alert_id":"half an alert"}\n'),
        (alert_row, alert_line(alert(), 1, FIRED).replace(b'"seq":1', b'"seq":"1"')),
        (alert_row, alert_line(alert(), 1, FIRED).replace(b"04:05.123000Z", b"04:65.123000Z")),
        (alert_row, b'{"event":"heartbeat","seq":null}\n'),
        (reject_row, alert_line(alert(), 1, FIRED)),
        (coverage_row, b'{"event":"coverage"}\n'),
        (run_row, b'{"event":"run","run_id":7}\n'),
    ],
)
def test_a_line_of_another_shape_is_no_row(row: Callable[[Any], Any], line: bytes) -> None:
    [record] = parse_lines(line)
    assert row(record) is None


def test_a_line_of_a_newer_schema_is_still_a_row() -> None:
    newer = alert_line(alert(), 1, FIRED).replace(b'"schema":1', b'"schema":2,"colour":"red"')
    [record] = parse_lines(newer)
    row = alert_row(record)
    assert row is not None
    assert row[:3] == ("order_flow_alert", 2, "5Q8Z")


def run_flow(root: Path, *alerts: Alert, how: str = "finished") -> None:
    history = History(root, new_run("replay", {"mode": "fixed"}, ("t.parquet",)), lambda: TOTALS)
    graph = Dataflow("orderflow")
    fired = op.input("in", graph, TestingSource([(a.symbol, a) for a in alerts]))
    said = op.merge("said", op.input("open", graph, Opening()), fired)
    jsonl: JsonlSink[Alert] = JsonlSink(
        root / "alerts.jsonl", alert_line, lambda a: a.alert_id, follower=history.keeper
    )
    op.output("history", said, history.sink())
    op.output("jsonl", said, jsonl)
    run_main(graph)
    history.finish(how)


def test_a_run_writes_its_row_with_figures_and_how_it_ended(tmp_path: Path) -> None:
    run_flow(tmp_path, alert(), how="stopped")
    [row] = ask(
        tmp_path / "alerts.duckdb",
        "select r.* exclude (run_id, started_ns, versions, ended_ns), "
        "r.run_id = a.run_id, started_ns < emitted_ns, emitted_ns < ended_ns, "
        "versions->>'bytewax' from runs r, alerts a",
    )
    assert row == (
        "replay",
        '{"mode":"fixed"}',
        ["t.parquet"],
        90,
        1,
        '{"counted":80}',
        '{"bad_price":3}',
        "stopped",
        True,
        True,
        True,
        "0.21.1",
    )


def test_a_run_that_finds_nothing_has_its_row_too(tmp_path: Path) -> None:
    run_flow(tmp_path)
    assert ask(tmp_path / "alerts.duckdb", "select how from runs") == [("finished",)]


def test_a_run_that_was_killed_is_called_so_by_the_next(tmp_path: Path) -> None:
    write_runs(tmp_path, run("R1", FIRED))
    run_flow(tmp_path)
    run_flow(tmp_path)
    assert ask(tmp_path / "alerts.duckdb", "select how from runs order by started_ns") == [
        ("killed",),
        ("finished",),
        ("finished",),
    ]


def test_a_history_rebuilt_is_the_history_there_was(tmp_path: Path) -> None:
    run_flow(tmp_path, alert("a"), alert("b", reasons=("red_burst",)))
    run_flow(tmp_path, alert("b"), alert("c"))
    write_rejects(tmp_path, [Reject("AAPL", "bad_price", "{", FIRED)])
    db = catch_up(tmp_path)
    tables = ("alerts", "rejects", "coverage", "runs", "alert_history")
    before = [ask(db, f"select * from {table} order by all") for table in tables]
    assert [len(rows) for rows in before] == [3, 1, 0, 2, 3]
    db.unlink()
    rebuilt = rebuild_history(tmp_path)
    assert str(rebuilt) == (
        f"{db}: 2 runs, 3 alerts, 1 rejects, 0 coverage, 0 eligibility, 0 scorecard, 0 tune, "
        "0 parent_sizes, 0 volume_curve"
    )
    assert [ask(db, f"select * from {table} order by all") for table in tables] == before
    rebuild_history(tmp_path)
    assert [ask(db, f"select * from {table} order by all") for table in tables] == before


def test_rebuilding_a_broken_history_says_where_the_broken_one_is(tmp_path: Path) -> None:
    write_alerts(tmp_path, alert())
    db = tmp_path / "alerts.duckdb"
    db.write_bytes(b"broken" * 5000)
    rebuilt = rebuild_history(tmp_path)
    [aside] = tmp_path.glob("alerts.duckdb.aside-*")
    assert str(rebuilt).endswith(f"; the broken one is {aside.name}")
    assert ask(db, "select alert_id from alerts") == [("5Q8Z",)]


def test_rebuilding_a_held_history_names_the_holder(tmp_path: Path) -> None:
    write_alerts(tmp_path, alert())
    db = catch_up(tmp_path)
    with held(db) as pid, pytest.raises(OrderflowError, match=f"held by process {pid}: close it"):
        rebuild_history(tmp_path, patience_s=0.2)


def test_rebuilding_where_no_run_wrote_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OrderflowError, match=r"there is no alerts\.jsonl in"):
        rebuild_history(tmp_path)


def test_the_history_can_be_read_by_name_and_never_holds_a_time_with_a_zone(
    tmp_path: Path,
) -> None:
    write_alerts(tmp_path, alert())
    with duckdb.connect(catch_up(tmp_path), read_only=True) as connection:
        rows = connection.execute("select * from alert_history").fetchall()
    assert len(rows) == 1
