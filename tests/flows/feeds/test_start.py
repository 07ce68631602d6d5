"""What a live run misses that begins in the middle of a phase."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flows.feeds.backoff import Timing
from flows.feeds.polygon import polygon_feed
from flows.feeds.start import started
from flows.mock import MockPolygon
from flows.settings import Settings
from operators.records import Coverage
from operators.sessions import parse_sessions
from operators.ticks import Frames
from tests.flows.feeds.reading import Heard, Live, open_until
from tests.flows.mock.tapes import MS, at, small_tape
from tests.make import frame, wire_trade
from tests.reference_cases import ns

QUICK = Timing(open_s=30, reply_s=30, ack_s=30, first_pause_s=0.02, poll_s=0.05)
MINUTE_MS = 60_000
REGULAR = parse_sessions("regular")


@pytest.fixture
def live() -> Iterator[Callable[..., Live]]:
    """Return what opens a live feed on a mock; it is stopped after the test."""
    yield from open_until(Heard(), QUICK)


def missed(minute: float) -> Coverage:
    return Coverage("*", ns(0), ns(minute * MINUTE_MS), "started", refilled=False)


@pytest.mark.parametrize(
    ("minute", "is_missed"), [(-1, False), (0, False), (0.001, True), (389, True), (390, False)]
)
def test_a_run_misses_what_was_before_its_first_event(minute: float, is_missed: bool) -> None:
    found = started(REGULAR, ns(minute * MINUTE_MS))
    assert found == (missed(minute) if is_missed else None)


def test_it_is_recorded_before_the_first_frame_and_once(
    tmp_path: Path, live: Callable[..., Live]
) -> None:
    with MockPolygon([small_tape(tmp_path, trades=4000)], rate=1000) as mock:
        feed = live(mock.ws_url, "*", sessions=parse_sessions("09:15-10:00"))
        feed.read_until(lambda: feed.feed.state.frames > 5)
        mock.drop()
        feed.read_until(lambda: len(feed.gaps) > 1)
        feed.stop()
    quarter_ns = 15 * MINUTE_MS * MS
    assert feed.items[0] == Coverage("*", at(0) - quarter_ns, at(0), "started", refilled=False)
    assert isinstance(feed.items[1], Frames)
    assert [gap.cause for gap in feed.gaps] == ["started", "disconnect"]


def test_the_live_feed_knows_the_phases_that_are_admitted() -> None:
    for sessions, gaps in (("regular", [missed(5)]), ("post", [])):
        with MockPolygon(frames=[frame(wire_trade(5 * MINUTE_MS))]) as mock:
            settings = Settings(
                polygon_ws_url=mock.ws_url,
                polygon_api_key="mock-key",
                monitoring_mode="all",
                sessions=sessions,
            )
            feed = Live(polygon_feed(settings, Heard().listeners, timing=QUICK))
            feed.read_until(lambda feed=feed: feed.feed.state.frames >= 1)  # type: ignore[misc]
            feed.stop()
            assert feed.gaps == gaps
