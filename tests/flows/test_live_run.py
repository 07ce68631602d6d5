"""A live run as an operator meets it: stops, midnight, a second start, and disks that refuse."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import duckdb
import orjson
import pytest

from flows import instance
from flows.mock import MockPolygon
from sinks.iso import iso_utc
from tests.disks import fill, small
from tests.flows.files import write_parquet
from tests.flows.live import (
    alerts,
    command,
    environment,
    ids,
    lines,
    running,
)
from tests.flows.market import SYMBOLS, expected_ids, market
from tests.flows.mock.free_port import free_port
from tests.sinks.shelf import held


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a small market that keeps every rule busy."""
    folder = tmp_path_factory.mktemp("market")
    write_parquet(folder, market())
    return folder


@pytest.fixture
def mock(tape: Path) -> Iterator[MockPolygon]:
    with MockPolygon([tape], rate=500) as mock:
        yield mock


def watching(mock: MockPolygon, data: Path, **more: str) -> dict[str, str]:
    """Watch every symbol by name: of the whole market, state is saved once a minute only."""
    names = {"ORDER_FLOW_SYMBOLS": ",".join(SYMBOLS), "ORDER_FLOW_MONITORING_MODE": "watchlist"}
    return environment(mock, data, **names, **more)


def rows(history: Path, question: str) -> list[Any]:
    with closing(duckdb.connect(str(history), read_only=True)) as db:
        return db.execute(question).fetchall()


