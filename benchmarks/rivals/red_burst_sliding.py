"""The volumes of the red-burst rule with Bytewax's own sliding windows, a second apart."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import bytewax.operators as op
import bytewax.operators.windowing as win
import duckdb
from bytewax.dataflow import Dataflow
from bytewax.operators import KeyedStream
from bytewax.testing import TestingSink, run_main

from benchmarks.rivals.plain_flow import BATCH, BatchSource
from benchmarks.sides import Answer, Timed

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE_S, WHOLE_S = 60, 360
NOW = datetime(2100, 1, 1, tzinfo=UTC)

Print = tuple[datetime, int]


def _rows(path: str) -> Iterator[list[tuple[str, Print]]]:
    with duckdb.connect(config={"threads": 1}) as db:
        found = db.execute(f"SELECT symbol, ts_ns // 1000, size::BIGINT FROM '{path}'")
        while batch := found.fetchmany(BATCH):
            yield [
                (symbol, (EPOCH + timedelta(microseconds=us), size)) for symbol, us, size in batch
            ]


def _volume(step_id: str, up: KeyedStream[Print], length_s: int) -> KeyedStream[Any]:
    """Return `(symbol, (second the window ends with, volume))`."""
    clock: win.EventClock[Print] = win.EventClock(
        lambda item: item[0],
        wait_for_system_duration=timedelta(0),
        now_getter=lambda: NOW,
        to_system_utc=lambda _: None,
    )
    windower = win.SlidingWindower(timedelta(seconds=length_s), SECOND, EPOCH)
    folded = win.fold_window(
        step_id,
        up,
        clock,
        windower,
        builder=int,
        folder=lambda total, item: total + item[1],
        merger=lambda a, b: a + b,
    )
    return op.map_value(f"{step_id}_end", folded.down, lambda w: (w[0] + length_s - 1, w[1]))


def sliding(path: str) -> Timed:
    """Return the volumes at the end of each second in which a symbol printed."""
    with duckdb.connect() as db:
        ends = set(
            db.execute(f"SELECT DISTINCT symbol, ts_ns // 1000000000 FROM '{path}'").fetchall()
        )

    def run() -> Answer:
        minutes: list[tuple[str, tuple[int, int]]] = []
        wholes: list[tuple[str, tuple[int, int]]] = []
        graph = Dataflow("sliding")
        prints = op.input("prints", graph, BatchSource(_rows(path)))
        op.output("minutes", _volume("minute", prints, MINUTE_S), TestingSink(minutes))
        op.output("wholes", _volume("whole", prints, WHOLE_S), TestingSink(wholes))
        run_main(graph)
        v = sum(volume for symbol, (s, volume) in minutes if (symbol, s) in ends)
        whole = sum(volume for symbol, (s, volume) in wholes if (symbol, s) in ends)
        return {"v": v, "base": whole - v}

    return run
