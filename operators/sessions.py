"""Trading phases by New York clock and exchange calendar, as tables a kernel can search."""

from __future__ import annotations

import functools
import itertools
from datetime import date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from operators.exchange_days import closed, half_days
from operators.ticks import Array

NEW_YORK = ZoneInfo("America/New_York")
DAY_MS = 86_400_000
PHASES = ("pre", "regular", "post")
ENDLESS = "all"

PHASE = np.dtype(
    [
        ("start_ms", np.int64),  # inclusive
        ("end_ms", np.int64),  # exclusive
        ("phase_ms", np.int64),  # start of the phase this piece belongs to: its identity
        ("extended", np.uint8),  # Form T prints (class 12) count here
    ],
    align=True,
)
"""One admitted piece of a trading day, times in ms since epoch, UTC."""

_ALWAYS = np.array([(-(2**62), 2**62, 0, 0)], PHASE)


class SessionError(ValueError):
    """`sessions` is neither a list of phases, nor a clock window, nor `all`."""


class Sessions(NamedTuple):
    """What is admitted: phases by name, or one clock window, or (both empty) everything."""

    phases: tuple[str, ...]
    window: tuple[time, time] | None


def _clock(text: str) -> time:
    try:
        return time.fromisoformat(text)
    except ValueError:
        raise SessionError(f"`{text}` is not a time of day such as 07:00") from None


def parse_sessions(text: str) -> Sessions:
    """Read `regular`, `pre,regular,post`, `07:00-10:00` or `all`.

    Raises:
        SessionError: anything else, in a sentence.
    """
    text = text.strip()
    if text == ENDLESS:
        return Sessions((), None)
    if "-" in text:
        start, _, end = text.partition("-")
        window = _clock(start), _clock(end)
        if window[0] >= window[1]:
            raise SessionError(f"the clock window `{text}` ends before it starts")
        return Sessions((), window)
    phases = tuple(part.strip() for part in text.split(","))
    for phase in phases:
        if phase not in PHASES:
            raise SessionError(
                f"`{phase}` is no trading phase: use pre, regular, post, a clock window such "
                "as 07:00-10:00, or all"
            )
    return Sessions(phases, None)


def is_trading_day(day: date) -> bool:
    """Return whether the US exchanges open on `day`."""
    return day.weekday() < 5 and day not in closed(day.year)


def regular_close(day: date) -> time:
    """Return the end of the regular phase of a trading day, New York time."""
    return time(13) if day in half_days(day.year) else time(16)


def _ms(day: date, clock: time) -> int:
    return int(datetime.combine(day, clock, NEW_YORK).timestamp() * 1000)


def _bounds(day: date) -> dict[str, tuple[time, time]]:
    close = regular_close(day)
    return {
        "pre": (time(4), time(9, 30)),
        "regular": (time(9, 30), close),
        "post": (close, time(20)),
    }


@functools.lru_cache(maxsize=64)
def _bounds_ms(day: date) -> tuple[tuple[str, int, int], ...]:
    return tuple((name, _ms(day, a), _ms(day, b)) for name, (a, b) in _bounds(day).items())


@functools.lru_cache(maxsize=4096)
def _day_pieces(sessions: Sessions, day: date) -> tuple[tuple[int, int, int, int], ...]:
    """Return the admitted pieces of a New York day as rows of PHASE."""
    if not is_trading_day(day):
        return ()
    bounds = _bounds(day)
    if sessions.window is None:
        named = [(name, *bounds[name]) for name in PHASES if name in sessions.phases]
        return tuple(
            (_ms(day, a), _ms(day, b), _ms(day, a), int(name != "regular")) for name, a, b in named
        )
    start, end = sessions.window
    phase_ms = _ms(day, start)
    cuts = [start, *(c for c in bounds["regular"] if start < c < end), end]
    regular = bounds["regular"]
    return tuple(
        (_ms(day, a), _ms(day, b), phase_ms, int(not regular[0] <= a < regular[1]))
        for a, b in itertools.pairwise(cuts)
    )


def new_york_day(ms: int) -> date:
    """Return the New York calendar day of an event time."""
    return datetime.fromtimestamp(ms / 1000, NEW_YORK).date()


def phase_table(sessions: Sessions, utc_days: Array) -> Array:
    """Return the admitted phases that touch any of the UTC days, sorted by time.

    Args:
        sessions: What is admitted.
        utc_days: Days since epoch, sorted, without repeats.

    Returns:
        Rows of PHASE.
    """
    if not sessions.phases and sessions.window is None:
        return _ALWAYS
    days: set[date] = set()
    for utc_day in utc_days:
        day = date(1970, 1, 1) + timedelta(days=int(utc_day))
        days.update((day - timedelta(days=1), day))  # 20:00 New York is past midnight UTC
    pieces = [piece for day in sorted(days) for piece in _day_pieces(sessions, day)]
    return np.array(pieces, PHASE)


def is_open(sessions: Sessions, ms: int) -> bool:
    """Return whether an admitted phase is on at an event time."""
    phases = phase_table(sessions, np.array([ms // DAY_MS]))
    return bool(((phases["start_ms"] <= ms) & (ms < phases["end_ms"])).any())


def phase_start(sessions: Sessions, ms: int) -> int | None:
    """Return the start of the admitted phase an event time is in, in ms; None: in none.

    The endless phase of `all` has no start.
    """
    phases = phase_table(sessions, np.array([ms // DAY_MS]))
    here = phases[(phases["start_ms"] <= ms) & (ms < phases["end_ms"])]
    return int(here["phase_ms"][0]) if len(here) and phases is not _ALWAYS else None


def phase_name(sessions: Sessions, ms: int) -> str:
    """Return the phase an alert names: `pre`, `regular`, `post`, the clock window, or `all`."""
    if sessions.window is not None:
        return "-".join(clock.isoformat("minutes") for clock in sessions.window)
    if not sessions.phases:
        return ENDLESS
    for name, start_ms, end_ms in _bounds_ms(new_york_day(ms)):
        if start_ms <= ms < end_ms:
            return name
    return "closed"
