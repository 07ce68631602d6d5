"""The live flow in a process of its own, as a user starts it, on the mock."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from benchmarks.mock_process import KEY
from benchmarks.sides import ROOT, BenchmarkError

PATIENCE_S = 60.0
POLL_S = 0.1
STOP_S = 30.0
BYTEWAX = ("bytewax.run", "flows.orderflow")


class Addresses(Protocol):
    """Who knows where a mock listens: `ws` and `rest`."""

    urls: dict[str, str]


class Live:
    """A running flow, seen from outside."""

    def __init__(self, child: subprocess.Popen[bytes], folder: Path) -> None:
        self.pid = child.pid
        self.folder = folder
        self._child = child

    def events(self) -> int:
        """Return how many events the flow has counted."""
        try:
            status = json.loads((self.folder / "live" / "status.json").read_bytes())
        except FileNotFoundError:
            return 0
        return sum(status["ticks"].values())

    def reaches(self, events: int) -> None:
        """Return when the flow has counted that many events.

        Raises:
            BenchmarkError: it does not, or has died.
        """
        deadline = time.monotonic() + PATIENCE_S
        while (seen := self.events()) < events:
            if self._child.poll() is not None or time.monotonic() > deadline:
                raise BenchmarkError(f"the live flow counted {seen} of {events} events")
            time.sleep(POLL_S)

    def latencies_ms(self) -> list[float]:
        """Return the latency of each alert on file."""
        lines = (self.folder / "live" / "alerts.jsonl").read_bytes().splitlines()
        alerts = (line for line in map(json.loads, lines) if "alert_id" in line)
        return [alert["latency_ms"] for alert in alerts]


@contextlib.contextmanager
def live(
    served: Addresses, folder: Path, settings: Mapping[str, str], command: Sequence[str] = BYTEWAX
) -> Iterator[Live]:
    """Run the live flow on a mock; SIGTERM ends it."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("ORDER_FLOW_", "POLYGON_"))}
    environment = {
        **clean,
        "POLYGON_API_KEY": KEY,
        "POLYGON_WS_URL": served.urls["ws"],
        "POLYGON_REST_URL": served.urls["rest"],
        "ORDER_FLOW_DATA_DIR": str(folder),
        "ORDER_FLOW_FRESHNESS": "off",
        **settings,
    }
    with (folder / "stderr.txt").open("wb") as errors:
        child = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=ROOT,
            env=environment,
            stderr=errors,
        )
    try:
        yield Live(child, folder)
    finally:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
