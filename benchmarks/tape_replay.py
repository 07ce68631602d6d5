"""Tape replay: the whole flow from Parquet to both sinks."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

from bytewax.testing import run_main

from benchmarks import inputs
from benchmarks.bare import kernel_pass
from benchmarks.market import Shape
from benchmarks.report import Figure, Result, rate, ratio
from benchmarks.rivals import plain_flow
from benchmarks.sides import Answer, BenchmarkError, Side, Timed, in_turn
from flows.orderflow import rules_of
from flows.run import TapeFiles, replay
from flows.settings import Settings
from flows.warm_up import warm_up

SYMBOLS = 5_000
TICKS, QUICK_TICKS, SLICE_TICKS = 10_000_000, 2_500_000, 500_000


def alert_ids(path: Path) -> list[str]:
    """Return the sorted ids of the alerts in a JSONL file."""
    lines = map(json.loads, path.read_bytes().splitlines())
    return sorted(line["alert_id"] for line in lines if "alert_id" in line)


def digest(ids: list[str]) -> Answer:
    """Return what two lists of alerts must agree on."""
    return {"alerts": len(ids), "ids": inputs.text_hash("".join(ids))}


def flow(trades: str, quotes: str) -> Timed:
    """Replay as `orderflow replay` does, into a fresh folder."""
    settings = Settings()
    warm_up()

    def run() -> Answer:
        folder = Path(tempfile.mkdtemp(prefix="orderflow-bench-"))
        try:
            summary = replay(settings, TapeFiles((trades, quotes)), folder / "out")
            ids = alert_ids(folder / "out" / "alerts.jsonl")
            return {**digest(ids), "ticks": summary.ticks, "seconds": summary.seconds}
        finally:
            shutil.rmtree(folder)

    return run


def plain(trades: str, quotes: str) -> Timed:
    """Run the same rules as a plain per-event flow."""

    def run() -> Answer:
        with tempfile.TemporaryDirectory(prefix="orderflow-bench-") as folder:
            alerts = Path(folder) / "alerts.jsonl"
            run_main(plain_flow.tape_flow(trades, quotes, alerts))
            return digest(alert_ids(alerts))

    return run


def kernels(trades: str, quotes: str) -> Timed:
    """Run the operators over columns that are in memory already: no reading, no Bytewax."""
    warm_up()
    return kernel_pass(trades, quotes, rules_of(Settings(), "replay"))


def run(runs: int, quick: bool) -> Result:
    """Measure, and compare the answers.

    Raises:
        BenchmarkError: the flows found other alerts.
    """
    whole = inputs.tape(Shape(SYMBOLS, QUICK_TICKS if quick else TICKS))
    part = inputs.beginning(whole, SLICE_TICKS)
    here = "benchmarks.tape_replay"
    sides = [
        Side("orderflow replay", f"{here}:flow", whole.files, whole.ticks),
        Side("limit: kernels over columns in memory", f"{here}:kernels", whole.files, whole.ticks),
        Side("plain per-event Bytewax flow", f"{here}:plain", part.files, part.ticks),
    ]
    ours, limit, other = measured = in_turn(sides, runs)
    (checked,) = in_turn([Side("same slice", f"{here}:flow", part.files, part.ticks)], 1)
    if any(checked.answer[k] != other.answer[k] for k in ("alerts", "ids")):
        raise BenchmarkError(f"not the same alerts: {checked.answer} and {other.answer}")
    if ours.answer["alerts"] != limit.answer["alerts"]:
        raise BenchmarkError(f"not the same alerts: {ours.answer} and {limit.answer}")
    return Result(
        "tape_replay",
        f"Parquet to JSONL and DuckDB, trades to quotes 1:4, {SYMBOLS:,} symbols",
        (
            Figure("whole flow", rate(ours), "ticks/s", 5e6, 12e6),
            Figure("over the plain flow", ratio(ours, other), "x", 15, 40),
            Figure("of the limit", ratio(ours, limit), "x", 0.2, 0.5),
        ),
        tuple(measured),
        {"slice_alerts": other.answer["alerts"], "note": "plain flow on the first ticks; rates"},
    )
