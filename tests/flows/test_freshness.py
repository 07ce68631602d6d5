"""A live feed that falls behind: no alerts of what is too late, and everybody is told."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import msgspec
import pytest
from bytewax.testing import TestingSink, TestingSource, run_main

from flows.assembly import LiveLines, assemble, lag_ms, suspended
from flows.feeds.capture import CaptureFeed
from flows.feeds.feed_state import Listeners
from flows.feeds.polygon import polygon_feed
from flows.feeds.tape_files import open_tapes
from flows.mock import MockPolygon
from flows.orderflow import Outputs, build, rules_of
from flows.settings import Settings
from flows.warm_up import warm_up
from operators.records import Coverage
from operators.ticks import Frames
from sinks.elsewhere import SourceElsewhere
from sinks.status import StatusSink
from tests.flows.files import wire_frames, write_gz
from tests.flows.market import SETTINGS, SYMBOLS, expected_ids, market
from tests.make import frame, wire_quote, wire_trade

SECOND = 1_000_000_000
MS = 1_000_000


@pytest.fixture(scope="module", autouse=True)
def _compiled() -> None:
    warm_up(lambda _: None)


class Found:
    """What a flow made of a feed."""

    def __init__(self, feed: Any, settings: Settings = SETTINGS) -> None:
        self.alerts: list[Any] = []
        self.coverage: list[tuple[str, Coverage]] = []
        sinks: dict[str, Any] = {field.name: TestingSink([]) for field in fields(Outputs)}
        sinks |= {"alerts": TestingSink(self.alerts), "coverage": TestingSink(self.coverage)}
        sinks["opening"] = SourceElsewhere()
        run_main(build(feed, rules_of(settings, "live"), Outputs(**sinks)))

    @property
    def ids(self) -> dict[str, list[str]]:
        out: dict[str, list[str]] = {}
        for symbol, alert in self.alerts:
            out.setdefault(symbol, []).append(alert.alert_id)
        return out


def received(lagged: bool) -> list[tuple[int, bytes]]:
    """The frames of the market, at once; or for two minutes forty seconds later."""
    rng = random.Random(3)
    out: list[tuple[int, bytes]] = []
    for one in wire_frames(market(), 1):
        newest = msgspec.json.decode(one)[0]["t"] * MS
        if not out:
            first = newest
        late = lagged and 500 * SECOND < newest - first < 620 * SECOND
        out.append((newest + (40 * SECOND if late else rng.randrange(SECOND)), one))
    return out


def source(frames: list[tuple[int, bytes]], batch: int) -> TestingSource[Frames]:
    parts = [frames[i : i + batch] for i in range(0, len(frames), batch)]
    return TestingSource([Frames([r for r, _ in p], [f for _, f in p]) for p in parts])


def test_what_came_at_once_is_what_the_tape_says() -> None:
    found = Found(source(received(lagged=False), 7))
    assert (found.ids, found.coverage) == (expected_ids(market()), [])


def test_a_suspension_that_lasts_to_the_end_is_on_record() -> None:
    frames = received(lagged=False)
    times = [msgspec.json.decode(one)[0]["t"] * MS for _, one in frames]
    late_from = times[0] + 500 * SECOND
    frames = [
        (r + 40 * SECOND if at > late_from else r, one)
        for (r, one), at in zip(frames, times, strict=True)
    ]
    found = Found(source(frames, 7))
    assert sorted(symbol for symbol, _ in found.coverage) == sorted(SYMBOLS)
    for _, one in found.coverage:
        assert (one.cause, one.refilled, one.to_ns) == ("suspended", False, times[-1])
        assert late_from - 60 * SECOND < one.from_ns <= late_from


def test_a_day_with_a_lag_replays_from_its_capture_as_it_was(tmp_path: Path) -> None:
    frames = received(lagged=True)
    live = Found(source(frames, 7))
    lines = [msgspec.json.encode({"r": r, "f": f.decode()}).decode() for r, f in frames]
    tape = open_tapes([write_gz(tmp_path / "day.jsonl.gz", *lines)])
    old = Found(CaptureFeed(tape))
    assert (old.ids, sorted(old.coverage)) == (live.ids, sorted(live.coverage))
    assert {symbol for symbol, _ in live.coverage} == set(SYMBOLS)
    assert {one.cause for _, one in live.coverage} == {"suspended"}

    without = Found(source(frames, 7), msgspec.structs.replace(SETTINGS, freshness=False))
    assert (without.ids, without.coverage) == (expected_ids(market()), [])
    missing = sum(len(ids) for ids in without.ids.values()) - sum(map(len, live.ids.values()))
    assert missing > 10
    for symbol, alert in live.alerts:
        assert not any(
            gap.from_ns < alert.ts_ns < gap.to_ns for name, gap in live.coverage if name == symbol
        )


@pytest.mark.parametrize(
    ("changed", "coverage"),
    [
        ({}, 5),
        ({"lag_suspend_seconds": 39.0}, 5),
        ({"lag_suspend_seconds": 41.0}, 0),
        ({"lag_suspend_seconds": 1e12}, 0),
        ({"feed_delay_seconds": 900.0}, 5),
    ],
)
def test_the_limit_is_the_setting(changed: dict[str, Any], coverage: int) -> None:
    settings = msgspec.structs.replace(SETTINGS, **changed)
    assert len(Found(source(received(lagged=True), 500), settings).coverage) == coverage


# Over a socket, with a clock that is two hours behind.


def wire(lag_s: float, symbol: str, sizes: list[int]) -> bytes:
    """A frame of sells at the bid, so late beside a clock that is itself wrong."""
    at = time.time_ns() // MS - 7_200_000 - int(lag_s * 1000)
    events = [wire_quote(t=at, sym=symbol)]
    events += [wire_trade(t=at, sym=symbol, s=size, i=str(size)) for size in sizes]
    return frame(*events)


@contextmanager
def stopped_when(done: Any, feed: Any) -> Iterator[None]:
    def look() -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not done():
            time.sleep(0.02)
        feed.stop.set()

    watcher = threading.Thread(target=look)
    watcher.start()
    yield
    watcher.join()


def test_a_symbol_that_lags_is_silent_and_everybody_knows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sent = [wire(0, "ONTIME", [12_000]), wire(45, "LATE", [12_000]), wire(0, "ONTIME", [25_000])]
    log = tmp_path / "alerts.jsonl"

    def lines(event: str) -> list[dict[str, Any]]:
        text = log.read_bytes() if log.exists() else b""
        found = [msgspec.json.decode(line) for line in text.splitlines()]
        return [line for line in found if line["event"] == event]

    with MockPolygon(frames=sent) as mock:
        settings = Settings(
            polygon_ws_url=mock.ws_url,
            polygon_api_key="mock-key",
            monitoring_mode="all",
            sessions="all",
            feed_delay_seconds=7200.0,
        )
        live = LiveLines(0.1, settings.feed_delay_seconds)
        feed = polygon_feed(settings, Listeners())
        run = assemble(tmp_path, feed, "polygon", settings, live)
        with stopped_when(
            lambda: (
                [one for one in lines("heartbeat") if one["suspended"]]
                and len(lines("order_flow_alert")) == 2
            ),
            feed,
        ):
            run_main(run.flow)
        run.history.finish("stopped")
    assert {line["symbol"] for line in lines("order_flow_alert")} == {"ONTIME"}
    (lagging,) = lines("feed_lagging")
    assert lagging["symbol"] == "LATE"
    assert 44_000 < lagging["late_ms"] < 46_000
    assert lines("heartbeat")[-1]["suspended"] == ["LATE"]
    assert abs(lines("heartbeat")[-1]["lag_ms"]) < 5_000
    status = msgspec.json.decode((tmp_path / "status.json").read_bytes())
    assert status["suspended"] == ["LATE"]
    assert abs(status["lag_ms"]) < 5_000
    assert capsys.readouterr().err.count("The feed lags: LATE came 45 s later") == 1


def test_too_many_to_name_are_all() -> None:
    some = {f"S{i}": 1 for i in range(1000)}
    assert suspended({"suspended": {**some, "T": 0}}) == sorted(some)
    assert suspended({"suspended": {**some, "T": 1}}) == ["*"]
    assert suspended({}) == []


def test_the_lag_shown_is_beyond_the_delay_of_the_feed() -> None:
    counts = {"latest": {"event_ns": SECOND, "received_ns": 902 * SECOND}}
    assert [lag_ms(counts, delay_s) for delay_s in (0, 900)] == [901_000, 1_000]
    assert lag_ms({}, 900) is None


def test_who_was_suspended_in_the_run_before_is_not_so_in_this_one() -> None:
    status = StatusSink(None)
    status.build_part("status", "status", {"suspended": {"X": 1}, "alerts": {"red_burst": 2}})
    assert status.totals == {"alerts": {"red_burst": 2}}
