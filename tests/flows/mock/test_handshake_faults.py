"""Faults of the handshake, as a bare client meets them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from flows.mock import MockPolygon
from flows.mock.faults import (
    AuthFailed,
    AuthTimeout,
    Disconnect,
    MaxConnections,
    NotAuthorized,
    Outage,
    Stage,
)
from tests.flows.mock.tapes import Client, log_in, open_client, small_tape, subscribed, until_closed

TOO_MANY = {
    "ev": "status",
    "status": "max_connections",
    "message": "Maximum number of websocket connections exceeded.",
}


def heard_until_closed(client: Client) -> tuple[list[str], int | None]:
    """Go through the whole handshake; return the messages heard, and the close code if any."""
    heard: list[str] = []
    try:
        heard += [status["message"] for status in client.hear()]
        client.say("auth", "mock-key")
        heard += [status["message"] for status in client.hear()]
        client.say("subscribe", "T.A")
        while True:
            heard += [status["message"] for status in client.hear()]
    except ConnectionClosed as closed:
        return heard, closed.rcvd.code if closed.rcvd else None


STAGES: list[tuple[Stage, list[str]]] = [
    ("before_connected", []),
    ("connected", ["Connected Successfully"]),
    ("authenticated", ["Connected Successfully", "authenticated"]),
    ("before_acks", ["Connected Successfully", "authenticated"]),
    ("streaming", ["Connected Successfully", "authenticated", "subscribed to: T.A"]),
]


@pytest.mark.parametrize(("stage", "said"), STAGES)
@pytest.mark.parametrize("code", [None, 1000, 1001, 1008, 1011, 1012])
def test_a_connection_is_dropped_at_any_stage_in_form_or_not(
    stage: Stage, said: list[str], code: Any
) -> None:
    with MockPolygon(faults=[Disconnect(stage=stage, code=code, connection=1)]) as mock:
        assert heard_until_closed(open_client(mock.ws_url)) == (said, code)
        assert mock.strikes == [1]
        log_in(mock.ws_url).close()


def test_a_disconnect_happens_once_or_as_often_as_it_says() -> None:
    with MockPolygon(faults=[Disconnect(stage="connected")]) as mock:
        assert heard_until_closed(open_client(mock.ws_url))[0] == ["Connected Successfully"]
        log_in(mock.ws_url).close()
    with MockPolygon(faults=[Disconnect(stage="connected", connection=2, count=2)]) as mock:
        log_in(mock.ws_url).close()
        for _ in range(2):
            assert heard_until_closed(open_client(mock.ws_url))[0] == ["Connected Successfully"]
        log_in(mock.ws_url).close()
        assert mock.strikes == [2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("key", "authentication failed"),
        ("plan", "Your plan doesn't include websocket access."),
    ],
)
def test_a_good_login_is_refused_without_a_closing_handshake(text: Any, message: str) -> None:
    with MockPolygon(faults=[AuthFailed(text=text, count=1)]) as mock:
        said, code = heard_until_closed(open_client(mock.ws_url))
        assert (said, code) == (["Connected Successfully", message], None)
        log_in(mock.ws_url).close()


def test_a_login_that_is_not_heard_times_out() -> None:
    with MockPolygon(login_s=0.1, faults=[AuthTimeout(connection=1)]) as mock:
        said, _ = heard_until_closed(open_client(mock.ws_url))
        assert said == ["Connected Successfully", "No authentication request received."]
        log_in(mock.ws_url).close()


def test_topics_are_refused_before_the_acks_of_the_others() -> None:
    with MockPolygon(faults=[NotAuthorized(topics=("Q", "T.B"), count=3)]) as mock:
        client = log_in(mock.ws_url)
        client.say("subscribe", "T.A,T.B,Q.A,Q.*,A.A")
        assert [(s["status"], s["message"]) for s in client.hear()] == [
            ("error", "not authorized"),
            ("error", "not authorized"),
            ("error", "not authorized"),
            ("success", "subscribed to: T.A"),
            ("success", "subscribed to: A.A"),
        ]
        client.say("subscribe", "Q.A")  # the three are spent
        assert client.hear()[0]["message"] == "subscribed to: Q.A"
        client.close()


def end_of(client: Client) -> tuple[Any, int | None]:
    """Return the next frame, and the close code that follows if any."""
    said = client.hear()
    with pytest.raises(ConnectionClosed) as closed:
        client.hear()
    return said, closed.value.rcvd.code if closed.value.rcvd else None


def test_too_many_connections_kill_the_older_one() -> None:
    with MockPolygon(faults=[MaxConnections()]) as mock:
        older = subscribed(mock.ws_url, "T.*")
        newcomer = subscribed(mock.ws_url, "T.*")
        assert end_of(older) == ([TOO_MANY], 1008)
        assert newcomer.hears_nothing()
        assert mock.strikes == [1]
        newcomer.close()


def test_or_the_newcomer_and_without_a_closing_handshake() -> None:
    with MockPolygon(faults=[MaxConnections(kill="newcomer", code=None)]) as mock:
        older = subscribed(mock.ws_url, "T.*")
        assert end_of(subscribed(mock.ws_url, "T.*")) == ([TOO_MANY], None)
        assert older.hears_nothing()
        older.close()


def test_or_right_after_the_login_and_even_the_only_one() -> None:
    fault = MaxConnections(limit=0, stage="authenticated", delay_s=0.1, connection=1)
    with MockPolygon(faults=[fault]) as mock:
        client = log_in(mock.ws_url)
        began = time.monotonic()
        assert end_of(client) == ([TOO_MANY], 1008)
        assert time.monotonic() - began > 0.05
        log_in(mock.ws_url).close()


def test_who_is_about_to_be_killed_counts_no_longer() -> None:
    with MockPolygon(faults=[MaxConnections(delay_s=0.3)]) as mock:
        clients = [subscribed(mock.ws_url, "T.*") for _ in range(3)]
        assert [end_of(client) for client in clients[:2]] == [([TOO_MANY], 1008)] * 2
        assert clients[2].hears_nothing()
        assert mock.strikes == [2]
        clients[2].close()


def test_too_many_in_the_middle_of_the_stream(tmp_path: Path) -> None:
    fault = MaxConnections(after_events=20)
    with MockPolygon([small_tape(tmp_path)], settle_s=0.3, faults=[fault]) as mock:
        older, newcomer = subscribed(mock.ws_url, "T.*"), subscribed(mock.ws_url, "T.*")
        heard = until_closed(older)
        assert heard.pop() == TOO_MANY
        assert len(heard) == 7  # trades among the first 20 events
        assert mock.finished.wait(5)
        assert mock.sent == [7, 200]
        newcomer.close()


def test_an_outage_refuses_connections_until_it_ends() -> None:
    with MockPolygon(faults=[Outage(for_s=1)]) as mock:
        with pytest.raises(ConnectionRefusedError):
            open_client(mock.ws_url)
        time.sleep(1.2)
        log_in(mock.ws_url).close()
