"""The live flow in a process of its own, as a user starts it, on the mock."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from benchmarks.mock_process import KEY
from benchmarks.sides import ROOT, BenchmarkError, memory_mib
from sinks.iso import ns_of

PATIENCE_S = 60.0
POLL_S = 0.1
STOP_S = 30.0
BOTH = ("trades", "quotes")
_TICKS_A_S = os.sysconf("SC_CLK_TCK")
BYTEWAX = ("bytewax.run", "flows.orderflow")
ORDERFLOW = ("flows.cli", "run")  # with a recovery store


class Addresses(Protocol):
    """Who knows where a mock listens: `ws` and `rest`."""

    urls: dict[str, str]


class Live:
    """A running flow, seen from outside."""

    def __init__(self, child: subprocess.Popen[bytes], folder: Path) -> None:
        self.pid = child.pid
        self.folder = folder
        self._child = child

    def _status(self) -> dict[str, Any]:
        try:
            status: dict[str, Any] = json.loads((self.folder / "live/status.json").read_bytes())
        except FileNotFoundError:
            return {"ticks": {}}
        return status

    def events(self, kinds: Collection[str] = BOTH) -> int:
        """Return how many events of some kinds the flow has counted."""
        return sum(n for kind, n in self._status()["ticks"].items() if kind in kinds)

    def reaches(self, events: int, kinds: Collection[str] = BOTH) -> None:
        """Return when the flow has counted that many events.

        Raises:
            BenchmarkError: it does not, or has died.
        """
        deadline = time.monotonic() + PATIENCE_S
        while (seen := self.events(kinds)) < events:
            if self._child.poll() is not None or time.monotonic() > deadline:
                raise BenchmarkError(f"the live flow counted {seen} of {events} events")
            time.sleep(POLL_S)

    def shed_frames(self) -> int:
        """Return how many frames found no room, whatever they held."""
        state = self._status()["feed_state"]
        return int(state["shed_frames"] + state["dropped_frames"])

    def cpu_s(self) -> float:
        """Return the processor time it has taken so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_A_S

    def rss_mib(self) -> float:
        """Return its memory at its peak."""
        return memory_mib("VmHWM", self.pid)

    def _alerts(self) -> list[dict[str, Any]]:
        lines = (self.folder / "live" / "alerts.jsonl").read_bytes().splitlines()
        return [line for line in map(json.loads, lines) if "alert_id" in line]

    def latencies_ms(self) -> list[float]:
        """Return the latency of each alert on file."""
        return [alert["latency_ms"] for alert in self._alerts()]

    def times_ns(self) -> list[tuple[int, int]]:
        """Return event time and emission of each alert on file, ns since epoch."""
        fields = ("timestamp_utc", "emitted_utc")
        return [(ns_of(a[fields[0]]), ns_of(a[fields[1]])) for a in self._alerts()]


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
