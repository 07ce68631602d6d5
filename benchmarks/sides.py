"""Sides of a comparison, each in a process of its own, run in turn: A B A B.

A side is named `module:function`; the function takes keyword arguments, does its untimed
preparation, and returns what is timed: a callable that gives its answer. The process stays for
all rounds, so that imports, compiling and the page cache are behind every side alike.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[1]
ROUND_TIMEOUT_S = 600.0  # a side that hangs is killed

Answer = dict[str, Any]
Timed = Callable[[], Answer]


class BenchmarkError(Exception):
    """A side failed, or two sides gave different answers; times mean nothing then."""


@dataclass(frozen=True, slots=True)
class Side:
    """One competitor: what it is called, what it runs, and on how much of the input."""

    name: str
    function: str
    arguments: Mapping[str, Any]
    items: int


@dataclass(slots=True)
class Runs:
    """What a side did: seconds a round, its answer, and its peak memory in MiB."""

    side: Side
    seconds: list[float] = field(default_factory=list)
    answer: Answer = field(default_factory=dict)
    peak_mib: float = 0.0

    @property
    def rates(self) -> list[float]:
        """Items a second, a round."""
        return [self.side.items / seconds for seconds in self.seconds]


class _Process:
    def __init__(self, side: Side) -> None:
        self.side = side
        arguments = [side.function, json.dumps(dict(side.arguments))]
        self._child = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.sides", *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._child.__exit__(kind, error, traceback)  # closes its pipes: that ends it

    def run(self) -> Answer:
        """Run once; return seconds, answer and peak memory.

        Raises:
            BenchmarkError: the side died.
        """
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        patience = threading.Timer(ROUND_TIMEOUT_S, self._child.kill)
        patience.start()
        with contextlib.suppress(BrokenPipeError):
            self._child.stdin.write("run\n")
            self._child.stdin.flush()
        line = self._child.stdout.readline()
        patience.cancel()
        if not line:
            raise BenchmarkError(f"{self.side.name} ended with {self._child.wait()}")
        report: Answer = json.loads(line)
        return report


def in_turn(sides: Sequence[Side], runs: int) -> list[Runs]:
    """Run each side once to warm up, uncounted, then `runs` rounds in turn.

    Raises:
        BenchmarkError: a side died, or gave another answer in another round.
    """
    results = [Runs(side) for side in sides]
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(_Process(side)) for side in sides]
        for number in range(runs + 1):
            for process, result in zip(processes, results, strict=True):
                report = process.run()
                if number == 0:
                    result.answer = report["answer"]
                    continue
                if report["answer"] != result.answer:
                    raise BenchmarkError(f"{process.side.name} answers differently each time")
                result.seconds.append(report["seconds"])
                result.peak_mib = report["peak_mib"]
    return results


def resolve(function: str) -> Callable[..., Timed]:
    """Return the function behind `module:function`."""
    module, _, name = function.partition(":")
    found: Callable[..., Timed] = getattr(importlib.import_module(module), name)
    return found


def memory_mib(field: str, pid: int | str = "self") -> float:
    """Return a memory field of a process in MiB: `VmRSS` now, `VmHWM` at its peak.

    Not getrusage: its peak is inherited from the process that started this one.
    """
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith(f"{field}:"))
    return int(line.split()[1]) / 1024


# A child's peak begins with what its parent holds, and a benchmark holds whole tapes: so the
# parent is a small one.
_PEAK_OF = """
import os, subprocess, sys
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, used = os.wait4(child.pid, 0)
print(used.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def peak_mib(name: str, command: Sequence[str]) -> float:
    """Run a command from the project's folder and return its peak memory in MiB.

    Raises:
        BenchmarkError: it failed.
    """
    done = subprocess.run(
        [sys.executable, "-c", _PEAK_OF, *command],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BenchmarkError(f"{name} ended with {done.returncode}")
    return int(done.stdout) / 1024


def serve(function: str, arguments: Mapping[str, Any]) -> None:
    """Be one side: a line in starts a round, a line out reports it."""
    reports = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is no report
    timed = resolve(function)(**arguments)
    for _ in sys.stdin:
        started = time.perf_counter()
        answer = timed()
        seconds = answer.pop("seconds", time.perf_counter() - started)
        report = {"seconds": seconds, "answer": answer, "peak_mib": memory_mib("VmHWM")}
        reports.write(json.dumps(report) + "\n")
        reports.flush()


if __name__ == "__main__":
    serve(sys.argv[1], json.loads(sys.argv[2]))
