"""`orderflow run` as a process of its own, against a mock; and what it leaves behind."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from flows.mock import MockPolygon
from tests.flows.market import ENVIRONMENT

ROOT = Path(__file__).parents[2]
DEADLINE_S = 60
Ids = dict[str, list[str]]


def environment(mock: MockPolygon, data: Path, **more: str) -> dict[str, str]:
    return {
        **os.environ,
        **ENVIRONMENT,
        "PYTHONPATH": str(ROOT),
        "POLYGON_API_KEY": mock.key,
        "POLYGON_WS_URL": mock.ws_url,
        "POLYGON_REST_URL": mock.rest_url,
        "ORDER_FLOW_MONITORING_MODE": "all",
        "ORDER_FLOW_FRESHNESS": "off",
        "ORDER_FLOW_DATA_DIR": str(data),
        **more,
    }


def command(*args: str, cwd: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "flows.cli", *args],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


class Program:
    """A command that runs until it is stopped."""

    def __init__(self, cwd: Path, env: dict[str, str], *args: str) -> None:
        self._said = cwd / f"said-{time.monotonic_ns()}"
        with self._said.open("wb") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "flows.cli", *args],
                cwd=cwd,
                env=env,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
            )

    @property
    def said(self) -> str:
        return self._said.read_text()

    def until(self, done: Callable[[], object]) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not done():
            assert self.process.poll() is None, self.said
            assert time.monotonic() < deadline, self.said
            time.sleep(0.02)

    def stopped(self, number: int) -> tuple[int, str]:
        """Send a signal; return the exit code and what is on stdout."""
        self.process.send_signal(number)
        out, _ = self.process.communicate(timeout=60)
        return self.process.returncode, out


@contextmanager
def running(cwd: Path, env: dict[str, str], *args: str) -> Iterator[Program]:
    program = Program(cwd, env, *(args or ("run",)))
    try:
        yield program
    finally:
        program.process.kill()
        program.process.communicate()


def lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a log that are whole."""
    found = []
    for line in path.read_bytes().split(b"\n") if path.exists() else ():
        try:
            found.append(orjson.loads(line))
        except orjson.JSONDecodeError:
            continue
    return found


def alerts(path: Path) -> list[dict[str, Any]]:
    return [line for line in lines(path) if line["event"] == "order_flow_alert"]


def ids(path: Path) -> Ids:
    found: Ids = {}
    for alert in alerts(path):
        found.setdefault(alert["symbol"], []).append(alert["alert_id"])
    return found
