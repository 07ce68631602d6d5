"""The session against servers that misbehave, over real sockets."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from flows.feeds.backoff import Timing
from flows.feeds.polygon import PolygonFeed, polygon_feed
from flows.feeds.silence import Silence
from flows.settings import Settings
from tests.flows.feeds.reading import Heard, Live, open_until
from tests.flows.feeds.vendors import OPEN_MS, Vendor, Wire

QUICK = Timing(
    open_s=30, reply_s=30, ack_s=30, first_pause_s=0.02, longest_pause_s=0.2, poll_s=0.05
)


@pytest.fixture
def heard() -> Heard:
    """Return listeners that remember."""
    return Heard()


@pytest.fixture
def live(heard: Heard) -> Iterator[Any]:
    """Return what opens a live feed; it is stopped after the test."""
    yield from open_until(heard, QUICK)


async def _stand(wire: Wire) -> None:
    await wire.greet()
    await wire.ack()
    await wire.trade(ms=wire.number)


async def silent(wire: Wire) -> None:
    """Stand, and say nothing more."""
    await _stand(wire)
    await wire.stay()


def test_a_server_that_goes_silent_in_an_open_market_is_left(live: Any, heard: Heard) -> None:
    with Vendor(silent) as vendor:
        feed = live(vendor.url, "A", silence=Silence(0.4))
        feed.read_until(lambda: len(vendor.opened) == 2 and len(feed.gaps) == 1)
        assert 0.4 < vendor.opened[1] - vendor.opened[0] < 2
        feed.stop()
    (gap,) = feed.gaps
    assert gap.cause == "silence"
    assert (gap.from_ns, gap.to_ns) == ((OPEN_MS + 1) * 10**6, (OPEN_MS + 2) * 10**6)
    assert [outage.cause for outage in heard.outages][:2] == ["silence", "silence"]
    assert heard.sentences[0] == (
        "The feed is lost (not an event for 0.4 s in an open market); connecting again."
    )


@pytest.mark.parametrize(
    "silence",
    [Silence(0), Silence(0.1, lambda: False)],
    ids=["the watchdog is off", "the market is closed"],
)
def test_silence_is_no_fault_where(live: Any, silence: Silence) -> None:
    with Vendor(silent) as vendor:
        feed = live(vendor.url, "A", silence=silence)
        feed.read_for(1.0)
        assert len(vendor.opened) == 1
        feed.stop()


def test_who_watches_nothing_expects_nothing(live: Any) -> None:
    async def quiet(wire: Wire) -> None:
        await wire.greet()
        await wire.stay()

    with Vendor(quiet) as vendor:
        feed = live(vendor.url, silence=Silence(0.1))
        feed.read_for(1.0)
        assert (len(vendor.opened), feed.feed.state.condition) == (1, "ok")
        feed.stop()


def test_a_half_open_connection_is_noticed_by_its_pings(live: Any, heard: Heard) -> None:
    async def frozen(wire: Wire) -> None:
        await _stand(wire)
        await (wire.freeze() if wire.number == 1 else wire.stay())

    timing = replace(QUICK, ping_s=0.2, pong_s=0.3)
    with Vendor(frozen, ping_interval=None) as vendor:
        feed = live(vendor.url, "A", timing=timing)
        feed.read_until(lambda: len(feed.gaps) == 1)
        assert 0.5 < vendor.opened[1] - vendor.opened[0] < 4  # and a second to close
        feed.read_for(1.0)
        assert len(vendor.opened) == 2  # one that answers pings stands
        feed.stop()
    assert heard.sentences == ["The feed is lost (no answer to a ping in 0.3 s); connecting again."]


@pytest.mark.parametrize("how", ["status", "status and close", "close"])
def test_an_account_over_quota_is_left_alone_for_a_while(live: Any, heard: Heard, how: str) -> None:
    async def evicted(wire: Wire) -> None:
        await _stand(wire)
        if wire.number > 3:
            await wire.stay()
        if "status" in how:
            await wire.status("max_connections", "Maximum number of connections exceeded. ")
        if "close" in how:
            await wire.connection.close(1008)
        await wire.stay()

    timing = replace(QUICK, cooldown_s=0.5, stable_s=60)
    with Vendor(evicted) as vendor:
        feed = live(vendor.url, "A", timing=timing)
        feed.read_until(lambda: len(feed.gaps) == 3)
        assert len(vendor.opened) == 4
        assert all(b - a >= 0.5 for a, b in pairwise(vendor.opened))
        feed.stop()
    assert {gap.cause for gap in feed.gaps} == {"max_connections"}
    assert heard.sentences == [
        "Another program uses the account of this key, and the feed closed our connection "
        "(max_connections): stop that program. Trying again, after 0.5 s or more each time."
    ]
    assert [outage.cause for outage in heard.outages] == ["max_connections"] * 6


def test_an_account_over_quota_may_be_told_at_the_login(live: Any, heard: Heard) -> None:
    async def full(wire: Wire) -> None:
        await wire.status("connected")
        await wire.hear()
        await wire.status("max_connections", "Maximum number of connections exceeded.")
        wire.abort()

    with Vendor(full) as vendor:
        feed = live(vendor.url, "A", timing=replace(QUICK, cooldown_s=0.3))
        feed.read_until(lambda: len(vendor.opened) == 3)
        assert all(b - a >= 0.3 for a, b in pairwise(vendor.opened))
        state = feed.feed.state
        assert (state.condition, state.cause) == ("connecting", "max_connections")
        feed.stop()
    (sentence,) = heard.sentences
    assert sentence.startswith("Another program uses the account of this key")


def test_pauses_grow_over_twenty_drops_and_begin_anew_after_a_stable_time(live: Any) -> None:
    async def dropping(wire: Wire) -> None:
        await _stand(wire)
        if wire.number > 20:
            await asyncio.sleep(1.0)
        if wire.number < 24:
            wire.abort()
        await wire.stay()

    timing = replace(QUICK, first_pause_s=0.02, longest_pause_s=0.32, stable_s=0.8)
    with Vendor(dropping) as vendor:
        feed = live(vendor.url, "A", timing=timing)
        feed.read_until(lambda: len(feed.gaps) == 23, 30)
        feed.stop()
    between = [b - a for a, b in pairwise(vendor.opened)]
    caps = [0.02, 0.04, 0.08, 0.16, *[0.32] * 16]
    assert [pause >= cap / 2 for pause, cap in zip(between, caps, strict=False)] == [True] * 20
    assert sum(between[:20]) < sum(caps) + 3  # twenty times connecting takes time, too
    assert min(between[20:]) < 1.0 + 0.16  # it stood for a second, and the pause was a first one
    assert feed.feed.state.reconnects == 23


def test_a_plan_of_trades_alone_is_said_once_however_many_symbols(live: Any, heard: Heard) -> None:
    async def trades_only(wire: Wire) -> None:
        await wire.greet()
        while True:
            await wire.ack(refused="Q")
            await wire.trade()

    wanted = ["A", "B"]
    with Vendor(trades_only) as vendor:
        feed = live(vendor.url, wanted=lambda: tuple(wanted))
        feed.read_until(lambda: feed.feed.state.topics_granted == 2)
        wanted.append("C")
        feed.read_until(lambda: feed.feed.state.topics_granted == 3)
        state = feed.feed.state.public()
        feed.stop()
    assert (state["trades_only"], state["condition"]) == (True, "ok")
    assert state["topics_refused"] == ["Q.A", "Q.B", "Q.C"]
    assert heard.sentences == [
        "The plan of this key has no quotes (Q.A, Q.B: 'not authorized'): sides come from the "
        "tick rule, and each alert says so."
    ]


def test_a_plan_without_trades_is_no_plan_of_trades_alone(live: Any, heard: Heard) -> None:
    async def quotes_only(wire: Wire) -> None:
        await wire.greet()
        await wire.ack(refused="T")
        await wire.stay()

    with Vendor(quotes_only) as vendor:
        feed = live(vendor.url, "A")
        feed.read_until(lambda: bool(heard.sentences))
        assert not feed.feed.state.trades_only
        feed.stop()
    assert heard.sentences == [
        "The feed does not grant T.A ('not authorized'): the plan of this key does not include "
        "it. The feed goes on with the rest."
    ]


def test_statuses_nobody_knows_are_said_once_each_and_without_the_key(
    live: Any, heard: Heard
) -> None:
    async def chatty(wire: Wire) -> None:
        await wire.status("maintenance", "tonight")
        await wire.greet()
        await wire.ack()
        for n in range(3):
            await wire.status("maintenance", f"in {n} hours")
            await wire.status("notice", "key mock-key is old ")
            await wire.status("error", "something")
        await wire.trade()
        if wire.number == 1:
            wire.abort()
        await wire.stay()

    with Vendor(chatty) as vendor:
        feed = live(vendor.url, "A")
        feed.read_until(lambda: len(feed.gaps) == 1)
        feed.stop()
    assert [said for said in heard.sentences if said.startswith("The feed says")] == [
        "The feed says maintenance: tonight",
        "The feed says notice: key (key) is old",
        "The feed says error: something",
    ]


def test_a_status_said_just_before_the_end_is_the_cause_of_it(live: Any) -> None:
    async def cut_off(wire: Wire) -> None:
        await _stand(wire)
        await wire.status("slow_consumer", "too slow")
        wire.abort()

    timing = replace(QUICK, poll_s=0.001, longest_pause_s=0.02)
    with Vendor(cut_off) as vendor:
        wanted = [["A"], ["B"]]  # so that it keeps on asking
        feed = live(
            vendor.url, timing=timing, wanted=lambda: wanted[time.monotonic_ns() // 10**6 % 2]
        )
        feed.read_until(lambda: len([g for g in feed.gaps if g.symbol == "*"]) == 10)
        feed.stop()
    assert {gap.cause for gap in feed.gaps if gap.symbol == "*"} == {"slow_consumer"}


def test_a_host_that_cannot_be_looked_up_is_said_once(live: Any, heard: Heard) -> None:
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo("no-such-host.invalid", 1)
    feed = live("ws://no-such-host.invalid:1", "A")
    feed.read_for(1.0)
    feed.stop()
    assert heard.sentences == [
        "Cannot use the feed at ws://no-such-host.invalid:1/stocks (the name "
        "no-such-host.invalid cannot be looked up); trying on."
    ]


def test_one_outage_is_one_complaint_whatever_goes_wrong_in_it(live: Any, heard: Heard) -> None:
    async def moody(wire: Wire) -> None:
        if wire.number == 1:
            await _stand(wire)
        elif wire.number < 8:
            await wire.connection.close(4000 + wire.number)
        else:
            await _stand(wire)
            await wire.stay()

    with Vendor(moody) as vendor:
        feed = live(vendor.url, "A")
        feed.read_until(lambda: len(feed.gaps) == 1)
        feed.stop()
    lost, cannot = heard.sentences
    assert lost.startswith("The feed is lost (")
    assert cannot.startswith("Cannot use the feed at ")
    assert [outage.until_ns is None for outage in heard.outages] == [True, False]


def test_a_frame_as_large_as_the_server_likes_is_read(live: Any) -> None:
    async def large(wire: Wire) -> None:
        await wire.greet()
        await wire.ack()
        await wire.say(*[{"ev": "T", "sym": "A", "t": OPEN_MS, "n": "x" * 100}] * 50_000)
        await wire.stay()

    with Vendor(large) as vendor:
        feed = live(vendor.url, "A")
        feed.read_until(lambda: feed.feed.state.frames == 1)
        feed.stop()
    assert len(feed.events) == 50_000


def test_positions_are_subscribed_and_left_within_two_seconds(tmp_path: Path, live: Any) -> None:
    asked: list[tuple[float, str, str]] = []

    async def listening(wire: Wire) -> None:
        await wire.greet()
        while True:
            request = await wire.hear()
            asked.append((time.monotonic(), request["action"], request["params"]))
            verb = f"{request['action']}d to: "
            for topic in request["params"].split(","):
                await wire.status("success", verb + topic)

    held = tmp_path / "positions.json"
    held.write_text('{"AAPL": 100}', encoding="utf-8")
    with Vendor(listening) as vendor:
        settings = Settings(
            positions_file=held, polygon_ws_url=vendor.url, polygon_api_key="mock-key"
        )
        feed = Live(polygon_feed(settings, Heard().listeners))
        feed.read_until(lambda: len(asked) == 1)
        changed = time.monotonic()
        held.write_text('[{"symbol": "MSFT", "quantity": -5}]', encoding="utf-8")
        feed.read_until(lambda: len(asked) == 3)
        feed.stop()
    assert [what for _, *what in asked] == [
        ["subscribe", "T.AAPL,Q.AAPL"],
        ["unsubscribe", "Q.AAPL,T.AAPL"],
        ["subscribe", "T.MSFT,Q.MSFT"],
    ]
    assert asked[2][0] - changed < 2


def test_the_settings_say_what_is_held_and_when_silence_is_too_long(tmp_path: Path) -> None:
    held = tmp_path / "positions.json"
    held.write_text('{"TSLA": 5}', encoding="utf-8")
    base = {"symbols": ("AAPL",), "silence_seconds": 7.0, "sessions": "all"}
    found = []
    for mode, file in (
        ("all", None), ("all", held), ("watchlist", None), ("watchlist", held),
        ("positions_only", held),
    ):  # fmt: skip
        settings = Settings(monitoring_mode=mode, positions_file=file, **base)  # type: ignore[arg-type]
        feed: PolygonFeed = polygon_feed(settings, Heard().listeners)
        found.append(tuple(feed.watch.held()))
    assert found == [(), ("TSLA",), (), ("TSLA",), ("TSLA",)]
    assert feed.silence.limit_s == 7


def test_a_socket_is_read_on_while_the_flow_stands_still_and_quotes_go_first(live: Any) -> None:
    burst = 6_000  # frames: two of quotes for each trade

    async def flood(wire: Wire) -> None:
        await wire.greet()
        await wire.ack()
        for n in range(burst // 3):
            await wire.trade("A", n)
            for symbol in ("A", "HELD"):
                await wire.say({"ev": "Q", "sym": symbol, "bp": 1, "t": OPEN_MS + n})
        await wire.hear()  # the client asks for more: it has seen all of this
        await wire.trade("A", 10_000)
        await wire.stay()

    wanted = ["A"]
    with Vendor(flood) as vendor:
        feed = live(
            vendor.url, wanted=lambda: tuple(wanted), held=lambda: ("HELD",), max_bytes=850_000
        )
        deadline = time.monotonic() + 20
        while feed.feed.state.frames < burst:  # nothing is taken meanwhile
            assert time.monotonic() < deadline
            time.sleep(0.01)
        wanted.append("B")
        feed.read_until(lambda: feed.feed.state.frames == burst + 1)
        feed.read_for(0.3)
        state = feed.feed.state
        feed.stop()
    seen = [(e["ev"], e["sym"]) for e in feed.events if e["ev"] != "gap"]
    assert seen.count(("T", "A")) == burst // 3 + 1
    assert seen.count(("Q", "HELD")) == burst // 3
    assert seen.count(("Q", "A")) == burst // 3 - state.shed_frames
    assert (state.shed_frames > 100, state.dropped_frames) == (True, 0)
    assert {(gap.symbol, gap.cause, gap.refilled) for gap in feed.gaps} == {("A", "shed", False)}
    assert feed.gaps[0].from_ns == OPEN_MS * 10**6


@pytest.mark.parametrize("freshness", [True, False])
def test_a_feed_of_another_time_is_said_once_unless_nobody_cares(freshness: bool) -> None:
    async def far_ahead(wire: Wire) -> None:
        await wire.greet()
        await wire.ack()
        ahead_ms = time.time_ns() // 10**6 + 3_600_000 - OPEN_MS
        for n in range(3):
            await wire.trade(ms=ahead_ms + n)
        await wire.stay()

    heard = Heard()
    with Vendor(far_ahead) as vendor:
        settings = Settings(
            monitoring_mode="all",
            polygon_ws_url=vendor.url,
            polygon_api_key="mock-key",
            freshness=freshness,
        )
        feed = Live(polygon_feed(settings, heard.listeners))
        feed.read_until(lambda: feed.feed.state.frames == 3)
        feed.stop()
    # Never a reason to reject. What was missed of the phase, if it is one now, is on record.
    assert [event["ev"] for event in feed.events if event["ev"] != "gap"] == ["T", "T", "T"]
    assert [said[:21] for said in heard.sentences] == ["The feed's times are "] * freshness
