"""A Polygon of one's own: the vendor's WebSocket and REST on 127.0.0.1, played from a tape."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Collection, Coroutine, Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

from websockets.asyncio.server import Server
from websockets.asyncio.server import serve as serve_websocket

from flows.errors import OrderflowError
from flows.mock.audience import Audience
from flows.mock.player import BLOCK_EVENTS, Pace, Player, pace_of, play_frames
from flows.mock.rest import RestServer, RestService
from flows.mock.tape import Tape, TapeError
from flows.mock.websocket import Acks, Rules, WebSocketService
from flows.mock.wire import Topics, blocks_of

HOST = "127.0.0.1"
DEFAULT_PORT = 8765

X = TypeVar("X")


class MockError(OrderflowError):
    """A mock that cannot start."""


@dataclass
class MockPolygon:
    """Serve a tape, or literal frames, as Polygon would; a context manager, in its own thread.

    Args:
        tapes: Parquet files, folders, globs or tape names, in the normalised schema.
        key: the API key that logs in.
        speed: tape seconds a second; None: as fast as the clients take it.
        rate: instead of a speed, events a second.
        frames: instead of a tape, frames sent as they are to everyone subscribed.
        plan: event types the key's plan includes; others are `not authorized`.
        markets: URL paths it includes.
        events_per_frame: at most this many events in one frame.
        acks: several acks in one array, one frame each, or none at all.
        wait: the tape begins with the first subscription; else at once.
        hold: it stands still while nobody is subscribed; else, once begun, it goes on.
        settle_s: seconds without a further subscription before it begins or goes on.
        at_end: after the tape, keep the connections open (`stay`) or close them (`close`).
        drop_after: abort the n-th connection after the n-th number of data frames.
        ahead: events encoded ahead of being due; about 200 bytes each.
        market: what `/v1/marketstatus/now` says: open, extended-hours or closed.
        login_s: seconds a client has to log in.
        port: of the WebSocket server; 0: any free one.
        rest_port: of the REST server; 0: any free one.

    Raises:
        MockError: at start, when a port is taken or a value is out of bounds.
        TapeError: at start, when a tape cannot be read; at the end, when it was damaged.
    """

    tapes: Sequence[str | Path] = ()
    _: KW_ONLY
    key: str = "mock-key"
    speed: float | None = None
    rate: float | None = None
    frames: Sequence[bytes] = ()
    plan: Collection[str] = ("T", "Q", "A", "AM", "LULD")
    markets: Collection[str] = ("stocks",)
    events_per_frame: int = 8
    acks: Acks = "array"
    wait: bool = True
    hold: bool = True
    settle_s: float = 0.1
    at_end: Literal["stay", "close"] = "stay"
    drop_after: tuple[int, ...] = ()
    ahead: int = 200_000
    market: Literal["open", "extended-hours", "closed"] = "open"
    login_s: float = 10.0
    port: int = 0
    rest_port: int = 0
    finished: threading.Event = field(init=False, default_factory=threading.Event, repr=False)

    def __enter__(self) -> Self:
        """Start both servers; on return they can be connected to."""
        pace = self._pace()
        self._tape = Tape(self.tapes)
        topics = Topics()
        blocks = blocks_of(self._tape, topics, BLOCK_EVENTS)
        self._player = Player(blocks, topics, pace, self.ahead, self.hold)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        try:
            self._run(self._open())
            service = RestService(self._tape, self.key, self.plan, self.market)
            self._rest = RestServer(service, self.rest_port)
        except OSError as error:
            self._stop()
            raise MockError(
                f"Cannot listen on {HOST}, ports {self.port} and {self.rest_port}: "
                f"{error.strerror}. Choose another with --port."
            ) from error
        self.rest_port = self._rest.server_port
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close every connection and both servers."""
        self._rest.stop()
        damage = self._run(self._close())
        self._stop()
        if damage is not None and error is None:
            raise damage

    @property
    def ws_url(self) -> str:
        """The host to give to a client, which appends the market: `ws://127.0.0.1:8765`."""
        return f"ws://{HOST}:{self.port}"

    @property
    def rest_url(self) -> str:
        """The base of the REST routes: `http://127.0.0.1:8766`."""
        return f"http://{HOST}:{self.rest_port}"

    @property
    def connections(self) -> int:
        """How many connections there have been."""
        return self._service.connections

    @property
    def topics(self) -> set[str]:
        """The topics held by anyone connected."""
        return set().union(*(s.topics for s in list(self._audience.subscribers)))

    @property
    def played(self) -> int:
        """How many events of the tape have been played, wanted by someone or not."""
        return self._player.played

    def drop(self) -> None:
        """Abort every subscribed connection, as a broken network does."""
        self._run(self._drop())

    def refuse(self) -> None:
        """Refuse new connections; those that stand go on."""
        self._run(self._refuse())

    def accept(self) -> None:
        """Accept connections again, on the same port."""
        self._run(self._listen())

    def _pace(self) -> Pace:
        try:
            return pace_of(self.speed, self.rate)
        except ValueError as error:
            raise MockError(f"Cannot play so: {error}.") from error

    def _run(self, coroutine: Coroutine[Any, Any, X]) -> X:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    async def _open(self) -> None:
        self._servers: list[Server] = []
        self._audience = Audience(self.settle_s, self.wait)
        rules = Rules(
            self.key,
            self.plan,
            self.markets,
            self.acks,
            self.login_s,
            self.events_per_frame,
            self.drop_after,
        )
        self._service = WebSocketService(rules, self._audience)
        await self._listen()
        self._playing = asyncio.create_task(self._play())

    async def _listen(self) -> None:
        server = await serve_websocket(
            self._service.serve, HOST, self.port, compression=None, close_timeout=1
        )
        self._servers.append(server)
        self.port = next(iter(server.sockets)).getsockname()[1]

    async def _play(self) -> None:
        try:
            if self.frames:
                await play_frames(self.frames, self._audience)
            else:
                await self._player.play(self._audience)
            if self.at_end == "close":
                for subscriber in list(self._audience.subscribers):
                    await subscriber.connection.close()
        finally:
            self.finished.set()

    async def _drop(self) -> None:
        for subscriber in list(self._audience.subscribers):
            subscriber.abort()

    async def _refuse(self) -> None:
        self._servers[-1].close(close_connections=False)
        await asyncio.sleep(0)  # in which it closes its sockets; it ends with its connections

    async def _close(self) -> TapeError | None:
        for server in self._servers:
            server.close(close_connections=False)
        self._service.abort()
        for server in self._servers:
            await server.wait_closed()
        self._playing.cancel()
        (ended,) = await asyncio.gather(self._playing, return_exceptions=True)
        await self._loop.shutdown_default_executor()
        return _damage(ended)

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._tape.close()


