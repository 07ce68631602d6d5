from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import orjson
import pytest

from flows.history import History, Totals, catch_up, new_run
from flows.lines import TrackRecord
from flows.places import HISTORY, SCORES
from flows.scorecard.log import ScoreLine, score_line
from flows.track_record import TrackRecords, read_records
from sinks.appendlog import AppendLog
from tests.flows.alerts import FIRED, alert

NUMBERS = {
    "rival": False, "horizon_s": 300, "alerts": 30, "alerts_a_day": 3.0, "days": 10,
    "measured": 30, "block": "day", "blocks": 10, "move_bp": -2.5, "net_bp": -2.0,
    "abnormal_bp": -1.5, "low_bp": -2.0, "high_bp": -1.0, "p": 0.01, "q": 0.04, "fall_bp": 20.0,
    "fall_share": 0.2, "base_share": 0.1, "lift": 2.0, "lift_low": 1.5, "lift_high": 2.5,
    "lift_sd": 2.0, "falls": 5, "recall": 0.5, "covered": 0.2, "lead_s": 60.0, "profitable": 0.6,
    "profitable_base": 0.5, "over_hold_bp": 1.0, "over_hold_base_bp": 0.5, "over_stop_bp": 0.1,
    "drawdown_hold_bp": 5.0, "drawdown_hold_base_bp": 6.0, "drawdown_stop_bp": 4.0,
    "mode": "fixed", "sessions": "regular", "delay_ms": 50.0, "controls": 20, "seed": 1,
    "first_day": "2026-11-02", "last_day": "2026-11-13", "hypotheses": 8,
}  # fmt: skip


def score(symbol: str, card: str = "new", **changes: Any) -> ScoreLine:
    kind = {"alert_type": "large_seller", "symbol": symbol, "scorecard_id": card}
    return ScoreLine(**{**NUMBERS, **kind, **changes})


def log_scores(root: Path, *lines: ScoreLine, at_ns: int = FIRED) -> None:
    log = AppendLog(root / SCORES, score_line, sync_each_batch=False, clock=lambda: at_ns)
    log.write(lines)
    log.close()


def read(root: Path, mode: str = "fixed") -> tuple[TrackRecords, list[str]]:
    said: list[str] = []
    return read_records(root, mode, said.append), said


def record(symbol: str, n: int = 30, **changes: Any) -> TrackRecord:
    fields: dict[str, Any] = {
        "lift": 2.0, "move_5m_bps": -2.5, "abnormal_5m_bps": -1.5, "low_bps": -2.0,
        "high_bps": -1.0, "q": 0.04, "scorecard_id": "new",
    }  # fmt: skip
    return TrackRecord(symbol=symbol, n=n, **{**fields, **changes})


def test_an_alert_says_what_its_kind_was_worth_on_its_symbol_or_else_on_all(
    tmp_path: Path,
) -> None:
    log_scores(
        tmp_path,
        score("*", measured=200),
        score("AAPL"),
        score("IBM", measured=9),
        score("AAPL", horizon_s=60, measured=99),
        score("*", alert_type="raw_volume", rival=True),
    )
    catch_up(tmp_path)
    records, said = read(tmp_path)
    assert records.of("large_seller", "AAPL") == record("AAPL")
    assert records.of("large_seller", "IBM") == record("*", 200)  # nine are too few
    assert records.of("large_seller", "MSFT") == record("*", 200)
    assert records.of("red_burst", "AAPL") is None
    assert records.of("raw_volume", "AAPL") is None
    assert said == []


def test_a_thin_record_stands_where_nothing_is_pooled_and_an_empty_one_never(
    tmp_path: Path,
) -> None:
    log_scores(tmp_path, score("IBM", measured=9), score("AIG", measured=0))
    catch_up(tmp_path)
    records, _ = read(tmp_path)
    assert records.of("large_seller", "IBM") == record("IBM", 9)
    assert records.of("large_seller", "AIG") is None


def test_the_newest_scorecard_of_the_mode_counts(tmp_path: Path) -> None:
    log_scores(tmp_path, score("AAPL", "old", lift=9.0), at_ns=FIRED - 10**12)
    log_scores(tmp_path, score("AAPL"))
    log_scores(tmp_path, score("AAPL", "other", mode="adaptive"), at_ns=FIRED + 10**12)
    catch_up(tmp_path)
    assert read(tmp_path)[0].of("large_seller", "AAPL") == record("AAPL")
    adaptive = read(tmp_path, "adaptive")[0].of("large_seller", "AAPL")
    assert adaptive == record("AAPL", scorecard_id="other")


def test_the_line_and_the_history_have_it(tmp_path: Path) -> None:
    records = TrackRecords({("large_seller", "AAPL"): record("AAPL")})
    log = AppendLog(tmp_path / "alerts.jsonl", records.line, lambda a: a.alert_id)
    log.write([alert(), alert("5Q8Y", symbol="IBM")])
    log.close()
    lines = [orjson.loads(line) for line in (tmp_path / "alerts.jsonl").read_bytes().splitlines()]
    said = [line["track_record"] for line in lines]
    assert said == [msgspec.structs.asdict(record("AAPL")), None]
    catch_up(tmp_path)
    with duckdb.connect(tmp_path / HISTORY, read_only=True) as db:
        asked = "select track_record.n, track_record.lift from alert_history order by seq"
        assert db.execute(asked).fetchall() == [(30, 2.0), (None, None)]


def test_without_a_history_there_is_none_and_a_broken_one_is_said(tmp_path: Path) -> None:
    assert read(tmp_path / "nowhere")[1] == []
    (tmp_path / HISTORY).write_bytes(b"this is no database file at all, whatever its name says")
    records, said = read(tmp_path)
    assert records.of("large_seller", "AAPL") is None
    assert len(said) == 1
    assert said[0].startswith("alerts will carry no track record: ")


HOLD = """
import sys, duckdb
with duckdb.connect(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_history_that_somebody_holds_does_not_hold_up_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_scores(tmp_path, score("AAPL"))
    catch_up(tmp_path)
    monkeypatch.setattr("flows.track_record.PATIENCE_S", 0.05)
    command = [sys.executable, "-c", HOLD, str(tmp_path / HISTORY)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        records, said = read(tmp_path)
        holder.communicate()
    assert records.of("large_seller", "AAPL") is None
    assert f"process {holder.pid}" in said[0]
    assert read(tmp_path)[0].of("large_seller", "AAPL") == record("AAPL")


@pytest.mark.parametrize("itself", [True, False])
def test_a_scorecard_gets_into_the_history_of_a_flow_that_runs(
    tmp_path: Path, itself: bool
) -> None:
    """The flow takes its lines over, too; whoever catches up first, each row is there once."""
    history = History(tmp_path, new_run("live", {}), lambda: Totals(0, 0, {}, {}), period_s=0.01)
    history.keeper.start()
    log_scores(tmp_path, score("AAPL"), score("*"))
    if itself:
        code = "import sys; from flows.history import catch_up, Path; catch_up(Path(sys.argv[1]))"
        subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    history.finish("finished")
    assert read(tmp_path)[0].of("large_seller", "AAPL") == record("AAPL")
    with duckdb.connect(tmp_path / HISTORY, read_only=True) as db:
        assert db.execute("select count(*) from scorecard").fetchall() == [(2,)]
