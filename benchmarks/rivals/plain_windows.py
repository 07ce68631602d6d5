"""Rolling volume and red-burst episodes in plain Python, one print at a time."""

from __future__ import annotations

from collections import deque

from operators.records import BURST_CRITICAL, BURST_WARNING

CURRENT_S, WINDOW_S = 60, 360
WARM_MS = 360_000
SPIKE, CRITICAL, CALM = 3.0, 4.0, 2.0
SELL_SHARE = 0.60
EPISODE_MS = 120_000


class Windows:
    """Volume of the last minute by side, and of the five minutes before it, of one symbol.

    A bucket is `[second, volume, sells, buys]`; sizes are integers of any unit.
    """

    __slots__ = ("_baseline", "_current", "_newest", "baseline", "buys", "first_ms", "sells",
                 "volume")  # fmt: skip

    def __init__(self) -> None:
        self._current: deque[list[int]] = deque()
        self._baseline: deque[list[int]] = deque()
        self._newest = [-1, 0, 0, 0]
        self.volume = self.sells = self.buys = self.baseline = 0
        self.first_ms = -1

    def add(self, ms: int, size: int, side: int) -> None:
        """Add an in-order print; `side` is +1, 0 or -1."""
        if self.first_ms < 0:
            self.first_ms = ms
        second = ms // 1000
        bucket = self._newest
        if bucket[0] != second:
            self._advance(second)
            bucket = self._newest = [second, 0, 0, 0]
            self._current.append(bucket)
        bucket[1] += size
        self.volume += size
        if side < 0:
            bucket[2] += size
            self.sells += size
        elif side > 0:
            bucket[3] += size
            self.buys += size

    def _advance(self, second: int) -> None:
        current, baseline = self._current, self._baseline
        while current and current[0][0] <= second - CURRENT_S:
            bucket = current.popleft()
            self.volume -= bucket[1]
            self.sells -= bucket[2]
            self.buys -= bucket[3]
            self.baseline += bucket[1]
            baseline.append(bucket)
        while baseline and baseline[0][0] <= second - WINDOW_S:
            self.baseline -= baseline.popleft()[1]

    def add_behind(self, second: int, size: int) -> None:
        """Add a print of unknown side to an earlier second of the windows."""
        is_current = second > self._newest[0] - CURRENT_S
        buckets = self._current if is_current else self._baseline
        at = len(buckets)
        while at and buckets[at - 1][0] > second:
            at -= 1
        if at and buckets[at - 1][0] == second:
            buckets[at - 1][1] += size
        else:
            buckets.insert(at, [second, size, 0, 0])
        if is_current:
            self.volume += size
        else:
            self.baseline += size

    def ratio(self, ms: int) -> float:
        """Return the minute over the average minute before it, or -1: undefined."""
        if self.baseline <= 0 or ms - self.first_ms < WARM_MS:
            return -1.0
        return 5 * self.volume / self.baseline

    def is_red(self, min_volume: int) -> bool:
        """Whether the minute is large enough, classified enough and sold enough."""
        classified = self.sells + self.buys
        return (
            self.volume >= min_volume
            and 2 * classified >= self.volume
            and classified > 0
            and self.sells / classified > SELL_SHARE
        )


class Episode:
    """One burst is told once, and once more when it turns critical."""

    __slots__ = ("escalates", "first_ms", "open")

    def __init__(self) -> None:
        self.open = 0
        self.escalates = False
        self.first_ms = 0

    def on_print(self, ms: int, windows: Windows, min_volume: int) -> int:
        """Return 0, BURST_WARNING or BURST_CRITICAL: what the print newly makes of it."""
        ratio = windows.ratio(ms)
        if self.open and 0 <= ratio < CALM and ms - self.first_ms >= EPISODE_MS:
            self.open = 0
        if ratio < SPIKE or not windows.is_red(min_volume):
            return 0
        kind = BURST_CRITICAL if ratio >= CRITICAL else BURST_WARNING
        if kind <= self.open:
            return 0
        self.escalates = bool(self.open)
        if not self.open:
            self.first_ms = ms
        self.open = kind
        return kind
