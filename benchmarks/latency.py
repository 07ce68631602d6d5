"""Alert latency through a real socket, at fixed rates: frame received to line written.

`latency_ms` of an alert line ends when the line is handed to the operating system; the bare
loop's also holds its write and fdatasync, about 0.3 ms, which makes the limit the easier side.
What a frame waits for before it is read is in neither. So there is a stricter figure beside it:
from when the sender was due to send the print, by the clock both share, to the line.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks import inputs
from benchmarks.firehose import Firehose, firehose
from benchmarks.live_process import ORDERFLOW, Live, live
from benchmarks.market import Shape
from benchmarks.mock_process import KEY
from benchmarks.report import Figure, Result, spread
from benchmarks.sides import ROOT, BenchmarkError
from benchmarks.wire_frames import frames_file

SYMBOLS = 5_000
BLOCK_EVENTS = 700_000
SETTLE_S = 1.0
FEWEST_ALERTS = 100


class Load(NamedTuple):
    """A rate, for how long, how often a large sale is planted, and what is promised.

    `p99_ms`: at most; `times`: at most, and hoped for, over the bare loop.
    """

    rate: int
    seconds: int
    ticks_a_plant: int
    p99_ms: float
    times: tuple[float, float] | None

    @property
    def events(self) -> int:
        """How many events are sent."""
        return self.rate * self.seconds

    def frames(self) -> Path:
        """Return the file of what is sent."""
        tape = inputs.tape(Shape(SYMBOLS, BLOCK_EVENTS, self.ticks_a_plant))
        return frames_file(tape, BLOCK_EVENTS)


STEADY = Load(30_000, 20, 2_000, 5.0, (4.0, 2.0))
PEAK = Load(350_000, 60, 25_000, 50.0, None)


class Found(NamedTuple):
    """What one run gave: latencies in ms, cores and MiB of the flow, how the sender kept up."""

    written: list[float]
    from_due: list[float]
    used: dict[str, float]


def through_the_flow(load: Load) -> Found:
    """Run the live flow, recovery and history on.

    Raises:
        BenchmarkError: a trade was lost on the way, or the sender could not keep up.
    """
    with (
        tempfile.TemporaryDirectory(prefix="orderflow-bench-") as name,
        firehose(load.frames(), load.rate, load.events, SETTLE_S) as sender,
        live(sender, Path(name), {"ORDER_FLOW_MONITORING_MODE": "all"}, ORDERFLOW) as flow,
    ):
        sender.subscribed()
        started_ns, before = sender.started_ns(), flow.cpu_s()
        sent = _in_time(sender, load)
        flow.reaches(int(sent["trades"]), ("trades",))
        used = {
            "cores": (flow.cpu_s() - before) / sent["seconds"],
            "rss_mib": flow.rss_mib(),
            "shed": flow.shed_frames(),
            "sender_cores": sent["core"],
            "sender_late_ms": sent["late_ms"],
        }
        return Found(flow.latencies_ms(), _from_due(flow, started_ns), used)


def _in_time(sender: Firehose, load: Load) -> dict[str, float]:
    sent = sender.sent()
    if sent["events"] < load.events or sent["seconds"] > load.seconds * 1.01:
        raise BenchmarkError(f"the sender could not keep up: {sent}")
    return sent


def _from_due(flow: Live, started_ns: int) -> list[float]:
    """Return, of each alert, the time from when its print was due to its line, in ms."""
    from benchmarks.firehose_frames import START_MS

    ahead_ns = started_ns - START_MS * 1_000_000
    return [(emitted - ts - ahead_ns) / 1e6 for ts, emitted in flow.times_ns()]


def through_the_bare_loop(load: Load) -> list[float]:
    """Return the latency of each marked frame of one run, in ms."""
    with (
        tempfile.TemporaryDirectory(prefix="orderflow-bench-") as name,
        firehose(load.frames(), load.rate, load.events, SETTLE_S) as sender,
    ):
        path = Path(name) / "lines"
        asked = {"url": sender.urls["ws"], "key": KEY, "path": str(path), "events": load.events}
        subprocess.run(
            [sys.executable, "-m", "benchmarks.rivals.bare_socket", json.dumps(asked)],
            cwd=ROOT,
            check=True,
        )
        found: list[float] = json.loads(Path(f"{path}.json").read_text())["latencies_ms"]
        return found


def percentiles(latencies: Sequence[float]) -> dict[str, float]:
    """Return p50, p99, max and how many there are.

    Raises:
        BenchmarkError: too few alerts to speak of a 99th percentile.
    """
    if len(latencies) < FEWEST_ALERTS:
        raise BenchmarkError(f"{len(latencies)} alerts are too few for a p99")
    cuts = statistics.quantiles(latencies, n=100, method="inclusive")
    return {"p50": cuts[49], "p99": cuts[98], "max": max(latencies), "alerts": len(latencies)}


def measure(load: Load, runs: int) -> tuple[list[Figure], dict[str, dict[str, object]]]:
    """Measure a rate, one side after the other: figures, and all that was seen."""
    rounds: dict[str, list[dict[str, float]]] = {"flow": [], "due": [], "used": [], "bare": []}
    for _ in range(runs):
        found = through_the_flow(load)
        rounds["flow"].append(percentiles(found.written))
        rounds["due"].append(percentiles(found.from_due))
        rounds["used"].append(found.used)
        rounds["bare"].append(percentiles(through_the_bare_loop(load)))
    seen = {
        side: {key: spread([one[key] for one in each]) for key in each[0]}
        for side, each in rounds.items()
    }
    pairs = zip(rounds["flow"], rounds["bare"], strict=True)
    times = statistics.median(ours["p99"] / bare["p99"] for ours, bare in pairs)
    least, aim = load.times or (None, None)
    at = f"at {load.rate // 1000}k/s"

    def median(side: str, key: str) -> float:
        return seen[side][key]["median"]

    return [
        Figure(f"{at}: latency p50", median("flow", "p50"), "ms"),
        Figure(f"{at}: latency p99", median("flow", "p99"), "ms", load.p99_ms, at_most=True),
        Figure(f"{at}: latency max", median("flow", "max"), "ms"),
        Figure(f"{at}: from due at the sender, p99", median("due", "p99"), "ms"),
        Figure(f"{at}: p99 over a bare socket-to-file loop", times, "x", least, aim, at_most=True),
        Figure(f"{at}: cores the flow takes", median("used", "cores"), "cores"),
        Figure(f"{at}: memory of the flow", median("used", "rss_mib"), "MiB"),
        Figure(f"{at}: frames shed", median("used", "shed"), "", 0, at_most=True),
    ], {f"{load.rate} {side}": dict(each) for side, each in seen.items()}


def run(runs: int, quick: bool) -> Result:
    """Measure at both rates; a short run of each goes before, uncounted.

    Raises:
        BenchmarkError: trades were lost, or the sender was too slow.
    """
    through_the_flow(STEADY._replace(seconds=5))
    figures: list[Figure] = []
    details: dict[str, object] = {}
    for load in (STEADY, PEAK):
        asked = load._replace(seconds=10) if quick else load
        more, seen = measure(asked, runs)
        figures += more
        details |= seen
    return Result(
        "latency",
        f"real socket, {SYMBOLS:,} symbols, frames of 8 events, recovery and history on",
        tuple(figures),
        details=details,
    )
