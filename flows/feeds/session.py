"""A live session: connect, log in, subscribe, read; and all of it again when it breaks.

Why not the vendor's client: it costs four times as much a frame, reconnects without a pause,
ends without a word on a clean close, stays silent for ever when it is dropped before its first
subscription, and looks neither at what a login was answered nor at whether topics were granted.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import Any
from urllib.parse import urlsplit

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from flows.errors import FeedRefusedError, SettingsError
from flows.feeds.backoff import Backoff, Timing
from flows.feeds.feed_state import FeedState, Listeners, Outage
from flows.feeds.frame_queue import FrameQueue
from flows.feeds.gaps import Gaps
from flows.feeds.subscriptions import TRADES, Subscriptions, chunks, named, topics_of
from operators.records import Coverage

MARKET = "stocks"
MAX_FRAME = 16 * 2**20
DISCONNECT = "disconnect"
# After these the server closes the connection; they are the cause of the gap that follows.
_FATAL = frozenset(("max_connections", "slow_consumer", "force_disconnect", "auth_timeout"))
_PASSED_OVER = frozenset(("connected", "auth_success"))


def market_url(host: str, market: str = MARKET) -> str:
    """Return the address of a market at a host: `ws://127.0.0.1:8765` gets `/stocks`.

    Raises:
        SettingsError: it is no WebSocket address.
    """
    parts = urlsplit(host)
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise SettingsError(
            f"POLYGON_WS_URL is {host}, but must begin with wss:// or ws:// and name a host."
        )
    path = parts.path.rstrip("/")
    return host.rstrip("/") if path.endswith(f"/{market}") else f"{host.rstrip('/')}/{market}"


class LostError(Exception):
    """The connection is of no use any more; the text says why."""


def _events(frame: bytes) -> list[dict[str, Any]]:
    """Return a frame's objects; nothing if it is not an array of objects."""
    try:
        return msgspec.json.decode(frame, type=list[dict[str, Any]])
    except (msgspec.DecodeError, RecursionError):
        return []


