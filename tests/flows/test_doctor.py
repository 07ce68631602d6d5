"""`orderflow doctor` against the mock, against servers that misbehave, and beside a run."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pytest

from flows.doctor import here
from flows.health import LEAST_FREE_BYTES
from flows.mock import MockPolygon
from sinks.iso import iso_utc, ns_of
from tests.disks import fill, small
from tests.flows.alerts import alert, write_alerts
from tests.flows.http import Heard, HttpServer, Reply
from tests.flows.live import ROOT, command, environment, running
from tests.flows.mock.free_port import free_port
from tests.flows.mock.tapes import small_tape

KEY = "mock-key"


class Seen:
    """What `doctor --json` said."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        assert done.stderr == ""
        self.code = done.returncode
        self.text = done.stdout
        self.report: dict[str, Any] = orjson.loads(done.stdout)
        self.checks = {check["name"]: check for check in self.report["checks"]}

    def __getitem__(self, name: str) -> tuple[str, str]:
        check = self.checks[name]
        return check["status"], check["found"]

    @property
    def failed(self) -> list[str]:
        return [name for name, check in self.checks.items() if check["status"] == "fail"]


def examined(cwd: Path, **env: str) -> Seen:
    found = {**os.environ, "PYTHONPATH": str(ROOT), "ORDER_FLOW_DATA_DIR": "data", **env}
    return Seen(command("doctor", "--json", "--timeout", "1", cwd=cwd, env=found))


def of_mock(mock: MockPolygon, cwd: Path, **more: str) -> Seen:
    return examined(cwd, **environment(mock, cwd / "data", **more))


@pytest.fixture
def mock(tmp_path: Path) -> Iterator[MockPolygon]:
    with MockPolygon([small_tape(tmp_path)], key=KEY) as mock:
        yield mock


def test_without_a_key_the_vendor_is_skipped_and_all_is_well(tmp_path: Path) -> None:
    seen = examined(tmp_path)
    assert (seen.code, seen.report["status"], seen.report["polygon_api"]) == (0, "ok", "skipped")
    assert seen["REST"] == seen["WebSocket"] == ("warn", "skipped, no key")
    assert seen["configuration"][0] == "warn"
    assert seen["data folder"] == ("ok", "data/live can be written, made at the first start")
    assert not (tmp_path / "data").exists()


def test_a_key_that_is_accepted_with_its_plan(mock: MockPolygon, tmp_path: Path) -> None:
    seen = of_mock(mock, tmp_path)
    assert (seen.code, seen.report["polygon_api"]) == (0, "ok")
    wanted = ("REST", "market", "trades (REST)", "quotes (REST)", "WebSocket")
    assert [seen[name] for name in (*wanted, "trades (live)", "quotes (live)")] == [
        ("ok", "the key is accepted"),
        ("ok", "open"),
        ("ok", "in the plan"),
        ("ok", "in the plan"),
        ("ok", "the key is accepted"),
        ("ok", "in the plan"),
        ("ok", "in the plan"),
    ]
    assert seen["clock"][0] == "ok"
    assert seen["configuration"] == ("ok", "valid, and `orderflow run` reads polygon")
    assert KEY not in seen.text


def test_symbols_that_never_traded_are_named(mock: MockPolygon, tmp_path: Path) -> None:
    held = tmp_path / "held.csv"
    held.write_text("symbol,quantity\nMSFT,5\nBRK.A,7\nAPPL,7\n")

    def reply(n: int, heard: Heard) -> Reply:
        known = any(f"/{symbol}?" in heard.target for symbol in ("AAPL", "MSFT", "BRK.A"))
        return Reply({"results": [{"price": 1}] if known else []})

    for asked, found in (
        (
            {"ORDER_FLOW_MONITORING_MODE": "watchlist", "ORDER_FLOW_SYMBOLS": "AAPL,GOGL"},
            "no trade is known of GOGL, 2 of 2 looked up",
        ),
        (
            {"ORDER_FLOW_MONITORING_MODE": "positions_only", "ORDER_FLOW_SYMBOLS": ""},
            "no trade is known of APPL, 3 of 3 looked up",
        ),
    ):
        with HttpServer(reply) as rest:
            seen = of_mock(
                mock,
                tmp_path,
                POLYGON_REST_URL=rest.url,
                ORDER_FLOW_POSITIONS_FILE=str(held),
                **asked,
            )
        assert seen["symbols"] == ("warn", found)
        assert seen.code == 0


