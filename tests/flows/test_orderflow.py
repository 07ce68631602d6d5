"""One market, every way through the whole flow: the same alerts with the same ids."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import msgspec
import pytest
from bytewax.inputs import Source
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import TestingSink, TestingSource, cluster_main, run_main

from flows.feeds.capture import CaptureFeed
from flows.feeds.polygon import PolygonFeed
from flows.feeds.tape import TapeFeed
from flows.feeds.tape_files import open_tapes
from flows.mock import MockPolygon
from flows.orderflow import Outputs, build, rules_of
from flows.settings import Settings
from flows.warm_up import warm_up
from operators.ticks import Frames
from sinks.elsewhere import SourceElsewhere
from tests.flows.files import wire_frames, write_capture, write_flat, write_parquet
from tests.flows.market import ENVIRONMENT, RULES, SETTINGS, SYMBOLS, expected_ids, market
from tests.reference import run
from tests.reference_tape import Event

ROOT = Path(__file__).parents[2]
Ids = dict[str, list[str]]


@pytest.fixture(scope="module")
def events() -> list[Event]:
    warm_up(lambda _: None)
    return market()


@pytest.fixture(scope="module")
def ids(events: list[Event]) -> Ids:
    return expected_ids(events)


@pytest.fixture(scope="module")
def tape(events: list[Event], tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The market as Parquet, in several row groups."""
    return write_parquet(tmp_path_factory.mktemp("market"), events, group=2_048)


class Said(list[Any]):
    """What came out of the flow; ends the feed after so many alerts."""

    def __init__(self, feed: Any = None, alerts: int = -1) -> None:
        super().__init__()
        self._feed, self._alerts = feed, alerts

    def __iadd__(self, items: Any) -> Self:  # type: ignore[misc]
        self.extend(items)
        if len(self) >= self._alerts > 0:
            self._feed.stop.set()
        return self

    def ids(self) -> Ids:
        out: Ids = {}
        for symbol, alert in self:
            out.setdefault(symbol, []).append(alert.alert_id)
        return out


def flow_of(
    feed: Source[Any], said: Said, feed_name: str = "replay", settings: Settings = SETTINGS
) -> Any:
    sinks: dict[str, Any] = {field.name: TestingSink([]) for field in fields(Outputs)}
    sinks |= {"alerts": TestingSink(said), "opening": SourceElsewhere()}
    outputs = Outputs(**sinks)
    return build(feed, rules_of(settings, feed_name), outputs)


def ids_of(feed: Source[Any]) -> Ids:
    said = Said()
    run_main(flow_of(feed, said))
    return said.ids()


def test_the_market_raises_every_kind_of_alert_in_every_symbol(events: list[Event]) -> None:
    alerts = run(events, RULES).alerts
    kinds = {(a["alert_type"], a["severity"], a["escalates"] is not None) for a in alerts}
    assert kinds == {
        ("large_seller", "warning", False),
        ("large_seller", "critical", False),
        ("large_seller", "critical", True),
        ("red_burst", "warning", False),
        ("red_burst", "critical", False),
        ("red_burst", "critical", True),
        ("exit_signal", "critical", False),
        ("exit_signal", "critical", True),
    }
    assert {a["symbol"] for a in alerts} == set(SYMBOLS)
    assert alerts[-1]["symbol"] == "X"


# Files, and how they are cut.


@pytest.mark.parametrize("batch", [1, 7, 8_192, 65_536])
def test_whatever_the_batch(tape: list[str], ids: Ids, batch: int) -> None:
    assert ids_of(TapeFeed(open_tapes(tape), batch=batch)) == ids


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_whatever_the_number_of_workers(tape: list[str], ids: Ids, workers: int) -> None:
    said = Said()
    flow = flow_of(TapeFeed(open_tapes(tape), batch=500), said)
    cluster_main(flow, [], 0, worker_count_per_proc=workers)
    assert said.ids() == ids


def test_a_watchlist_raises_the_alerts_of_its_symbols(tape: list[str], ids: Ids) -> None:
    feed = TapeFeed(open_tapes(tape), ("BRK.B", "X"))
    assert ids_of(feed) == {symbol: ids[symbol] for symbol in ("BRK.B", "X")}


