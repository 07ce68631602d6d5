"""The idle watchdog: a connection that stands, answers pings and brings nothing is no feed."""

from __future__ import annotations

import time
from collections.abc import Callable

from flows.settings import Settings
from operators.sessions import is_open, parse_sessions
from operators.ticks import MS

LONGEST = 16  # times the limit


def market_clock(
    settings: Settings, now_ns: Callable[[], int] = time.time_ns
) -> Callable[[], bool]:
    """Return what tells whether the market is open on the feed's clock.

    Open are the phases the settings admit; on a delayed feed they come so much later.
    """
    sessions = parse_sessions(settings.sessions)
    delay_ms = int(settings.feed_delay_seconds * 1000)
    return lambda: is_open(sessions, now_ns() // MS - delay_ms)


def always_open() -> bool:
    """Return that the market is open: it has no sessions."""
    return True


class Silence:
    """How long nothing has come while something should.

    A thin symbol is silent for minutes, and connecting again does not make it trade: each time
    it was of no use the limit doubles, up to `LONGEST` times. It is back where it began once
    the feed has gone for `lively_s` without such a silence, and whenever the market closes.

    Args:
        limit_s: silence from which to connect again; 0: never.
        market_open: whether anything is to be expected now.
        lively_s: how long a feed has to be lively to be judged by `limit_s` again.
    """

    def __init__(
        self,
        limit_s: float,
        market_open: Callable[[], bool] = always_open,
        lively_s: float = 60.0,
    ) -> None:
        self.limit_s = limit_s
        self.patience_s = limit_s
        self._market_open = market_open
        self._lively_s = lively_s
        self._frames = 0
        self._heard_s = 0.0
        self._lively_since_s = 0.0

    def begin(self, frames: int, now_s: float) -> None:
        """Take note of a new connection, so many frames having come before it."""
        self._frames = frames
        self._heard_s = self._lively_since_s = now_s

    def too_long(self, frames: int, now_s: float) -> bool:
        """Return whether to connect again, `frames` having come in all; ask about every second."""
        if not self._market_open():
            self.patience_s = self.limit_s
            self.begin(frames, now_s)
            return False
        if now_s - self._heard_s > self.limit_s:
            self._lively_since_s = now_s
        if frames != self._frames:
            self._frames, self._heard_s = frames, now_s
            if now_s - self._lively_since_s >= self._lively_s:
                self.patience_s = self.limit_s
            return False
        if now_s - self._heard_s <= self.patience_s:
            return False
        self.patience_s = min(2 * self.patience_s, LONGEST * self.limit_s)
        return True
