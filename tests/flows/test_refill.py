"""The whole flow over a feed with holes: the alerts of a feed without, late where they are."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, Self

import pytest
from bytewax.inputs import Source
from bytewax.testing import TestingSink, run_main

from flows.feeds.backoff import Timing
from flows.feeds.polygon import PolygonFeed
from flows.feeds.rest import Rest, RestTiming
from flows.mock import MockPolygon
from flows.orderflow import Outputs, build, rules_of
from flows.warm_up import warm_up
from operators.records import Alert, Coverage
from sinks.elsewhere import SourceElsewhere
from tests.flows.files import write_parquet
from tests.flows.market import SETTINGS, SYMBOLS, expected_ids, market
from tests.reference_tape import Event

Ids = dict[str, list[str]]
SPEED = 400.0  # tape seconds a second
QUICK = RestTiming(0.5, 0.5, 1.0, (0.01, 0.01, 0.01), 1e6)


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
    """A live feed of the market's symbols that gives up after 20 s, come what may."""
    timing = Timing(open_s=2, reply_s=2, ack_s=0.5, first_pause_s=pause_s, poll_s=0.05)
    rest = Rest(mock.rest_url, more.pop("key", "mock-key"), QUICK)
    symbols = more.pop("symbols", lambda: SYMBOLS)
    feed = PolygonFeed(mock.ws_url, "mock-key", symbols, timing=timing, rest=rest, **more)
    end = threading.Timer(20, feed.stop.set)
    end.daemon = True
    end.start()
    return feed


def stop_after(feed: PolygonFeed, alerts: int) -> Callable[[Heard], None]:
    return lambda said: feed.stop.set() if len(said) >= alerts else None


class Tapped(PolygonFeed):
    """A live feed that keeps what it hands on, as a recorder does."""

    items: list[Any]

    def build_part(self, *args: Any) -> Any:
        part = super().build_part(*args)
        take, self.items = part.next_batch, []

        def next_batch() -> list[Any]:
            taken = take()
            self.items += taken
            return taken

        part.next_batch = next_batch  # type: ignore[method-assign]
        return part


@pytest.mark.parametrize("away_s", [0.0, 0.25])
def test_a_feed_that_drops_raises_the_alerts_of_one_that_does_not(
    folder: Path, ids: Ids, away_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    with MockPolygon([folder], speed=SPEED, hold=False, drop_after=(900,)) as mock:
        feed = feed_of(mock)

        def drop_again(said: Heard) -> None:
            if len(said) > 150 and mock.connections == 2 and feed.state.condition == "ok":
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
