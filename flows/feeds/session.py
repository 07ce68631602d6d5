"""A live session: connect, log in, subscribe, read; and all of it again when it breaks.

Why not the vendor's client: it costs four times as much a frame, reconnects without a pause,
ends without a word on a clean close, stays silent for ever when it is dropped before its first
subscription, and looks neither at what a login was answered nor at whether topics were granted.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Coroutine, Sequence
from typing import Any, cast
from urllib.parse import SplitResult, urlsplit

import msgspec
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from flows.errors import FeedRefusedError, SettingsError
from flows.feeds.backoff import Backoff, Timing
from flows.feeds.clock_skew import ClockSkew
from flows.feeds.feed_state import FeedState, Listeners, Outage
from flows.feeds.frame_connection import FrameConnection
from flows.feeds.frame_queue import FrameQueue, first_event_ns
from flows.feeds.gaps import Gaps
from flows.feeds.sentences import Sentences
from flows.feeds.silence import Silence
from flows.feeds.start import started
from flows.feeds.statuses import Event, events_of, is_status, without_statuses
from flows.feeds.subscriber import Subscriber, Watch
from operators.sessions import Sessions

MARKET = "stocks"
MAX_FRAME = 16 * 2**20
DISCONNECT, SILENCE, MAX_CONNECTIONS = "disconnect", "silence", "max_connections"
_LOOK_NS = 1_000_000_000
_STATUS, _RARE = b'"status"', b"u"  # a letter of it that trades and quotes do not have
_POLICY = 1008  # closing code of a connection over quota, should its status have been lost
# After these the server closes the connection; they are the cause of the gap that follows.
_FATAL = frozenset((MAX_CONNECTIONS, "slow_consumer", "force_disconnect", "auth_timeout"))
_PASSED_OVER = frozenset(("connected", "auth_success"))


def market_url(host: str, market: str = MARKET) -> str:
    """Return the address of a market at a host: `ws://127.0.0.1:8765` gets `/stocks`.

    Raises:
        SettingsError: it is no WebSocket address.
    """
    parts = urlsplit(host)
    if parts.scheme not in ("ws", "wss") or not _can_be_looked_up(parts):
        raise SettingsError(
            f"POLYGON_WS_URL is {host}, but must begin with wss:// or ws:// and name a host."
        )
    path = parts.path.rstrip("/")
    return host.rstrip("/") if path.endswith(f"/{market}") else f"{host.rstrip('/')}/{market}"


def _can_be_looked_up(parts: SplitResult) -> bool:
    try:
        _ = parts.port  # raises where it is no port
        return bool((parts.hostname or "").encode("idna"))
    except ValueError:
        return False


class LostError(Exception):
    """The connection is of no use any more; the text says why."""


async def _until_one_fails(*coroutines: Coroutine[Any, Any, None]) -> None:
    """Run coroutines until the first one raises, and raise that."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
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
        watch: called twice a second: the symbols wanted now, `*` for the whole market, and
            those whose quotes are to be shed last.
        queue: where frames and coverage records go.
        state: kept up to date.
        listeners: who is told of outages, and of what a user should know.
        timing: how long to wait for what.
        silence: when nothing has come for too long.
        skew: looks at the feed's clock; None: nobody does.
        sessions: phases whose start is missed when the first event is later; None: none are.
    """

    def __init__(
        self,
        url: str,
        key: str,
        watch: Watch,
        queue: FrameQueue,
        state: FeedState,
        listeners: Listeners,
        timing: Timing,
        silence: Silence,
        skew: ClockSkew | None,
        sessions: Sessions | None = None,
    ) -> None:
        self._url = url
        self._key = key
        self._watch = watch
        self._queue = queue
        self._state = state
        self._listeners = listeners
        self._timing = timing
        self._silence = silence
        self._skew = skew
        self._sessions = sessions
        self._sentences = Sentences(listeners.said, url, key, timing)
        self._gaps = Gaps()
        self._subscriber = self._new_subscriber()
        self._stands_since: float | None = None
        self._cause = DISCONNECT
        self._look_ns = 0  # receipt of the next frame whose times are compared

    def _new_subscriber(self) -> Subscriber:
        return Subscriber(
            self._watch,
            self._queue,
            self._gaps,
            self._state,
            self._sentences,
            self._timing.ack_s,
            self._stands,
        )

    async def run(self) -> None:
        """Keep the feed up until cancelled.

        Raises:
            FeedRefusedError: the server does not let this key in; trying again is no use.
        """
        backoff = Backoff(self._timing, random.Random())
        try:
            while True:
                self._cause = DISCONNECT
                try:
                    await self._connection()
                except (OSError, WebSocketException, LostError) as error:
                    self._lost(error)
                if self._stands_since is not None:
                    stood_s = time.monotonic() - self._stands_since
                    backoff.stood(stood_s)
                    if stood_s >= self._timing.stable_s:
                        self._sentences.stable()
                    self._stands_since = None
                if self._cause == MAX_CONNECTIONS:
                    self._sentences.over_quota()
                    await asyncio.sleep(self._timing.cooldown_s)
                await asyncio.sleep(backoff.pause_s())
        finally:
            if self._gaps.open:
                self._queue.mark(self._gaps.end_unseen())
            self._state.connection = "closed"

    async def _connection(self) -> None:
        async with connect(
            self._url,
            open_timeout=self._timing.open_s,
            close_timeout=1,
            ping_interval=self._timing.ping_s,
            ping_timeout=self._timing.pong_s,
            max_size=MAX_FRAME,
            compression=None,
            proxy=None,
            create_connection=FrameConnection,
        ) as made:
            connection = cast(FrameConnection, made)
            self._state.connects += 1
            self._state.reconnects = self._state.connects - 1
            self._subscriber = self._new_subscriber()
            await self._log_in(connection)
            self._look_ns = 0
            if self._skew is not None:
                self._skew.begin()
            await _until_one_fails(
                connection.listen(self._heard),
                self._keep_subscribed(connection),
                self._keep_listening(),
            )

    async def _log_in(self, connection: FrameConnection) -> None:
        await self._reply(connection, "connected")
        login = msgspec.json.encode({"action": "auth", "params": self._key})
        await connection.send(login, text=True)
        await self._reply(connection, "auth_success")

    async def _reply(self, connection: FrameConnection, wanted: str) -> None:
        try:
            async with asyncio.timeout(self._timing.reply_s):
                while True:
                    for event in events_of(await connection.message()):
                        if event.get("status") == wanted:
                            return
                        self._refusal(event)
                        if is_status(event):
                            self._note_unknown(event)
        except TimeoutError as error:
            raise LostError(f"no '{wanted}' in {self._timing.reply_s:g} s") from error

    def _refusal(self, event: Event) -> None:
        status, message = str(event.get("status")), str(event.get("message", ""))
        if status == "auth_failed":
            raise FeedRefusedError(
                f"The feed at {self._url} refused the login ('{self._sentences.safe(message)}'): "
                "check POLYGON_API_KEY, and that its plan includes stocks over WebSocket."
            )
        if status in _FATAL:
            self._cause = status
            raise LostError(f"{status}: {self._sentences.safe(message)}")

    async def _keep_subscribed(self, connection: FrameConnection) -> None:
        """Ask for what is wanted, at once and whenever it changes; look after missing acks."""
        while True:
            await self._subscriber.ask(connection)
            self._subscriber.settle()
            await asyncio.sleep(self._timing.poll_s)

    async def _keep_listening(self) -> None:
        """Give the connection up when nothing has come for too long.

        Raises:
            LostError: it did not.
        """
        silence = self._silence
        if silence.limit_s == 0:
            return
        silence.begin(self._state.frames, time.monotonic())
        while True:
            await asyncio.sleep(min(1.0, silence.limit_s / 4))
            if not self._subscriber.expects_data:
                silence.begin(self._state.frames, time.monotonic())
            patience_s = silence.patience_s
            if silence.too_long(self._state.frames, time.monotonic()):
                self._cause = SILENCE
                raise LostError(f"not an event for {patience_s:g} s in an open market")

    def _stands(self) -> None:
        """The feed is up: subscribed as far as it will be, or data has come."""
        if self._stands_since is not None:
            return
        self._stands_since = time.monotonic()
        self._sentences.stands()
        state = self._state
        since_ns, state.blind_since_ns = state.blind_since_ns, None
        cause, state.cause = state.cause, None
        state.unseen_ns = self._gaps.unseen_ns() if self._gaps.open else None
        state.connection = "ok"
        if since_ns is not None:
            self._listeners.restored(Outage(cause or DISCONNECT, since_ns, time.time_ns()))

    def _lost(self, error: Exception) -> None:
        """Note that the connection has ended, or could not be made."""
        if isinstance(error, ConnectionClosed) and error.rcvd and error.rcvd.code == _POLICY:
            self._cause = MAX_CONNECTIONS
        over_quota = self._cause == MAX_CONNECTIONS  # which has a sentence of its own
        if self._stands_since is not None:
            self._gaps.begin(self._cause)
            now = time.time_ns()
            self._state.connection = "blind"
            self._state.unseen_ns = None
            self._state.cause = self._cause
            self._state.blind_since_ns = now
            self._listeners.blind(Outage(self._cause, now, None))
            if not over_quota:
                self._sentences.lost(error)
            return
        if self._state.connection == "connecting":
            self._state.cause = self._cause
        if not over_quota:
            self._sentences.unreachable(error)

    def _heard(self, received_ns: int, frames: Sequence[bytes]) -> None:
        """Take frames that were read together."""
        if not [frame for frame in frames if _RARE in frame and _STATUS in frame]:
            self._take(received_ns, frames)
            return
        for frame in frames:
            data, statuses = without_statuses(frame) if _STATUS in frame else (frame, [])
            for status in statuses:
                self._status(status)
            if data is not None:
                self._take(received_ns, (data,))

    def _take(self, received_ns: int, frames: Sequence[bytes]) -> None:
        """Queue frames of data."""
        state, skew = self._state, self._skew
        if self._stands_since is None:
            self._stands()
        if self._gaps.open:
            state.unseen_ns = None
            self._queue.mark(self._gaps.end(received_ns, frames[0]))
        if self._sessions is not None:
            self._mark_start(first_event_ns(frames[0], received_ns))
        self._queue.put(received_ns, frames)
        if skew is not None and received_ns >= self._look_ns:
            self._look_ns = received_ns + _LOOK_NS
            skew.look(received_ns, frames[-1], self._listeners.said)
        self._gaps.saw(received_ns, frames[-1])
        state.frames += len(frames)
        state.last_received_ns = received_ns

    def _mark_start(self, first_ns: int) -> None:
        """Say what was missed before the first event of the run, once."""
        sessions, self._sessions = self._sessions, None
        missed = started(sessions, first_ns) if sessions is not None else None
        if missed is not None:
            self._queue.mark(missed)

    def _status(self, event: Event) -> None:
        self._refusal(event)
        if not self._subscriber.answered(event):
            self._note_unknown(event)

    def _note_unknown(self, event: Event) -> None:
        status = str(event.get("status"))
        if status not in _PASSED_OVER:
            self._sentences.status(status, str(event.get("message", "")))
