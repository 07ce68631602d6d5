"""When in the day a symbol trades: its mean volume by time of day over past sessions."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time

import numpy as np

from operators.learned import VolumeDay
from operators.sessions import NEW_YORK, Sessions, is_trading_day, regular_close
from operators.ticks import Array

BUCKET_S = 300
BUCKETS_A_DAY = 86_400 // BUCKET_S
FEWEST_SESSIONS = 5
UNKNOWN = -1  # volume of a time of day that too few sessions have seen

# In New York, as buckets of the day. On a half day `post` begins at 13:00.
_STARTS = {"pre": 48, "regular": 114, "post": 156}
_ENDS = {"pre": 114, "regular": 192, "post": 240}


def span_of(sessions: Sessions) -> tuple[int, int]:
    """Return the first bucket of the day that sessions can touch, and how many they can."""
    if sessions.window is not None:
        start, end = (clock.hour * 60 + clock.minute for clock in sessions.window)
        return start // 5, -(-end // 5) - start // 5
    if not sessions.phases:
        return 0, BUCKETS_A_DAY
    start = min(_STARTS[phase] for phase in sessions.phases)
    return start, max(_ENDS[phase] for phase in sessions.phases) - start


def _ms(day: date, clock: time) -> int:
    return int(datetime.combine(day, clock, NEW_YORK).timestamp() * 1000)


def day_bounds(sessions: Sessions, day: date) -> tuple[int, int, int, bool]:
    """Return midnight, open and close of a New York day in ms, and if the close is an early one.

    Open and close are 0 where the market has none: on other days, and without sessions.
    """
    midnight = _ms(day, time())
    endless = not sessions.phases and sessions.window is None
    if endless or not is_trading_day(day):
        return midnight, 0, 0, False
    close = regular_close(day)
    return midnight, _ms(day, time(9, 30)), _ms(day, close), close != time(16)


def usual_volumes(past: Iterable[VolumeDay], first: int, buckets: int) -> Array:
    """Return the mean volume of each bucket from `first` on over the sessions that saw it.

    Returns:
        1e-6 share, UNKNOWN where fewer than `FEWEST_SESSIONS` sessions saw the bucket.
    """
    total, seen = np.zeros(buckets, np.int64), np.zeros(buckets, np.int64)
    by_day: dict[int, list[VolumeDay]] = {}
    for part in past:
        by_day.setdefault(part.day, []).append(part)
    for parts in by_day.values():
        covered = np.zeros(buckets, np.int64)
        for part in parts:
            start, end = (at - first for at in (part.first, part.first + len(part.volumes)))
            low, high = max(start, 0), min(end, buckets)
            if low < high:
                total[low:high] += part.volumes[low - start : high - start]
                covered[low:high] = 1
        seen += covered
    return np.where(seen >= FEWEST_SESSIONS, total // np.maximum(seen, 1), UNKNOWN)
