"""The vendor's WebSocket protocol, server side: greeting, login, subscriptions and their acks.

What the server says and when follows what is known of the real one: every message an array of
objects; a login before anything else; one ack a topic; silence for a topic it has never heard
of; an ack, and no data, for a ticker it has never heard of; `error` for a topic outside the
plan, before the acks of the others; no second ack for a topic already held.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import msgspec
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from flows.mock.audience import Audience
from flows.mock.breaker import Breaker, say, status
from flows.mock.subscriber import Subscriber

STOCK_EVENTS = frozenset(("T", "Q", "A", "AM", "LULD", "NOI", "FMV", "LV"))
"""The topics the stocks cluster knows; any other is met with silence."""

_EVENT_AND_SYMBOL = re.compile(rf"(?:{'|'.join(STOCK_EVENTS)})\..+")

Acks = Literal["array", "frames", "none"]


class _Request(msgspec.Struct):
    """What a client may say. Example: `{"action":"subscribe","params":"T.AAPL,Q.AAPL"}`."""

    action: str
    params: str = ""


_read_request = msgspec.json.Decoder(_Request).decode


@dataclass(frozen=True)
class Rules:
    """What the server grants.

    Args:
        key: the API key that logs in.
        plan: event types the plan of that key includes.
        markets: URL paths it includes, without the slash.
        acks: several acks in one array or one frame each, as both have been seen; or none.
        login_s: seconds a client has to log in.
        events_per_frame: at most this many events in one data frame.
        drop_after: the n-th connection is aborted after the n-th number of data frames.
    """

    key: str
    plan: Collection[str]
    markets: Collection[str]
    acks: Acks
    login_s: float
    events_per_frame: int
    drop_after: tuple[int, ...]


class WebSocketService:
    """Serve connections, one coroutine each, into an audience.

    Args:
        rules: what is granted.
        audience: where the subscribed connections wait for data.
        breaker: what goes wrong with them.
    """

    def __init__(self, rules: Rules, audience: Audience, breaker: Breaker) -> None:
        self._rules = rules
        self._audience = audience
        self._breaker = breaker
        self.everyone: list[Subscriber] = []
        self._connected: set[ServerConnection] = set()

    def abort(self) -> None:
        """Drop every connection, logged in or not."""
        for connection in self._connected:
            connection.transport.abort()

    async def serve(self, connection: ServerConnection) -> None:
        """Greet a client, log it in, and answer its requests until it leaves."""
        drops, number = self._rules.drop_after, len(self.everyone) + 1
        drop_after = drops[number - 1] if number <= len(drops) else None
        subscriber = Subscriber(connection, number, self._rules.events_per_frame, drop_after)
        self.everyone.append(subscriber)
        self._connected.add(connection)
        self._breaker.enter(subscriber)
        try:
            await self._breaker.stage("before_connected", subscriber)
            await say(connection, status("connected", "Connected Successfully"))
            await self._breaker.stage("connected", subscriber)
            if await self._logged_in(subscriber):
                await self._breaker.stage("authenticated", subscriber)
                await self._subscriptions(subscriber)
        except ConnectionClosed:
            return
        finally:
            self._connected.discard(connection)
            self._breaker.leave(subscriber)

    async def _logged_in(self, subscriber: Subscriber) -> bool:
        connection = subscriber.connection
        try:
            async with asyncio.timeout(self._rules.login_s):
                request = await self._next_request(connection)
                while request.action != "auth" or self._breaker.login_unheard(subscriber):
                    request = await self._next_request(connection)
        except TimeoutError:
            late = status("auth_timeout", "No authentication request received.")
            await say(connection, late)
            return False
        refused = self._breaker.login_refused(subscriber)
        if request.params != self._rules.key or refused == "key":
            refusal = "authentication failed"
        elif self._market(connection) not in self._rules.markets or refused == "plan":
            refusal = "Your plan doesn't include websocket access."
        else:
            await say(connection, status("auth_success", "authenticated"))
            return True
        await say(connection, status("auth_failed", refusal))
        connection.transport.abort()  # the real server does not close in form either
        return False

    @staticmethod
    def _market(connection: ServerConnection) -> str:
        return connection.request.path.strip("/") if connection.request else ""

    @staticmethod
    async def _next_request(connection: ServerConnection) -> _Request:
        """Return the next request that can be read, text or binary; pass over the rest."""
        while True:
            try:
                return _read_request(await connection.recv(decode=False))
            except msgspec.DecodeError:
                continue

    async def _subscriptions(self, subscriber: Subscriber) -> None:
        self._audience.subscribers.add(subscriber)
        try:
            while True:
                request = await self._next_request(subscriber.connection)
                if request.action == "subscribe":
                    await self._subscribe(subscriber, request.params)
                elif request.action == "unsubscribe":
                    await self._unsubscribe(subscriber, request.params)
        finally:
            self._audience.leave(subscriber)

    async def _subscribe(self, subscriber: Subscriber, params: str) -> None:
        await self._breaker.stage("before_acks", subscriber)
        topics = [topic for topic in _topics(params) if topic not in subscriber.topics]
        refused = [topic for topic in topics if self._refused(topic, subscriber)]
        granted = [topic for topic in topics if topic not in refused]
        await self._answer(
            subscriber.connection,
            [status("error", "not authorized") for _ in refused]
            + [status("success", f"subscribed to: {topic}") for topic in granted],
        )
        newcomer = not subscriber.topics
        subscriber.change(add=granted)
        if newcomer and granted:
            await self._breaker.stage("streaming", subscriber)
        self._audience.changed()

    async def _unsubscribe(self, subscriber: Subscriber, params: str) -> None:
        given_up = [topic for topic in _topics(params) if topic in subscriber.topics]
        subscriber.change(remove=given_up)
        await self._answer(
            subscriber.connection,
            [status("success", f"unsubscribed to: {topic}") for topic in given_up],
        )
        self._audience.changed()

    def _refused(self, topic: str, subscriber: Subscriber) -> bool:
        in_plan = topic.partition(".")[0] in self._rules.plan
        return not in_plan or self._breaker.refuses(topic, subscriber)

    async def _answer(self, connection: ServerConnection, answer: list[dict[str, str]]) -> None:
        if self._rules.acks == "array" and answer:
            await say(connection, *answer)
        elif self._rules.acks == "frames":
            for one in answer:
                await say(connection, one)


def _topics(params: str) -> list[str]:
    """Return the topics of a request that the stocks cluster knows, each once."""
    topics = dict.fromkeys(topic.strip() for topic in params.split(","))
    return [topic for topic in topics if _EVENT_AND_SYMBOL.fullmatch(topic)]