def test_a_plan_of_few_requests_looks_up_few_symbols(mock: MockPolygon, tmp_path: Path) -> None:
    def reply(n: int, heard: Heard) -> Reply:
        few = "/trades/" not in heard.target or "GOGL" not in heard.target
        return Reply({"results": [{"price": 1}]}) if few else Reply({}, 429)

    watch = {"ORDER_FLOW_MONITORING_MODE": "watchlist", "ORDER_FLOW_SYMBOLS": "AAPL,GOGL,MSFT"}
    with HttpServer(reply) as rest:
        seen = of_mock(mock, tmp_path, POLYGON_REST_URL=rest.url, **watch)
    assert seen["symbols"] == ("ok", "each has traded, 1 of 3 looked up")


@pytest.mark.parametrize("acks", ["array", "frames"])
def test_a_plan_without_quotes_is_a_warning_and_without_trades_a_failure(
    acks: Any, tmp_path: Path
) -> None:
    tape = [small_tape(tmp_path)]
    with MockPolygon(tape, plan=("T",), acks=acks) as mock:
        seen = of_mock(mock, tmp_path)
    assert (seen.code, seen["trades (live)"]) == (0, ("ok", "in the plan"))
    assert seen["quotes (live)"] == ("warn", "not in the plan: sides come from the tick rule")
    assert seen["quotes (REST)"][0] == "warn"
    with MockPolygon(tape, plan=("Q",), acks=acks) as mock:
        seen = of_mock(mock, tmp_path)
    assert (seen.code, seen.failed) == (3, ["trades (live)"])


def test_a_server_that_acknowledges_nothing(tmp_path: Path) -> None:
    with MockPolygon([small_tape(tmp_path)], acks="none") as mock:
        seen = of_mock(mock, tmp_path)
    assert (seen.code, seen["trades (live)"]) == (3, ("fail", "not acknowledged"))


def test_a_market_outside_the_plan(tmp_path: Path) -> None:
    with MockPolygon([small_tape(tmp_path)], markets=("crypto",)) as mock:
        seen = of_mock(mock, tmp_path)
    assert (seen.code, seen["WebSocket"]) == (3, ("fail", "the login is refused (auth_failed)"))


def test_a_wrong_key_fails_on_both_sides_and_is_never_shown(
    mock: MockPolygon, tmp_path: Path
) -> None:
    env = environment(mock, tmp_path / "data") | {"POLYGON_API_KEY": "wrong-key"}
    seen = examined(tmp_path, **env)
    assert (seen.code, seen.report["status"], seen.report["polygon_api"]) == (
        3,
        "degraded",
        "refused",
    )
    assert seen.failed == ["REST", "WebSocket"]
    assert seen["REST"] == ("fail", "the key is refused (HTTP 401)")
    assert "wrong-key" not in seen.text
    text = command("doctor", cwd=tmp_path, env=env)
    assert (text.returncode, "wrong-key" in text.stdout + text.stderr) == (3, False)
    (line,) = [one for one in text.stdout.splitlines() if " REST " in one]
    assert line == "fail  REST           the key is refused (HTTP 401); check POLYGON_API_KEY"


def test_nothing_that_listens(tmp_path: Path) -> None:
    seen = examined(tmp_path, **vendor(free_port(), free_port()))
    assert (seen.code, seen.report["polygon_api"]) == (3, "unreachable")
    assert seen.failed == ["REST", "WebSocket"]
    assert "Connection refused" in seen["REST"][1]
    assert "Connect" in seen["WebSocket"][1]


