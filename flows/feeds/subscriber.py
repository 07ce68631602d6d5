"""The subscriptions of one connection: asked for, answered, and changed as the watch changes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import msgspec
from websockets.asyncio.client import ClientConnection

from flows.feeds.feed_state import FeedState
from flows.feeds.frame_queue import FrameQueue
from flows.feeds.gaps import Gaps
from flows.feeds.sentences import Sentences
from flows.feeds.subscriptions import QUOTES, TRADES, Subscriptions, chunks, topics_of


class Watch(NamedTuple):
    """What is wanted now: symbols to watch, and among them those held."""

    symbols: Callable[[], Iterable[str]]
    held: Callable[[], Iterable[str]] = tuple


class Subscriber:
    """Keeps a connection's topics in step with what is wanted.

    Args:
        watch: what is wanted.
        queue: told what is held; gets the record of a symbol that is watched again.
        gaps: told when a symbol is watched no more, and again.
        state: its topics are kept up to date.
        sentences: who says what is refused, and what is never answered.
        ack_s: how long to wait for acks.
        settled: called when all that was asked for is answered, or is not going to be.
    """

    def __init__(
        self,
        watch: Watch,
        queue: FrameQueue,
        gaps: Gaps,
        state: FeedState,
        sentences: Sentences,
        ack_s: float,
        settled: Callable[[], None],
    ) -> None:
        self.expects_data = False
        self._watch = watch
        self._queue = queue
        self._gaps = gaps
        self._state = state
        self._sentences = sentences
        self._ack_s = ack_s
        self._settled = settled
        self._topics = Subscriptions()
        self._asked_at = 0.0
        self._refused_with = ""

    async def ask(self, connection: ClientConnection) -> None:
        """Subscribe to what is wanted and not asked for yet, and unsubscribe from the rest."""
        wanted = topics_of(self._watch.symbols())
        self._queue.hold(self._watch.held())
        self._state.topics_wanted = len(wanted)
        self.expects_data = not set(wanted).issubset(self._state.topics_refused)
        new, old = self._topics.changes(wanted)
        if new:
            self._state.subscribed_ns = 0
        for topic in old:
            event, _, symbol = topic.partition(".")
            if event == TRADES:
                self._gaps.unwatch(symbol)
        for action, topics in (("unsubscribe", old), ("subscribe", new)):
            for chunk in chunks(topics):
                request = {"action": action, "params": ",".join(chunk)}
                await connection.send(msgspec.json.encode(request), text=True)
        if new:
            self._asked_at = time.monotonic()

    def answered(self, status: dict[str, Any]) -> bool:
        """Take a status into account; return whether it is an answer."""
        message = str(status.get("message", ""))
        if status.get("status") == "success":
            self._granted(self._topics.answered(message))
        elif status.get("status") == "error" and self._topics.open:
            self._refused_with = message
            self._topics.refused()
        else:
            return False
        self.settle()
        return True

    def _granted(self, topic: str | None) -> None:
        event, _, symbol = (topic or "").partition(".")
        again = self._gaps.watch(symbol) if event == TRADES else None
        if again is not None:
            self._queue.mark(again)

    def settle(self) -> None:
        """Close the round of subscriptions if all is answered, or if it is overdue."""
        settled = self._topics.settle(time.monotonic() - self._asked_at > self._ack_s)
        if settled is None:
            return
        self._state.topics_granted = len(self._topics.granted)
        self._state.subscribed_ns = self._state.subscribed_ns or time.time_ns()
        refused = [t for t in settled.refused if t not in self._state.topics_refused]
        if refused:
            self._refused(refused)
        if settled.silent:
            self._sentences.silent(settled.silent)
        self._settled()

    def _refused(self, topics: list[str]) -> None:
        """Note and say that topics are outside the plan; of missing quotes it is said once."""
        state = self._state
        state.topics_refused = state.topics_refused + topics
        if any(topic.partition(".")[0] != QUOTES for topic in topics):
            self._sentences.refused(topics, self._refused_with)
        elif not state.trades_only:
            state.trades_only = True
            self._sentences.trades_only(topics, self._refused_with)