def _damage(ended: BaseException | None) -> TapeError | None:
    if isinstance(ended, BaseExceptionGroup):
        return _damage(ended.exceptions[0])
    return ended if isinstance(ended, TapeError) else None


def serve(
    tapes: Sequence[str | Path],
    *,
    key: str = "mock-key",
    speed: float | None = 1.0,
    rate: float | None = None,
    port: int = DEFAULT_PORT,
    rest_port: int | None = None,
    stop: threading.Event | None = None,
) -> int:
    """Serve tapes until `stop` is set, or for ever; what `orderflow mock-feed` runs.

    Where to connect goes to stderr once both servers listen.

    Args:
        tapes: Parquet files, folders, globs or tape names.
        key: the API key that logs in.
        speed: tape seconds a second; None: at `rate`, or as fast as the clients take it.
        rate: instead of a speed, events a second.
        port: of the WebSocket server; 0: any free one.
        rest_port: of the REST server; None: the port after it.
        stop: set it, from a signal handler or a thread, to end.

    Returns:
        How many events were played.

    Raises:
        MockError: a port is taken or a value is out of bounds.
        TapeError: a tape cannot be read.
    """
    if rest_port is None:
        rest_port = port + 1 if port else 0
    mock = MockPolygon(tapes, key=key, speed=speed, rate=rate, port=port, rest_port=rest_port)
    with mock:
        sys.stderr.write(
            "Mock Polygon is listening. The tape begins when a client has subscribed.\n"
            f"  POLYGON_WS_URL={mock.ws_url} POLYGON_REST_URL={mock.rest_url} "
            f"POLYGON_API_KEY={key} ORDER_FLOW_FRESHNESS=off\n"
        )
        (stop or threading.Event()).wait()
    return mock.played
