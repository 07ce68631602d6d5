"""The tape played to the subscribers: when each event is due, and which frames it travels in."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np

from flows.mock.audience import Audience
from flows.mock.breaker import Breaker
from flows.mock.timeline import Timeline
from flows.mock.wire import Block, Topics

BLOCK_EVENTS = 2048
_SLICE_EVENTS = 512  # between two looks at the clock and at the other tasks
_NAP_S = 0.001


class Pace(Protocol):
    """When events are due."""

    def rest(self, block: Block, start: int) -> None:
        """Begin, or go on after standing still, with event `start` of `block` due now."""

    def due(self, block: Block, start: int, stop: int) -> int:
        """Return the end of the events from `start` that are due, `stop` at most."""

    def present_ns(self, block: Block, start: int) -> int:
        """Return the tape time before event `start` of `block` is played."""


class AtOnce:
    """Every event is due: as fast as the clients take them."""

    def rest(self, block: Block, start: int) -> None:
        """Nothing to remember."""

    def due(self, block: Block, start: int, stop: int) -> int:
        """Return `stop`."""
        return stop

    def present_ns(self, block: Block, start: int) -> int:
        """Return the event's own time: it is due."""
        return int(block.ts_ns[start])


class AtRate:
    """A fixed number of events a second, whatever the tape's clock says.

    Args:
        rate: events a second, above 0.
    """

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._rested_at = 0.0
        self._given = 0

    def rest(self, block: Block, start: int) -> None:
        """Count from now."""
        self._rested_at = time.monotonic()
        self._given = 0

    def due(self, block: Block, start: int, stop: int) -> int:
        """Return as many events as the time since the rest allows."""
        allowed = int((time.monotonic() - self._rested_at) * self._rate) - self._given
        end = min(start + allowed, stop)
        self._given += end - start
        return end

    def present_ns(self, block: Block, start: int) -> int:
        """Return the event's own time: it is next, whatever the time before it."""
        return int(block.ts_ns[start])


class AtSpeed:
    """The tape's own time, `speed` times as fast as it went.

    Args:
        speed: tape seconds a second, above 0.
    """

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._rested_at = 0.0
        self._tape_ns = 0

    def rest(self, block: Block, start: int) -> None:
        """Take the event's own time as now."""
        self._rested_at = time.monotonic()
        self._tape_ns = int(block.ts_ns[start])

    def due(self, block: Block, start: int, stop: int) -> int:
        """Return the end of the events whose tape time has come."""
        due = int(np.searchsorted(block.ts_ns, self._clock_ns(), side="right"))
        return max(start, min(due, stop))

    def present_ns(self, block: Block, start: int) -> int:
        """Return the time on the tape's clock, at most that of the event."""
        return min(self._clock_ns(), int(block.ts_ns[start]))

    def _clock_ns(self) -> int:
        passed_s = time.monotonic() - self._rested_at
        return self._tape_ns + int(passed_s * self._speed * 1e9)


def pace_of(speed: float | None, rate: float | None) -> Pace:
    """Return the pace of a `speed`, of a `rate`, or, with neither, as fast as possible.

    Raises:
        ValueError: both are given, or one is not above 0.
    """
    if speed is not None and rate is not None:
        raise ValueError("give a speed or a rate, not both")
    for name, value in (("speed", speed), ("rate", rate)):
        if value is not None and not value > 0:
            raise ValueError(f"{name} must be above 0, not {value}")
    if speed is not None:
        return AtSpeed(speed)
    return AtRate(rate) if rate is not None else AtOnce()


class Player:
    """Play a tape to an audience, once.

    Events are read and encoded ahead of time in a thread, at most `ahead` of them, so that the
    moment of sending costs as little as it can. While `hold` is set the tape stands still as
    long as nobody is subscribed: at the start, and after every client has gone; but it goes on
    while a fault that ends keeps them away, so that they miss what they would miss in life.

    Args:
        blocks: the tape, encoded.
        topics: the topics the blocks name; takes note of what is printed.
        pace: when events are due.
        ahead: events encoded before they are due, at most to a block.
        hold: stand still without an audience; else the tape, once begun, goes on regardless.
        begin_ns: what was earlier is printed before the tape begins, and sent to nobody.
    """

    def __init__(
        self,
        blocks: Iterator[Block],
        topics: Topics,
        pace: Pace,
        ahead: int,
        hold: bool,
        begin_ns: int = 0,
    ) -> None:
        self._blocks = blocks
        self._topics = topics
        self._pace = pace
        self._hold = hold
        self._begin_ns = begin_ns
        self._queue: asyncio.Queue[Block | None] = asyncio.Queue(max(1, ahead // BLOCK_EVENTS))
        self.played = 0
        self.tape_ns = 0
        self.ready = asyncio.Event()  # what is to be printed before the tape begins has been

    async def play(self, audience: Audience, timeline: Timeline, breaker: Breaker) -> None:
        """Play to the end.

        Raises:
            TapeError: the tape turns out to be damaged.
        """
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read_ahead())
            block, start = await self._skip()
            self.ready.set()
            await audience.settled()
            timeline.play_begins()
            rest = True
            while block is not None:
                await self._play_block(block, start, audience, timeline, breaker, rest)
                rest, start = False, 0
                block = await self._queue.get()
            for course in timeline.tape_ends():
                await breaker.turn(course)
            await audience.scatter()

    async def _read_ahead(self) -> None:
        while (block := await asyncio.to_thread(next, self._blocks, None)) is not None:
            await self._queue.put(block)
        await self._queue.put(None)

    async def _skip(self) -> tuple[Block | None, int]:
        """Print what comes before the beginning; return the block and the place of it."""
        while (block := await self._queue.get()) is not None:
            start = int(np.searchsorted(block.ts_ns, self._begin_ns))
            self._topics.print(block, 0, start)
            if start < len(block.events):
                return block, start
        return None, 0

    async def _play_block(
        self,
        block: Block,
        start: int,
        audience: Audience,
        timeline: Timeline,
        breaker: Breaker,
        rest: bool,
    ) -> None:
        while start < len(block.events):
            if self._hold and not audience.present and not timeline.away:
                await audience.settled()
                rest = True
            if rest:
                self._pace.rest(block, start)
                rest = False
            stop = min(start + _SLICE_EVENTS, len(block.events))
            if timeline.courses:
                turned = timeline.cross(self.played, self._pace.present_ns(block, start))
                turned += breaker.reached()
                for course in turned:
                    await breaker.turn(course)
                if turned:
                    continue
                stop = min(timeline.stop(block.ts_ns, start, stop), start + breaker.room())
            end = self._pace.due(block, start, stop)
            if end == start:
                await asyncio.sleep(_NAP_S)
                continue
            self._topics.print(block, start, end)
            await audience.deliver(block, start, end, self._topics)
            self.played += end - start
            self.tape_ns = int(block.ts_ns[end - 1])
            start = end
            await asyncio.sleep(0)  # pings, subscriptions and closes have their turn


async def play_frames(frames: Sequence[bytes], audience: Audience) -> None:
    """Send frames as they are to everyone subscribed to anything, as fast as they are taken."""
    for number, frame in enumerate(frames):
        if not audience.present:
            await audience.settled()
        await audience.deliver_frame(frame)
        if number % 64 == 0:
            await asyncio.sleep(0)
