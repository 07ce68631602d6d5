"""The live side of the vendor."""

from __future__ import annotations

import time
from typing import Any

import msgspec
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from flows.doctor.check import FAIL, OK, WARN, Check
from flows.errors import SettingsError
from flows.feeds.session import market_url
from flows.feeds.subscriptions import Subscriptions, topics_of
from flows.settings import Settings

_NAMES = {"T": "trades (live)", "Q": "quotes (live)"}


class _RefusedError(Exception):
    """The server said no; the text is its status."""


def checks(settings: Settings, symbol: str, timeout_s: float) -> list[Check]:
    """Log in, subscribe to one symbol and look at what is granted."""
    try:
        url = market_url(settings.polygon_ws_url)
        with connect(
            url, open_timeout=timeout_s, close_timeout=1, compression=None, proxy=None
        ) as connection:
            return _logged_in(connection, settings.polygon_api_key, symbol, timeout_s)
    except SettingsError as wrong:
        return [Check("WebSocket", FAIL, str(wrong), "correct it")]
    except _RefusedError as refused:
        return [_refusal(str(refused))]
    except TimeoutError:
        found = f"{url} did not answer in {timeout_s:g} s"
    except (OSError, WebSocketException) as error:
        found = f"{url} cannot be used ({str(error) or type(error).__name__})"
    return [Check("WebSocket", FAIL, found, "check the network and POLYGON_WS_URL")]


def _refusal(status: str) -> Check:
    if status == "max_connections":
        return Check(
            "WebSocket", WARN, "the key is accepted, but its connection is in use",
            "stop whatever else is logged in with it",
        )  # fmt: skip
    return Check(
        "WebSocket", FAIL, f"the login is refused ({status})",
        "check POLYGON_API_KEY, and that its plan includes stocks over WebSocket",
    )  # fmt: skip


def _logged_in(
    connection: ClientConnection, key: str, symbol: str, timeout_s: float
) -> list[Check]:
    _reply(connection, "connected", timeout_s)
    connection.send(msgspec.json.encode({"action": "auth", "params": key}), text=True)
    _reply(connection, "auth_success", timeout_s)
    topics = Subscriptions()
    asked, _ = topics.changes(topics_of([symbol]))
    request = {"action": "subscribe", "params": ",".join(asked)}
    connection.send(msgspec.json.encode(request), text=True)
    silent = _answers(connection, topics, timeout_s)
    granted = [Check("WebSocket", OK, "the key is accepted")]
    return granted + [_topic(topic, topics, topic in silent) for topic in asked]


def _topic(topic: str, topics: Subscriptions, silent: bool) -> Check:
    kind = topic[0]
    if topic in topics.granted:
        return Check(_NAMES[kind], OK, "in the plan")
    found = "not acknowledged" if silent else "not in the plan"
    if kind == "T":
        return Check(_NAMES[kind], FAIL, found, "use a plan with trades over WebSocket")
    what = f"{found}: sides come from the tick rule"
    return Check(_NAMES[kind], WARN, what, "use a plan with quotes over WebSocket")


def _events(connection: ClientConnection, timeout_s: float) -> list[dict[str, Any]]:
    try:
        frame = connection.recv(timeout_s, decode=False)
        return msgspec.json.decode(frame, type=list[dict[str, Any]])
    except (msgspec.DecodeError, RecursionError):
        return []


def _reply(connection: ClientConnection, wanted: str, timeout_s: float) -> None:
    """Wait for a status.

    Raises:
        _RefusedError: the server says no.
        TimeoutError: it says nothing.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        for event in _events(connection, max(0.0, deadline - time.monotonic())):
            status = str(event.get("status"))
            if status == wanted:
                return
            if event.get("ev") == "status" and status != "connected":
                raise _RefusedError(status)


def _answers(connection: ClientConnection, topics: Subscriptions, timeout_s: float) -> list[str]:
    """Take the acks; return the topics that were not answered."""
    deadline = time.monotonic() + timeout_s
    while topics.open:
        left = deadline - time.monotonic()
        try:
            events = _events(connection, left) if left > 0 else []
        except TimeoutError:
            events = []
        for event in events:
            if event.get("status") == "success":
                topics.answered(str(event.get("message")))
            elif event.get("status") == "error":
                topics.refused()
            elif event.get("status") == "max_connections":
                raise _RefusedError("max_connections")
        settled = topics.settle(overdue=not events and left <= 0)
        if settled is not None and settled.silent:
            return settled.silent
    return []
