"""The operators without Bytewax: what they cost when nothing has to be read or moved."""

from __future__ import annotations

import contextlib
import time

from benchmarks.sides import Answer, Timed
from flows.feeds.tape import TapeFeed
from flows.feeds.tape_files import open_tapes
from flows.orderflow import Rules
from flows.pipeline import Pipeline
from operators.ticks import Ticks


def columns(trades: str, quotes: str, depths: bool = False) -> list[Ticks]:
    """Read a tape into memory, in the chunks the flow would get."""
    feed = TapeFeed(open_tapes([trades, quotes]), depths=depths)
    part = feed.build_part("bare", "tape", None)
    held: list[Ticks] = []
    with contextlib.suppress(StopIteration):  # how a source ends
        while True:
            held += part.next_batch()
    part.close()
    return held


def kernel_pass(trades: str, quotes: str, rules: Rules) -> Timed:
    """Return a pass of all operators over a tape held in memory."""
    held = columns(trades, quotes, rules.context is not None)

    def run() -> Answer:
        pipeline = Pipeline(rules)
        started = time.perf_counter()
        alerts = sum(len(pipeline(ticks)) for ticks in held)
        return {"seconds": time.perf_counter() - started, "alerts": alerts}

    return run
