"""A worker: reads seeds on stdin, plays each, and says a verdict a line on stdout."""

from __future__ import annotations

import json
import shutil
import sys
import traceback
from pathlib import Path

from benchmarks.chaos.one_run import Scene, run
from benchmarks.chaos.plan import plan_of
from benchmarks.chaos.tape import tape
from benchmarks.chaos.verdict import Known, Verdict
from flows.warm_up import warm_up


def main() -> None:
    """Play the seeds that come; the folder of a run that passed is removed."""
    asked = json.loads(sys.argv[1])
    warm_up(lambda _: None, live=True)
    expected = [Known(*row) for row in asked["expected"]]
    folder = Path(asked["folder"])
    scene = Scene(tape(asked["length_s"]), asked["speed"], expected, folder, asked["record"])
    for line in sys.stdin:
        seed = int(line)
        try:
            verdict = run(scene, plan_of(seed, scene.tape.length_s, scene.speed))
        except Exception as error:  # noqa: BLE001 (one broken run must not end the others)
            traceback.print_exc()
            verdict = Verdict(seed, wrong=[f"broke: {type(error).__name__}: {error}"])
        if not verdict.wrong:
            shutil.rmtree(folder / f"seed-{seed}", ignore_errors=True)
        print(json.dumps(verdict.public()), flush=True)


if __name__ == "__main__":
    main()
