"""All machine code is there before the feed is opened: compiling takes a second a kernel."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
COMPILED_LATER = """
import sys
from datetime import timedelta
from functools import partial
from pathlib import Path

import flows.run
from flows.run import replay, sample_tape
from flows.settings import Settings
from flows.warm_up import warm_up
from operators.frames import Decoder
from operators.kernels import _kernels
from tests.make import frame, frames, wire_quote, wire_trade

warm_up(lambda text: None, live=sys.argv[2] == "live")
flows.run.warm_up = lambda *_, **__: None  # a replay would warm up for a replay
before = {kernel: len(kernel.overloads) for kernel in _kernels}
events = [event(sym=f"S{n}") for n in range(600) for event in (wire_trade, wire_quote)]
decode = Decoder()
for _ in range(2):
    decode(frames(frame(*events), frame(wire_trade(i="a"))))
flows.run.run_through = partial(flows.run.run_through, snapshots=timedelta(0))
out = Path(sys.argv[1])
for _ in range(2):  # the second time with the state of the first
    replay(Settings(), sample_tape(), out, recovery=out / "recovery")
print([k.py_func.__name__ for k in _kernels if len(k.overloads) > before[k]])
"""


def test_no_kernel_is_compiled_after_the_warm_up(tmp_path: Path) -> None:
    for mode in ("live", "replay"):
        done = subprocess.run(
            [sys.executable, "-c", COMPILED_LATER, str(tmp_path / mode), mode],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout.splitlines()[-1:] == ["[]"], done.stderr[-2000:]
