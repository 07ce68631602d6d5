"""`orderflow run` in a market that goes so many times as fast: `python -m benchmarks.fast_run 60`.

A connection that stood ten minutes stood ten seconds here: the pauses between attempts, and the
time after which they start anew, are those of the tape.
"""

from __future__ import annotations

import sys

from flows.feeds import polygon
from flows.feeds.backoff import Timing
from flows.live import run_live
from flows.settings import from_process

if __name__ == "__main__":
    speed = float(sys.argv[1])
    usual = Timing()
    fast = Timing(
        first_pause_s=usual.first_pause_s / speed,
        longest_pause_s=usual.longest_pause_s / speed,
        stable_s=usual.stable_s / speed,
    )
    polygon.Timing = lambda: fast  # type: ignore[assignment,misc]
    sys.exit(run_live(from_process()))
