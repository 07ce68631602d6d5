"""What a symbol costs: time a tick and memory with many symbols, memory of a live watchlist."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import inputs
from benchmarks.inputs import Tape
from benchmarks.live_process import Live, live
from benchmarks.market import Shape, ticker
from benchmarks.mock_process import mock
from benchmarks.report import Figure, Result, ratio
from benchmarks.sides import Side, in_turn, memory_mib, peak_mib

FEW, MANY = 10, 12_000
TICKS, QUICK_TICKS = 10_000_000, 2_500_000
WATCHED = 50
WATCH_EVENTS, QUICK_WATCH_EVENTS, WATCH_RATE = 60_000, 20_000, 3_000
SETTLE_S, IDLE_AFTER_S = 5.0, 3.0
SAMPLE_S = 0.2


def _sample(flow: Live, events: int) -> float:
    """Return the highest memory until the flow has counted `events`, in MiB."""
    highest = 0.0
    while flow.events() < events:
        highest = max(highest, memory_mib("VmRSS", flow.pid))
        time.sleep(SAMPLE_S)
    return max(highest, memory_mib("VmRSS", flow.pid))


def watchlist(events: int) -> dict[str, float]:
    """Return memory in MiB of a live flow on 50 symbols: connected and idle, and at work."""
    tape = inputs.tape(Shape(WATCHED, events))
    symbols = ",".join(ticker(k * 37) for k in range(WATCHED))
    settings = {"ORDER_FLOW_MONITORING_MODE": "watchlist", "ORDER_FLOW_SYMBOLS": symbols}
    with (
        tempfile.TemporaryDirectory(prefix="orderflow-bench-") as name,
        mock(tape, WATCH_RATE, SETTLE_S) as served,
        live(served, Path(name), settings) as flow,
    ):
        served.subscribed()
        time.sleep(IDLE_AFTER_S)
        idle = memory_mib("VmRSS", flow.pid)
        busy = _sample(flow, tape.ticks)
    return {"idle": idle, "busy": busy, "over": busy - idle}


def replay_peak(tape: Tape) -> float:
    """Return the peak memory in MiB of one `orderflow replay`, both sinks included.

    Raises:
        BenchmarkError: it failed.
    """
    with tempfile.TemporaryDirectory(prefix="orderflow-bench-") as name:
        replay = [sys.executable, "-m", "flows.cli", "replay", *tape.files.values(), "--out", name]
        return peak_mib("orderflow replay", replay)


def run(runs: int, quick: bool) -> Result:
    """Measure."""
    ticks = QUICK_TICKS if quick else TICKS
    few, many = inputs.tape(Shape(FEW, ticks)), inputs.tape(Shape(MANY, ticks))
    here = "benchmarks.tape_replay:flow"
    measured = in_turn(
        [
            Side(f"replay, {FEW} symbols", here, few.files, few.ticks),
            Side(f"replay, {MANY:,} symbols", here, many.files, many.ticks),
        ],
        runs,
    )
    peaks = [replay_peak(many) for _ in range(runs)]
    watched = watchlist(QUICK_WATCH_EVENTS if quick else WATCH_EVENTS)
    return Result(
        "footprint",
        f"{FEW} against {MANY:,} symbols replayed; {WATCHED} symbols live",
        (
            Figure("cost a tick, many over few symbols", ratio(*measured), "x", 1.5, at_most=True),
            Figure("peak memory, many symbols", statistics.median(peaks), "MiB", 300, at_most=True),
            Figure("live memory over idle", watched["over"], "MiB", 20, at_most=True),
        ),
        tuple(measured),
        {"watchlist_mib": watched, "peak_mib": peaks},
    )
