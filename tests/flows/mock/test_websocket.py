"""The protocol, as it is known of the real server, spoken by a bare client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, ConnectionClosedOK

from flows.mock import MockPolygon
from tests.flows.mock.tapes import Client, log_in, open_client, small_tape


def status(kind: str, message: str) -> dict[str, str]:
    return {"ev": "status", "status": kind, "message": message}


@pytest.fixture
def silent() -> Iterator[MockPolygon]:
    """Serve an empty tape: whatever comes is the protocol's."""
    with MockPolygon(login_s=0.3) as mock:
        yield mock


def test_a_client_is_greeted_and_logged_in(silent: MockPolygon) -> None:
    client = open_client(silent.ws_url)
    assert client.hear() == [status("connected", "Connected Successfully")]
    client.say("auth", "mock-key")
    assert client.hear() == [status("auth_success", "authenticated")]
    client.close()


@pytest.mark.parametrize(
    ("key", "market", "message"),
    [
        ("wrong", "/stocks", "authentication failed"),
        ("mock-key", "/crypto", "Your plan doesn't include websocket access."),
    ],
)
def test_a_refused_login_ends_without_a_closing_handshake(
    silent: MockPolygon, key: str, market: str, message: str
) -> None:
    client = open_client(silent.ws_url, market)
    client.hear()
    client.say("auth", key)
    assert client.hear() == [status("auth_failed", message)]
    with pytest.raises(ConnectionClosedError) as closed:
        client.hear()
    assert closed.value.rcvd is None


def test_who_does_not_log_in_in_time_is_closed(silent: MockPolygon) -> None:
    client = open_client(silent.ws_url)
    client.hear()
    client.say("subscribe", "T.AAPL")
    assert client.hear() == [status("auth_timeout", "No authentication request received.")]
    with pytest.raises(ConnectionClosed):
        client.hear()


def test_each_topic_is_acknowledged_in_one_array(silent: MockPolygon) -> None:
    client = log_in(silent.ws_url)
    client.say("subscribe", "T.AAPL, Q.ANYTHING,LULD.*")
    assert client.hear() == [
        status("success", "subscribed to: T.AAPL"),
        status("success", "subscribed to: Q.ANYTHING"),
        status("success", "subscribed to: LULD.*"),
    ]
    client.close()


def test_or_each_in_a_frame_of_its_own() -> None:
    with MockPolygon(acks="frames") as mock:
        client = log_in(mock.ws_url)
        client.say("subscribe", "T.A,T.B", binary=True)
        assert client.hear() == [status("success", "subscribed to: T.A")]
        assert client.hear() == [status("success", "subscribed to: T.B")]
        client.close()


def test_unknown_topics_and_held_ones_are_met_with_silence(silent: MockPolygon) -> None:
    client = log_in(silent.ws_url)
    client.say("subscribe", "T.A")
    client.hear()
    client.say("subscribe", "T.A,ZZ.A,T,T.,nonsense")
    client.say("unsubscribe", "Q.A")
    client.socket.send("no JSON at all")
    client.socket.send('["no object"]')
    assert client.hears_nothing()
    client.say("unsubscribe", "T.A,Q.A")
    assert client.hear() == [status("success", "unsubscribed to: T.A")]
    client.close()


def test_a_topic_outside_the_plan_is_an_error_before_the_acks() -> None:
    with MockPolygon(plan=("T",)) as mock:
        client = log_in(mock.ws_url)
        client.say("subscribe", "T.A,Q.A")
        assert client.hear() == [
            status("error", "not authorized"),
            status("success", "subscribed to: T.A"),
        ]
        client.close()


def events(client: Client, count: int) -> list[list[tuple[str, str, int]]]:
    frames: list[list[tuple[str, str, int]]] = []
    while sum(map(len, frames)) < count:
        frames.append([(e["ev"], e["sym"], e["q"]) for e in client.hear()])
    return frames


def test_trades_and_quotes_travel_mixed_in_frames_of_eight(tmp_path: Path) -> None:
    with MockPolygon([small_tape(tmp_path, trades=8)]) as mock:
        client = log_in(mock.ws_url)
        client.say("subscribe", "T.*,Q.*")
        client.hear()
        frames = events(client, 24)
        assert [len(frame) for frame in frames] == [8, 8, 8]
        assert frames[0] == [
            ("T", "AAPL", 1),
            ("Q", "AAPL", 1),
            ("Q", "AAPL", 2),
            ("T", "MSFT", 1),
            ("Q", "MSFT", 1),
            ("Q", "MSFT", 2),
            ("T", "AAPL", 2),
            ("Q", "AAPL", 3),
        ]
        client.close()


def test_each_client_gets_what_it_is_subscribed_to(tmp_path: Path) -> None:
    with MockPolygon([small_tape(tmp_path, trades=4)], events_per_frame=100) as mock:
        one, other = log_in(mock.ws_url), log_in(mock.ws_url)
        one.say("subscribe", "T.AAPL,Q.MSFT")
        other.say("subscribe", "Q.*")
        one.hear()
        other.hear()
        assert events(one, 6) == [
            [
                ("T", "AAPL", 1),
                ("Q", "MSFT", 1),
                ("Q", "MSFT", 2),
                ("T", "AAPL", 2),
                ("Q", "MSFT", 3),
                ("Q", "MSFT", 4),
            ]
        ]
        (frame,) = events(other, 8)
        assert {kind for kind, _, _ in frame} == {"Q"}
        one.close()
        other.close()


def test_the_end_of_the_tape_can_close_in_form(tmp_path: Path) -> None:
    with MockPolygon([small_tape(tmp_path, trades=1)], at_end="close") as mock:
        client = log_in(mock.ws_url)
        client.say("subscribe", "T.*")
        client.hear()
        client.hear()
        with pytest.raises(ConnectionClosedOK):
            client.hear()


def test_literal_frames_are_sent_as_they_are() -> None:
    literal = [b"[{broken", b"[" + b" " * 2**20 + b"]", b"\xff\xfe"]
    with MockPolygon(frames=literal) as mock:
        client = log_in(mock.ws_url)
        client.say("subscribe", "T.A")
        client.hear()
        client.socket.protocol.max_message_size = None
        assert [client.socket.recv(5, decode=False) for _ in literal] == literal
        client.close()
