"""The live feed against the mock, over real sockets."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import bytewax.operators as op
import msgspec
import pytest
from bytewax.dataflow import Dataflow
from bytewax.errors import BytewaxRuntimeError
from bytewax.testing import TestingSink, run_main

from flows.errors import FeedRefusedError, SettingsError
from flows.feeds.backoff import Backoff, Timing
from flows.feeds.feed_state import Listeners, Outage
from flows.feeds.polygon import PolygonFeed, polygon_feed, watched
from flows.feeds.session import market_url
from flows.mock import MockPolygon
from flows.settings import Settings
from operators.records import Coverage
from operators.ticks import Frames
from tests.flows.feeds.reading import DEADLINE_S, Heard, Live, open_until
from tests.flows.mock.tapes import at, small_tape

QUICK = Timing(open_s=30, reply_s=30, ack_s=30, first_pause_s=0.02, poll_s=0.05)


@pytest.fixture
def heard() -> Heard:
    """Return listeners that remember."""
    return Heard()


@pytest.fixture
def live(heard: Heard) -> Iterator[Callable[..., Live]]:
    """Return what opens a live feed on a mock; it is stopped after the test."""
    yield from open_until(heard, QUICK)


def test_every_event_of_a_tape_arrives_once_and_in_order(
    tmp_path: Path, live: Callable[..., Live], heard: Heard
) -> None:
    with MockPolygon([small_tape(tmp_path, trades=4000)]) as mock:
        feed = live(mock.ws_url, "*")
        feed.read_until(lambda: feed.feed.state.frames == 1500)
        feed.stop()
    seen = [(e["ev"], e["sym"], e["q"]) for e in feed.events]
    assert len(seen) == len(set(seen)) == 12_000
    assert [e["t"] for e in feed.events] == sorted(e["t"] for e in feed.events)
    assert heard.all == []
    received = [ns for item in feed.items if isinstance(item, Frames) for ns in item.received_ns]
    assert received == sorted(received)
    assert abs(received[-1] - time.time_ns()) < 60 * 10**9


def test_a_watchlist_subscribes_to_the_trades_and_quotes_of_its_symbols(
    tmp_path: Path, live: Callable[..., Live]
) -> None:
    symbols = [f"S{i}" for i in range(60)]
    with MockPolygon([small_tape(tmp_path, symbols=("S1", "S59", "OTHER"))]) as mock:
        feed = live(mock.ws_url, *symbols)
        topics = {f"{event}.{symbol}" for symbol in symbols for event in "TQ"}
        feed.read_until(lambda: mock.topics == topics)
        feed.read_until(lambda: feed.feed.state.topics_granted == 120)
        feed.read_until(lambda: len(feed.events) == 3 * 134)
        assert feed.feed.state.condition == "ok"
        feed.stop()
    assert {event["sym"] for event in feed.events} == {"S1", "S59"}


@pytest.mark.parametrize("acks", ["array", "frames"])
def test_acks_are_counted_in_either_style_and_never_handed_over(
    tmp_path: Path, live: Callable[..., Live], acks: Any
) -> None:
    with MockPolygon([small_tape(tmp_path, trades=2)], acks=acks) as mock:
        feed = live(mock.ws_url, "AAPL", "MSFT")
        feed.read_until(lambda: feed.feed.state.topics_granted == 4)
        feed.read_until(lambda: feed.feed.state.frames > 0)
        feed.stop()
    assert {event["ev"] for event in feed.events} == {"T", "Q"}


def test_a_status_among_data_is_taken_out() -> None:
    status = b'{"ev":"status","status":"success","message":"hello"}'
    mixed = b'[{"ev":"T","sym":"A","t":1},' + status + b',{"ev":"Q","sym":"A","t":2}]'
    looks_alike = b'[{"ev":"T","sym":"A","note":"status"}]'
    broken = b'[{"ev":"T","sym":"status"'
    with MockPolygon(frames=[mixed, looks_alike, broken]) as mock:
        live = Live(PolygonFeed(mock.ws_url, "mock-key", lambda: ("A",), timing=QUICK))
        live.read_until(lambda: live.feed.state.frames == 3)
        live.stop()
    assert [frame for item in live.items if isinstance(item, Frames) for frame in item.frames] == [
        b'[{"ev":"T","sym":"A","t":1},{"ev":"Q","sym":"A","t":2}]',
        looks_alike,
        broken,
    ]


def test_a_fault_while_subscribing_ends_the_feed_instead_of_leaving_it_deaf() -> None:
    def broken() -> tuple[str, ...]:
        raise ZeroDivisionError

    with MockPolygon() as mock:
        live = Live(PolygonFeed(mock.ws_url, "mock-key", broken, timing=QUICK))
        with pytest.raises(ZeroDivisionError):
            live.read_on()


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["taq_ETR_20190508", "xnas_SOUN_20250502"])
def test_a_real_tape_arrives_whole(live: Callable[..., Live], real_data: Path, name: str) -> None:
    with MockPolygon([real_data / name]) as mock:
        feed = live(mock.ws_url, "*")
        assert mock.finished.wait(60)
        feed.read_until(lambda: feed.feed.state.frames * 8 >= mock.played)
        feed.stop()
    trades = [event for event in feed.events if event["ev"] == "T"]
    assert len(feed.events) == mock.played
    assert [trade["i"] for trade in trades] == [f"#{n + 1}" for n in range(len(trades))]


def test_a_wrong_key_ends_the_feed_with_one_sentence_that_does_not_hold_it(
    live: Callable[..., Live],
) -> None:
    with MockPolygon() as mock:
        feed = live(mock.ws_url, "AAPL", key="a-wrong-key")
        with pytest.raises(FeedRefusedError) as refused:
            feed.read_on()
        assert mock.connections == 1
        assert str(refused.value) == (
            f"The feed at {mock.ws_url}/stocks refused the login ('authentication failed'): check "
            "POLYGON_API_KEY, and that its plan includes stocks over WebSocket."
        )
        assert (refused.value.exit_code, feed.feed.state.condition) == (3, "closed")


def test_a_refusal_ends_a_dataflow_in_error_or_where_asked_for_in_form() -> None:
    with MockPolygon(markets=()) as mock:
        for raised in (True, False):
            feed = PolygonFeed(
                mock.ws_url, "mock-key", lambda: ("*",), timing=QUICK, raise_refusal=raised
            )
            flow = Dataflow("test")
            op.output("out", op.input("feed", flow, feed), TestingSink([]))
            if raised:
                with pytest.raises(BytewaxRuntimeError) as ended:
                    run_main(flow)
                assert isinstance(ended.value.__cause__, FeedRefusedError)
            else:
                run_main(flow)
            assert isinstance(feed.failure, FeedRefusedError)
            assert "doesn't include websocket access" in str(feed.failure)


def test_topics_outside_the_plan_are_reported_once_and_the_rest_goes_on(
    tmp_path: Path, live: Callable[..., Live], heard: Heard
) -> None:
    with MockPolygon([small_tape(tmp_path)], plan=("T",), drop_after=(2,)) as mock:
        feed = live(mock.ws_url, "AAPL", "MSFT")
        feed.read_until(lambda: mock.finished.is_set() and feed.feed.state.reconnects == 1)
        assert feed.feed.state.topics_refused == ["Q.AAPL", "Q.MSFT"]
        feed.stop()
        assert feed.feed.state.trades_only
    refusals = [said for said in heard.sentences if "plan" in said]
    assert refusals == [
        "The plan of this key has no quotes (Q.AAPL, Q.MSFT: 'not authorized'): sides come from "
        "the tick rule, and each alert says so."
    ]
    assert {event["ev"] for event in feed.events} == {"T", "gap"}


def test_missing_acks_are_reported(live: Callable[..., Live], heard: Heard) -> None:
    with MockPolygon(acks="none") as mock:
        feed = live(mock.ws_url, "A", timing=replace(QUICK, ack_s=0.5))
        feed.read_until(lambda: bool(heard.sentences))
        assert heard.sentences == [
            "The feed did not acknowledge T.A, Q.A in 0.5 s: no data may come for it."
        ]
        assert feed.feed.state.condition == "ok"
        feed.stop()


def test_a_dropped_connection_is_opened_again_and_the_gap_stands_before_what_follows(
    tmp_path: Path, live: Callable[..., Live], heard: Heard
) -> None:
    with MockPolygon([small_tape(tmp_path, trades=2000)], drop_after=(10,)) as mock:
        feed = live(mock.ws_url, "*")
        feed.read_until(mock.finished.is_set)
        state = feed.feed.state
        feed.read_until(lambda: state.condition == "ok" and state.frames > 10)
        feed.stop()
    events = feed.events
    (place,) = [i for i, event in enumerate(events) if event["ev"] == "gap"]
    before, after = events[place - 1], events[place + 1]
    assert place == 80
    assert before["t"] < after["t"]
    assert events[place]["gap"] == Coverage(
        "*", before["t"] * 10**6, after["t"] * 10**6, "disconnect", refilled=False
    )
    assert (state.connects, state.reconnects, mock.connections) == (2, 1, 2)
    blind, restored = heard.outages
    assert (blind.cause, blind.until_ns) == ("disconnect", None)
    assert restored == Outage("disconnect", blind.since_ns, restored.until_ns)
    assert restored.until_ns is not None
    assert restored.until_ns >= blind.since_ns
    (sentence,) = heard.sentences
    assert sentence.startswith("The feed is lost (")


def test_a_server_that_is_away_is_waited_for(
    tmp_path: Path, live: Callable[..., Live], heard: Heard
) -> None:
    with MockPolygon([small_tape(tmp_path, trades=3)]) as mock:
        mock.refuse()
        feed = live(mock.ws_url, "*")
        feed.read_until(lambda: bool(heard.sentences))
        assert feed.feed.state.condition == "connecting"
        time.sleep(0.3)  # a few more attempts
        mock.accept()
        feed.read_until(lambda: feed.feed.state.frames > 0)
        feed.stop()
    (sentence,) = heard.sentences  # once, however often it is tried
    assert sentence == (
        f"Cannot use the feed at {mock.ws_url}/stocks (connection refused); trying on."
    )
    assert feed.gaps == []
    assert heard.outages == []


def test_a_clean_close_is_a_lost_feed_too(tmp_path: Path, live: Callable[..., Live]) -> None:
    with MockPolygon([small_tape(tmp_path, trades=1)], at_end="close") as mock:
        feed = live(mock.ws_url, "*")
        feed.read_until(lambda: mock.connections == 2 and feed.feed.state.condition == "ok")
        feed.stop()


def test_a_gap_that_is_open_at_the_end_is_on_record(
    tmp_path: Path, live: Callable[..., Live]
) -> None:
    with MockPolygon([small_tape(tmp_path, trades=1)]) as mock:
        feed = live(mock.ws_url, "*")
        feed.read_until(lambda: feed.feed.state.frames == 1)
        mock.refuse()
        mock.drop()
        feed.read_until(lambda: feed.feed.state.condition == "blind")
        time.sleep(0.1)
        feed.stop()
    (gap,) = feed.gaps
    last_ns = feed.events[-2]["t"] * 10**6
    assert (gap.symbol, gap.from_ns, gap.cause) == ("*", last_ns, "disconnect")
    assert 10**8 < gap.to_ns - gap.from_ns < 10**11  # the tape's clock went on with ours


def test_the_symbols_wanted_can_change_while_it_runs(
    tmp_path: Path, live: Callable[..., Live]
) -> None:
    wanted = ["AAPL"]
    with MockPolygon([small_tape(tmp_path, trades=4000)], rate=1000) as mock:
        feed = live(mock.ws_url, wanted=lambda: tuple(wanted))
        feed.read_until(lambda: mock.played > 100)
        wanted[:] = ["MSFT"]
        feed.read_until(lambda: mock.topics == {"T.MSFT", "Q.MSFT"})
        feed.read_until(lambda: mock.played > 500)
        wanted[:] = ["AAPL", "MSFT"]
        feed.read_until(lambda: len(feed.gaps) == 2 and feed.events[-1].get("sym") == "AAPL")
        feed.stop()
    start, gap = feed.gaps
    assert (start.symbol, start.cause, start.refilled) == ("MSFT", "start", False)
    assert (gap.symbol, gap.cause, gap.refilled) == ("AAPL", "unsubscribed", False)
    place = [event.get("gap") for event in feed.events].index(gap)
    symbols = [event.get("sym") for event in feed.events]
    assert "AAPL" in symbols[:place]
    assert "AAPL" in symbols[place:]
    last = max(i for i in range(place) if symbols[i] == "AAPL")
    assert "MSFT" in symbols[last:place]
    assert at(0) < gap.from_ns <= gap.to_ns  # the tape goes slower than our clock


def test_a_flow_that_does_not_keep_up_loses_the_oldest_and_knows_of_it(
    tmp_path: Path, live: Callable[..., Live]
) -> None:
    with MockPolygon([small_tape(tmp_path, trades=8000)]) as mock:
        feed = live(mock.ws_url, "*", max_bytes=10**6)
        assert mock.finished.wait(DEADLINE_S)
        state = feed.feed.state
        while state.frames < 3000:
            time.sleep(0.01)
        feed.stop()
    assert state.dropped_frames > 0
    (gap,) = feed.gaps
    first_kept = feed.events[1]
    assert gap == Coverage("*", at(0), first_kept["t"] * 10**6, "shed", refilled=False)
    assert len(feed.events) - 1 == 24_000 - 8 * state.dropped_frames


def test_a_stop_completes_the_source_within_a_dataflow(tmp_path: Path) -> None:
    with MockPolygon([small_tape(tmp_path)]) as mock:
        feed = PolygonFeed(mock.ws_url, "mock-key", lambda: ("*",), timing=QUICK)
        out: list[Frames | Coverage] = []
        flow = Dataflow("test")
        op.output("out", op.input("feed", flow, feed), TestingSink(out))

        def stop_at_the_end() -> None:
            mock.finished.wait(DEADLINE_S)
            while feed.state.frames < 75:
                time.sleep(0.01)
            feed.stop.set()

        threading.Thread(target=stop_at_the_end).start()
        run_main(flow)
    assert sum(len(item.frames) for item in out if isinstance(item, Frames)) == 75
    assert feed.state.public()["condition"] == "closed"
    assert repr(feed) == f"PolygonFeed('{mock.ws_url}/stocks')"


def test_pauses_grow_to_a_cap_and_begin_anew_only_after_a_stable_time() -> None:
    class Bounds(random.Random):
        def uniform(self, a: float, b: float) -> Any:
            return a, b

    backoff = Backoff(Timing(first_pause_s=1, longest_pause_s=5, stable_s=60), Bounds())
    pauses: list[Any] = [backoff.pause_s() for _ in range(4)]
    assert pauses == [(0.5, 1), (1, 2), (2, 4), (2.5, 5)]
    backoff.stood(59.9)
    pauses = [backoff.pause_s()]
    backoff.stood(60)
    assert [*pauses, backoff.pause_s()] == [(2.5, 5), (0.5, 1)]


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("ws://127.0.0.1:8765", "ws://127.0.0.1:8765/stocks"),
        ("wss://socket.polygon.io/", "wss://socket.polygon.io/stocks"),
        ("wss://socket.massive.com/stocks", "wss://socket.massive.com/stocks"),
        ("wss://delayed.polygon.io", "wss://delayed.polygon.io/stocks"),
        ("wss://delayed.massive.com", "wss://delayed.massive.com/stocks"),
    ],
)
def test_the_market_is_appended_to_the_host(host: str, url: str) -> None:
    assert market_url(host) == url


@pytest.mark.parametrize(
    "host", ["https://api.polygon.io", "socket.polygon.io", "ws://", "ws://a..b", "ws://a:99999"]
)
def test_a_host_that_is_none_is_refused(host: str) -> None:
    with pytest.raises(SettingsError, match="POLYGON_WS_URL is"):
        market_url(host)


def test_the_monitoring_mode_says_what_is_watched(tmp_path: Path) -> None:
    held = tmp_path / "positions.json"
    held.write_text('{"TSLA": 5}', encoding="utf-8")
    settings = Settings(symbols=("AAPL",), positions_file=held, polygon_ws_url="ws://127.0.0.1:1")
    modes = ("all", "watchlist", "positions_only")
    by_mode = [msgspec.structs.replace(settings, monitoring_mode=mode) for mode in modes]
    assert [tuple(watched(s, pytest.fail)()) for s in by_mode] == [("*",), ("AAPL",), ("TSLA",)]
    assert polygon_feed(settings, Listeners()).url == "ws://127.0.0.1:1/stocks"
