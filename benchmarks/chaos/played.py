"""The two processes of a run: the mock that plays the tape, and `orderflow run`."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from benchmarks.chaos.forks import Clock, Process, environment, fork, read_line
from benchmarks.chaos.plan import Plan
from benchmarks.chaos.tape import BEGIN_S, SETTINGS, ChaosTape
from benchmarks.market import OPEN_NS
from flows.errors import OrderflowError
from flows.feeds.backoff import Timing
from flows.feeds.holes import RefillLimits
from flows.feeds.rest import Rest, RestTiming
from flows.feeds.silence import Silence
from flows.live import run_live
from flows.mock.server import MockPolygon
from flows.settings import Settings, load

KEY = "chaos-key"
# What a session waits for, about a thirtieth of what it does in life: the tape is that much faster.
TIMING = Timing(
    open_s=2.0,
    reply_s=2.0,
    ack_s=0.5,
    first_pause_s=0.05,
    longest_pause_s=0.5,
    cooldown_s=0.5,
    stable_s=1.0,
    poll_s=0.05,
    ping_s=0.3,
    pong_s=0.7,
)
REST_TIMING = RestTiming(3.0, 2.5, 10.0, (0.05, 0.1, 0.2), 1e6)
LIMITS = RefillLimits(quiet_s=0.2)
SILENCE_S = 0.7
LOGIN_S = 0.4


class Urls(NamedTuple):
    """Where the mock listens."""

    ws: str
    rest: str


class Strikes(NamedTuple):
    """What the mock says in the end: strikes a fault, in their order, and connections."""

    strikes: list[int]
    connections: int


class Played:
    """A mock in a process of its own."""

    def __init__(self, tape: ChaosTape, plan: Plan, speed: float, folder: Path) -> None:
        self.clock = Clock()
        told, self._tell = os.pipe()
        self._hear, say = os.pipe()

        def play() -> None:
            os.close(self._tell)  # or it would wait for its own end
            os.close(self._hear)
            _play(tape, plan, speed, self.clock, told, say)

        self._process = Process(fork(play, folder / "mock.txt"))
        os.close(told)
        os.close(say)
        try:
            self.urls = Urls(**json.loads(read_line(self._hear)))
        except ValueError:
            raise RuntimeError((folder / "mock.txt").read_text()) from None

    def kill(self) -> None:
        """End it, whatever it does."""
        self._process.kill()

    def end(self) -> Strikes:
        """Let it end, and return what it says."""
        os.close(self._tell)
        said = read_line(self._hear)
        os.close(self._hear)
        if not self._process.wait(10):
            self._process.kill()
        return Strikes(**json.loads(said))


def _play(tape: ChaosTape, plan: Plan, speed: float, clock: Clock, told: int, say: int) -> None:
    mock = MockPolygon(
        [tape.trades, tape.quotes],
        faults=plan.faults,
        seed=plan.seed,
        key=KEY,
        speed=speed,
        hold=False,
        begin_s=BEGIN_S,
        login_s=LOGIN_S,
    )
    os.set_blocking(told, False)
    with mock:
        urls = {"ws": mock.ws_url, "rest": mock.rest_url}
        os.write(say, json.dumps(urls).encode() + b"\n")
        while _is_wanted(told):
            clock.set(max(0, mock.tape_ns - OPEN_NS) / 1e9)
            time.sleep(0.002)
        done = {"strikes": mock.strikes, "connections": mock.connections}
    os.write(say, json.dumps(done).encode() + b"\n")


def _is_wanted(told: int) -> bool:
    try:
        return os.read(told, 1) != b""
    except BlockingIOError:
        return True


def settings_of(urls: Urls, data: Path, record: bool) -> Settings:
    """Return the settings of a run against the mock."""
    named = {
        "POLYGON_API_KEY": KEY,
        "POLYGON_WS_URL": urls.ws,
        "POLYGON_REST_URL": urls.rest,
        "ORDER_FLOW_DATA_DIR": str(data),
        "ORDER_FLOW_RECORD": "on" if record else "off",
    }
    return load(environment(SETTINGS | named), data)


def start_flow(settings: Settings, plan: Plan, log: Path) -> Process:
    """Start `orderflow run`."""

    def run() -> int:
        try:
            return run_live(
                settings,
                timedelta(seconds=plan.snapshots_s),
                timing=TIMING,
                limits=LIMITS,
                silence=Silence(SILENCE_S, lively_s=SILENCE_S),
                rest=Rest(settings.polygon_rest_url, settings.polygon_api_key, REST_TIMING),
            )
        except OrderflowError as stop:
            print(f"orderflow: {stop}", flush=True)
            return stop.exit_code

    return Process(fork(run, log))


@contextmanager
def played(tape: ChaosTape, plan: Plan, speed: float, folder: Path) -> Iterator[Played]:
    """Play a tape; when done, `end` has been called or it is killed."""
    mock = Played(tape, plan, speed, folder)
    try:
        yield mock
    finally:
        mock.kill()
