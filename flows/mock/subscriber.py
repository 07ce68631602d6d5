"""One connection: the topics it holds, and the frames it is sent."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt
from websockets.asyncio.server import ServerConnection

from flows.mock.faults import LargeFrames, SlowConsumer
from flows.mock.wire import MISSING, Block, Topics, frame_of

KINDS = ("T", "Q")  # of a tape; the kind of topic code n is KINDS[n % 2]
_FLUSH_S = 2.0  # given to a client that is to be dropped, to take what it was sent
_UNBOUNDED = 2**40

Befalls = Callable[["Subscriber"], Awaitable[None]]


class Subscriber:
    """One connection and the topics it holds.

    A client that reads too slowly holds up the whole tape, once its socket's buffers and the
    64 KiB of its connection's are full: nothing is dropped for it and nobody is cut off, unless
    a fault says so.

    Args:
        connection: the socket.
        number: of the connection, 1 the first.
        events_per_frame: at most this many events in one frame.
        drop_after: abort the connection after this many data frames; None: never.
    """

    def __init__(
        self,
        connection: ServerConnection,
        number: int,
        events_per_frame: int,
        drop_after: int | None,
    ) -> None:
        self.connection = connection
        self.number = number
        self.topics: set[str] = set()
        self.frames_sent = 0
        self.events_sent = 0
        self.mutes = 0  # faults that keep it from being sent anything
        self.gone = False
        self._events_per_frame = events_per_frame
        self._drop_after = drop_after
        self._mask = np.zeros(0, np.bool_)
        self._gather: Gather | None = None
        self._turn = asyncio.Lock()  # one sends at a time: what is held back keeps its place
        self._overrun: tuple[int, Befalls] | None = None

    def change(self, add: Iterable[str] = (), remove: Iterable[str] = ()) -> None:
        """Hold some topics more, or some less."""
        self.topics = (self.topics | set(add)) - set(remove)
        self._mask = np.zeros(0, np.bool_)

    def _wanted(self, topics: Topics) -> npt.NDArray[np.bool_]:
        """Return whether each topic code is wanted, learning the symbols that are new."""
        known = len(self._mask) // 2
        if known < len(topics.symbols):
            more = [
                f"{kind}.*" in self.topics or f"{kind}.{symbol}" in self.topics
                for symbol in topics.symbols[known:]
                for kind in KINDS
            ]
            self._mask = np.append(self._mask, np.array(more, np.bool_))
        return self._mask

    async def deliver(self, block: Block, start: int, end: int, topics: Topics) -> None:
        """Send those events of `block[start:end]` it is subscribed to, in full frames first."""
        wanted = self._wanted(topics)[block.topics[start:end]]
        if wanted.all():
            events = block.events[start:end]
        else:
            events = [block.events[start + i] for i in np.flatnonzero(wanted)]
        if MISSING in events:
            events = [event for event in events if event != MISSING]
        async with self._turn:
            if self._gather is None:
                for i in range(0, len(events), self._events_per_frame):
                    await self._send(events[i : i + self._events_per_frame])
            elif not self.mutes:
                for full in self._gather.add(events):
                    await self._send(full)

    async def _send(self, events: list[bytes]) -> None:
        if not self.mutes and not self.gone:
            await self.deliver_frame(frame_of(events))
            self.events_sent += len(events)

    async def deliver_frame(self, frame: bytes) -> None:
        """Send one data frame, and abort if it was the last this connection is to see.

        Raises:
            ConnectionClosed: the client has gone.
        """
        if self.mutes or self.gone:
            return
        await self.connection.send(frame, text=True)
        self.frames_sent += 1
        if self.frames_sent == self._drop_after:
            await self.flush()
            self.abort()
        if self._overrun and self._buffered() > self._overrun[0]:
            await self._overrun[1](self)

    def _buffered(self) -> int:
        return self.connection.transport.get_write_buffer_size()

    async def flush(self) -> None:
        """Wait until the socket has taken what was sent: an abort throws the rest away."""
        give_up = asyncio.get_running_loop().time() + _FLUSH_S
        while self._buffered() and asyncio.get_running_loop().time() < give_up:
            await asyncio.sleep(0)

    def abort(self) -> None:
        """Drop the connection as a broken network does: no closing handshake."""
        self.gone = True
        self.connection.transport.abort()

    def gather(self, frames: LargeFrames, chance: random.Random) -> None:
        """Send events in large frames from now on, those first that are held back already."""
        held = self._gather.events if self._gather else []
        self._gather = Gather(frames, chance, held)

    async def scatter(self) -> None:
        """Send events in small frames again, those held back first."""
        async with self._turn:
            held, self._gather = self._gather, None
            if held and held.events:
                await self._send(held.events)

    def bound(self, fault: SlowConsumer | None, overrun: Befalls) -> None:
        """Keep no more for it than the fault says, and let `overrun` befall it beyond that."""
        transport = self.connection.transport
        if fault is None:
            self._overrun = None
            transport.set_write_buffer_limits()
            return
        transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_SNDBUF, fault.buffer_bytes
        )
        transport.set_write_buffer_limits(high=_UNBOUNDED)  # a send never waits for the client
        self._overrun = fault.buffer_bytes, overrun


class Gather:
    """Events held back until there are enough of them for a frame.

    Args:
        frames: how many are enough.
        chance: chooses between the fewest and the most.
        held: events held back before.
    """

    def __init__(
        self, frames: LargeFrames, chance: random.Random, held: Sequence[bytes] = ()
    ) -> None:
        self.events = [*held]
        self._frames = frames
        self._chance = chance
        self._bytes = 2 + sum(len(event) + 1 for event in held)
        self._enough = self._next()

    def _next(self) -> int:
        return self._chance.randint(self._frames.least, self._frames.most)

    def _full(self, event: bytes) -> bool:
        if self._frames.frame_bytes is not None:
            return self._bytes + len(event) + 1 > self._frames.frame_bytes
        return len(self.events) >= self._enough

    def add(self, events: Iterable[bytes]) -> Iterable[list[bytes]]:
        """Yield the frames that some more events fill."""
        for event in events:
            if self.events and self._full(event):
                yield self.events
                self.events, self._bytes, self._enough = [], 2, self._next()
            self.events.append(event)
            self._bytes += len(event) + 1
