"""The red-burst rule alone, our way: the operators of the flow, from the file to the bursts."""

from __future__ import annotations

import bytewax.operators as op
import numpy as np
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSink, run_main

from benchmarks.sides import Answer, Timed
from flows.feeds.tape import TapeFeed
from flows.feeds.tape_files import open_tapes
from flows.warm_up import warm_up
from operators.aggressor import STATED
from operators.nbbo import Prints, nbbo
from operators.red_burst import BurstRules, red_burst
from operators.rolling_volume import rolling_volume
from operators.shards import by_shard
from operators.ticks import MICRO, MS

RULES = BurstRules(3.0, 4.0, 0.60, 5_000 * MICRO, 120_000)


def _all_count(chunk: Prints) -> Prints:
    """Take every print as it is: counted, with the side the file states."""
    n = len(chunk)
    chunk.verdict = np.zeros(n, np.uint8)
    chunk.resets = np.zeros(n, np.uint8)
    chunk.side = np.ascontiguousarray(chunk.rows["stated_side"])
    chunk.evidence = np.full(n, STATED, np.uint8)
    return chunk


def _fires(keyed: tuple[str, Prints]) -> list[tuple[str, int, int]]:
    chunk = keyed[1]
    rows = chunk.rows[chunk.bursts["row"]]
    return [
        (chunk.names[row["symbol"]], int(row["ts_ns"]) // MS, int(burst["kind"]))
        for row, burst in zip(rows, chunk.bursts, strict=True)
    ]


def _checks(chunk: Prints) -> tuple[int, int, int]:
    """Return sums of V and of the five minutes before, and the prints at which it is red."""
    volume = chunk.volume
    current, baseline, sells = (volume[name] for name in ("current", "baseline", "sells"))
    classified = sells + volume["buys"]
    with np.errstate(divide="ignore", invalid="ignore"):
        red = (
            (volume["warm"] == 1)
            & (baseline > 0)
            & (5 * current / baseline >= RULES.spike)
            & (current >= RULES.min_volume)
            & (2 * classified >= current)
            & (sells / classified > RULES.sell_share)
        )
    return int(current.sum()) // MICRO, int(baseline.sum()) // MICRO, int(red.sum())


def _flow(
    path: str, fires: list[tuple[str, int, int]], sums: list[tuple[int, int, int]] | None
) -> Dataflow:
    graph = Dataflow("red_burst")
    ticks = op.input("tape", graph, TapeFeed(open_tapes([path]), stated_side=True))
    prints = op.map_value("sides", by_shard("shards", nbbo("nbbo", ticks)), _all_count)
    bursts = red_burst("red_burst", rolling_volume("rolling_volume", prints), RULES)
    if sums is not None:
        seen = op.map("checks", bursts, lambda keyed: _checks(keyed[1]))
        op.output("sums", seen, TestingSink(sums))
    op.output("fires", op.flat_map("told", bursts, _fires), TestingSink(fires))
    return graph


def bursts(path: str) -> Timed:
    """Find the bursts of a file."""
    warm_up()

    def run() -> Answer:
        fires: list[tuple[str, int, int]] = []
        run_main(_flow(path, fires, None))
        return {"fires": sorted(map(list, fires))}

    return run


def checks(path: str) -> Answer:
    """Return everything rivals are compared with: sums, red prints and fires."""
    warm_up()
    fires: list[tuple[str, int, int]] = []
    sums: list[tuple[int, int, int]] = []
    run_main(_flow(path, fires, sums))
    v, base, red = (int(total) for total in np.array(sums, np.int64).reshape(-1, 3).sum(axis=0))
    return {"v": v, "base": base, "red": red, "fires": sorted(map(list, fires))}
