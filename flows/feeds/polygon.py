"""The live feed: the vendor's WebSocket as a Bytewax source of frames and coverage records.

A thread reads the socket and queues; the dataflow takes what there is, one item a batch. What
it takes is as fresh as it gets: an empty queue is waited on for a millisecond, not slept out.
What the socket did not send, at the start and in outages, comes over REST.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from flows.errors import FeedRefusedError
from flows.feeds.backoff import Timing
from flows.feeds.capture_lines import Item
from flows.feeds.clock_skew import ClockSkew
from flows.feeds.earlier import Earlier
from flows.feeds.feed_state import FeedState, Listeners
from flows.feeds.frame_queue import MAX_BYTES, FrameQueue
from flows.feeds.holes import RefillLimits
from flows.feeds.positions import PositionsFile
from flows.feeds.refill import VERSION, FeedPosition, Refiller
from flows.feeds.rest import Rest
from flows.feeds.session import Session, market_url
from flows.feeds.silence import Silence, market_clock
from flows.feeds.subscriber import Watch
from flows.feeds.subscriptions import WHOLE_MARKET
from flows.settings import Settings
from operators.sessions import Sessions, parse_sessions
from operators.state import check_version

_WAIT_S = 0.001
_STOP_S = 3.0  # for the closing handshake of a server that does not answer


def watched(settings: Settings, said: Callable[[str], None]) -> Callable[[], Iterable[str]]:
    """Return what tells the symbols to watch, by monitoring mode; `*` is the whole market.

    Args:
        settings: of this run.
        said: gets a sentence when the positions file can no longer be read.

    Raises:
        PositionsError: the positions file cannot be read.
    """
    if settings.monitoring_mode == "all":
        return lambda: WHOLE_MARKET
    if settings.monitoring_mode == "positions_only" and settings.positions_file is not None:
        return PositionsFile(settings.positions_file, said).symbols
    return lambda: settings.symbols


def held(
    settings: Settings, watched: Callable[[], Iterable[str]], said: Callable[[str], None]
) -> Callable[[], Iterable[str]]:
    """Return what tells the symbols held: what is watched is held, or the positions file says.

    Raises:
        PositionsError: the positions file cannot be read.
    """
    if settings.monitoring_mode == "positions_only":
        return watched
    return (
        tuple
        if settings.positions_file is None
        else PositionsFile(settings.positions_file, said).symbols
    )


class PolygonFeed(FixedPartitionedSource[Item, FeedPosition | None]):
    """The frames of the live feed, in the order they came.

    A gap stands where it is: its `Coverage`, and what was fetched of it, come before the first
    frame after it. The vendor's WebSocket has no replay: a run that is resumed fetches, too.

    Args:
        host: WebSocket host; the market's path is appended.
        key: API key.
        symbols: called twice a second: the symbols wanted now, `*` for the whole market.
        held: called as often: the symbols whose quotes are to be shed last.
        listeners: who is told of outages, on the feed's own thread.
        timing: how long the session waits for what.
        silence: when a connection that brings nothing is given up; None: never.
        skew: looks at the feed's clock; None: nobody does.
        sessions: phases whose start is missed when the run begins later; None: none are.
        max_bytes: what is queued at most before frames are shed.
        rest: whom to ask for what the socket did not send; None: nobody.
        limits: what is fetched at most.
        earlier: asked where no state was saved: a run before that saved none either.
        raise_refusal: a refused login raises inside the dataflow; else the source is complete
            then, the sinks close as at any end, and the runner looks at `failure`.

    Attributes:
        watch: what is watched and held.
        silence: when a connection that brings nothing is given up.
        state: the feed as it is now; any thread may read it.
        stop: set it, from a signal handler for example, to end the source: what has been
            received is still handed out, then it is complete.
        goes_on: set it where another run resumes this one: what is not fetched yet when it
            ends, and what came after that, is left to the other.

    Raises:
        SettingsError: at build, when `host` is no WebSocket address.
        FeedRefusedError: in the run, when the server does not let this key in.
    """

    def __init__(
        self,
        host: str,
        key: str,
        symbols: Callable[[], Iterable[str]],
        *,
        held: Callable[[], Iterable[str]] = tuple,
        listeners: Listeners | None = None,
        timing: Timing | None = None,
        silence: Silence | None = None,
        skew: ClockSkew | None = None,
        sessions: Sessions | None = None,
        max_bytes: int = MAX_BYTES,
        rest: Rest | None = None,
        limits: RefillLimits | None = None,
        earlier: Callable[[], Earlier | None] = lambda: None,
        raise_refusal: bool = True,
    ) -> None:
        self.url = market_url(host)
        self.state = FeedState()
        self.stop = threading.Event()
        self._key = key
        self.watch = Watch(symbols, held)
        self._listeners = listeners or Listeners()
        self._timing = timing or Timing()
        self.silence = silence or Silence(0)
        self._skew = skew
        self._sessions = sessions
        self._max_bytes = max_bytes
        self._rest = rest
        self._limits = limits
        self._earlier = earlier
        self.goes_on = False
        self.raise_refusal = raise_refusal
        self._threads: list[_SessionThread] = []

    @property
    def failure(self) -> BaseException | None:
        """Return what ended the session, None while it is up and after a stop."""
        return next((t.failure for t in self._threads if t.failure is not None), None)

    def __repr__(self) -> str:
        return f"PolygonFeed({self.url!r})"

    def list_parts(self) -> list[str]:
        """Name the one partition: the vendor allows one connection an account."""
        return ["polygon"]

    def build_part(
        self, step_id: str, for_part: str, resume_state: FeedPosition | None
    ) -> _LivePartition:
        """Start the session's thread."""
        if resume_state is not None:
            check_version(resume_state.version, VERSION)
        queue = FrameQueue(self._max_bytes)
        session = Session(
            self.url,
            self._key,
            self.watch,
            queue,
            self.state,
            self._listeners,
            self._timing,
            self.silence,
            self._skew,
            self._sessions,
        )
        thread = _SessionThread(session)
        self._threads.append(thread)
        return _LivePartition(queue, thread, self, self._refiller(resume_state))

    def _refiller(self, resumed: FeedPosition | None) -> Refiller | None:
        if self._rest is None:
            return None
        seen_ns = resumed.event_ns if resumed is not None else None
        return Refiller(
            self._rest,
            self.watch.symbols,
            self.state,
            self._listeners.said,
            seen_ns,
            self._limits,
            self._earlier() if seen_ns is None else None,
            self.goes_on,
        )


