"""What a snapshot costs the alerts: the whole flow stands still while its state is saved.

The windows are filled first: six minutes of a busy market. Then prints go on, and on a clock that
does not wait for the flow some of them fire: one in 50 ms, and around an epoch's end one in 5. Each
alert's latency is counted from the moment its print was due. What an alert waits at an epoch's end,
beyond what alerts wait otherwise, is the stall. Its processor time is told beside: other programs
do not add to it. More alerts would be no market's, and each symbol that had one is saved, too.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.testing import run_main

from benchmarks import inputs
from benchmarks.bare import columns
from benchmarks.inputs import Tape
from benchmarks.market import OPEN_NS, SESSION_NS, Array, Shape
from benchmarks.report import Figure, Result
from benchmarks.sides import ROOT, BenchmarkError
from flows.assembly import assemble
from flows.feeds.tape_files import TapeSet
from flows.part_files import PartFiles
from flows.places import PARTS
from flows.recovery import recovery_config
from flows.settings import Settings
from flows.warm_up import warm_up
from operators.shards import SHARDS, shard_of
from operators.ticks import (
    DETAIL,
    ID_NUMBER,
    LATENESS_UNKNOWN,
    MICRO,
    QUOTE,
    TICK,
    TRADE,
    Ticks,
)

FILL_S = 400  # the windows reach back 360
# Trades a second. All symbols: the 126.6 million of 2026-08-11, as if all were in the 6.5 hours.
# 500: a third of them; the 189 most liquid symbols had a fifth that day.
LOADS = {500: 1_800, 12_000: 5_400}
LIMIT_MS = {500: 20.0, 12_000: 150.0}
TRADE_SHARE = 0.5  # quotes leave nothing but the last one of a symbol behind
EPOCH_S = 1.0
EPOCHS, QUICK_EPOCHS = 30, 8
PING_NS = 5_000_000
AROUND_NS = 50_000_000, 150_000_000  # before and after an epoch's end: of each ping a large print
SELDOM = 10  # of so many pings elsewhere one has a large print
SETTLED_NS = 700_000_000
LARGE, SMALL = 12_000 * MICRO, 100 * MICRO


def market_tape(symbols: int, trades_a_second: int) -> Tape:
    """Return FILL_S seconds of a busy market: a made-up day, played so much faster."""
    day = inputs.tape(
        Shape(symbols, int(FILL_S * trades_a_second / TRADE_SHARE), 25_000, TRADE_SHARE)
    )
    faster = SESSION_NS // (FILL_S * 10**9) + 1
    at = f"{OPEN_NS} + (ts_ns - {OPEN_NS}) // {faster}"
    trades, quotes = (
        inputs.copied(f"SELECT * REPLACE ({at} AS ts_ns) FROM '{path}'", f"fast-{path.name}")
        for path in (day.trades, day.quotes)
    )
    return Tape(trades, quotes, day.ticks)


class Clock(NamedTuple):
    """What time it was, and how long the dataflow's thread had worked by then."""

    wall_ns: int
    cpu_ns: int

    @classmethod
    def now(cls) -> Clock:
        """Look at both clocks."""
        return cls(time.time_ns(), time.thread_time_ns())


class Pings(StatefulSourcePartition[Ticks, None]):
    """Hand out a market; then, each time one is due, a print in every shard, one of them large."""

    def __init__(self, held: list[Ticks], epochs: int, source: PingSource) -> None:
        self._held, self._names = held[::-1], held[0].names
        self._ends, self._settled, self._epochs = source.ends, source.settled, epochs
        shards = [shard_of(name) for name in self._names]
        self._symbols = [np.flatnonzero(np.array(shards) == shard) for shard in range(SHARDS)]
        self._event_ns = int(held[-1].ticks[-1]["ts_ns"])
        self._number = 10**12
        self._due_ns = 0

    def next_batch(self) -> list[Ticks]:
        """Return the market, then all pings due."""
        if self._held:
            return [self._held.pop()]
        if len(self._ends) > self._epochs:
            raise StopIteration
        now = time.time_ns()
        if self._due_ns == 0:
            self._due_ns = now + PING_NS
            self._ends.clear()
        if len(self._settled) < len(self._ends) and now - self._ends[-1].wall_ns > SETTLED_NS:
            self._settled.append(Clock.now())
        due = range(self._due_ns, now, PING_NS)
        if not due:
            time.sleep(PING_NS / 4e9)
            return []
        self._due_ns = due[-1] + PING_NS
        return [self._pings(np.array(due))]

    def _pings(self, due_ns: Array) -> Ticks:
        """Return, for each time due, a quote and a print at its bid in every shard.

        The symbols take turns, so that no two large prints are of one parent order.
        """
        n = len(due_ns)
        numbers = self._number + np.arange(n)
        turns = numbers // SHARDS
        ticks = np.zeros((n, SHARDS, 2), TICK)
        for shard, codes in enumerate(self._symbols):
            ticks["symbol"][:, shard] = codes[turns % len(codes), None]
        ticks["kind"] = QUOTE, TRADE
        ticks["ts_ns"] = (self._event_ns + PING_NS * np.arange(1, n + 1))[:, None, None]
        ticks["price"] = 10 * MICRO
        ticks["size"] = 11 * MICRO, SMALL
        fires = np.flatnonzero(self._around_an_end(due_ns) | (numbers % SELDOM == 0))
        ticks["size"][fires, numbers[fires] % SHARDS, 1] = LARGE
        self._event_ns += PING_NS * n
        self._number += n
        details = np.zeros((n, SHARDS), DETAIL)
        details["trade_id"] = numbers[:, None]
        details["id_kind"] = ID_NUMBER
        details["lateness_ms"] = LATENESS_UNKNOWN
        details["received_ns"] = due_ns[:, None]
        return Ticks(self._names, ticks.ravel(), details.ravel(), marks=0)

    def _around_an_end(self, due_ns: Array) -> Array:
        """Return which pings are due when an epoch has just ended, or is about to."""
        if not self._ends:
            return np.ones(len(due_ns), bool)
        before, after = AROUND_NS
        since = due_ns - self._ends[-1].wall_ns
        around: Array = (since < after) | (since > EPOCH_S * 1e9 - before)
        return around

    def next_awake(self) -> datetime:
        """Return now: `next_batch` waits."""
        return datetime.now(UTC)

    def snapshot(self) -> None:
        """Note that an epoch has ended."""
        self._ends.append(Clock.now())