def test_a_server_that_takes_the_connection_and_says_nothing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        started = time.monotonic()
        seen = examined(tmp_path, **vendor(port, port))
        assert time.monotonic() - started < 20
    assert (seen.code, seen.report["polygon_api"]) == (3, "timeout")
    assert seen["REST"][1].endswith("does not answer (no answer in 1 s)")
    assert seen["WebSocket"][1].endswith("did not answer in 1 s")


def vendor(rest: int, live: int) -> dict[str, str]:
    return {
        "POLYGON_API_KEY": KEY,
        "POLYGON_REST_URL": f"http://127.0.0.1:{rest}",
        "POLYGON_WS_URL": f"ws://127.0.0.1:{live}",
        "ORDER_FLOW_MONITORING_MODE": "all",
    }


@contextmanager
def answering(code: int, date: str | None, body: bytes = b"{}") -> Iterator[int]:
    """A server that gives one answer to everything."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(code)
            if date is not None:
                self.send_header("Date", date)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("code", "word", "status"),
    [(429, "rate_limited", "warn"), (403, "refused", "fail"), (500, "unreachable", "fail")],
)
def test_other_answers_have_a_word_of_their_own(
    code: int, word: str, status: str, tmp_path: Path
) -> None:
    with answering(code, formatdate(usegmt=True)) as port:
        seen = examined(tmp_path, **vendor(port, free_port()))
    assert (seen.report["polygon_api"], seen["REST"][0]) == (word, status)


def test_a_clock_that_is_wrong_is_told_by_how_much(tmp_path: Path) -> None:
    with answering(200, formatdate(time.time() - 90, usegmt=True)) as port:
        seen = examined(tmp_path, **vendor(port, free_port()))
    status, found = seen["clock"]
    assert status == "warn"
    assert 85 < float(found.split()[0]) < 100
    assert found.endswith(" s ahead of the vendor's")
    with answering(200, None, b"no json") as port:
        seen = examined(tmp_path, **vendor(port, free_port()))
    assert "clock" not in seen.checks
    assert seen["market"] == ("ok", "unknown")


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    seen = examined(tmp_path, ORDER_FLOW_EXIT_SELLERS="99")
    assert (seen.code, seen.failed) == (3, ["configuration"])
    assert seen["configuration"][1].startswith("ORDER_FLOW_EXIT_SELLERS is 99 (environment), but")
    unwatched = examined(tmp_path, POLYGON_API_KEY=KEY, POLYGON_REST_URL="http://127.0.0.1")
    assert "configuration" in unwatched.failed


def grown_older(status: Path, seconds: float) -> None:
    """Date what a run that stands still wrote last so much earlier, to save the wait."""
    said = orjson.loads(status.read_bytes())
    written_ns = ns_of(said["written_utc"]) - int(seconds * 1e9)
    status.write_bytes(orjson.dumps(said | {"written_utc": iso_utc(written_ns)}))


def test_a_run_is_examined_and_keeps_its_connection(mock: MockPolygon, tmp_path: Path) -> None:
    status = tmp_path / "data/live/status.json"
    with running(tmp_path, environment(mock, tmp_path / "data")) as run:
        run.until(lambda: status.exists() and b'"ok"' in status.read_bytes())
        seen = of_mock(mock, tmp_path)
        assert mock.connections == 1
        pid = run.process.pid
        assert seen["instance"][1].startswith(f"process {pid} runs, its last event was 20")
        assert (seen.code, seen["WebSocket"]) == (0, ("ok", "left to the running instance"))
        assert seen["history"] == ("ok", "free, complete")
        mock.refuse()
        mock.drop()
        run.until(lambda: b'"blind"' in status.read_bytes())
        seen = of_mock(mock, tmp_path)
        assert (seen.code, seen.failed) == (3, ["instance"])
        assert seen["instance"][1] == (f"process {pid} is degraded: the feed is lost (disconnect)")
        run.process.send_signal(signal.SIGSTOP)
        grown_older(status, here.STALE_S + 0.5)
        seen = of_mock(mock, tmp_path)
        assert seen["instance"][1].startswith(f"process {pid} has not written status.json for 1")
        run.process.send_signal(signal.SIGCONT)
        run.stopped(signal.SIGTERM)
    assert of_mock(mock, tmp_path)["instance"] == ("ok", f"none runs on {tmp_path}/data/live")


def test_who_has_the_history_open_is_named(tmp_path: Path) -> None:
    history = tmp_path / "data/live/alerts.duckdb"
    history.parent.mkdir(parents=True)
    duckdb.connect(str(history)).close()
    read = (
        "import duckdb, sys, time\n"
        "db = duckdb.connect(sys.argv[1], read_only=True)\n"
        "print('open', flush=True)\n"
        "time.sleep(60)\n"
    )
    assert examined(tmp_path)["history"] == ("ok", "free, complete")
    analyst = subprocess.Popen([sys.executable, "-c", read, str(history)], stdout=subprocess.PIPE)
    assert analyst.stdout is not None
    with analyst.stdout as said:
        said.readline()
        seen = examined(tmp_path)
        analyst.kill()
        analyst.wait()
    assert seen["history"] == (
        "warn",
        f"process {analyst.pid} has alerts.duckdb open, complete",
    )
    assert seen.code == 0
    with closing(duckdb.connect(str(history))):  # looking has taken nothing
        pass


def test_the_last_alert_is_told_and_kept_over_a_rotation(tmp_path: Path) -> None:
    root = tmp_path / "data" / "live"
    assert here.last_alert(root) is None
    write_alerts(root, alert("A1"), alert("A2", symbol="MSFT"))
    last = examined(tmp_path).report["last_alert"]
    assert last == {
        "alert_id": "A2",
        "symbol": "MSFT",
        "alert_type": "large_seller",
        "severity": "critical",
        "timestamp_utc": "2026-11-20T15:04:05.123000Z",
    }
    (root / "alerts.jsonl").rename(root / "alerts-2026-11-20.jsonl")
    (root / "alerts.jsonl").write_bytes(b'{"event":"heartbeat","seq":null}\n')
    assert here.last_alert(root) == last


def test_a_disk_that_is_small_or_read_only_fails(tmp_path: Path) -> None:
    with small(tmp_path / "full", "size=1m") as disk:
        fill(disk)
        assert here.disk(disk / "live").status == "fail"
    with small(tmp_path / "ro", "ro") as disk:
        check = here.folder(disk / "live")
        assert (check.status, "cannot be written" in check.found) == ("fail", True)
    assert LEAST_FREE_BYTES < here.WARN_FREE_BYTES


def test_the_folder_is_left_as_it_was(tmp_path: Path) -> None:
    root = tmp_path / "live"
    root.mkdir()
    assert here.folder(root).status == "ok"
    assert list(root.iterdir()) == []


def test_kernels_of_another_version_do_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from operators import kernels

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    other = tmp_path / "orderflow" / "kernels" / "0123456789abcdef-live"
    other.mkdir(parents=True)
    (other / "a.nbi").touch()
    assert here.kernels_compiled(live=True).status == "warn"
    mine = tmp_path / "orderflow" / "kernels" / f"{kernels.fingerprint()}-live" / "operators"
    mine.mkdir(parents=True)
    (mine / "a.nbi").touch()
    assert here.kernels_compiled(live=True).status == "ok"
    assert here.kernels_compiled(live=False).status == "warn"


def test_the_calendar_knows_today() -> None:
    from operators.sessions import NEW_YORK, is_trading_day

    today = datetime.now(NEW_YORK).date()
    word = "a trading day" if is_trading_day(today) else "no trading day"
    assert here.calendar().found.startswith(f"{today} is {word}")
