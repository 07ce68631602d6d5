"""The regular session of a day, for the plain rules."""

from __future__ import annotations

import functools
from datetime import UTC, date, datetime, time, timedelta

from operators.sessions import NEW_YORK, is_trading_day, regular_close


@functools.cache
def _bounds(day: date) -> tuple[int, int]:
    """Return first and last ms (exclusive) of the session; equal where the exchange is closed."""
    opens = datetime.combine(day, time(9, 30), NEW_YORK)
    closes = opens
    if is_trading_day(day):
        closes = datetime.combine(day, regular_close(day), NEW_YORK)
    return round(opens.timestamp() * 1000), round(closes.timestamp() * 1000)


def regular_session(ms: int) -> tuple[int, int]:
    """Return the bounds, in ms, of the session of the New York day that holds `ms`."""
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
    return _bounds(at.astimezone(NEW_YORK).date())
