"""The whole flow over a feed with holes: the alerts of a feed without, late where they are."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, Self

import pytest
from bytewax.inputs import Source
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import TestingSink, run_main

from flows.feeds.backoff import Timing
from flows.feeds.capture import CaptureFeed
from flows.feeds.capture_files import read_capture
from flows.feeds.capture_lines import item_of
from flows.feeds.holes import RefillLimits
from flows.feeds.polygon import PolygonFeed
from flows.feeds.recorder import RecordedFeed, Recorder
from flows.feeds.rest import Rest, RestTiming
from flows.feeds.tape_files import open_tapes
from flows.mock import MockPolygon
from flows.orderflow import Outputs, build, rules_of
from flows.warm_up import warm_up
from operators.records import Alert, Coverage
from operators.ticks import LATE, MS, WARMING, Refill
from sinks.elsewhere import SourceElsewhere
from tests.flows.files import write_parquet
from tests.flows.market import RULES, SETTINGS, SYMBOLS, expected_ids, market
from tests.reference import run
from tests.reference_cases import ns
from tests.reference_tape import Event, Quote, Trade

Ids = dict[str, list[str]]
WINDOW_NS = 360 * 10**9
SPEED = 400.0  # tape seconds a second
QUICK = RestTiming(30, 30, 60, (0.01, 0.01, 0.01), 1e6)  # a slow machine is no fault


@pytest.fixture(scope="module")
def events() -> list[Event]:
    warm_up(lambda _: None)
    return market()


@pytest.fixture(scope="module")
def ids(events: list[Event]) -> Ids:
    return expected_ids(events)


@pytest.fixture(scope="module")
def folder(events: list[Event], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The market as a tape."""
    path = tmp_path_factory.mktemp("market")
    write_parquet(path, events)
    return path


class Heard(list[Any]):
    """What reaches a sink; acts on each batch."""

    def __init__(self, act: Callable[[Heard], None] = lambda _: None) -> None:
        super().__init__()
        self._act = act

    def __iadd__(self, items: Any) -> Self:  # type: ignore[misc]
        self.extend(items)
        self._act(self)
        return self


class Run:
    """A flow over a feed, and what came out of it."""

    def __init__(self, feed: Source[Any], act: Callable[[Heard], None] = lambda _: None) -> None:
        self.said, self.covered = Heard(act), Heard()
        sinks: dict[str, Any] = {field.name: TestingSink([]) for field in fields(Outputs)}
        sinks |= {
            "alerts": TestingSink(self.said),
            "coverage": TestingSink(self.covered),
            "opening": SourceElsewhere(),
        }
        self.flow = build(feed, rules_of(SETTINGS, "live"), Outputs(**sinks))

    def go(self, **options: Any) -> Self:
        run_main(self.flow, **options)
        return self

    @property
    def alerts(self) -> list[Alert]:
        return [alert for _, alert in self.said]

    @property
    def coverage(self) -> list[Coverage]:
        return [record for _, record in self.covered]

    def ids(self) -> Ids:
        out: Ids = {}
        for alert in self.alerts:
            out.setdefault(alert.symbol, []).append(alert.alert_id)
        return out


def feed_of(mock: MockPolygon, pause_s: float = 0.02, **more: Any) -> PolygonFeed:
    """A live feed of the market's symbols that gives up after a minute, come what may."""
    timing = Timing(open_s=30, reply_s=30, ack_s=30, first_pause_s=pause_s, poll_s=0.05)
    rest = Rest(mock.rest_url, more.pop("key", "mock-key"), QUICK)
    symbols = more.pop("symbols", lambda: SYMBOLS)
    more = {"limits": RefillLimits(settle_s=0.005, ahead_s=3600), **more}
    feed = PolygonFeed(mock.ws_url, "mock-key", symbols, timing=timing, rest=rest, **more)
    end = threading.Timer(60, feed.stop.set)
    end.daemon = True
    end.start()
    return feed


def stop_after(feed: PolygonFeed, alerts: int) -> Callable[[Heard], None]:
    return lambda said: feed.stop.set() if len(said) >= alerts else None


