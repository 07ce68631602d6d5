"""A live feed being read, and what it said meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from flows.feeds.backoff import Timing
from flows.feeds.feed_state import Listeners, Outage
from flows.feeds.polygon import PolygonFeed
from operators.records import Coverage
from operators.ticks import Frames

DEADLINE_S = 60


class Live:
    """A live feed being read, and everything it handed over and said."""

    def __init__(self, feed: PolygonFeed) -> None:
        self.feed = feed
        self.items: list[Frames | Coverage] = []
        self._part = feed.build_part("feed", "polygon", None)

    def read_until(self, done: Callable[[], bool], seconds: float = DEADLINE_S) -> None:
        deadline = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < deadline, self.feed.state
            self.items += self._part.next_batch()

    def read_for(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.items += self._part.next_batch()

    def read_on(self) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            self.items += self._part.next_batch()
        pytest.fail(f"the feed goes on: {self.feed.state}")

    def stop(self) -> None:
        self.feed.stop.set()
        with pytest.raises(StopIteration):
            self.read_on()

    @property
    def gaps(self) -> list[Coverage]:
        return [item for item in self.items if isinstance(item, Coverage)]

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events handed over, each gap where it stands as an event of its own."""
        events: list[dict[str, Any]] = []
        for item in self.items:
            if isinstance(item, Coverage):
                events.append({"ev": "gap", "gap": item})
            else:
                for frame in item.frames:
                    events += msgspec.json.decode(frame)
        return events


class Heard:
    """What a feed told its listeners, in order."""

    def __init__(self) -> None:
        self.all: list[Any] = []
        self.listeners = Listeners(self.all.append, self.all.append, self.all.append)

    @property
    def sentences(self) -> list[str]:
        return [said for said in self.all if isinstance(said, str)]

    @property
    def outages(self) -> list[Outage]:
        return [said for said in self.all if isinstance(said, Outage)]


def open_until(heard: Heard, timing: Timing) -> Iterator[Callable[..., Live]]:
    """Yield what opens a live feed, and stop those it opened; for fixtures."""
    opened: list[Live] = []

    def open_feed(url: str, *symbols: str, key: str = "mock-key", **options: Any) -> Live:
        wanted = options.pop("wanted", lambda: symbols)
        options = {"timing": timing, "listeners": heard.listeners, **options}
        opened.append(Live(PolygonFeed(url, key, wanted, **options)))
        return opened[-1]

    yield open_feed
    for feed in opened:
        if feed.feed.failure is None:
            feed.stop()
