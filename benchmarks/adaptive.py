"""Adaptive mode: what it costs a tick beside fixed mode, in the operators and in the whole flow."""

from __future__ import annotations

import shutil
import statistics
import tempfile
from pathlib import Path

from benchmarks import inputs
from benchmarks.bare import kernel_pass
from benchmarks.market import Shape
from benchmarks.report import Figure, Result, rate
from benchmarks.sides import Answer, Runs, Side, Timed, in_turn
from benchmarks.tape_replay import QUICK_TICKS, SYMBOLS, TICKS
from flows.orderflow import rules_of
from flows.run import TapeFiles, replay
from flows.settings import Settings
from flows.warm_up import warm_up


def kernels(trades: str, quotes: str, mode: str) -> Timed:
    """Run the operators of a mode over columns that are in memory already."""
    warm_up(adaptive=mode == "adaptive")
    return kernel_pass(trades, quotes, rules_of(Settings(detection_mode=mode), "replay"))


def flow(trades: str, quotes: str, mode: str) -> Timed:
    """Replay in a mode, into a fresh folder."""
    settings = Settings(detection_mode=mode)
    warm_up(adaptive=mode == "adaptive")

    def run() -> Answer:
        folder = Path(tempfile.mkdtemp(prefix="orderflow-bench-"))
        try:
            summary = replay(settings, TapeFiles((trades, quotes)), folder / "out")
            return {"alerts": sum(summary.alerts.values()), "seconds": summary.seconds}
        finally:
            shutil.rmtree(folder)

    return run


def _cost_ns(fixed: Runs, adaptive: Runs) -> float:
    """Return what a tick costs more, as the median over the pairs of rounds."""
    pairs = zip(fixed.seconds, adaptive.seconds, strict=True)
    return statistics.median((b - a) / fixed.side.items * 1e9 for a, b in pairs)


def run(runs: int, quick: bool) -> Result:
    """Measure both modes on the same tape, in turn."""
    tape = inputs.tape(Shape(SYMBOLS, QUICK_TICKS if quick else TICKS))
    here = "benchmarks.adaptive"
    sides = [
        Side(f"{what}, {mode}", f"{here}:{what}", {**tape.files, "mode": mode}, tape.ticks)
        for what in ("kernels", "flow")
        for mode in ("fixed", "adaptive")
    ]
    fixed, adaptive, flow_fixed, flow_adaptive = measured = in_turn(sides, runs)
    return Result(
        "adaptive",
        f"adaptive beside fixed mode, trades to quotes 1:4, {SYMBOLS:,} symbols",
        (
            Figure("operators: more a tick", _cost_ns(fixed, adaptive), "ns"),
            Figure("whole flow: more a tick", _cost_ns(flow_fixed, flow_adaptive), "ns"),
            Figure("whole flow, adaptive", rate(flow_adaptive), "ticks/s"),
            Figure("whole flow, fixed", rate(flow_fixed), "ticks/s"),
        ),
        tuple(measured),
        {},
    )
