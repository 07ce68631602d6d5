"""Wire path: JSON frames of 8 events, in memory, through the whole flow to the alerts."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.testing import run_main

from benchmarks import inputs
from benchmarks.market import Shape
from benchmarks.report import Figure, Result, rate, ratio
from benchmarks.rivals import plain_flow
from benchmarks.sides import Answer, BenchmarkError, Side, Timed, in_turn
from benchmarks.tape_replay import QUICK_TICKS, SYMBOLS, alert_ids, digest
from benchmarks.wire_frames import frames, frames_file
from flows.assembly import assemble
from flows.feeds.frame_queue import BATCH_FRAMES
from flows.feeds.tape_files import TapeSet
from flows.settings import Settings
from flows.warm_up import warm_up
from operators.ticks import Frames
from operators.wire import Event

EVENTS, QUICK_EVENTS, SLICE_EVENTS = 1_000_000, 250_000, 200_000


class _Batches(StatefulSourcePartition[Frames, None]):
    def __init__(self, batches: Iterator[Frames]) -> None:
        self._batches = batches

    def next_batch(self) -> list[Frames]:
        return [next(self._batches)]  # its StopIteration is how a source ends

    def snapshot(self) -> None:
        return None


class FrameSource(FixedPartitionedSource[Any, None]):
    """Frames in memory, in batches as large as those of the live feed under load."""

    tape = TapeSet()  # the run names no files

    def __init__(self, held: list[bytes]) -> None:
        self._held = held

    def list_parts(self) -> list[str]:
        """Name the one partition."""
        return ["frames"]

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> _Batches:
        """Begin."""
        held, n = self._held, BATCH_FRAMES
        cut = (held[k : k + n] for k in range(0, len(held), n))
        return _Batches(Frames([0] * len(batch), batch) for batch in cut)


def flow(path: str, events: int) -> Timed:
    """Run the whole flow, both sinks included."""
    held = frames(path, events)
    warm_up()

    def run() -> Answer:
        folder = Path(tempfile.mkdtemp(prefix="orderflow-bench-"))
        try:
            source: Any = FrameSource(held)
            started = time.perf_counter()
            ready = assemble(folder, source, "tape", Settings(), None)
            run_main(ready.flow)
            ready.history.finish("finished")
            seconds = time.perf_counter() - started
            return {**digest(alert_ids(folder / "alerts.jsonl")), "seconds": seconds}
        finally:
            shutil.rmtree(folder)

    return run


def plain(path: str, events: int) -> Timed:
    """Run the plain per-event flow over the same frames."""
    held = frames(path, events)

    def run() -> Answer:
        with tempfile.TemporaryDirectory(prefix="orderflow-bench-") as folder:
            alerts = Path(folder) / "alerts.jsonl"
            run_main(plain_flow.frame_flow(held, alerts))
            return digest(alert_ids(alerts))

    return run


def decode(path: str, events: int) -> Timed:
    """Decode the frames into typed events, and do nothing with them."""
    held = frames(path, events)
    typed = msgspec.json.Decoder(list[Event]).decode

    def run() -> Answer:
        started = time.perf_counter()
        n = 0
        for frame in held:
            n += len(typed(frame))
        return {"seconds": time.perf_counter() - started, "events": n}

    return run


def run(runs: int, quick: bool) -> Result:
    """Measure, and compare the answers.

    Raises:
        BenchmarkError: the flows found other alerts.
    """
    events = QUICK_EVENTS if quick else EVENTS
    tape = inputs.tape(Shape(SYMBOLS, QUICK_TICKS))
    path = str(frames_file(tape, EVENTS))
    here = "benchmarks.wire_path"
    some, part = {"path": path, "events": events}, {"path": path, "events": SLICE_EVENTS}
    sides = [
        Side("orderflow", f"{here}:flow", some, events),
        Side("limit: msgspec typed decode alone", f"{here}:decode", some, events),
        Side("plain per-event Bytewax flow", f"{here}:plain", part, SLICE_EVENTS),
    ]
    ours, limit, other = measured = in_turn(sides, runs)
    (checked,) = in_turn([Side("same slice", f"{here}:flow", part, SLICE_EVENTS)], 1)
    if checked.answer != other.answer:
        raise BenchmarkError(f"not the same alerts: {checked.answer} and {other.answer}")
    if limit.answer["events"] != events:
        raise BenchmarkError(f"{limit.answer['events']} events decoded of {events}")
    return Result(
        "wire_path",
        f"JSON frames of 8 events in memory to alerts, {SYMBOLS:,} symbols",
        (
            Figure("whole flow", rate(ours), "events/s", 6e5, 1.2e6),
            Figure("over the plain flow", ratio(ours, other), "x", 3, 5),
            Figure("of the limit", ratio(ours, limit), "x", 0.5, 0.75),
        ),
        tuple(measured),
        {"slice_alerts": other.answer["alerts"]},
    )
