"""Alerts to write: the one of the alert contract, changed where a test says so."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from flows.lines import RunLine, alert_line, coverage_line, reject_line, run_line
from operators.records import Alert, Coverage, Reject
from sinks.appendlog import AppendLog
from sinks.iso import iso_utc, ns_of

FIRED = ns_of("2026-11-20T15:04:05.123000Z")
MS = 1_000_000
SECOND = 1000 * MS


def alert(name: str = "5Q8Z", **changes: Any) -> Alert:
    fields: dict[str, Any] = {
        "alert_id": name,
        "symbol": "AAPL",
        "alert_type": "large_seller",
        "severity": "critical",
        "ts_ns": FIRED,
        "received_ns": FIRED + 2_000_000,
        "feed": "live",
        "mode": "fixed",
        "session": "regular",
        "order_size": 24100.0,
        "price_level": 175.5,
        "notional": 4229312.0,
        "vwap": 175.49,
        "prints": 7,
        "venues": 4,
        "bid": 175.5,
        "ask": 175.52,
        "quote_age_ms": 12.0,
        "side_evidence": "at_bid",
        "volume_ratio": None,
        "volume_1m": None,
        "avg_volume_1m": None,
        "sell_share": None,
        "large_sells": 2,
        "large_buys": 0,
        "threshold": 10000.0,
        "reasons": (),
        "evidence": (),
        "escalates": "5Q8X",
        "valid_until_ns": None,
        "late": False,
        "first_ns": FIRED - 22 * MS,
        "message": "Large seller detected: AAPL 24,100 @ 175.50 (7 prints, 4 venues)",
    }
    return Alert(**{**fields, **changes})


def run(run_id: str, started_ns: int, **changes: Any) -> RunLine:
    fields: dict[str, Any] = {
        "run_id": run_id,
        "started_utc": iso_utc(started_ns),
        "feed": "live",
        "settings": {"mode": "fixed"},
        "versions": {"python": "3.11"},
        "tape": (),
    }
    return RunLine(**{**fields, **changes})


def write_alerts(root: Path, *alerts: Alert, at_ns: int = FIRED + 10 * MS) -> None:
    log = AppendLog(root / "alerts.jsonl", alert_line, lambda a: a.alert_id, clock=lambda: at_ns)
    log.write(alerts)
    log.close()


def write_rejects(root: Path, rejects: Iterable[Reject], at_ns: int = FIRED) -> None:
    log = AppendLog(root / "rejects.jsonl", reject_line, clock=lambda: at_ns)
    log.write(rejects)
    log.close()


def write_coverage(root: Path, gaps: Iterable[Coverage], at_ns: int = FIRED) -> None:
    log = AppendLog(root / "coverage.jsonl", coverage_line, clock=lambda: at_ns)
    log.write(gaps)
    log.close()


def write_runs(root: Path, *runs: RunLine) -> None:
    log = AppendLog(root / "runs.jsonl", run_line)
    log.write(runs)
    log.close()
