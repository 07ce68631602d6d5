"""The mock vendor in a process of its own: started, told when to end, asked what happened."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.inputs import Tape
from benchmarks.sides import ROOT, BenchmarkError

KEY = "benchmark-key"
POLL_S = 0.05
ENCODING_S = 15e-6  # an event, generously


class Mock:
    """A running mock, seen from outside."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        self._child = child
        self.urls: dict[str, str] = self._next()

    def _next(self) -> dict[str, Any]:
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        if not line:
            raise BenchmarkError(f"the mock ended with {self._child.wait()}")
        said: dict[str, Any] = json.loads(line)
        return said

    def subscribed(self) -> None:
        """Return when a client has subscribed."""
        self._next()

    def played(self) -> int:
        """Return, when the tape is over, how many events were sent."""
        return int(self._next()["played"])


@contextlib.contextmanager
def mock(tape: Tape, rate: float, settle_s: float) -> Iterator[Mock]:
    """Serve a tape at `rate` events a second, `settle_s` after the first subscription.

    Events are encoded before they are needed: what the mock does later is only to send, so that
    it takes as little of the machine as a vendor elsewhere would.
    """
    files = list(tape.files.values())
    settle_s = max(settle_s, tape.ticks * ENCODING_S)
    asked = json.dumps(
        {"tapes": files, "rate": rate, "settle_s": settle_s, "ahead": tape.ticks + 100_000}
    )
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.mock_process", asked],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:  # closing its input ends it
        yield Mock(child)


def serve(tapes: list[str], rate: float, settle_s: float, ahead: int) -> None:
    """Be the mock: say where it is, when someone subscribed, and when the tape is over."""
    from flows.mock.server import MockPolygon

    served = MockPolygon(tapes, key=KEY, rate=rate, settle_s=settle_s, ahead=ahead)
    with served:
        say({"ws": served.ws_url, "rest": served.rest_url})
        while not served.topics:
            time.sleep(POLL_S)
        say({"subscribed": True})
        served.finished.wait()
        say({"played": served.played})
        sys.stdin.read()


def say(what: Mapping[str, Any]) -> None:
    """Tell the starter."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    serve(**json.loads(sys.argv[1]))
