"""What adaptive mode and context cost a tick, in the operators and in the whole flow."""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks import inputs
from benchmarks.bare import kernel_pass
from benchmarks.market import Shape
from benchmarks.report import Figure, Result, rate, ratio
from benchmarks.sides import Answer, Runs, Side, Timed, in_turn
from benchmarks.tape_replay import QUICK_TICKS, SYMBOLS, TICKS
from flows.orderflow import rules_of
from flows.run import TapeFiles, replay
from flows.settings import Settings
from flows.warm_up import warm_up

FIXED, ADAPTIVE, CONTEXT = "fixed", "adaptive", "fixed, with context"
SETTINGS = {
    FIXED: Settings(context=False),
    ADAPTIVE: Settings(context=False, detection_mode="adaptive"),
    CONTEXT: Settings(context=True),
}


def kernels(trades: str, quotes: str, mode: str) -> Timed:
    """Run the operators of a mode over columns that are in memory already."""
    warm_up(adaptive=mode == ADAPTIVE)
    return kernel_pass(trades, quotes, rules_of(SETTINGS[mode], "replay"))


def flow(trades: str, quotes: str, mode: str, of_processor: bool = False) -> Timed:
    """Replay in a mode, into a fresh folder; timed by the clock, or by what all threads used."""
    settings = SETTINGS[mode]
    warm_up(adaptive=mode == ADAPTIVE)

    def run() -> Answer:
        folder = Path(tempfile.mkdtemp(prefix="orderflow-bench-"))
        try:
            before = time.process_time()
            summary = replay(settings, TapeFiles((trades, quotes)), folder / "out")
            used = time.process_time() - before
            seconds = used if of_processor else summary.seconds
            return {"alerts": sum(summary.alerts.values()), "seconds": seconds}
        finally:
            shutil.rmtree(folder)

    return run


def _cost_ns(fixed: Runs, other: Runs) -> float:
    """Return what a tick costs more, as the median over the pairs of rounds."""
    pairs = zip(fixed.seconds, other.seconds, strict=True)
    return statistics.median((b - a) / fixed.side.items * 1e9 for a, b in pairs)


def run(runs: int, quick: bool) -> Result:
    """Measure the modes on the same tape, in turn."""
    tape = inputs.tape(Shape(SYMBOLS, QUICK_TICKS if quick else TICKS))
    here = "benchmarks.adaptive"
    sides = [
        Side(f"{what}, {mode}", f"{here}:{what}", {**tape.files, "mode": mode}, tape.ticks)
        for what in ("kernels", "flow")
        for mode in SETTINGS
    ]
    processor = {**tape.files, "of_processor": True}
    sides += [
        Side(f"processor, {mode}", f"{here}:flow", {**processor, "mode": mode}, tape.ticks)
        for mode in (FIXED, CONTEXT)
    ]
    fixed, adaptive, around, *flows = measured = in_turn(sides, runs)
    flow_fixed, flow_adaptive, flow_around, used_fixed, used_around = flows
    more = ratio(used_fixed, used_around) - 1
    return Result(
        "adaptive",
        f"adaptive mode and context, trades to quotes 1:4, {SYMBOLS:,} symbols",
        (
            Figure("operators: adaptive, more a tick", _cost_ns(fixed, adaptive), "ns"),
            Figure("whole flow: adaptive, more a tick", _cost_ns(flow_fixed, flow_adaptive), "ns"),
            Figure("operators: context, more a tick", _cost_ns(fixed, around), "ns"),
            Figure("whole flow: context, more a tick", _cost_ns(flow_fixed, flow_around), "ns"),
            Figure("context costs, of the processor", more, "of it", 0.15, at_most=True),
            Figure("whole flow, adaptive", rate(flow_adaptive), "ticks/s"),
            Figure("whole flow, with context", rate(flow_around), "ticks/s"),
            Figure("whole flow, fixed", rate(flow_fixed), "ticks/s"),
        ),
        tuple(measured),
        {},
    )
