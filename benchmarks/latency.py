"""Alert latency through a real socket, at a fixed rate: frame received to line written.

`latency_ms` of an alert line ends when the line is handed to the operating system; the bare
loop's also holds its write and fdatasync, about 0.3 ms, which makes the limit the easier side.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import inputs
from benchmarks.inputs import Tape
from benchmarks.live_process import live
from benchmarks.market import Shape
from benchmarks.mock_process import KEY, mock
from benchmarks.report import Figure, Result, spread
from benchmarks.sides import ROOT, BenchmarkError

RATE = 30_000
SYMBOLS = 5_000
EVENTS, QUICK_EVENTS = 600_000, 240_000
TICKS_A_PLANT = 2_000
SETTLE_S = 1.0
FEWEST_ALERTS = 100


def through_the_flow(tape: Tape) -> list[float]:
    """Return the latency of each alert of one run, in ms."""
    with (
        tempfile.TemporaryDirectory(prefix="orderflow-bench-") as name,
        mock(tape, RATE, SETTLE_S) as served,
        live(served, Path(name), {"ORDER_FLOW_MONITORING_MODE": "all"}) as flow,
    ):
        served.subscribed()
        flow.reaches(served.played())
        return flow.latencies_ms()


def through_the_bare_loop(tape: Tape) -> list[float]:
    """Return the latency of each marked frame of one run, in ms."""
    with (
        tempfile.TemporaryDirectory(prefix="orderflow-bench-") as name,
        mock(tape, RATE, SETTLE_S) as served,
    ):
        path = Path(name) / "lines"
        asked = {"url": served.urls["ws"], "key": KEY, "path": str(path), "events": tape.ticks}
        subprocess.run(
            [sys.executable, "-m", "benchmarks.rivals.bare_socket", json.dumps(asked)],
            cwd=ROOT,
            check=True,
        )
        found: list[float] = json.loads(Path(f"{path}.json").read_text())["latencies_ms"]
        return found


def percentiles(latencies: list[float]) -> dict[str, float]:
    """Return p50, p99 and max.

    Raises:
        BenchmarkError: too few alerts to speak of a 99th percentile.
    """
    if len(latencies) < FEWEST_ALERTS:
        raise BenchmarkError(f"{len(latencies)} alerts are too few for a p99")
    cuts = statistics.quantiles(latencies, n=100, method="inclusive")
    return {"p50": cuts[49], "p99": cuts[98], "max": max(latencies), "alerts": len(latencies)}


def run(runs: int, quick: bool) -> Result:
    """Measure, one side after the other.

    Raises:
        BenchmarkError: events were lost, or there were too few alerts.
    """
    tape = inputs.tape(Shape(SYMBOLS, QUICK_EVENTS if quick else EVENTS, TICKS_A_PLANT))
    ours, bare = [], []
    through_the_flow(tape)  # warm-up, uncounted
    for _ in range(runs):
        ours.append(percentiles(through_the_flow(tape)))
        bare.append(percentiles(through_the_bare_loop(tape)))
    seen = {
        side: {key: spread([run[key] for run in rounds]) for key in rounds[0]}
        for side, rounds in (("orderflow", ours), ("bare socket to file", bare))
    }
    p99 = seen["orderflow"]["p99"]["median"]
    times = statistics.median(a["p99"] / b["p99"] for a, b in zip(ours, bare, strict=True))
    return Result(
        "latency",
        f"real socket at {RATE:,} events/s, {ours[0]['alerts']} alerts a run",
        (
            Figure("alert latency p50", seen["orderflow"]["p50"]["median"], "ms"),
            Figure("alert latency p99", p99, "ms", 10, at_most=True),
            Figure("alert latency max", seen["orderflow"]["max"]["median"], "ms"),
            Figure("p99 over a bare socket-to-file loop", times, "x", 4, 2, at_most=True),
        ),
        details=seen,
    )
