"""A Polygon of one's own: the vendor's WebSocket and REST on 127.0.0.1, played from a tape."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Collection, Coroutine, Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

from flows.errors import OrderflowError
from flows.mock.audience import Audience
from flows.mock.breaker import Breaker
from flows.mock.fault_file import check_faults
from flows.mock.faults import Fault, TimedFault
from flows.mock.listener import HOST, Listener
from flows.mock.oddities import Oddities
from flows.mock.player import BLOCK_EVENTS, Pace, Player, pace_of, play_frames
from flows.mock.rest import RestService
from flows.mock.rest_server import RestServer
from flows.mock.tape import Tape
from flows.mock.timeline import Timeline
from flows.mock.websocket import Acks, Rules, WebSocketService
from flows.mock.wire import Topics

_TICK_S = 0.005

X = TypeVar("X")


class MockError(OrderflowError):
    """A mock that cannot start."""


@dataclass
class MockPolygon:
    """Serve a tape, or literal frames, as Polygon would; a context manager, in its own thread.

    Args:
        tapes: Parquet files, folders, globs or tape names, in the normalised schema.
        faults: what goes wrong, and when.
        seed: of what the faults leave to chance.
        key: the API key that logs in.
        speed: tape seconds a second; None: as fast as the clients take it.
        rate: instead of a speed, events a second.
        frames: instead of a tape, frames sent as they are to everyone subscribed.
        plan: event types the key's plan includes; others are `not authorized`.
        markets: URL paths it includes.
        events_per_frame: at most this many events in one frame.
        acks: several acks in one array, one frame each, or none at all.
        wait: the tape begins with the first subscription; else at once.
        hold: it stands still while nobody is subscribed, unless a fault that ends keeps them
            away; else, once begun, it goes on.
        begin_s: tape seconds that are over when it begins: REST has them, nobody is sent them.
        settle_s: seconds without a further subscription before it begins or goes on.
        at_end: after the tape, keep the connections open (`stay`) or close them (`close`).
        drop_after: abort the n-th connection after the n-th number of data frames.
        ahead: events encoded ahead of being due; about 200 bytes each.
        market: what `/v1/marketstatus/now` says: open, extended-hours or closed.
        login_s: seconds a client has to log in.
        port: of the WebSocket server; 0: any free one.
        rest_port: of the REST server; 0: any free one.

    REST lists what has been printed so far, nothing of what is still to come.

    Raises:
        MockError: at start, when a port is taken or a value is out of bounds.
        FaultError: at start, when the faults have mistakes.
        TapeError: at start, when a tape cannot be read; at the end, when it was damaged.
    """

    tapes: Sequence[str | Path] = ()
    _: KW_ONLY
    faults: Sequence[Fault] = ()
    seed: int = 0
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
    begin_s: float = 0.0
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
        check_faults(self.faults)
        self._tape = Tape(self.tapes)
        first_ns = self._tape.first_ns() if self.faults or self.begin_s else 0
        topics, oddities = Topics(), Oddities(self.faults, self.seed, first_ns)
        self._timeline = Timeline(self.faults, first_ns)
        blocks = oddities.blocks(self._tape, topics, BLOCK_EVENTS)
        begin_ns = first_ns + int(self.begin_s * 1e9)
        self._player = Player(blocks, topics, pace, self.ahead, self.hold, begin_ns)
        service = RestService(
            self._tape,
            topics,
            oddities,
            self._timeline,
            key=self.key,
            plan=self.plan,
            market=self.market,
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        try:
            self._run(self._open())
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
        failure = self._run(self._close())
        self._stop()
        if failure is not None and error is None:
            raise failure

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
        return len(self._service.everyone)

    @property
    def sent(self) -> list[int]:
        """How many events of the tape each connection was sent, in the order they came."""
        return [subscriber.events_sent for subscriber in self._service.everyone]

    @property
    def requests(self) -> Counter[str]:
        """How many REST requests there have been: trades, quotes, conditions, marketstatus."""
        return Counter(self._rest.service.requests)

    @property
    def strikes(self) -> list[int]:
        """How often each of the faults has struck a connection or a request, in their order.

        0 for a fault of the tape. Those of `strike` come last.
        """
        return self._timeline.strikes

    @property
    def topics(self) -> set[str]:
        """The topics held by anyone connected."""
        return set().union(*(s.topics for s in list(self._audience.subscribers)))

    @property
    def played(self) -> int:
        """How many events of the tape have been played, wanted by someone or not."""
        return self._player.played

    @property
    def tape_ns(self) -> int:
        """The event time up to which the tape has been played; 0 before it begins."""
        return self._player.tape_ns

    def strike(self, fault: TimedFault) -> None:
        """Let a fault begin now; its own beginning, if it has one, is passed over.

        Raises:
            FaultError: it has mistakes.
        """
        check_faults([fault])
        self._run(self._strike(fault))

    def drop(self) -> None:
        """Abort every subscribed connection, as a broken network does."""
        self._run(self._drop())

    def refuse(self) -> None:
        """Refuse new connections; those that stand go on."""
        self._run(self._listener.refuse())

    def accept(self) -> None:
        """Accept connections again, on the same port."""
        self._run(self._listener.accept())

    def _pace(self) -> Pace:
        try:
            return pace_of(self.speed, self.rate)
        except ValueError as error:
            raise MockError(f"Cannot play so: {error}.") from error

    def _run(self, coroutine: Coroutine[Any, Any, X]) -> X:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    async def _open(self) -> None:
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
        self._breaker = Breaker(self._timeline, self._audience, self.seed)
        self._service = WebSocketService(rules, self._audience, self._breaker)
        self._listener = Listener(self._service.serve, self.port)
        self._breaker.door = self._listener
        await self._listener.accept()
        self.port = self._listener.port
        for course in self._timeline.courses:
            if course.active:
                await self._breaker.turn(course)
        self._playing = asyncio.create_task(self._play())
        self._ticking = asyncio.create_task(self._tick()) if self.faults else None
        if self.begin_s:
            ready = asyncio.create_task(self._player.ready.wait())
            await asyncio.wait((self._playing, ready), return_when=asyncio.FIRST_COMPLETED)
            ready.cancel()

    async def _play(self) -> None:
        try:
            if self.frames:
                self._timeline.play_begins()
                await play_frames(self.frames, self._audience)
            else:
                await self._player.play(self._audience, self._timeline, self._breaker)
            if self.at_end == "close":
                for subscriber in list(self._audience.subscribers):
                    await subscriber.connection.close()
        finally:
            self.finished.set()

    async def _tick(self) -> None:
        """Begin and end the faults that go by our clock, while the tape stands still as well."""
        while True:
            await asyncio.sleep(_TICK_S)
            now = self._timeline.now
            for course in self._timeline.cross(now.events, now.tape_ns):
                await self._breaker.turn(course)

    async def _strike(self, fault: TimedFault) -> None:
        course = self._timeline.add(fault, self._player.played, self._player.tape_ns)
        await self._breaker.turn(course)
        if self._ticking is None:
            self._ticking = asyncio.create_task(self._tick())

    async def _drop(self) -> None:
        for subscriber in list(self._audience.subscribers):
            subscriber.abort()

    async def _close(self) -> Exception | None:
        self._listener.shut()
        self._service.abort()
        await self._listener.ended()
        self._breaker.close()
        tasks = [task for task in (self._playing, self._ticking) if task is not None]
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        await self._loop.shutdown_default_executor()
        return next(filter(None, map(_failure, ended)), None)

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._tape.close()


def _failure(error: BaseException | None) -> Exception | None:
    """Return what a task failed of, unless it was told to end."""
    if isinstance(error, BaseExceptionGroup):
        return _failure(error.exceptions[0])
    return error if isinstance(error, Exception) else None