@pytest.mark.parametrize("away_s", [0.0, 0.25])
def test_a_feed_that_drops_raises_the_alerts_of_one_that_does_not(
    folder: Path, ids: Ids, away_s: float
) -> None:
    with MockPolygon([folder], speed=SPEED, hold=False, drop_after=(900,)) as mock:
        feed = feed_of(mock)

        dropped: list[int] = []

        def drop_again(said: Heard) -> None:
            if len(said) > 150 and feed.state.reconnects == 1 and not dropped:
                dropped.append(len(said))
                mock.refuse()
                mock.drop()
                threading.Timer(away_s, mock.accept).start()
            stop_after(feed, total)(said)

        total = sum(map(len, ids.values()))
        run = Run(feed, drop_again).go()
        assert mock.connections == 3
    assert run.ids() == ids
    start, *gaps = run.coverage
    assert (start.cause, start.refilled) == ("start", True)
    assert [(gap.cause, gap.refilled) for gap in gaps] == [("disconnect", True)] * 2
    for alert in run.alerts:
        inside = any(gap.from_ns < alert.ts_ns < gap.to_ns for gap in gaps)
        outside = all(alert.ts_ns < gap.from_ns or alert.ts_ns > gap.to_ns + 10**9 for gap in gaps)
        assert alert.late or not inside
        assert not (alert.late and outside)
    if away_s:
        assert any(alert.late for alert in run.alerts)


# The start, in the middle of a day.


def expected_from(events: list[Event], from_ns: int) -> list[tuple[str, str, int]]:
    """Symbol, id and time (ms) of the alerts of an endless run that are not older."""
    alerts = run(events, RULES).alerts
    return [(a["symbol"], a["alert_id"], a["ts_ms"]) for a in alerts if a["ts_ms"] * MS >= from_ns]


def play_to(mock: MockPolygon, events: list[Event], second: int) -> None:
    """Let the tape play until it is there."""
    times = [event.ts_ns for event in events if isinstance(event, Trade | Quote)]
    before = sum(at_ns < ns(1000 * second) for at_ns in times)
    deadline = time.monotonic() + 10
    while mock.played < before:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def stop_at_the_end(feed: PolygonFeed, events: list[Event]) -> Callable[[Heard], None]:
    """The last trade of the market raises an alert."""
    end_ms = max(event.ts_ns for event in events if isinstance(event, Trade)) // MS
    return lambda said: feed.stop.set() if said[-1][1].ts_ns // MS >= end_ms else None


def bursts_of(run: Run, *symbols: str) -> list[int]:
    return [
        a.ts_ns
        for a in run.alerts
        if a.alert_type == "red_burst" and a.symbol in (symbols or SYMBOLS)
    ]


