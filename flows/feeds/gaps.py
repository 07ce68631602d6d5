"""Gaps of a live feed: from the last event before it to the first one after it.

Everything here is in event time, because windows are. Where no event tells the time, it is
reckoned: the last event's time plus what has passed on the wall clock since its receipt.
"""

from __future__ import annotations

import time

from flows.feeds.frame_queue import event_times_ns, first_event_ns
from operators.records import UNSUBSCRIBED, Coverage

START = "start"
WARM_UP_NS = 420 * 10**9  # the 360 s of the windows, and a minute in which bursts are judged


class Gaps:
    """The frames that were last seen, and the gaps that are open since."""

    def __init__(self) -> None:
        self._last: tuple[int, bytes] | None = None
        self._open: tuple[str, int, int | None] | None = None  # cause, wall clock, event time
        self._unwatched: dict[str, int] = {}
        self._watched: set[str] = set()

    @property
    def open(self) -> bool:
        """Whether the feed is gone and no event has come since."""
        return self._open is not None

    def saw(self, received_ns: int, frame: bytes) -> None:
        """Remember a data frame as the newest."""
        self._last = received_ns, frame

    def _last_event_ns(self) -> int | None:
        if self._last is None:
            return None
        received_ns, frame = self._last
        times = event_times_ns(frame)
        return times[-1] if times else received_ns

    def _event_now_ns(self) -> int:
        """Return what time it is on the feed's clock."""
        last = self._last_event_ns()
        if last is None or self._last is None:
            return time.time_ns()
        return last + time.time_ns() - self._last[0]

    def begin(self, cause: str) -> None:
        """Open a gap: the feed is gone. A gap that is open stays as it is."""
        if self._open is None:
            self._open = cause, time.time_ns(), self._last_event_ns()

    def end(self, received_ns: int, frame: bytes) -> Coverage:
        """Close the gap with the first frame after it."""
        to_ns = first_event_ns(frame, received_ns)
        return self._close(to_ns, received_ns)

    def end_unseen(self) -> Coverage:
        """Close the gap at the end of the run, no event having come."""
        return self._close(self._event_now_ns(), time.time_ns())

    def unseen_ns(self) -> tuple[int, int]:
        """Return the beginning of the open gap, and what time it is now."""
        gap = self._so_far(self._event_now_ns(), time.time_ns())
        return gap.from_ns, gap.to_ns

    def _close(self, to_ns: int, wall_ns: int) -> Coverage:
        gap = self._so_far(to_ns, wall_ns)
        self._open = None
        return gap

    def _so_far(self, to_ns: int, wall_ns: int) -> Coverage:
        if self._open is None:
            raise ValueError("no gap is open")
        cause, since_ns, last_ns = self._open
        from_ns = to_ns - (wall_ns - since_ns) if last_ns is None else last_ns
        return Coverage("*", from_ns, max(from_ns, to_ns), cause, refilled=False)

    def unwatch(self, symbol: str) -> None:
        """Open a gap of one symbol: it is unsubscribed from."""
        self._unwatched[symbol] = self._event_now_ns()

    def watch(self, symbol: str) -> Coverage | None:
        """Close the gap of a symbol that is watched again, or the first time in mid run.

        None for one watched before any event came, whose start is the run's own, and for one
        that has only been subscribed to anew: that gap is the connection's.
        """
        known = symbol in self._watched
        self._watched.add(symbol)
        from_ns = self._unwatched.pop(symbol, None)
        if from_ns is None and (known or self._last is None):
            return None
        if from_ns is None:
            now_ns = self._event_now_ns()
            return Coverage(symbol, now_ns - WARM_UP_NS, now_ns, START, refilled=False)
        return Coverage(
            symbol, from_ns, max(from_ns, self._event_now_ns()), UNSUBSCRIBED, refilled=False
        )
