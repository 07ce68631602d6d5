"""The vendor's own WebSocket client against the faults: its known defects prove them faithful."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from polygon import WebSocketClient
from polygon.exceptions import AuthError
from websockets.exceptions import ConnectionClosedError

from flows.mock import MockPolygon
from flows.mock.faults import AuthFailed, Disconnect, Fault, HalfOpen, MaxConnections, Stage
from tests.flows.mock.tapes import small_tape, subscribed, until_closed


def vendors_client(mock: MockPolygon, max_reconnects: int | None = 5) -> WebSocketClient:
    return WebSocketClient(
        mock.key,
        feed=mock.ws_url.removeprefix("ws://"),
        secure=False,
        raw=True,
        subscriptions=["T.*"],
        max_reconnects=max_reconnects,
    )


Heard = list[dict[str, Any]]


@pytest.fixture
def heard() -> Heard:
    """Return what a client is going to hear."""
    return []


def run(client: WebSocketClient, heard: Heard, seconds: float = 10, **options: Any) -> None:
    """Run a client until it ends; one that does not is stopped."""

    async def keep(frame: str) -> None:
        heard.extend(json.loads(frame))

    async def connect() -> None:
        async with asyncio.timeout(seconds):
            await client.connect(keep, proxy=None, **options)

    asyncio.run(connect())


def trades(heard: Heard) -> int:
    return sum(event["ev"] == "T" for event in heard)


@pytest.mark.parametrize("stage", ["before_connected", "connected"])
def test_dropped_before_its_first_subscription_it_stays_silent_for_ever(
    tmp_path: Path, stage: Stage, heard: Heard
) -> None:
    drop = Disconnect(stage=stage, connection=1)
    with MockPolygon([small_tape(tmp_path)], faults=[drop]) as mock:
        with pytest.raises(TimeoutError):
            run(vendors_client(mock), heard, seconds=2)
        assert (mock.connections, mock.topics, heard) == (2, set(), [])


def test_dropped_in_the_middle_it_comes_back_at_once_and_goes_on(
    tmp_path: Path, heard: Heard
) -> None:
    drops = [Disconnect(connection=n, after_events=10) for n in (1, 2, 3)]
    with MockPolygon([small_tape(tmp_path)], faults=drops, at_end="close") as mock:
        run(vendors_client(mock), heard)
        assert mock.sent == [10, 10, 10, 170]
    assert trades(heard) == 200


@pytest.mark.parametrize("code", [1000, 1001])
def test_closed_in_form_it_ends_without_a_word(tmp_path: Path, code: Any, heard: Heard) -> None:
    close = Disconnect(after_events=9, code=code)
    with MockPolygon([small_tape(tmp_path)], faults=[close]) as mock:
        run(vendors_client(mock), heard)
        assert mock.connections == 1
    assert trades(heard) == 3


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (MaxConnections(limit=0), 1008),
        (MaxConnections(limit=0, stage="authenticated"), 1008),
        (Disconnect(for_s=60, code=1011), 1011),
        (Disconnect(for_s=60, code=1012, stage="before_acks"), 1012),
    ],
)
def test_it_burns_its_reconnects_at_once(fault: Fault, code: int) -> None:
    with MockPolygon(faults=[fault]) as mock:
        began = time.monotonic()
        with pytest.raises(ConnectionClosedError) as ended:
            run(vendors_client(mock), [])
        assert time.monotonic() - began < 9
        assert mock.connections == 6
        assert mock.strikes == [6]
    assert ended.value.rcvd is not None
    assert ended.value.rcvd.code == code


@pytest.mark.parametrize(
    ("text", "says"), [("key", "authentication failed"), ("plan", "Your plan doesn't include")]
)
def test_a_refused_login_ends_it(text: Any, says: str) -> None:
    with (
        MockPolygon(faults=[AuthFailed(text=text)]) as mock,
        pytest.raises(AuthError, match=says),
    ):
        run(vendors_client(mock), [])


def test_a_half_open_connection_is_given_up_for_want_of_pongs(tmp_path: Path, heard: Heard) -> None:
    half_open = HalfOpen(connection=1, after_events=10)
    with MockPolygon([small_tape(tmp_path)], rate=300, faults=[half_open], at_end="close") as mock:
        run(vendors_client(mock), heard, ping_interval=0.1, ping_timeout=0.6)
        assert mock.connections == 2
        sent = mock.sent
    assert sent[0] == 10
    assert 0 < sent[1] < 190  # the rest was missed
    assert trades(heard) == sum(sent)


def test_another_client_of_the_account_takes_its_place(tmp_path: Path, heard: Heard) -> None:
    with MockPolygon([small_tape(tmp_path)], rate=1000, faults=[MaxConnections()]) as mock:
        older = subscribed(mock.ws_url)
        with pytest.raises(TimeoutError):
            run(vendors_client(mock), heard, seconds=1)
        assert until_closed(older)[-1]["status"] == "max_connections"
        assert trades(heard) > 0
