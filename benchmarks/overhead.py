"""What metrics, recording and recovery cost: the same frames through the whole flow, with each."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from bytewax.testing import run_main

from benchmarks import inputs
from benchmarks.market import Shape
from benchmarks.report import Figure, Result, ratio
from benchmarks.sides import Answer, BenchmarkError, Side, Timed, in_turn
from benchmarks.soak import free_ports
from benchmarks.tape_replay import QUICK_TICKS, SYMBOLS, alert_ids, digest
from benchmarks.wire_frames import frames, frames_file
from benchmarks.wire_path import EVENTS, FrameSource
from flows.assembly import Assembly, assemble
from flows.feeds.recorder import RecordedFeed, Recorder
from flows.health import Limits
from flows.latency import Latencies
from flows.metrics import serve
from flows.recovery import recovery_config
from flows.settings import Settings
from flows.warm_up import warm_up
from sinks.status import copied

PLAIN, METRICS, RECORDING, RECOVERY = "plain", "metrics", "recording", "recovery"
MOST = 0.02  # of the throughput; recording compresses on the second core, at full speed
EPOCH_S = 10.0  # as bytewax has it
SCRAPE_S = 1.0  # a monitor asks every 15


def flow(path: str, events: int, passes: int, extra: str) -> Timed:
    """Run the whole flow over the frames, so many times in a row, with one thing beside it."""
    held = frames(path, events) * passes
    warm_up()

    def run() -> Answer:
        folder = Path(tempfile.mkdtemp(prefix="orderflow-bench-"))
        try:
            source: Any = FrameSource(held)
            recorder = Recorder(folder / "tapes", lambda _: None) if extra == RECORDING else None
            if recorder is not None:
                recorded = RecordedFeed(source, recorder)
                recorded.tape = source.tape  # type: ignore[attr-defined]
                source = recorded
            started = time.perf_counter()
            ready = assemble(folder, source, "tape", Settings(freshness=False), None)
            end = _scraped(ready) if extra == METRICS else None
            store = recovery_config(folder / "recovery") if extra == RECOVERY else None
            run_main(ready.flow, recovery_config=store, epoch_interval=timedelta(seconds=EPOCH_S))
            seconds = time.perf_counter() - started
            if end is not None:
                end()
            if recorder is not None:
                recorder.close()
            ready.history.finish("finished")
            return {**digest(alert_ids(folder / "alerts.jsonl")), "seconds": seconds}
        finally:
            shutil.rmtree(folder)

    return run


def _scraped(run: Assembly) -> Callable[[], None]:
    """Serve the run's metrics and ask for them all the time; return what ends both."""
    port, _ = free_ports()
    served = serve(
        port, lambda: run.status.describe(copied(run.status.totals)), Latencies(), Limits(None)
    )
    over = threading.Event()

    def ask() -> None:
        while not over.wait(SCRAPE_S):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
                answer.read()

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()

    def end() -> None:
        over.set()
        asking.join()
        served()

    return end


def run(runs: int, quick: bool) -> Result:
    """Measure, and compare the answers.

    Raises:
        BenchmarkError: the flows found other alerts.
    """
    tape = inputs.tape(Shape(SYMBOLS, QUICK_TICKS))
    asked = {
        "path": str(frames_file(tape, EVENTS)),
        "events": EVENTS,
        "passes": 1 if quick else 4,
    }
    items = EVENTS * int(asked["passes"])
    sides = [
        Side(extra, "benchmarks.overhead:flow", asked | {"extra": extra}, items)
        for extra in (PLAIN, METRICS, RECORDING, RECOVERY)
    ]
    plain, *others = measured = in_turn(sides, runs)
    if any(other.answer != plain.answer for other in others):
        raise BenchmarkError("not the same alerts with everything")
    return Result(
        "overhead",
        "frames in memory through the whole flow, one thing more at a time",
        tuple(
            Figure(
                f"{other.side.name} costs",
                1 - ratio(other, plain),
                "of it",
                None if other.side.name == RECORDING else MOST,
                at_most=True,
            )
            for other in others
        ),
        tuple(measured),
    )