class _SessionThread:
    """A session on an event loop in a thread of its own."""

    def __init__(self, session: Session) -> None:
        self.failure: BaseException | None = None
        self._session = session
        self._loop = asyncio.new_event_loop()
        self._task = self._loop.create_task(session.run())
        self._thread = threading.Thread(target=self._work, name="polygon-feed", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        self._loop.run_until_complete(asyncio.wait([self._task]))
        if not self._task.cancelled():
            self.failure = self._task.exception()
        self._loop.close()

    @property
    def ended(self) -> bool:
        """Whether the session has come to its end."""
        return not self._thread.is_alive()

    def stop(self) -> None:
        """End the session and wait for it, a few seconds at most."""
        with contextlib.suppress(RuntimeError):  # it has just ended by itself
            self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(_STOP_S)


class _LivePartition(StatefulSourcePartition[Item, FeedPosition | None]):
    def __init__(
        self,
        queue: FrameQueue,
        thread: _SessionThread,
        feed: PolygonFeed,
        refiller: Refiller | None,
    ) -> None:
        self._queue = queue
        self._thread = thread
        self._feed = feed
        self._refiller = refiller
        self._state = feed.state

    def next_batch(self) -> list[Item]:
        self._state.asked_at = time.monotonic()
        if self._feed.stop.is_set():
            self._thread.stop()
        ended = self._thread.ended  # before the look at the queue: nothing comes after it
        taken = self._take(ended)
        self._state.queue_frames = self._queue.frames
        self._state.queue_bytes = self._queue.bytes
        self._state.shed_frames = self._queue.shed_frames
        self._state.dropped_frames = self._queue.dropped_frames
        self._state.refilling = self._refiller is not None and self._refiller.fetching
        if taken or not ended:
            return taken
        failure = self._thread.failure
        if isinstance(failure, FeedRefusedError) and not self._feed.raise_refusal:
            raise StopIteration
        if failure is not None:
            raise failure
        raise StopIteration

    def _take(self, ended: bool) -> list[Item]:
        wait_s = 0.0 if ended else _WAIT_S
        if self._refiller is None:
            return [*self._queue.take(wait_s)]
        if self._refiller.fetching and not ended:
            self._refiller.await_refill(wait_s)
            return self._refiller.through(())
        return self._refiller.through(self._queue.take(wait_s), ended)

    def next_awake(self) -> datetime | None:
        # Now: None would add Bytewax's own millisecond to the one waited for in `next_batch`.
        return datetime.now(UTC)

    def snapshot(self) -> FeedPosition | None:
        return None if self._refiller is None else self._refiller.position()

    def close(self) -> None:
        self._thread.stop()


def polygon_feed(settings: Settings, listeners: Listeners, **options: Any) -> PolygonFeed:
    """Return the live feed the settings describe; `options` of it go before them.

    Raises:
        SettingsError: the host is no WebSocket address.
        PositionsError: the positions file cannot be read.
    """
    symbols = watched(settings, listeners.said)
    whole_market = settings.monitoring_mode == "all"  # too much to fetch
    described: dict[str, Any] = {
        "held": held(settings, symbols, listeners.said),
        "listeners": listeners,
        "silence": Silence(settings.silence_seconds, market_clock(settings)),
        "skew": ClockSkew(settings.feed_delay_seconds, settings.lag_warn_seconds)
        if settings.freshness
        else None,
        "rest": None if whole_market else Rest(settings.polygon_rest_url, settings.polygon_api_key),
        "sessions": parse_sessions(settings.sessions) if whole_market else None,
    }
    key = settings.polygon_api_key
    return PolygonFeed(settings.polygon_ws_url, key, symbols, **described | options)
