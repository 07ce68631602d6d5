"""Faults of the stream: what a subscribed client loses, and what REST has of it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
import urllib3
from websockets.exceptions import ConnectionClosed, ConnectionClosedError

from flows.mock import MockPolygon
from flows.mock.faults import (
    Disconnect,
    HalfOpen,
    LargeFrames,
    MaxConnections,
    Outage,
    Silence,
    SlowConsumer,
)
from tests.flows.mock import tapes
from tests.flows.mock.tapes import (
    Client,
    at,
    open_client,
    small_tape,
    subscribed,
    until_closed,
    write_tape,
)


def back(mock: MockPolygon) -> Client:
    """Subscribe again, as soon as connections are accepted."""
    give_up = time.monotonic() + 10
    while True:
        try:
            return subscribed(mock.ws_url)
        except (ConnectionRefusedError, ConnectionClosed):
            if time.monotonic() > give_up:
                raise
            time.sleep(0.01)


def rest_trades(mock: MockPolygon, symbol: str, query: str = "") -> list[int]:
    path = f"/v3/trades/{symbol}?apiKey=mock-key&order=asc&limit=50000{query}"
    with urllib3.PoolManager() as pool:
        page = msgspec.json.decode(pool.request("GET", mock.rest_url + path).data)
    return [trade["sequence_number"] for trade in page["results"]]


def test_an_outage_costs_exactly_the_events_of_its_time_and_rest_has_them(tmp_path: Path) -> None:
    fault = Outage(after_events=100, for_events=300)
    tape = small_tape(tmp_path, trades=300, symbols=("AAPL",))
    with MockPolygon([tape], at_end="close", faults=[fault]) as mock:
        before = until_closed(subscribed(mock.ws_url))
        client = back(mock)
        printed = rest_trades(mock, "AAPL")
        after = until_closed(client)
        trades = [[e["q"] for e in part if e["ev"] == "T"] for part in (before, after)]
        missed = rest_trades(mock, "AAPL", f"&timestamp.gt={before[-1]['t'] * 10**6 + 999_999}")
    assert (len(before), len(after)) == (100, 500)
    assert trades == [[*range(1, 35)], [*range(135, 301)]]  # every third event is a trade
    assert missed == [*range(35, 301)]
    assert printed == [*range(1, 135)]  # not what was still to come
    assert mock.sent == [100, 500]
    assert mock.strikes == [1]


def test_rest_lists_nothing_before_the_tape_begins(tmp_path: Path) -> None:
    with MockPolygon([small_tape(tmp_path, trades=4)]) as mock:
        assert rest_trades(mock, "AAPL") == []
        client = subscribed(mock.ws_url)
        assert mock.finished.wait(5)
        assert rest_trades(mock, "AAPL") == [1, 2]
        client.close()


def test_or_what_was_before_the_beginning_of_a_tape_begun_in_the_middle(tmp_path: Path) -> None:
    tape = small_tape(tmp_path, trades=3000, symbols=("AAPL",))
    with MockPolygon([tape], begin_s=2.5, at_end="close") as mock:
        client = subscribed(mock.ws_url, "T.*")
        assert rest_trades(mock, "AAPL", "&timestamp.lt=" + str(at(2500)))[-1] == 2500
        assert [e["q"] for e in until_closed(client)] == [*range(2501, 3001)]


def test_one_print_is_not_listed_before_the_other_of_the_same_time(tmp_path: Path) -> None:
    write_tape(tmp_path / "t.parquet", tapes.TRADES, *[("A", at(0), 1.0, 1)] * 5)
    with MockPolygon([tmp_path], faults=[Disconnect(after_events=2)]) as mock:
        assert len(until_closed(subscribed(mock.ws_url))) == 2
        assert rest_trades(mock, "A") == [1, 2]


@pytest.mark.parametrize("code", [None, 1012])
def test_a_connection_is_dropped_after_so_many_events_of_its_own(tmp_path: Path, code: Any) -> None:
    faults = [
        Disconnect(connection=1, after_events=10, code=code),
        Disconnect(connection=2, after_events=5, code=code),
    ]
    with MockPolygon([small_tape(tmp_path)], faults=faults, at_end="close") as mock:
        heard = [len(until_closed(subscribed(mock.ws_url, "T.*"))) for _ in range(3)]
    # Without an end the tape stands still meanwhile: nothing is missed.
    assert heard == mock.sent == [10, 5, 185]
    assert mock.strikes == [1, 1]


def test_a_disconnect_that_lasts_drops_whoever_comes_back(tmp_path: Path) -> None:
    fault = Disconnect(at_s=0.05, for_tape_s=0.1)
    with MockPolygon([small_tape(tmp_path)], rate=1000, faults=[fault], at_end="close") as mock:
        first = until_closed(subscribed(mock.ws_url))
        while not (then := until_closed(back(mock))):
            pass
        assert mock.strikes[0] > 1
    assert first[-1]["t"] == at(49) // 10**6
    assert then[0]["t"] >= at(150) // 10**6


def test_silence_sends_nothing_and_answers_pings(tmp_path: Path) -> None:
    fault = Silence(connection=1, after_events=30)
    with MockPolygon([small_tape(tmp_path)], faults=[fault]) as mock:
        client = subscribed(mock.ws_url)
        assert sum(len(client.hear()) for _ in range(4)) == 30
        assert client.hears_nothing()
        assert client.socket.ping().wait(2)
        client.say("subscribe", "A.X")
        assert client.hear()[0]["message"] == "subscribed to: A.X"
        client.close()


def test_a_silence_that_ends_has_cost_the_events_of_its_time(tmp_path: Path) -> None:
    fault = Silence(at_s=0.05, for_tape_s=0.1)
    with MockPolygon([small_tape(tmp_path)], faults=[fault], at_end="close") as mock:
        times = [(e["t"] * 10**6 - at(0)) // 10**6 for e in until_closed(subscribed(mock.ws_url))]
    assert sorted(set(times)) == [*range(50), *range(150, 200)]
    assert mock.sent == [300]


def test_half_open_means_no_events_and_no_pongs_until_it_ends(tmp_path: Path) -> None:
    with MockPolygon([small_tape(tmp_path, trades=3000)], rate=1000) as mock:
        client = subscribed(mock.ws_url)
        client.hear()
        mock.strike(HalfOpen(for_s=1.5))
        while not client.hears_nothing():
            pass
        pong = client.socket.ping()
        assert not pong.wait(0.1)
        assert pong.wait(5)
        client.hear()
        client.close()


def test_who_reads_too_slowly_is_told_and_killed_while_the_tape_goes_on(tmp_path: Path) -> None:
    fault = SlowConsumer(buffer_bytes=50_000, code=1008)
    tape = small_tape(tmp_path, trades=40_000)
    with MockPolygon([tape], faults=[fault], hold=False) as mock:
        slow = subscribed(mock.ws_url)
        while mock.strikes == [0] and not mock.finished.is_set():  # nobody reads
            time.sleep(0.01)
        heard = until_closed(slow)
        assert mock.finished.wait(60)
        assert heard.pop()["status"] == "slow_consumer"
        assert 0 < len(heard) == mock.sent[0] < mock.played == 120_000


def test_or_is_killed_without_a_word(tmp_path: Path) -> None:
    fault = SlowConsumer(buffer_bytes=50_000)
    tape = small_tape(tmp_path, trades=40_000)
    with MockPolygon([tape], faults=[fault], hold=False) as mock:
        slow = subscribed(mock.ws_url)
        assert mock.finished.wait(60)
        assert len(until_closed(slow)) < mock.played
        with pytest.raises(ConnectionClosedError) as closed:
            slow.hear()
        assert closed.value.rcvd is None


def test_events_come_in_bursts_of_many_in_a_frame(tmp_path: Path) -> None:
    def sizes(seed: int) -> list[int]:
        fault = LargeFrames(after_events=40, for_events=500)
        tape, frames = small_tape(tmp_path), []
        with MockPolygon([tape], faults=[fault], seed=seed, at_end="close") as mock:
            client = subscribed(mock.ws_url)
            try:
                while True:
                    frames.append(client.hear())
            except ConnectionClosed:
                pass
        assert [e["t"] for frame in frames for e in frame] == sorted(
            e["t"] for frame in frames for e in frame
        )
        return [len(frame) for frame in frames]

    first, again, other = sizes(1), sizes(1), sizes(2)
    assert first == again != other
    assert (first[:5], sum(first)) == ([8] * 5, 600)
    large = [size for size in first[5:] if size > 8]
    assert all(30 <= size <= 100 for size in large[:-1])
    assert sum(large) > 490


def test_nothing_is_lost_where_bursts_overlap(tmp_path: Path) -> None:
    faults = [LargeFrames(after_events=40, for_events=300), LargeFrames(after_events=97)]
    with MockPolygon([small_tape(tmp_path)], faults=faults, at_end="close") as mock:
        heard = until_closed(subscribed(mock.ws_url))
    assert [event["t"] for event in heard] == sorted(event["t"] for event in heard)
    assert len(heard) == mock.sent[0] == 600


def test_frames_come_close_to_a_size(tmp_path: Path) -> None:
    fault = LargeFrames(frame_bytes=1_000_000)
    with MockPolygon([small_tape(tmp_path, trades=6000)], faults=[fault], at_end="close") as mock:
        client = subscribed(mock.ws_url)
        client.socket.protocol.max_message_size = None
        first = client.socket.recv(10, decode=False)
        last = client.socket.recv(10, decode=False)
    assert 999_500 < len(first) <= 1_000_000
    assert len(msgspec.json.decode(first)) + len(msgspec.json.decode(last)) < 18_000
    assert mock.sent == [18_000]


def test_a_fault_can_begin_by_the_clock(tmp_path: Path) -> None:
    faults = [Disconnect(after_s=0.2, code=1001), MaxConnections(limit=0, after_s=600)]
    with MockPolygon([small_tape(tmp_path)], rate=500, faults=faults) as mock:
        client = subscribed(mock.ws_url)
        began = time.monotonic()
        heard = until_closed(client)
        assert time.monotonic() - began > 0.15
        assert 0 < len(heard) < 600
        assert mock.strikes == [1, 0]


def test_a_fault_can_be_struck_by_hand(tmp_path: Path) -> None:
    with MockPolygon([small_tape(tmp_path)]) as mock:
        client = subscribed(mock.ws_url)
        assert mock.finished.wait(5)
        mock.strike(Disconnect(code=1011))
        assert len(until_closed(client)) == 600
        mock.strike(Disconnect(stage="connected"))
        refused = open_client(mock.ws_url)
        refused.hear()
        with pytest.raises(ConnectionClosedError):
            refused.hear()
        assert mock.strikes == [1, 1]
        subscribed(mock.ws_url).close()


def test_a_fault_struck_by_hand_in_the_middle_ends_when_it_says(tmp_path: Path) -> None:
    with MockPolygon([small_tape(tmp_path)], rate=1500, at_end="close") as mock:
        client = subscribed(mock.ws_url)
        while mock.played < 50:
            client.hear()
        mock.strike(Silence(for_events=100))
        until_closed(client)
        assert 500 <= mock.sent[0] < 520


def test_connections_are_refused_until_the_last_of_two_outages_ends() -> None:
    with MockPolygon(faults=[Outage(for_s=0.2), Outage(for_s=2)]) as mock:
        time.sleep(0.5)
        with pytest.raises(ConnectionRefusedError):
            open_client(mock.ws_url)
        back(mock).close()


def test_what_is_to_befall_a_connection_later_does_not_outlive_the_mock() -> None:
    with MockPolygon(faults=[MaxConnections(limit=0, delay_s=600)]) as mock:
        assert subscribed(mock.ws_url).hears_nothing()
        assert mock.strikes == [1]
