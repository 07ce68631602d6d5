"""One run: the tape played, the process killed, stopped or frozen as planned, and judged."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.chaos.forks import POLL_S, Process
from benchmarks.chaos.plan import Act, Plan, names_of
from benchmarks.chaos.played import Played, played, settings_of, start_flow
from benchmarks.chaos.reader import reader_text
from benchmarks.chaos.tape import ChaosTape
from benchmarks.chaos.verdict import Known, Verdict, alerts, begins_s, judge
from flows.settings import Settings

REFUSED = 3  # the exit code of a login that is refused
PATIENCE_S = 40.0  # for the last alert, once the tape is over
READER_S = 10.0  # for the reader to have seen everything


class Scene(NamedTuple):
    """What every run has in common."""

    tape: ChaosTape
    speed: float
    expected: Sequence[Known]
    folder: Path
    record: bool = False


class Reader:
    """The reader of the README as a process of its own, on the file of a run."""

    def __init__(self, log: Path, folder: Path) -> None:
        self._seen = folder / "read.txt"
        with self._seen.open("wb") as seen:
            self._child = subprocess.Popen(
                [sys.executable, "-c", reader_text(), str(log)], stdout=seen, cwd=folder
            )

    def ids(self) -> list[str]:
        """Return the ids of the alerts it has seen, in order."""
        return [line.split()[0] for line in self._seen.read_text().splitlines()]

    def reaches(self, count: int) -> list[str]:
        """Wait until it has seen that many; return the ids, and end it."""
        deadline = time.monotonic() + READER_S
        while len(self.ids()) < count and time.monotonic() < deadline:
            time.sleep(POLL_S)
        time.sleep(5 * POLL_S)  # for what it should not see
        self.end()
        return self.ids()

    def end(self) -> None:
        """End it."""
        self._child.kill()
        self._child.wait()


class Flow:
    """`orderflow run`, started again each time it ends."""

    def __init__(self, settings: Settings, plan: Plan, log: Path) -> None:
        self._settings, self._plan, self._log = settings, plan, log
        self._root = settings.data_dir / "live"
        self.starts = 0
        self.wrong: list[str] = []
        self.begun_late = False
        self.start()

    def start(self) -> None:
        """Start it."""
        self.starts += 1
        self.process: Process = start_flow(self._settings, self._plan, self._log)

    def look(self) -> None:
        """Start it again if it ended because its login was refused; note any other end."""
        if not self.process.ended:
            return
        self.begun_late |= not has_begun(self._root)
        if self.process.code != REFUSED:
            self.wrong.append(f"ended with {self.process.code}")
        self.start()

    def suffer(self, act: Act, log: Path) -> None:
        """Let an act befall it."""
        if act.kind == "freeze":
            self.process.send(signal.SIGSTOP)
            time.sleep(act.pause_s)
            self.process.send(signal.SIGCONT)
            return
        if act.kind == "stop":
            self.stop()
        else:
            self.process.kill()
        self.begun_late |= not has_begun(log.parent)
        if act.kind == "torn":
            _tear(log)
        time.sleep(act.pause_s)
        self.start()

    def stop(self) -> None:
        """Stop it, and note it if that is not clean."""
        self.process.send(signal.SIGTERM)
        if not self.process.wait(30):
            self.wrong.append("did not stop")
            self.process.kill()
        elif self.process.code not in (0, REFUSED, -signal.SIGTERM):  # the last: not begun yet
            self.wrong.append(f"stopped with {self.process.code}")


def has_begun(root: Path) -> bool:
    """Whether the feed has been seen whole, once: before that a run promises nothing."""
    records = root / "coverage.jsonl"
    return records.exists() and b'"cause":"start"' in records.read_bytes()


def _tear(log: Path) -> None:
    """Leave half a line, as a kill within a write or a power cut would."""
    if not log.exists():
        return
    data = log.read_bytes()
    half = data[data.rfind(b"\n", 0, -1) + 1 :][: 40 + len(data) % 400]
    if data.endswith(b"\n") and half and not half.endswith(b"\n"):
        with log.open("ab") as file:
            file.write(half)


def run(scene: Scene, plan: Plan) -> Verdict:
    """Play one plan to its end and judge what it left."""
    started = time.monotonic()
    folder = scene.folder / f"seed-{plan.seed}"
    folder.mkdir(parents=True)
    root = folder / "data" / "live"
    log = root / "alerts.jsonl"
    reader = Reader(log, folder)
    with played(scene.tape, plan, scene.speed, folder) as mock:
        flow = Flow(
            settings_of(mock.urls, folder / "data", scene.record), plan, folder / "said.txt"
        )
        try:
            wall_s = _play_through(scene, plan, mock, flow, log)
            flow.stop()
        finally:
            flow.process.kill()
            written = len(alerts(root))
            read = reader.reaches(written)
        done = mock.end()
    verdict = judge(plan, scene.expected, root, read, scene.speed, wall_s, flow.begun_late)
    verdict.wrong += flow.wrong
    verdict.starts, verdict.connections = flow.starts, done.connections
    for name in names_of(plan):
        verdict.struck[name] = verdict.struck.get(name, 0) + 1
    verdict.seconds = round(time.monotonic() - started, 1)
    return verdict


def _play_through(scene: Scene, plan: Plan, mock: Played, flow: Flow, log: Path) -> float:
    """Do what is planned at its time, and wait for the last alert of the tape.

    Returns:
        When the tape would have begun, by its speed and our clock.
    """
    wall_s = time.time()
    acts = list(plan.acts)
    last_id = max(scene.expected).alert_id.encode()
    length_s = scene.tape.length_s
    deadline = time.monotonic() + length_s / scene.speed + 120
    while time.monotonic() < deadline:
        flow.look()
        if 0 < mock.clock.tape_s < length_s:
            wall_s = time.time() - mock.clock.tape_s / scene.speed
        if acts and mock.clock.tape_s >= acts[0].at_s and has_begun(log.parent):
            flow.suffer(acts.pop(0), log)
        elif mock.clock.tape_s >= length_s:
            deadline = min(deadline, time.monotonic() + PATIENCE_S)
            if flow.begun_late and begins_s(log.parent) > length_s:
                return wall_s  # a machine this slow has shown nothing
            if not acts and log.exists() and last_id in log.read_bytes():
                time.sleep(0.3)  # for what should not come
                return wall_s
        time.sleep(POLL_S if mock.clock.tape_s < length_s else 5 * POLL_S)
    flow.wrong.append(f"the last alert never came (tape at {mock.clock.tape_s:.0f} s)")
    return wall_s
