"""What the faults of the WebSocket do to its connections."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any, Literal, TypeVar

import msgspec
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from flows.mock.audience import Audience
from flows.mock.faults import (
    AuthFailed,
    AuthTimeout,
    ConnectionFault,
    Disconnect,
    HalfOpen,
    LargeFrames,
    MaxConnections,
    NotAuthorized,
    Outage,
    Silence,
    SlowConsumer,
    Stage,
)
from flows.mock.listener import Listener
from flows.mock.subscriber import Subscriber
from flows.mock.timeline import Course, Timeline

F = TypeVar("F", bound=ConnectionFault)

_UNBOUNDED = 2**62

TOO_MANY = "Maximum number of websocket connections exceeded."
TOO_SLOW = "Client is too slow; the connection is closed."  # the real text is not known


def status(kind: str, message: str) -> dict[str, str]:
    """Return a status event."""
    return {"ev": "status", "status": kind, "message": message}


async def say(connection: ServerConnection, *statuses: dict[str, str]) -> None:
    """Send status events in one frame.

    Raises:
        ConnectionClosed: the client has gone.
    """
    await connection.send(msgspec.json.encode(statuses), text=True)


class Breaker:
    """Strike connections with the faults of a timeline.

    Args:
        timeline: which faults are there.
        audience: the connections that are subscribed.
        seed: of what is left to chance.
    """

    door: Listener

    def __init__(self, timeline: Timeline, audience: Audience, seed: int) -> None:
        self._timeline = timeline
        self._audience = audience
        self._seed = seed
        self._connected: set[Subscriber] = set()
        self._logged_in: dict[Subscriber, None] = {}  # the oldest first
        self._tasks: set[asyncio.Task[None]] = set()
        self._struck: dict[Course, set[Subscriber]] = {}  # what is to be undone at the end

    # What the WebSocket asks at each stage.

    def enter(self, subscriber: Subscriber) -> None:
        """Take note of a new connection."""
        self._connected.add(subscriber)

    def leave(self, subscriber: Subscriber) -> None:
        """Forget a connection that has ended."""
        subscriber.gone = True
        self._connected.discard(subscriber)
        self._logged_in.pop(subscriber, None)
        for struck in self._struck.values():
            struck.discard(subscriber)

    async def stage(self, stage: Stage, subscriber: Subscriber) -> None:
        """Let befall a connection what is to at this point of its handshake.

        Raises:
            ConnectionClosed: it did not survive.
        """
        for course, fault in list(self._timeline.active(Disconnect, subscriber.number)):
            if fault.stage == stage and not subscriber.gone:
                course.struck()
                await self._end(subscriber, fault.code, fault.reason)
        if stage == "authenticated":
            self._logged_in[subscriber] = None
        if stage in ("authenticated", "streaming"):
            for course, crowd in list(self._timeline.active(MaxConnections, subscriber.number)):
                if crowd.stage == stage:
                    await self._thin_out(course, crowd)
        if stage == "streaming":
            for kind in (Silence, HalfOpen, SlowConsumer, LargeFrames):
                for course, _ in list(self._timeline.active(kind, subscriber.number)):
                    self._afflict(course, subscriber)
        if subscriber.gone:
            await subscriber.connection.wait_closed()
            await say(subscriber.connection)  # which raises

    def login_unheard(self, subscriber: Subscriber) -> bool:
        """Whether this login is to time out."""
        return self._strikes(AuthTimeout, subscriber) is not None

    def login_refused(self, subscriber: Subscriber) -> Literal["key", "plan"] | None:
        """Return what this login is to be refused for, if anything."""
        fault = self._strikes(AuthFailed, subscriber)
        return fault.text if fault else None

    def refuses(self, topic: str, subscriber: Subscriber) -> bool:
        """Whether a topic that is in the plan is to be refused all the same."""
        event = topic.partition(".")[0]
        for course, fault in self._timeline.active(NotAuthorized, subscriber.number):
            if topic in fault.topics or event in fault.topics or f"{event}.*" in fault.topics:
                course.struck()
                return True
        return False

    def _strikes(self, kind: type[F], subscriber: Subscriber) -> F | None:
        for course, fault in self._timeline.active(kind, subscriber.number):
            course.struck()
            return fault
        return None

    # What the timeline says.

    async def turn(self, course: Course) -> None:
        """Let a fault do what it does when it begins, or undo it when it has ended."""
        if course.over:
            await self._undo(course)
            return
        fault = course.fault
        if isinstance(fault, Outage):
            course.struck()
            await self.door.refuse()
            for subscriber in list(self._connected):
                await self._end(subscriber, None)
        elif isinstance(fault, MaxConnections):
            if fault.stage == "streaming":
                await self._thin_out(course, fault)
        elif isinstance(fault, Disconnect):
            for subscriber in self._subscribed(course) if fault.stage == "streaming" else ():
                if course.active:
                    course.struck(all_at_once=True)
                    await self._end(subscriber, fault.code, fault.reason)
            course.happened()
        elif isinstance(fault, Silence | HalfOpen | SlowConsumer | LargeFrames):
            for subscriber in self._subscribed(course):
                self._afflict(course, subscriber)

    def _subscribed(self, course: Course) -> list[Subscriber]:
        """Return the subscribed connections a fault is about, the oldest first."""
        there = [s for s in self._audience.subscribers if s.topics and course.concerns(s.number)]
        return sorted(there, key=lambda subscriber: subscriber.number)

    def close(self) -> None:
        """Let go of what is still to befall somebody."""
        for task in self._tasks:
            task.cancel()

    def room(self) -> int:
        """Return how many events can be played before a connection was sent enough of them."""
        return min((left for _, left in self._awaited()), default=_UNBOUNDED)

    def reached(self) -> list[Course]:
        """Begin and return the faults whose connection was sent enough events."""
        reached = list(dict.fromkeys(course for course, left in self._awaited() if left <= 0))
        for course in reached:
            self._timeline.begin(course)
        return reached

    def _awaited(self) -> Iterator[tuple[Course, int]]:
        for course in self._timeline.courses:
            after = course.fault.after_events
            if course.of_connection and course.begun is None and after is not None:
                for subscriber in self._audience.subscribers:
                    if course.concerns(subscriber.number):
                        yield course, after - subscriber.events_sent

    # What befalls a connection.

    async def _end(
        self, subscriber: Subscriber, code: int | None, reason: str = "", *said: dict[str, str]
    ) -> None:
        """Say something, then close with a code, or abort without one."""
        subscriber.gone = True
        self._audience.leave(subscriber)
        connection = subscriber.connection
        try:
            if said:
                await say(connection, *said)
            if code is not None:
                self._later(connection.close(code, reason))
                return
        except ConnectionClosed:
            return
        await subscriber.flush()
        subscriber.abort()

    def _later(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _thin_out(self, course: Course, fault: MaxConnections) -> None:
        """Kill as many connections as are too many."""
        there = [subscriber for subscriber in self._logged_in if not subscriber.gone]
        while len(there) > fault.limit and course.active:
            victim = there.pop(0 if fault.kill == "older" else -1)
            self._logged_in.pop(victim)  # it counts no longer, even if it is killed later
            course.struck()
            if fault.delay_s:
                self._later(self._kill(victim, fault))
            else:
                await self._kill(victim, fault)

    async def _kill(self, victim: Subscriber, fault: MaxConnections) -> None:
        await asyncio.sleep(fault.delay_s)
        await self._end(victim, fault.code, "", status("max_connections", TOO_MANY))

    def _afflict(self, course: Course, subscriber: Subscriber) -> None:
        """Begin a lasting fault on one connection."""
        fault, struck = course.fault, self._struck.setdefault(course, set())
        if subscriber in struck or subscriber.gone or not course.active:
            return
        struck.add(subscriber)
        if isinstance(fault, SlowConsumer):
            subscriber.bound(fault, self._slow_killer(course, fault))
            return
        course.struck()
        if isinstance(fault, LargeFrames):
            chance = random.Random(f"{self._seed}/{subscriber.number}")
            subscriber.gather(fault, chance)
            return
        subscriber.mutes += 1
        if isinstance(fault, HalfOpen):
            subscriber.connection.transport.pause_reading()

    def _slow_killer(
        self, course: Course, fault: SlowConsumer
    ) -> Callable[[Subscriber], Awaitable[None]]:
        async def kill(subscriber: Subscriber) -> None:
            course.struck()
            subscriber.gone = True
            self._audience.leave(subscriber)
            if fault.code is None:
                subscriber.abort()  # without a flush: what it has not read is lost
            else:
                told = status("slow_consumer", TOO_SLOW)
                self._later(self._end(subscriber, fault.code, "", told))

        return kill

    async def _undo(self, course: Course) -> None:
        """End a lasting fault on every connection it struck."""
        fault = course.fault
        outages = [other for other in self._timeline.courses if isinstance(other.fault, Outage)]
        if isinstance(fault, Outage) and not any(outage.there for outage in outages):
            await self.door.accept()
        for subscriber in self._struck.pop(course, set()):
            if isinstance(fault, SlowConsumer):
                subscriber.bound(None, self._slow_killer(course, fault))
            elif isinstance(fault, LargeFrames):
                with contextlib.suppress(ConnectionClosed):
                    await subscriber.scatter()
            else:
                subscriber.mutes -= 1
            if isinstance(fault, HalfOpen):
                subscriber.connection.transport.resume_reading()