def status(root: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = orjson.loads((root / "status.json").read_bytes())
    except FileNotFoundError:
        return {}
    return found


def test_a_stop_while_kernels_compile_is_clean(mock: MockPolygon, tmp_path: Path) -> None:
    env = environment(mock, tmp_path / "data", XDG_CACHE_HOME=str(tmp_path / "cache"))
    with running(tmp_path, env) as run:
        run.until(lambda: "compiling kernels" in run.said)
        assert run.stopped(signal.SIGTERM) == (0, "")
        assert "Traceback" not in run.said
    with running(tmp_path, environment(mock, tmp_path / "data")) as run:  # nothing is in its way
        run.until(lambda: "writing to" in run.said)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_is_clean(mock: MockPolygon, tmp_path: Path, number: signal.Signals) -> None:
    root = tmp_path / "data" / "live"
    with running(tmp_path, environment(mock, tmp_path / "data")) as run:
        run.until(lambda: len(alerts(root / "alerts.jsonl")) > 20)
        assert run.stopped(number) == (0, "")
        assert f"writing to {root}" in run.said.splitlines()
    written = [alert["alert_id"] for alert in alerts(root / "alerts.jsonl")]
    in_history = rows(root / "alerts.duckdb", "select alert_id from alerts order by seq")
    assert [name for (name,) in in_history] == written
    ((how, counted, ended),) = rows(
        root / "alerts.duckdb", "select how, alerts, ended_ns > started_ns from runs"
    )
    assert (how, counted, ended) == ("stopped", len(written), True)
    final = status(root)
    assert final["feed_state"]["condition"] == "closed"
    assert (sum(final["alerts"].values()), final["alerts_waiting"]) == (len(written), 0)
    assert instance.holder(root) is None


def test_a_run_killed_and_started_again_says_nothing_twice(
    mock: MockPolygon, tmp_path: Path
) -> None:
    root = tmp_path / "data" / "live"
    env = environment(mock, tmp_path / "data")
    for _ in range(2):
        with running(tmp_path, env) as run:
            before = len(alerts(root / "alerts.jsonl"))
            run.until(lambda n=before: len(alerts(root / "alerts.jsonl")) > n + 20)
            run.stopped(signal.SIGKILL)
    found = alerts(root / "alerts.jsonl")
    assert len({alert["alert_id"] for alert in found}) == len(found)
    assert [alert["seq"] for alert in found] == list(range(1, len(found) + 1))


def test_the_first_line_of_a_new_day_in_new_york_begins_a_new_file(
    mock: MockPolygon, tmp_path: Path
) -> None:
    root = tmp_path / "data" / "live"
    root.mkdir(parents=True)
    then = datetime.now(UTC) - timedelta(days=2)
    emitted = iso_utc(int(then.timestamp()) * 10**9)
    old = {"event": "order_flow_alert", "alert_id": "OLD", "seq": 41, "emitted_utc": emitted}
    (root / "alerts.jsonl").write_bytes(orjson.dumps(old) + b"\n")
    with running(tmp_path, environment(mock, tmp_path / "data")) as run:
        run.until(lambda: alerts(root / "alerts.jsonl")[-1:] not in ([], [old]))
        run.stopped(signal.SIGTERM)
    (rotated,) = root.glob("alerts-*.jsonl")
    assert [line["event"] for line in lines(rotated)] == ["order_flow_alert", "rotated"]
    assert lines(rotated)[-1]["next"] == "alerts.jsonl"
    assert alerts(root / "alerts.jsonl")[0]["seq"] == 42


def test_a_second_run_on_the_folder_is_refused_before_it_takes_the_connection(
    mock: MockPolygon, tmp_path: Path
) -> None:
    root = tmp_path / "data" / "live"
    env = environment(mock, tmp_path / "data")
    with running(tmp_path, env) as run:
        run.until(lambda: status(root).get("ticks"))
        connections = mock.connections
        second = command("run", cwd=tmp_path, env=env)
        assert mock.connections == connections
        pid = run.process.pid
        run.stopped(signal.SIGTERM)
    assert (second.returncode, second.stdout, second.stderr) == (
        1,
        "",
        f"orderflow: process {pid} is running on {root} already: stop it, or set "
        "ORDER_FLOW_DATA_DIR to another folder for this run.\n",
    )


def test_a_data_folder_deleted_under_a_run_is_made_again(mock: MockPolygon, tmp_path: Path) -> None:
    root = tmp_path / "data" / "live"
    with running(tmp_path, environment(mock, tmp_path / "data")) as run:
        run.until(lambda: len(alerts(root / "alerts.jsonl")) > 20)
        shutil.rmtree(tmp_path / "data")
        run.until(lambda: len(alerts(root / "alerts.jsonl")) > 20)
        assert run.stopped(signal.SIGTERM)[0] == 0
        said = run.said.splitlines()
    assert f"{root}/alerts.jsonl was moved or removed: a new file of that name is begun" in said
    found = alerts(root / "alerts.jsonl")
    assert [a["seq"] for a in found] == list(range(found[0]["seq"], found[-1]["seq"] + 1))
    assert rows(root / "alerts.duckdb", "select count(*) from alerts") == [(len(found),)]


def test_a_folder_that_cannot_be_written_is_one_sentence(mock: MockPolygon, tmp_path: Path) -> None:
    with small(tmp_path / "disk", "size=1m", "ro") as disk:
        done = command("run", cwd=tmp_path, env=environment(mock, disk))
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == (
            f"orderflow: {disk}/live cannot be made (Read-only file system): set "
            "ORDER_FLOW_DATA_DIR to a folder that can be written.\n"
        )
    assert mock.connections == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_of_somebody_else_is_one_sentence(mock: MockPolygon, tmp_path: Path) -> None:
    root = tmp_path / "data" / "live"
    root.mkdir(parents=True)
    root.chmod(stat.S_IRUSR | stat.S_IXUSR)
    done = command("run", cwd=tmp_path, env=environment(mock, tmp_path / "data"))
    assert (done.returncode, done.stderr) == (
        1,
        f"orderflow: {root} cannot be written (Permission denied): set ORDER_FLOW_DATA_DIR to a "
        "folder that can be written.\n",
    )


@pytest.mark.parametrize("off_s", [140, -40], ids=["behind", "ahead"])
def test_a_clock_that_is_off_stops_no_alert(tmp_path: Path, off_s: int) -> None:
    now = time.time_ns() // 1_000_000 + 1000 * off_s
    events = [
        {"ev": "Q", "sym": "AAPL", "t": now, "bp": 10.0, "ap": 10.1},
        {"ev": "T", "sym": "AAPL", "t": now + 1, "i": "1", "x": 4, "p": 10.0, "s": 30_000},
    ]
    root = tmp_path / "data" / "live"
    strict = {"ORDER_FLOW_FRESHNESS": "on", "ORDER_FLOW_SESSIONS": "all"}
    with (
        MockPolygon(frames=[orjson.dumps(events)]) as mock,
        running(tmp_path, environment(mock, tmp_path / "data", **strict)) as run,
    ):
        run.until(lambda: alerts(root / "alerts.jsonl"))
        assert run.stopped(signal.SIGTERM) == (0, "")
        assert ("ahead of this machine's clock" in run.said) == (off_s > 0)
    assert [line["alert_type"] for line in alerts(root / "alerts.jsonl")] == ["large_seller"]
    assert "suspended" not in {line["cause"] for line in lines(root / "coverage.jsonl")}
    assert status(root)["suspended"] == []


def test_a_history_that_is_held_stops_no_alert(mock: MockPolygon, tmp_path: Path) -> None:
    root = tmp_path / "data" / "live"
    db = root / "alerts.duckdb"
    with running(tmp_path, environment(mock, tmp_path / "data")) as run:
        run.until(lambda: db.exists() and len(alerts(root / "alerts.jsonl")) > 2)
        with held(db, "reader") as pid:
            run.until(lambda: status(root).get("history_held_by") == pid)
            before = len(alerts(root / "alerts.jsonl"))
            run.until(lambda: len(alerts(root / "alerts.jsonl")) > before + 5)
            run.until(lambda: status(root)["history_behind"]["alerts"] >= 5)
        run.until(lambda: status(root)["history_held_by"] is None)
        assert run.stopped(signal.SIGTERM) == (0, "")
    written = [alert["alert_id"] for alert in alerts(root / "alerts.jsonl")]
    in_history = rows(db, "select alert_id from alerts order by seq")
    assert [name for (name,) in in_history] == written


def test_a_full_disk_stops_no_alert(tape: Path, tmp_path: Path) -> None:
    """Not even when the engine gives up because it cannot save its state."""
    port = free_port()
    with (
        small(tmp_path / "disk", "size=12m") as disk,
        MockPolygon([tape], rate=150) as mock,
        running(tmp_path, watching(mock, disk, ORDER_FLOW_METRICS_PORT=str(port))) as run,
    ):
        root = disk / "live"
        run.until(lambda: len(alerts(root / "alerts.jsonl")) > 2)
        ballast = fill(disk)
        run.until(lambda: "cannot be kept" in run.said)
        run.until(lambda: waiting(port) > 5)
        first = {alert["alert_id"] for alert in alerts(root / "alerts.jsonl")}
        ballast.unlink()
        run.until(lambda: "none is missing" in run.said)
        run.until(lambda: waiting(port) == 0)
        more = len(alerts(root / "alerts.jsonl"))
        run.until(lambda: len(alerts(root / "alerts.jsonl")) > more)
        assert run.stopped(signal.SIGTERM)[0] == 0
        said = run.said
        found = alerts(root / "alerts.jsonl")
        assert [alert["seq"] for alert in found] == list(range(1, len(found) + 1))
        assert first < {alert["alert_id"] for alert in found}
        counted = rows(root / "alerts.duckdb", "select count(*) from alerts")
        assert counted == [(len(found),)]
    for log in ("alerts.jsonl", "alerts.duckdb"):
        assert f"{root}/{log}" in said
    assert said.count("the state of the run cannot be kept (database or disk is full)") == 1
    assert "stack backtrace" not in said


def test_a_start_on_a_full_disk_waits_for_room(tape: Path, tmp_path: Path) -> None:
    with small(tmp_path / "disk", "size=12m") as disk, MockPolygon([tape], rate=300) as mock:
        ballast, root = fill(disk), disk / "live"
        with running(tmp_path, environment(mock, disk)) as run:
            run.until(lambda: "alerts.jsonl: No space left" in run.said)
            ballast.unlink()
            run.until(lambda: len(alerts(root / "alerts.jsonl")) > 10)
            assert run.stopped(signal.SIGTERM)[0] == 0
        found = alerts(root / "alerts.jsonl")
        assert [alert["seq"] for alert in found] == list(range(1, len(found) + 1))
        assert rows(root / "alerts.duckdb", "select count(*) from alerts") == [(len(found),)]


def test_a_recovery_store_that_is_none_stops_no_run(mock: MockPolygon, tmp_path: Path) -> None:
    root = tmp_path / "data" / "live"
    (root / "recovery").mkdir(parents=True)
    (root / "recovery" / "part-0.sqlite3").write_bytes(b"garbage" * 1000)
    with running(tmp_path, environment(mock, tmp_path / "data")) as run:
        run.until(lambda: len(alerts(root / "alerts.jsonl")) > 5)
        assert run.stopped(signal.SIGTERM) == (0, "")
        assert "the state of the run cannot be kept (file is not a database)" in run.said
    assert not (root / "recovery").exists()  # so that the next start has one again


def waiting(port: int) -> int:
    """Ask a run how many alerts wait for the disk; -1 while nobody answers."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2) as answer:
            body = answer.read()
    except HTTPError as degraded:
        body = degraded.read()
        degraded.close()
    except OSError:
        return -1
    return int(orjson.loads(body)["alerts_waiting"])


def test_a_disk_full_to_the_end_is_told_with_what_is_missing(tape: Path, tmp_path: Path) -> None:
    with (
        small(tmp_path / "disk", "size=12m") as disk,
        MockPolygon([tape], rate=300) as mock,
        running(tmp_path, environment(mock, disk)) as run,
    ):
        run.until(lambda: len(alerts(disk / "live/alerts.jsonl")) > 2)
        fill(disk)
        run.until(lambda: "alerts.jsonl: No space left" in run.said)
        time.sleep(0.5)
        code, out = run.stopped(signal.SIGTERM)
        said = run.said.splitlines()
    assert (code, out) == (1, "")
    assert said[-1].startswith(f"orderflow: {disk}/live/")
    assert "could not be written within" in said[-1]


def test_the_alerts_of_a_whole_day_are_those_of_the_reference(tape: Path, tmp_path: Path) -> None:
    root = tmp_path / "data" / "live"
    expected = expected_ids(market())
    with (
        MockPolygon([tape], rate=4_000) as mock,
        running(tmp_path, environment(mock, tmp_path / "data")) as run,
    ):
        run.until(lambda: len(alerts(root / "alerts.jsonl")) == sum(map(len, expected.values())))
        run.stopped(signal.SIGTERM)
    assert ids(root / "alerts.jsonl") == expected