async def _first_of(*coroutines: Coroutine[Any, Any, None]) -> None:
    """Run coroutines until the first one ends, and end as it did."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Session:
    """The live feed as an endless coroutine that fills a queue.

    Args:
        url: address with the market's path.
        key: API key; it goes into the login message and nowhere else.
        symbols: called about every second: the symbols wanted now, `*` for the whole market.
        queue: where frames and coverage records go.
        state: kept up to date.
        listeners: who is told of outages, and of what a user should know.
        timing: how long to wait for what.
    """

    def __init__(
        self,
        url: str,
        key: str,
        symbols: Callable[[], Iterable[str]],
        queue: FrameQueue,
        state: FeedState,
        listeners: Listeners,
        timing: Timing,
    ) -> None:
        self._url = url
        self._key = key
        self._symbols = symbols
        self._queue = queue
        self._state = state
        self._listeners = listeners
        self._timing = timing
        self._gaps = Gaps()
        self._subscriptions = Subscriptions()
        self._asked_at = 0.0
        self._stands_since: float | None = None
        self._cause = DISCONNECT
        self._complaint = ""

    async def run(self) -> None:
        """Keep the feed up until cancelled.

        Raises:
            FeedRefusedError: the server does not let this key in; trying again is no use.
        """
        backoff = Backoff(self._timing, random.Random())
        try:
            while True:
                try:
                    await self._connection()
                except (OSError, WebSocketException, LostError) as error:
                    self._lost(error)
                if self._stands_since is not None:
                    backoff.stood(time.monotonic() - self._stands_since)
                    self._stands_since = None
                await asyncio.sleep(backoff.pause_s())
        finally:
            if self._gaps.open:
                self._queue.mark(self._gaps.end_unseen())
            self._state.condition = "closed"

    async def _connection(self) -> None:
        async with connect(
            self._url,
            open_timeout=self._timing.open_s,
            close_timeout=1,
            ping_interval=20,
            ping_timeout=20,
            max_size=MAX_FRAME,
            max_queue=1024,  # frames; the library's 16 stop and start the socket all the time
            compression=None,
            proxy=None,
        ) as connection:
            self._state.connects += 1
            self._state.reconnects = self._state.connects - 1
            self._cause = DISCONNECT
            self._subscriptions = Subscriptions()
            await self._log_in(connection)
            await _first_of(self._read(connection), self._keep_subscribed(connection))

    async def _log_in(self, connection: ClientConnection) -> None:
        await self._reply(connection, "connected")
        login = msgspec.json.encode({"action": "auth", "params": self._key})
        await connection.send(login, text=True)
        await self._reply(connection, "auth_success")

    async def _reply(self, connection: ClientConnection, wanted: str) -> None:
        try:
            async with asyncio.timeout(self._timing.reply_s):
                while True:
                    for event in _events(await connection.recv(decode=False)):
                        if event.get("status") == wanted:
                            return
                        self._refusal(event)
        except TimeoutError as error:
            raise LostError(f"no '{wanted}' in {self._timing.reply_s:g} s") from error

    def _refusal(self, event: dict[str, Any]) -> None:
        status, message = str(event.get("status")), str(event.get("message", ""))
        if status == "auth_failed":
            raise FeedRefusedError(
                f"The feed at {self._url} refused the login ('{self._safe(message)}'): check "
                "POLYGON_API_KEY, and that its plan includes stocks over WebSocket."
            )
        if status in _FATAL:
            self._cause = status
            raise LostError(f"{status}: {self._safe(message)}")

    def _safe(self, message: str) -> str:
        """Return what the server said, should it ever repeat the key, without it."""
        return (message.replace(self._key, "(key)") if self._key else message).strip()

    async def _keep_subscribed(self, connection: ClientConnection) -> None:
        """Ask for what is wanted, at once and whenever it changes; look after missing acks."""
        while True:
            wanted = topics_of(self._symbols())
            self._state.topics_wanted = len(wanted)
            new, old = self._subscriptions.changes(wanted)
            if new:
                self._state.subscribed_ns = 0
            for topic in old:
                self._note_unwatched(topic)
            for action, topics in (("unsubscribe", old), ("subscribe", new)):
                for chunk in chunks(topics):
                    request = {"action": action, "params": ",".join(chunk)}
                    await connection.send(msgspec.json.encode(request), text=True)
            if new:
                self._asked_at = time.monotonic()
            self._settle()
            await asyncio.sleep(self._timing.poll_s)

    def _note_unwatched(self, topic: str) -> None:
        event, _, symbol = topic.partition(".")
        if event == TRADES:
            self._gaps.unwatch(symbol)

    def _settle(self) -> None:
        overdue = time.monotonic() - self._asked_at > self._timing.ack_s
        settled = self._subscriptions.settle(overdue)
        if settled is None:
            return
        self._state.topics_granted = len(self._subscriptions.granted)
        self._state.subscribed_ns = self._state.subscribed_ns or time.time_ns()
        refused = [t for t in settled.refused if t not in self._state.topics_refused]
        if refused:
            self._state.topics_refused = self._state.topics_refused + refused
            self._listeners.said(
                f"The feed does not grant {named(refused)}: the plan of this key does not include "
                "it. The feed goes on with the rest."
            )
        if settled.silent:
            self._listeners.said(
                f"The feed did not acknowledge {named(settled.silent)} in "
                f"{self._timing.ack_s:g} s: no data may come for it."
            )
        self._stands()

    def _stands(self) -> None:
        """The feed is up: subscribed as far as it will be, or data has come."""
        if self._stands_since is not None:
            return
        self._stands_since = time.monotonic()
        self._complaint = ""
        state = self._state
        since_ns, state.blind_since_ns = state.blind_since_ns, None
        cause, state.cause = state.cause, None
        state.condition = "ok"
        if since_ns is not None:
            self._listeners.restored(Outage(cause or DISCONNECT, since_ns, time.time_ns()))

    def _lost(self, error: Exception) -> None:
        """Note that the connection has ended, or could not be made."""
        reason = self._safe(str(error)) or type(error).__name__
        if self._stands_since is not None:
            self._gaps.begin(self._cause)
            now = time.time_ns()
            self._state.condition = "blind"
            self._state.cause = self._cause
            self._state.blind_since_ns = now
            self._listeners.blind(Outage(self._cause, now, None))
            self._listeners.said(f"The feed is lost ({reason}); connecting again.")
        elif reason != self._complaint:
            self._listeners.said(f"Cannot use the feed at {self._url} ({reason}); trying on.")
            self._complaint = reason

    async def _read(self, connection: ClientConnection) -> None:
        recv, now, put, state = connection.recv, time.time_ns, self._queue.put, self._state
        while True:
            frame: bytes | None = await recv(decode=False)
            received_ns = now()
            if frame is not None and b'"status"' in frame:
                frame = self._without_statuses(frame)
            if frame is None:
                continue
            if self._stands_since is None:
                self._stands()
            if self._gaps.open:
                self._queue.mark(self._gaps.end(received_ns, frame))
            put(received_ns, frame)
            self._gaps.saw(received_ns, frame)
            state.frames += 1
            state.last_received_ns = received_ns

    def _without_statuses(self, frame: bytes) -> bytes | None:
        """Act on the status objects of a frame; return it without them, None if all were."""
        events = _events(frame)
        data = [event for event in events if event.get("ev") != "status"]
        if len(data) == len(events):
            return frame
        for event in events:
            if event.get("ev") == "status":
                self._status(event)
        return msgspec.json.encode(data) if data else None

    def _status(self, event: dict[str, Any]) -> None:
        status, message = str(event.get("status")), str(event.get("message", ""))
        self._refusal(event)
        if status == "success":
            topic = self._subscriptions.answered(message)
            again = self._watched_again(topic) if topic else None
            if again is not None:
                self._queue.mark(again)
            self._settle()
        elif status == "error":
            self._subscriptions.refused()
            self._settle()
        elif status not in _PASSED_OVER:
            self._listeners.said(f"The feed says {status}: {self._safe(message)}")

    def _watched_again(self, topic: str) -> Coverage | None:
        event, _, symbol = topic.partition(".")
        return self._gaps.watch(symbol) if event == TRADES else None
