"""A working day on the live path, played fast: is memory flat, and are file handles?

`python -m benchmarks.soak`: the mock plays eight hours at 60 x and drops the connection every ten
minutes of them, so that each is followed by a reconnect and a refill. The run is what a user
starts, with recovery, history and rotation. It is seen from outside, through /proc.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks import inputs
from benchmarks.inputs import Tape
from benchmarks.live_process import Live, live
from benchmarks.market import OPEN_NS, SESSION_NS, Shape, ticker
from benchmarks.mock_process import KEY
from benchmarks.report import Figure, Result, alone
from benchmarks.sides import ROOT, BenchmarkError, memory_mib

HOURS, SPEED = 8.0, 60.0
SYMBOLS, TICKS = 50, 600_000
DROP_EVERY_S = 600
SAMPLES_AN_HOUR = 20
WARM_UP = 0.3  # of the samples
START_S, PATIENCE_S = 120.0, 60.0
MIB_AN_HOUR, MORE_FILES = 1.0, 2.0


@dataclass(frozen=True, slots=True)
class Sample:
    """The run at one moment: hours of tape, memory, open files and threads."""

    hours: float
    mib: float
    files: int
    threads: int


@dataclass(slots=True)
class Served:
    """A mock in a process of its own, as `orderflow mock-feed` starts it."""

    urls: dict[str, str]


def day(hours: float) -> Tape:
    """Return a made-up market day, stretched to so many hours."""
    made = inputs.tape(Shape(SYMBOLS, TICKS, ticks_a_plant=2_000))
    stretched = hours * 3600e9 / SESSION_NS
    at = f"{OPEN_NS} + ((ts_ns - {OPEN_NS}) * {stretched})::BIGINT"
    trades = inputs.copied(
        f"SELECT * REPLACE ({at} AS ts_ns, {at} - 200000 AS participant_ns) FROM '{made.trades}'",
        f"day-{hours}-{made.trades.name}",
    )
    quotes = inputs.copied(
        f"SELECT * REPLACE ({at} AS ts_ns) FROM '{made.quotes}'", f"day-{hours}-{made.quotes.name}"
    )
    return Tape(trades, quotes, made.ticks)


def free_ports() -> tuple[int, int]:
    """Return two ports nobody listens on."""
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        return one.getsockname()[1], two.getsockname()[1]


@contextlib.contextmanager
def mock(tape: Tape, hours: float, speed: float, folder: Path) -> Iterator[Served]:
    """Serve a day that is cut off every ten minutes."""
    drops = range(DROP_EVERY_S, int(hours * 3600), DROP_EVERY_S)
    faults = folder / "faults.toml"
    faults.write_text("".join(f'[[fault]]\nkind = "disconnect"\nat_s = {at}\n' for at in drops))
    port, rest_port = free_ports()
    command = ["mock-feed", *tape.files.values(), "--speed", str(speed), "--key", KEY]
    command += ["--port", str(port), "--rest-port", str(rest_port), "--faults", str(faults)]
    with subprocess.Popen(
        [sys.executable, "-m", "flows.cli", *command], cwd=ROOT, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stderr is not None
        child.stderr.readline()  # it listens
        try:
            yield Served({"ws": f"ws://127.0.0.1:{port}", "rest": f"http://127.0.0.1:{rest_port}"})
        finally:
            child.terminate()
            child.communicate()


def status_of(flow: Live) -> dict[str, Any]:
    """Return the status file; empty before there is one."""
    try:
        found: dict[str, Any] = json.loads((flow.folder / "live" / "status.json").read_bytes())
    except FileNotFoundError:
        return {}
    return found


def look(flow: Live, status: dict[str, Any]) -> Sample | None:
    """Return the run as it is now; None before its first event."""
    if not status.get("last_event_utc"):
        return None
    at_ns = datetime.fromisoformat(status["last_event_utc"]).timestamp() * 1e9
    here = Path(f"/proc/{flow.pid}")
    threads = len([*(here / "task").iterdir()])
    files = len([*(here / "fd").iterdir()])
    return Sample((at_ns - OPEN_NS) / 3600e9, memory_mib("VmRSS", flow.pid), files, threads)


def watch(flow: Live, hours: float, speed: float) -> list[Sample]:
    """Look at a run until its day is over.

    Raises:
        BenchmarkError: it does not get there.
    """
    samples: list[Sample] = []
    pause_s = 3600 / speed / SAMPLES_AN_HOUR
    deadline = time.monotonic() + START_S + hours * 3600 / speed + PATIENCE_S
    while not samples or samples[-1].hours < hours * 0.999:
        if time.monotonic() > deadline:
            raise BenchmarkError(f"the day was not over in time: {samples[-1:]}")
        time.sleep(pause_s)
        sample = look(flow, status_of(flow))
        if sample is not None:
            samples.append(sample)
            if len(samples) % SAMPLES_AN_HOUR == 0:
                print(f"soak: {sample}", file=sys.stderr, flush=True)
    return samples


def slope(samples: list[Sample], column: str) -> float:
    """Return by how much a column grows an hour of tape, after the warm-up.

    The median of the slopes between any two samples (Theil 1950, Sen 1968): a sample that falls
    into the moment the history is written, or a gap refilled, is megabytes above the others, and
    least squares would be the slope of where those few happened to fall.
    """
    late = samples[int(len(samples) * WARM_UP) :]
    pairs = itertools.combinations([(s.hours, getattr(s, column)) for s in late], 2)
    return statistics.median((y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in pairs if x2 > x1)


def most_over_usual(samples: list[Sample], column: str) -> float:
    """Return how far a column rises, after the warm-up, above what it was at first."""
    most = max(getattr(sample, column) for sample in samples[int(len(samples) * WARM_UP) :])
    return float(most - statistics.median(getattr(s, column) for s in samples[: len(samples) // 3]))


def checked(folder: Path) -> int:
    """Return how many alerts are on file.

    Raises:
        BenchmarkError: one is missing or stands twice.
    """
    lines = map(json.loads, (folder / "live" / "alerts.jsonl").read_bytes().splitlines())
    alerts = [line for line in lines if "alert_id" in line]
    if [line["seq"] for line in alerts] != [*range(1, len(alerts) + 1)]:
        raise BenchmarkError("the alerts are not numbered without gaps")
    if len({line["alert_id"] for line in alerts}) != len(alerts):
        raise BenchmarkError("an alert stands twice")
    return len(alerts)


def run(runs: int, quick: bool, hours: float = HOURS, speed: float = SPEED) -> Result:
    """Soak once; `runs` is of no use here, and quick is an hour.

    Raises:
        BenchmarkError: the run did not last the day, or its alerts are not whole.
    """
    hours = 1.0 if quick else hours
    tape = day(hours)
    settings = {
        "ORDER_FLOW_MONITORING_MODE": "watchlist",
        "ORDER_FLOW_SYMBOLS": ",".join(ticker(k * 37) for k in range(SYMBOLS)),
        "ORDER_FLOW_SESSIONS": "all",
    }
    with tempfile.TemporaryDirectory(prefix="orderflow-bench-") as name:
        folder = Path(name)
        with (
            mock(tape, hours, speed, folder) as served,
            live(served, folder, settings, ("benchmarks.fast_run", str(speed))) as flow,
        ):
            samples = watch(flow, hours, speed)
            status = status_of(flow)
        alerts = checked(folder)
        said = Counter(folder.joinpath("stderr.txt").read_text().splitlines()).most_common(20)
    drops = int((hours * 3600 - 1) // DROP_EVERY_S)
    if status["feed_state"]["reconnects"] < drops:
        raise BenchmarkError(f"only {status['feed_state']['reconnects']} of {drops} drops came")
    return Result(
        "soak",
        f"{hours:g} h of tape at {speed:g} x, {SYMBOLS} symbols, a drop every 10 minutes",
        (
            Figure("memory, growth an hour", slope(samples, "mib"), "MiB", MIB_AN_HOUR, None, True),
            Figure("open files, growth an hour", slope(samples, "files"), "", 0.1, None, True),
            Figure(
                "open files, most over usual",
                most_over_usual(samples, "files"),
                "",
                MORE_FILES,
                None,
                True,
            ),
            Figure("threads, growth an hour", slope(samples, "threads"), "", 0.1, None, True),
            Figure("memory, most over usual", most_over_usual(samples, "mib"), "MiB"),
            Figure("memory at the end", samples[-1].mib, "MiB"),
            Figure("reconnects", status["feed_state"]["reconnects"], ""),
            Figure("refills", sum(status["refills"].values()), ""),
            Figure("gaps not refilled", sum(status["gaps"].values()), "", 0, None, True),
            Figure("alerts", alerts, ""),
        ),
        details={
            "said": said,
            "samples": [[round(x, 2) for x in vars_of(s)] for s in samples],
        },
    )


def vars_of(sample: Sample) -> tuple[float, ...]:
    """Return a sample as a row: hours, MiB, files, threads."""
    return sample.hours, sample.mib, sample.files, sample.threads


def main() -> int:
    """Run as a command of its own."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--hours", type=float, default=HOURS, help="of tape (default 8)")
    parser.add_argument("--speed", type=float, default=SPEED, help="tape seconds a second")
    asked = parser.parse_args()
    return alone("soak", lambda: run(1, False, asked.hours, asked.speed))


if __name__ == "__main__":
    sys.exit(main())
