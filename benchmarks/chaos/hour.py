"""`python -m benchmarks.chaos.hour`: a recorded live hour with reconnects, and its replay.

An hour of the tape is played to `orderflow run` with `ORDER_FLOW_RECORD=1` while the feed breaks
every few minutes; then the recording is replayed. Both must raise the same alerts, with the same
ids, and those of a run without faults.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.chaos.crew import expected_of
from benchmarks.chaos.forks import environment
from benchmarks.chaos.one_run import Scene, run
from benchmarks.chaos.plan import Plan
from benchmarks.chaos.tape import BEGIN_S, SETTINGS, tape
from benchmarks.chaos.verdict import alerts
from benchmarks.sides import ROOT
from flows.mock.faults import Disconnect, Fault, HalfOpen, MaxConnections, Outage, RestError
from flows.warm_up import warm_up

EVERY_S = 300.0


def _plan(length_s: float, speed: float) -> Plan:
    """Return a fault every five minutes, each kind in turn."""
    faults: list[Fault] = []
    at_s, n = BEGIN_S + EVERY_S, 0
    while at_s < length_s - EVERY_S:
        kinds: tuple[Fault, ...] = (
            Disconnect(at_s=at_s),
            Outage(at_s=at_s, for_tape_s=speed),
            HalfOpen(at_s=at_s, for_tape_s=1.5 * speed),
            MaxConnections(at_s=at_s, limit=0, count=1),
        )
        faults += [kinds[n % len(kinds)], RestError(at_s=at_s, status=500, count=1)]
        at_s, n = at_s + EVERY_S, n + 1
    return Plan(0, tuple(faults), (), 10.0, ())


def _said(line: dict[str, Any]) -> tuple[str, str, bool]:
    return line["symbol"], line["alert_id"], line["late"]


def main() -> int:
    """Play, replay, compare; 0 if all agree."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos.hour", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600.0, help="of the tape, played live")
    parser.add_argument("--speed", type=float, default=60.0, help="tape seconds a second")
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="orderflow-hour-"))
    played = tape(BEGIN_S + asked.seconds)
    warm_up(lambda _: None, live=True)
    expected = expected_of(played, folder / "without-faults")
    scene = Scene(played, asked.speed, expected, folder, record=True)
    verdict = run(scene, _plan(played.length_s, asked.speed))
    root = folder / "seed-0" / "data" / "live"
    subprocess.run(
        [sys.executable, "-m", "flows.cli", "replay", root / "tapes", "--out", folder / "replayed"],
        cwd=ROOT,
        env=environment({k: v for k, v in SETTINGS.items() if not k.endswith("_MODE")}),
        check=True,
        capture_output=True,
    )
    live, again = (sorted(map(_said, alerts(path))) for path in (root, folder / "replayed"))
    print(
        f"{asked.seconds:g} s of tape at {asked.speed:g} x, {verdict.connections} connections, "
        f"{verdict.refilled} of {verdict.gaps} gaps refilled\n"
        f"  alerts: {verdict.expected} without faults, {len(live)} live ({verdict.late} late), "
        f"{len(again)} replayed from the recording\n"
        f"  live and replayed are {'identical' if live == again else 'NOT identical'}; "
        f"{'; '.join(verdict.wrong) or 'live is as without faults'}"
    )
    return 0 if live == again and not verdict.wrong else 1


if __name__ == "__main__":
    sys.exit(main())
