"""Who is listening: the subscribed clients together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from websockets.exceptions import ConnectionClosed

from flows.mock.subscriber import Subscriber
from flows.mock.wire import Block, Topics


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
        await self._each(lambda subscriber: subscriber.deliver(block, start, end, topics))

    async def deliver_frame(self, frame: bytes) -> None:
        """Send each subscriber one frame as it is."""
        await self._each(lambda subscriber: subscriber.deliver_frame(frame))

    async def scatter(self) -> None:
        """Send each subscriber what is held back for it."""
        await self._each(Subscriber.scatter)

    async def _each(self, do: Callable[[Subscriber], Awaitable[None]]) -> None:
        for subscriber in list(self.subscribers):
            if subscriber.topics:
                try:
                    await do(subscriber)
                except ConnectionClosed:
                    self.leave(subscriber)