def test_a_start_in_mid_session_is_warm_at_once_and_says_nothing_of_before(
    folder: Path, events: list[Event]
) -> None:
    with MockPolygon([folder], speed=SPEED, wait=False, hold=False) as mock:
        feed = feed_of(mock)
        play_to(mock, events, 500)
        started = Run(feed, stop_at_the_end(feed, events)).go()
    (start,) = started.coverage
    assert (start.cause, start.refilled, start.to_ns > ns(500_000)) == ("start", True, True)
    found = [(a.symbol, a.alert_id, a.ts_ns // MS) for a in started.alerts]
    assert sorted(found) == sorted(expected_from(events, start.to_ns))
    assert not any(alert.late for alert in started.alerts)
    assert min(bursts_of(started)) < start.to_ns + WINDOW_NS / 2


def test_a_symbol_that_does_not_exist_costs_the_others_nothing(folder: Path, ids: Ids) -> None:
    with MockPolygon([folder], speed=SPEED, hold=False, drop_after=(900,)) as mock:
        feed = feed_of(mock, symbols=lambda: (*SYMBOLS, "NOSUCH"))
        watched = Run(feed, stop_after(feed, sum(map(len, ids.values())))).go()
    assert watched.ids() == ids
    assert [(gap.symbol, gap.refilled) for gap in watched.coverage] == [("*", True)] * 2


@pytest.mark.parametrize("symbols", [SYMBOLS, ("*",)])
def test_a_start_that_is_not_refilled_begins_with_cold_windows(
    folder: Path, events: list[Event], symbols: tuple[str, ...]
) -> None:
    with MockPolygon([folder], speed=SPEED, wait=False, hold=False) as mock:
        feed = feed_of(mock, symbols=lambda: symbols, key="wrong")
        play_to(mock, events, 500)
        started = Run(feed, stop_at_the_end(feed, events)).go()
    (start,) = started.coverage
    assert (start.symbol, start.cause, start.refilled) == ("*", "start", False)
    assert [at for at in bursts_of(started) if at < start.to_ns + WINDOW_NS] == []
    assert {a.alert_type for a in started.alerts} >= {"large_seller", "exit_signal"}


def test_a_gap_that_is_not_refilled_leaves_the_windows_cold(
    folder: Path, events: list[Event]
) -> None:
    with MockPolygon([folder], speed=SPEED, hold=False) as mock:
        feed = feed_of(mock, key="wrong")

        def drop() -> None:
            play_to(mock, events, 550)
            mock.drop()

        dropping = threading.Thread(target=drop)
        dropping.start()
        dropped = Run(feed, stop_at_the_end(feed, events)).go()
        dropping.join()
    _, gap = dropped.coverage
    assert (gap.symbol, gap.cause, gap.refilled) == ("*", "disconnect", False)
    cold = range(gap.from_ns, gap.to_ns + WINDOW_NS)
    assert [at for at in bursts_of(dropped) if at in cold] == []
    assert [at for at in bursts_of(dropped) if at < gap.from_ns] != []
    assert not any(alert.late for alert in dropped.alerts)


def test_a_symbol_watched_in_mid_session_is_warm_from_its_first_print(
    folder: Path, events: list[Event], ids: Ids
) -> None:
    watched = ["AAPL", "BRK.B", "IBM", "MSFT"]
    with MockPolygon([folder], speed=SPEED, hold=False) as mock:
        feed = feed_of(mock, symbols=lambda: tuple(watched))

        def watch() -> None:
            play_to(mock, events, 500)
            watched.append("X")

        watching = threading.Thread(target=watch)
        watching.start()
        widened = Run(feed, stop_at_the_end(feed, events)).go()
        watching.join()
    found = widened.ids()
    newly = found.pop("X")
    assert found == {symbol: ids[symbol] for symbol in found}
    assert newly == ids["X"][-len(newly) :]
    (start,) = (record for record in widened.coverage if record.symbol == "X")
    assert (start.cause, start.refilled) == ("start", True)
    bursts = [at for at in bursts_of(widened, "X") if at < start.to_ns + WINDOW_NS / 2]
    assert len(bursts) > 0


# Stopped and resumed, and replayed.


def test_a_run_that_is_resumed_says_late_what_came_in_between(
    folder: Path, ids: Ids, tmp_path: Path
) -> None:
    init_db_dir(tmp_path, 1)
    kept = RecoveryConfig(str(tmp_path))
    total = sum(map(len, ids.values()))
    with MockPolygon([folder], speed=SPEED, hold=False) as mock:
        feed = feed_of(mock)
        before = Run(feed, stop_after(feed, 80)).go(recovery_config=kept)
        time.sleep(0.2)
        feed = feed_of(mock)
        after = Run(feed, stop_after(feed, total - len(before.alerts))).go(recovery_config=kept)
    both = before.ids()
    for symbol, found in after.ids().items():
        both[symbol] = [*both.get(symbol, []), *found]
    assert both == ids
    gap = after.coverage[0]
    assert (gap.cause, gap.refilled) == ("restart", True)
    late = [alert.ts_ns for alert in after.alerts if alert.late]
    assert late
    assert max(late) <= gap.to_ns + 10**9


def test_a_recording_with_refills_is_replayed_to_the_same_alerts(
    folder: Path, ids: Ids, tmp_path: Path
) -> None:
    recorder = Recorder(tmp_path, lambda _: None)
    with MockPolygon([folder], speed=SPEED, hold=False, drop_after=(1100,)) as mock:
        feed = feed_of(mock, pause_s=0.4)
        recorded = RecordedFeed(feed, recorder)
        live = Run(recorded, stop_after(feed, sum(map(len, ids.values())))).go()
    lines = [item_of(line) for path in recorder.files for line in read_capture(str(path))]
    assert {item.origin for item in lines if isinstance(item, Refill)} == {WARMING, LATE}
    again = Run(CaptureFeed(open_tapes([str(path) for path in recorder.files]), batch=7)).go()
    assert again.ids() == live.ids() == ids
    # By id: how the alerts of several symbols interleave depends on where a chunk ends.
    late, late_again = ({a.alert_id: a.late for a in run.alerts} for run in (live, again))
    assert late_again == late
    assert not any(alert.received_ns for alert in again.alerts)
    assert again.coverage == live.coverage
    assert [gap.cause for gap in again.coverage] == ["start", "disconnect"]
