"""Who is listening: the subscribed clients, what each wants, and the frames each is sent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from flows.mock.wire import Block, Topics, frame_of

KINDS = ("T", "Q")  # of a tape; the kind of topic code n is KINDS[n % 2]


class Subscriber:
    """One authenticated connection and the topics it holds.

    A client that reads too slowly holds up the whole tape, once its socket's buffers and the
    64 KiB of its connection's are full: nothing is dropped for it and nobody is cut off.

    Args:
        connection: the socket.
        events_per_frame: at most this many events in one frame.
        drop_after: abort the connection after this many data frames; None: never.
    """

    def __init__(
        self, connection: ServerConnection, events_per_frame: int, drop_after: int | None
    ) -> None:
        self.connection = connection
        self.topics: set[str] = set()
        self.frames_sent = 0
        self._events_per_frame = events_per_frame
        self._drop_after = drop_after
        self._mask = np.zeros(0, np.bool_)

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
        for i in range(0, len(events), self._events_per_frame):
            await self.deliver_frame(frame_of(events[i : i + self._events_per_frame]))

    async def deliver_frame(self, frame: bytes) -> None:
        """Send one data frame, and abort if it was the last this connection is to see.

        Raises:
            ConnectionClosed: the client has gone.
        """
        await self.connection.send(frame, text=True)
        self.frames_sent += 1
        if self.frames_sent == self._drop_after:
            while self.connection.transport.get_write_buffer_size():
                await asyncio.sleep(0)  # an abort throws away what is not written yet
            self.abort()

    def abort(self) -> None:
        """Drop the connection as a broken network does: no closing handshake."""
        self.connection.transport.abort()


class Audience:
    """The subscribers that are connected.

    Args:
        settle_s: the tape begins (or goes on, after everyone had gone) this long after the
            last subscription, so that a client that subscribes in chunks misses nothing.
        wait: whether the tape waits for the first subscription at all.
    """

    def __init__(self, settle_s: float, wait: bool) -> None:
        self.subscribers: set[Subscriber] = set()
        self._settle_s = settle_s
        self._wait = wait
        self._subscribed = asyncio.Event()
        self._subscribed_at = 0.0

    @property
    def present(self) -> bool:
        """Whether anyone is subscribed, or nobody needs to be."""
        return self._subscribed.is_set() or not self._wait

    def changed(self) -> None:
        """Take note that somebody has subscribed, unsubscribed or gone."""
        self._subscribed_at = time.monotonic()
        if any(subscriber.topics for subscriber in self.subscribers):
            self._subscribed.set()
        else:
            self._subscribed.clear()

    def leave(self, subscriber: Subscriber) -> None:
        """Forget a connection."""
        self.subscribers.discard(subscriber)
        self.changed()

    async def settled(self) -> None:
        """Wait until somebody is subscribed and has not asked for more for a moment."""
        if not self._wait:
            return
        await self._subscribed.wait()
        while (left := self._subscribed_at + self._settle_s - time.monotonic()) > 0:
            await asyncio.sleep(left)
            await self._subscribed.wait()

    async def deliver(self, block: Block, start: int, end: int, topics: Topics) -> None:
        """Send each subscriber its share of `block[start:end]`."""
        for subscriber in list(self.subscribers):
            if subscriber.topics:
                try:
                    await subscriber.deliver(block, start, end, topics)
                except ConnectionClosed:
                    self.leave(subscriber)

    async def deliver_frame(self, frame: bytes) -> None:
        """Send each subscriber one frame as it is."""
        for subscriber in list(self.subscribers):
            if subscriber.topics:
                try:
                    await subscriber.deliver_frame(frame)
                except ConnectionClosed:
                    self.leave(subscriber)
