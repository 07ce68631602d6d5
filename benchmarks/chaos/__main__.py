"""`python -m benchmarks.chaos --runs 200 --seed 1`: play, print as it goes, a table, and JSON."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.chaos.crew import Crew, expected_of
from benchmarks.chaos.table import progress, table
from benchmarks.chaos.tape import tape
from benchmarks.report import RESULTS, machine

SPEED, LENGTH_S = 60.0, 1230.0


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description=__doc__)
    parser.add_argument("--runs", type=int, default=200, help="how many (default 200)")
    parser.add_argument("--seed", type=int, default=1, help="of the first; the others follow")
    parser.add_argument("--jobs", type=int, default=2 * (os.cpu_count() or 1), help="at once")
    parser.add_argument("--speed", type=float, default=SPEED, help="tape seconds a second")
    parser.add_argument("--length", type=float, default=LENGTH_S, help="of the tape, seconds")
    parser.add_argument("--out", type=Path, help="verdicts, a line each; done ones are kept")
    parser.add_argument("--record", action="store_true", help="keep the raw feed, too")
    parser.add_argument("--keep", type=Path, help="where failed runs leave their folders")
    return parser.parse_args()


def _done(path: Path | None) -> list[dict[str, Any]]:
    if path is None or not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def main() -> int:
    """Play the seeds; 0 if every run passed."""
    asked = _asked()
    folder = asked.keep or Path(tempfile.mkdtemp(prefix="orderflow-chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    seeds = range(asked.seed, asked.seed + asked.runs)
    verdicts = [v for v in _done(asked.out) if v["seed"] in seeds]
    known = {verdict["seed"] for verdict in verdicts}
    played = tape(asked.length)
    expected = expected_of(played, Path(tempfile.mkdtemp(prefix="orderflow-chaos-")) / "replay")
    crew = Crew(asked.jobs, asked.length, asked.speed, expected, folder, asked.record)
    started = time.monotonic()
    for verdict in crew.play([seed for seed in seeds if seed not in known]):
        verdicts.append(verdict)
        print(progress(verdict, len(verdicts), asked.runs), flush=True)
        if asked.out is not None:
            with asked.out.open("a", encoding="utf-8") as log:
                log.write(json.dumps(verdict) + "\n")
    failed = [verdict for verdict in verdicts if verdict["wrong"]]
    print(table(verdicts, asked.speed, time.monotonic() - started))
    if failed:
        print(f"the folders of failed runs are in {folder}", file=sys.stderr)
    report = {"speed": asked.speed, "length_s": asked.length, "machine": machine()}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "chaos.json").write_text(
        json.dumps({**report, "verdicts": sorted(verdicts, key=lambda v: v["seed"])}, indent=1)
        + "\n"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
