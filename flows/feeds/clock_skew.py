"""The feed's clock beside this machine's: told apart by more than a while, it is said once."""

from __future__ import annotations

from collections.abc import Callable

from flows.feeds.frame_queue import event_times_ns

_AHEAD_NS = 1_000_000_000  # no event is from the future
_LOOKS = 10  # some events are late: the least late of so many tells the clock
_SECOND_NS = 1_000_000_000


class ClockSkew:
    """Looks at a frame about every second, until it has said what there is to say.

    Args:
        delay_s: delay the feed is sold with.
        limit_s: lag from which it is worth a sentence.
    """

    def __init__(self, delay_s: float, limit_s: float) -> None:
        self._delay_ns = int(delay_s * 1e9)
        self._limit_ns = int(limit_s * 1e9)
        self._looks = 0
        self._least_ns = 0
        self._said = False

    def begin(self) -> None:
        """Take note of a new connection: what was late before it is over."""
        self._looks = 0

    def look(self, received_ns: int, frame: bytes, said: Callable[[str], None]) -> None:
        """Compare a frame's newest event with its receipt; say so if they are far apart."""
        times = event_times_ns(frame)
        if self._said or not times:
            return
        lag_ns = received_ns - max(times) - self._delay_ns
        self._least_ns = min(self._least_ns, lag_ns) if self._looks else lag_ns
        self._looks += 1
        ahead = lag_ns < -_AHEAD_NS
        if ahead or (self._looks >= _LOOKS and self._least_ns > self._limit_ns):
            self._said = True
            apart_s = abs(self._least_ns) / _SECOND_NS
            side = "ahead of" if ahead else "behind"
            said(
                f"The feed's times are {apart_s:,.0f} s {side} this machine's clock: set the "
                "clock, or ORDER_FLOW_FEED_DELAY_SECONDS to the delay of this host. Nothing is "
                "rejected for it."
            )