class PingSource(FixedPartitionedSource[Any, None]):
    """A market in memory, then pings for so many epochs.

    `ends`: the end of each epoch; `settled`: well after it, when all is saved.
    """

    tape = TapeSet()  # the run names no files

    def __init__(self, held: list[Ticks], epochs: int) -> None:
        self._held, self._epochs = held, epochs
        self.ends: list[Clock] = []
        self.settled: list[Clock] = []

    def list_parts(self) -> list[str]:
        """Name the one partition."""
        return ["pings"]

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> Pings:
        """Begin."""
        return Pings(self._held, self._epochs, self)


def stalls(symbols: int, trades_a_second: int, epochs: int) -> dict[str, Any]:
    """Return what alerts waited at the end of each epoch, in ms, and how large the store is."""
    tape = market_tape(symbols, trades_a_second)
    warm_up(live=True)
    with tempfile.TemporaryDirectory(prefix="orderflow-bench-") as name:
        folder = Path(name)
        source: Any = PingSource(columns(str(tape.trades), str(tape.quotes)), epochs)
        parts = PartFiles(folder / "recovery" / PARTS)
        run = assemble(folder, source, "tape", Settings(), None, parts=parts)
        run_main(
            run.flow,
            epoch_interval=timedelta(seconds=EPOCH_S),
            recovery_config=recovery_config(folder / "recovery"),
        )
        run.history.finish("finished")
        run.close()
        waits = _waits(folder / "alerts.jsonl")
        store = sum(path.stat().st_size for path in (folder / "recovery").glob("part-*"))
    usual = statistics.median(wait for _, wait in waits)
    windows = [*zip(source.ends, source.ends[1:], strict=False)]
    works = [
        _work_ms(start, settled, end)
        for (start, end), settled in zip(windows, source.settled, strict=False)
    ]
    by_epoch = [
        max(wait for due, wait in waits if start.wall_ns - 10**8 <= due < end.wall_ns) - usual
        for start, end in windows
    ]
    return {
        "usual_ms": usual,
        "stalls_ms": by_epoch,
        "works_ms": works,
        "store_mib": store / 2**20,
    }


def _work_ms(start: Clock, settled: Clock, end: Clock) -> float:
    """Return the processor time of a snapshot: up to `settled`, beyond what pings take."""
    usual = (end.cpu_ns - settled.cpu_ns) / (end.wall_ns - settled.wall_ns)
    work = settled.cpu_ns - start.cpu_ns - usual * (settled.wall_ns - start.wall_ns)
    return work / 1e6


def _waits(path: Path) -> list[tuple[int, float]]:
    """Return when each print was due (ns) and what its alert waited (ms)."""
    waits = []
    for line in map(json.loads, path.read_bytes().splitlines()):
        if line.get("alert_type") == "large_seller" and line["latency_ms"] is not None:
            emitted = datetime.fromisoformat(line["emitted_utc"]).timestamp()
            due = int((emitted - line["latency_ms"] / 1e3) * 1e9)
            waits.append((due, line["latency_ms"]))
    return waits


def in_a_process(symbols: int, trades_a_second: int, epochs: int) -> dict[str, Any]:
    """Return `stalls` of a process of its own.

    Raises:
        BenchmarkError: it failed.
    """
    asked = json.dumps([symbols, trades_a_second, epochs])
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.snapshot", asked],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BenchmarkError(f"{symbols} symbols ended with {done.returncode}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def run(runs: int, quick: bool) -> Result:
    """Measure.

    Raises:
        BenchmarkError: a run failed.
    """
    figures, details = [], {}
    for symbols, trades in LOADS.items():
        rounds = [
            in_a_process(symbols, trades, QUICK_EPOCHS if quick else EPOCHS) for _ in range(runs)
        ]
        every = [stall for found in rounds for stall in found["stalls_ms"]]
        cuts = statistics.quantiles(every, n=20, method="inclusive")
        limit = LIMIT_MS[symbols]
        figures += [
            Figure(f"stall, {symbols:,} symbols, median", cuts[9], "ms", limit, at_most=True),
            Figure(f"stall, {symbols:,} symbols, p95", cuts[18], "ms", limit, at_most=True),
        ]
        works = [work for found in rounds for work in found["works_ms"]]
        figures.append(Figure(f"its processor time, {symbols:,}", statistics.median(works), "ms"))
        details[str(symbols)] = {"trades_a_second": trades, "max_ms": max(every), "runs": rounds}
    return Result(
        "snapshot",
        "what an alert waits while the state of all symbols is saved",
        tuple(figures),
        details=details,
    )


if __name__ == "__main__":
    print(json.dumps(stalls(*json.loads(sys.argv[1]))))
