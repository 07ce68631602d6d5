"""Many runs at once: a few workers, each with a run of its own, and the runs without faults."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.chaos.forks import environment
from benchmarks.chaos.tape import BEGIN_S, SETTINGS, ChaosTape
from benchmarks.chaos.verdict import Known, alerts, known
from benchmarks.sides import ROOT, BenchmarkError


def expected_of(tape: ChaosTape, folder: Path) -> list[Known]:
    """Return the alerts of the tape without faults, by a replay, from when the play begins."""
    done = subprocess.run(
        [sys.executable, "-m", "flows.cli", "replay", *tape.files, "--out", str(folder)],
        cwd=ROOT,
        env=environment({k: v for k, v in SETTINGS.items() if not k.endswith("_MODE")}),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BenchmarkError(f"the replay failed: {done.stderr}")
    return [alert for line in alerts(folder) if (alert := known(line)).at_s >= BEGIN_S]


class Crew:
    """Workers that take seeds from one queue.

    Args:
        jobs: how many.
        length_s: of the tape.
        speed: tape seconds a second.
        expected: its alerts.
        folder: where runs write; those that passed leave nothing.
        record: keep the raw feed of each, for who looks into one that failed.
    """

    def __init__(
        self,
        jobs: int,
        length_s: float,
        speed: float,
        expected: Sequence[Known],
        folder: Path,
        record: bool = False,
    ) -> None:
        asked = {
            "length_s": length_s,
            "speed": speed,
            "expected": [tuple(alert) for alert in expected],
            "folder": str(folder),
            "record": record,
        }
        self._argument = json.dumps(asked)
        self._jobs = jobs
        self._errors = folder / "workers.txt"

    def play(self, seeds: Sequence[int]) -> Iterator[dict[str, Any]]:
        """Yield the verdict on each seed as it comes."""
        todo: queue.SimpleQueue[int] = queue.SimpleQueue()
        done: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        for seed in seeds:
            todo.put(seed)
        workers = [
            threading.Thread(target=self._work, args=(todo, done), daemon=True)
            for _ in range(min(self._jobs, len(seeds)))
        ]
        for worker in workers:
            worker.start()
        left = len(workers)
        while left:
            verdict = done.get()
            if verdict is None:
                left -= 1
            else:
                yield verdict

    def _work(self, todo: Any, done: Any) -> None:
        with (
            self._errors.open("ab") as errors,
            subprocess.Popen(
                [sys.executable, "-m", "benchmarks.chaos.worker", self._argument],
                cwd=ROOT,
                env=os.environ,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            ) as child,
        ):
            assert child.stdin is not None
            assert child.stdout is not None
            while not todo.empty():
                try:
                    seed = todo.get_nowait()
                except queue.Empty:
                    break
                child.stdin.write(f"{seed}\n")
                child.stdin.flush()
                line = child.stdout.readline()
                if not line:
                    done.put({"seed": seed, "wrong": ["the worker died"]})
                    break
                done.put(json.loads(line))
            child.stdin.close()
        done.put(None)
