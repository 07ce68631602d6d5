"""The plain per-event Bytewax flow: one item an event, keyed by symbol, one stateful step.

One step and not one a stage, and `stateful_batch` instead of `stateful_flat_map`: both were
measured to be the faster way to write it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bytewax.operators as op
import duckdb
import msgspec
from bytewax.dataflow import Dataflow, Stream
from bytewax.inputs import DynamicSource, StatelessSourcePartition
from bytewax.operators import KeyedStream, StatefulBatchLogic

from benchmarks.rivals.plain_rules import Quote, Trade, Watch
from flows.lines import alert_line
from operators.exit_signal import AlertRules
from operators.records import Alert
from sinks.jsonl import JsonlSink

BATCH = 65_536
RULES = AlertRules("replay", "fixed", 10_000.0, 3.0, 4.0, 3, 120_000)


class _Batches(StatelessSourcePartition[Any]):
    def __init__(self, batches: Iterator[list[Any]]) -> None:
        self._batches = batches

    def next_batch(self) -> list[Any]:
        return next(self._batches)  # its StopIteration is how a source ends


class BatchSource(DynamicSource[Any]):
    """Items by the batch, on one worker."""

    def __init__(self, batches: Iterator[list[Any]]) -> None:
        self._batches = batches

    def build(self, step_id: str, worker_index: int, worker_count: int) -> _Batches:
        """Begin."""
        return _Batches(self._batches)


def tape_events(trades: str, quotes: str) -> Iterator[list[Trade | Quote]]:
    """Read trades and quotes with DuckDB, merged in the order of the rules, as events."""
    with duckdb.connect(config={"threads": 1}) as db:
        rows = db.execute(
            f"""
            SELECT symbol, ts_ns // 1000000, price, size, id, exchange, trf_id,
                   participant_ns // 1000000, conditions, ts_ns, 0 AS kind
            FROM '{trades}'
            UNION ALL
            SELECT symbol, ts_ns // 1000000, bid, ask, NULL, NULL, NULL, NULL, NULL, ts_ns, 1
            FROM '{quotes}'
            ORDER BY ts_ns, kind
            """
        )
        while batch := rows.fetchmany(BATCH):
            yield [
                Quote(sym, t, a, b)
                if kind
                else Trade(sym, t, a, b, None, i, x, trf, pt, tuple(c) if c else None)
                for sym, t, a, b, i, x, trf, pt, c, _, kind in batch
            ]


class _SymbolLogic(StatefulBatchLogic[Trade | Quote, Alert, None]):
    def __init__(self) -> None:
        self._watch: Watch | None = None

    def on_batch(self, values: list[Trade | Quote]) -> tuple[list[Alert], bool]:
        watch = self._watch
        if watch is None:
            watch = self._watch = Watch(values[0].sym, RULES)
        out: list[Alert] = []
        for event in values:
            out += watch(event)
        return out, StatefulBatchLogic.RETAIN

    def snapshot(self) -> None:
        return None


def _finish(graph: Dataflow, events: Stream[Trade | Quote], path: Path) -> Dataflow:
    keyed = op.key_on("symbol", events, lambda event: event.sym)
    sink: JsonlSink[Alert] = JsonlSink(
        path, alert_line, lambda alert: alert.alert_id, sync_each_batch=False
    )
    alerts: KeyedStream[Alert] = op.stateful_batch("rules", keyed, lambda _: _SymbolLogic())
    op.output("jsonl", alerts, sink)
    return graph


def tape_flow(trades: str, quotes: str, alerts: Path) -> Dataflow:
    """Return the flow from two Parquet files to a JSONL file."""
    graph = Dataflow("plain_tape")
    events = op.input("tape", graph, BatchSource(tape_events(trades, quotes)))
    return _finish(graph, events, alerts)


def frame_flow(frames: list[bytes], alerts: Path) -> Dataflow:
    """Return the flow from frames in memory to a JSONL file."""
    graph = Dataflow("plain_frames")
    batch = BATCH // 8
    batches = (frames[k : k + batch] for k in range(0, len(frames), batch))
    taken = op.input("frames", graph, BatchSource(batches))
    decode = msgspec.json.Decoder(list[Trade | Quote]).decode
    return _finish(graph, op.flat_map("decode", taken, decode), alerts)
