"""The red-burst rule in Bytewax, one print an item: `stateful_flat_map` and `stateful_batch`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import bytewax.operators as op
import duckdb
from bytewax.dataflow import Dataflow
from bytewax.operators import KeyedStream, StatefulBatchLogic
from bytewax.testing import TestingSink, run_main

from benchmarks.rivals.plain_flow import BATCH, BatchSource
from benchmarks.rivals.plain_windows import Episode, Windows
from benchmarks.sides import Answer, Timed

MIN_VOLUME = 5_000

Keyed = tuple[str, tuple[int, int, int]]
Fire = tuple[int, int]


def rows(path: str) -> Iterator[list[Keyed]]:
    """Read `(symbol, (ms, size, side))` in time order, a batch at a time."""
    with duckdb.connect(config={"threads": 1}) as db:
        found = db.execute(f"SELECT symbol, ts_ns // 1000000, size::BIGINT, side FROM '{path}'")
        while batch := found.fetchmany(BATCH):
            yield [(symbol, (ms, size, side)) for symbol, ms, size, side in batch]


class _Burst:
    __slots__ = ("episode", "windows")

    def __init__(self) -> None:
        self.windows = Windows()
        self.episode = Episode()

    def __call__(self, ms: int, size: int, side: int) -> int:
        self.windows.add(ms, size, side)
        return self.episode.on_print(ms, self.windows, MIN_VOLUME)


def _flat_map(up: KeyedStream[Any]) -> KeyedStream[Fire]:
    def on_print(state: _Burst | None, item: tuple[int, int, int]) -> tuple[_Burst, list[Fire]]:
        if state is None:
            state = _Burst()
        kind = state(*item)
        return state, [(item[0], kind)] if kind else []

    return op.stateful_flat_map("burst", up, on_print)


class _Logic(StatefulBatchLogic[Any, Fire, None]):
    def __init__(self) -> None:
        self._state = _Burst()

    def on_batch(self, values: list[Any]) -> tuple[list[Fire], bool]:
        state = self._state
        fires = [(item[0], kind) for item in values if (kind := state(*item))]
        return fires, StatefulBatchLogic.RETAIN

    def snapshot(self) -> None:
        return None


def _batch(up: KeyedStream[Any]) -> KeyedStream[Fire]:
    return op.stateful_batch("burst", up, lambda _: _Logic())


def _timed(path: str, step: Callable[[KeyedStream[Any]], KeyedStream[Fire]]) -> Timed:
    def run() -> Answer:
        out: list[tuple[str, Fire]] = []
        graph = Dataflow("prints")
        prints = op.input("prints", graph, BatchSource(rows(path)))
        op.output("out", step(prints), TestingSink(out))
        run_main(graph)
        return {"fires": sorted([symbol, ms, kind] for symbol, (ms, kind) in out)}

    return run


def flat_map(path: str) -> Timed:
    """Run one `stateful_flat_map`."""
    return _timed(path, _flat_map)


def batch(path: str) -> Timed:
    """Run one `stateful_batch`."""
    return _timed(path, _batch)