def test_the_vendors_flat_files(
    events: list[Event], ids: Ids, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert ids_of(TapeFeed(open_tapes(write_flat(tmp_path, events)))) == ids


# Frames.


@pytest.mark.parametrize("size", [1, 8, 500])
def test_frames_of_the_wire(events: list[Event], ids: Ids, size: int) -> None:
    items = [Frames([5], [frame]) for frame in wire_frames(events, size)]
    assert ids_of(TestingSource(items, batch_size=3)) == ids


def test_a_raw_capture(events: list[Event], ids: Ids, tmp_path: Path) -> None:
    capture = write_capture(tmp_path / "day.jsonl.gz", events)
    assert ids_of(CaptureFeed(open_tapes([capture]))) == ids


def test_over_a_real_socket_from_the_mock(tape: list[str], ids: Ids) -> None:
    with MockPolygon([Path(tape[0]).parent]) as mock:
        feed = PolygonFeed(mock.ws_url, "mock-key", lambda: ("*",))
        said = Said(feed, sum(map(len, ids.values())))
        give_up = threading.Timer(30, feed.stop.set)
        give_up.start()
        run_main(flow_of(feed, said, "live"))
        give_up.cancel()
    assert said.ids() == ids
    assert all(alert.received_ns > 0 for _, alert in said)


# Stopped and resumed.


def store(folder: Path) -> RecoveryConfig:
    folder.mkdir()
    init_db_dir(folder, 1)
    return RecoveryConfig(str(folder))


@pytest.mark.parametrize("alerts", [1, 40, 80])
def test_a_replay_stopped_and_resumed_goes_on_as_if_nothing_had_been(
    tape: list[str], ids: Ids, tmp_path: Path, alerts: int
) -> None:
    kept = store(tmp_path / "recovery")
    feed = TapeFeed(open_tapes(tape), batch=97)
    before = Said(feed, alerts)
    run_main(flow_of(feed, before), epoch_interval=None, recovery_config=kept)
    after = Said()
    run_main(flow_of(TapeFeed(open_tapes(tape), batch=41), after), recovery_config=kept)
    assert len(before) >= alerts
    assert len(after) > 0
    before.extend(after)
    assert before.ids() == ids


def test_a_flow_that_dies_says_again_only_what_its_last_snapshot_did_not_know(
    events: list[Event], ids: Ids, tmp_path: Path
) -> None:
    kept = store(tmp_path / "recovery")
    items: list[Any] = [Frames([5], [frame]) for frame in wire_frames(events, 50)]
    middle = len(items) // 2
    crashing = [*items[:middle], TestingSource.ABORT(), *items[middle:]]
    said, source = Said(), TestingSource(crashing, batch_size=1)
    for _ in range(2):
        run_main(flow_of(source, said), epoch_interval=timedelta(0), recovery_config=kept)
    assert {s: list(dict.fromkeys(found)) for s, found in said.ids().items()} == ids
    assert len(said) <= sum(map(len, ids.values())) + 20


# The program itself.


def started(
    tape: list[str], folder: Path, *arguments: str, **environment: str
) -> subprocess.Popen[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("ORDER_FLOW_", "POLYGON_"))}
    given = {"ORDER_FLOW_DATA_SOURCE": "tape", "ORDER_FLOW_TAPE": ",".join(tape)}
    return subprocess.Popen(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env=clean | ENVIRONMENT | given | {"ORDER_FLOW_DATA_DIR": str(folder)} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(process: subprocess.Popen[str]) -> None:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, out + err


def lines(file: Path) -> Iterator[dict[str, Any]]:
    # What is behind the last newline is still being written.
    for line in file.read_bytes().split(b"\n")[:-1] if file.exists() else ():
        one = msgspec.json.decode(line)
        if one["event"] == "order_flow_alert":
            yield one


def written(file: Path) -> Ids:
    out: Ids = {}
    for one in lines(file):
        out.setdefault(one["symbol"], []).append(one["alert_id"])
    return out


@pytest.mark.parametrize(
    "arguments",
    [
        ("bytewax.run", "flows.orderflow"),
        ("bytewax.run", "flows.orderflow", "-w", "2"),
        ("bytewax.testing", "flows.orderflow", "-p", "2"),
    ],
)
def test_run_by_bytewax_with_its_own_flags(
    tape: list[str], ids: Ids, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    finished(started(tape, tmp_path, *arguments))
    assert written(tmp_path / "replay" / "latest" / "alerts.jsonl") == ids


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_replay_killed_and_resumed_writes_every_alert_once(
    tape: list[str], ids: Ids, tmp_path: Path, number: signal.Signals
) -> None:
    alerts = tmp_path / "out" / "alerts.jsonl"
    command = ["flows.cli", "replay", *tape, "--out", str(tmp_path / "out")]
    command += ["--recovery", str(tmp_path / "recovery")]
    first = started(tape, tmp_path, *command, "--speed", "250")
    deadline = time.monotonic() + 60
    while sum(1 for _ in lines(alerts)) < 10 and time.monotonic() < deadline:
        assert first.poll() is None, first.communicate()
        time.sleep(0.02)
    first.send_signal(number)
    first.communicate(timeout=60)
    assert 10 <= sum(1 for _ in lines(alerts)) < sum(map(len, ids.values()))
    finished(started(tape, tmp_path, *command))
    assert written(alerts) == ids
    assert [one["seq"] for one in lines(alerts)] == list(range(1, 1 + sum(map(len, ids.values()))))
