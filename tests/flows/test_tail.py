from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import orjson
import pytest

from flows.cli import main
from flows.tail import Wanted, line_text, symbols_named

ROOT = Path(__file__).parents[2]


def alert(symbol: str = "AAPL", kind: str = "large_seller", severity: str = "warning") -> Any:
    return {
        "event": "order_flow_alert",
        "seq": 1,
        "symbol": symbol,
        "alert_type": kind,
        "severity": severity,
        "timestamp_utc": "2026-11-20T15:04:05.123456Z",
        "message": f"{kind} on {symbol}",
    }


def written(path: Path, *lines: Any) -> Path:
    path.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    return path


def shown(capsys: pytest.CaptureFixture[str], *args: str) -> list[str]:
    assert main(["tail", *args]) == 0
    return capsys.readouterr().out.splitlines()


def test_an_alert_is_shown_in_new_york_time_with_its_severity_and_message() -> None:
    assert line_text(alert(), colour=False) == (
        "2026-11-20 10:04:05.123  warning   large_seller on AAPL"
    )


def test_a_critical_exit_signal_stands_out_on_a_terminal() -> None:
    text = line_text(alert(kind="exit_signal", severity="critical"), colour=True)
    assert text == (
        "\x1b[2m2026-11-20 10:04:05.123\x1b[0m  \x1b[31;1mcritical\x1b[0m  "
        "\x1b[1mexit_signal on AAPL\x1b[0m"
    )


def test_a_blind_feed_is_shown_and_a_heartbeat_is_not() -> None:
    at = {"timestamp_utc": "2026-11-20T15:04:05.000000Z"}
    events = ("feed_blind", "heartbeat", "rotated", "a_later_version")
    assert [line_text({"event": event, **at}, colour=False) for event in events] == [
        "2026-11-20 10:04:05.000  feed_blind",
        None,
        None,
        None,
    ]


def test_a_line_cannot_command_the_terminal() -> None:
    text = line_text(alert(symbol="\x1b]0;own\x07"), colour=False)
    assert text == "2026-11-20 10:04:05.123  warning   large_seller on ?]0;own?"


def test_a_line_without_a_time_is_shown_all_the_same() -> None:
    line = alert() | {"timestamp_utc": None}
    assert line_text(line, colour=False) == f"{'-' * 23}  warning   large_seller on AAPL"


def test_filters_are_joined_by_and() -> None:
    wanted = Wanted(
        symbols_named(["aapl,BRK.B"]), frozenset(["red_burst"]), frozenset(["critical"])
    )
    lines = [
        alert("AAPL", "red_burst", "critical"),
        alert("BRK.B", "red_burst", "critical"),
        alert("MSFT", "red_burst", "critical"),
        alert("AAPL", "large_seller", "critical"),
        alert("AAPL", "red_burst", "warning"),
        {"event": "feed_blind"},
    ]
    assert [line in wanted for line in lines] == [True, True, False, False, False, False]


def test_without_a_filter_everything_is_wanted() -> None:
    assert [line in Wanted() for line in (alert(), {"event": "feed_blind"})] == [True, True]


def test_the_file_is_shown_without_its_torn_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path / "alerts.jsonl", alert("A"), alert("B"))
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:40] + b"\n" + orjson.dumps(alert("C")) + b"\n" + whole[:30])
    found = [line.split()[-1] for line in shown(capsys, str(path))]
    assert found == ["A", "B", "C"]


def test_json_gives_the_lines_as_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path / "alerts.jsonl", alert("A"), alert("B"), {"event": "heartbeat"})
    assert shown(capsys, "--json", str(path)) == path.read_text().splitlines()
    assert shown(capsys, "--json", "--symbol", "b", str(path)) == path.read_text().splitlines()[1:2]


def test_lines_are_the_last_wanted_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path / "alerts.jsonl", alert("A"), alert("B"), alert("A"), alert("B"))
    found = [line.split()[-1] for line in shown(capsys, "-n", "1", "--symbol", "A", str(path))]
    assert found == ["A"]
    assert shown(capsys, "-n", "0", str(path)) == []


def test_the_newest_run_is_shown_by_default(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORDER_FLOW_DATA_DIR", str(tmp_path))
    for age, folder in enumerate(("replay/latest", "live", "sample/latest")):
        (tmp_path / folder).mkdir(parents=True)
        path = written(tmp_path / folder / "alerts.jsonl", alert(folder))
        os.utime(path, ns=(0, 1_000_000 * age))
    assert [line.split()[-1] for line in shown(capsys)] == ["sample/latest"]


def test_following_shows_new_lines_over_a_rotation(tmp_path: Path) -> None:
    path = written(tmp_path / "alerts.jsonl", alert("A"))
    follower = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "tail", "-f", str(path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert follower.stdout is not None
        seen = [follower.stdout.readline().split()[-1]]
        with path.open("ab") as log:
            log.write(orjson.dumps(alert("B")) + b"\n")
        seen.append(follower.stdout.readline().split()[-1])
        path.rename(tmp_path / "alerts-2026-11-20.jsonl")
        written(path, alert("C"))
        seen.append(follower.stdout.readline().split()[-1])
        assert seen == ["A", "B", "C"]
    finally:
        follower.kill()
        follower.wait()
        assert follower.stdout is not None
        follower.stdout.close()


def test_ctrl_c_ends_following_with_130(tmp_path: Path) -> None:
    path = written(tmp_path / "alerts.jsonl", alert("A"))
    follower = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "tail", "-f", str(path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert follower.stdout is not None
    follower.stdout.readline()
    follower.send_signal(2)
    started = time.monotonic()
    _, said = follower.communicate(timeout=10)
    assert (follower.returncode, said.strip()) == (130, "")
    assert time.monotonic() - started < 5
