"""The session filter of section 2: which phase of which day an event time belongs to.

Read from the section as follows. The exchange calendar governs a clock window too: it is open
on trading days only. On a half day `post` begins at the early close. Days are New York days;
under `all`, which has no calendar, they are UTC days.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import cache
from zoneinfo import ZoneInfo

import holidays

NEW_YORK = ZoneInfo("America/New_York")
PRE_OPEN, OPEN, CLOSE, POST_CLOSE = time(4), time(9, 30), time(16), time(20)
BEFORE_ALL_TIME = -(10**18)


@dataclass(frozen=True, slots=True)
class Phase:
    """A phase of one day, named by its first millisecond, and whether class 12 is flow in it."""

    name: str
    start_ms: int
    extended_hours_count: bool


@cache
def early_close(day: date) -> time | None:
    """Return the clock time a half day ends, read from the calendar's own words, else None."""
    label = holidays.financial_holidays("NYSE", years=day.year, categories=("half_day",)).get(day)
    if label is None:
        return None
    hour, minute = re.findall(r"close at (\d+):(\d\d)pm", label)[0]
    return time(12 + int(hour), int(minute))


@cache
def is_trading_day(day: date) -> bool:
    """Return whether the exchange opens on `day`."""
    closed = holidays.financial_holidays("NYSE", years=day.year, categories=("public",))
    return day.weekday() < 5 and day not in closed


def epoch_ms(day: date, clock: time) -> int:
    """Return the epoch time of a New York clock time."""
    return int(datetime.combine(day, clock, NEW_YORK).timestamp()) * 1000


class Sessions:
    """The setting `sessions`: names joined by commas, one clock window, or `all`."""

    def __init__(self, text: str) -> None:
        self.all = text == "all"
        self.window = re.fullmatch(r"(\d\d:\d\d)-(\d\d:\d\d)", text)
        self.names = {name.strip() for name in text.split(",")}
        self._of_day: dict[date, list[tuple[int, int, Phase]]] = {}
        if not (self.all or self.window or self.names <= {"pre", "regular", "post"}):
            raise ValueError(f"sessions must be pre, regular, post, HH:MM-HH:MM or all, not {text}")

    def day(self, ms: int) -> date:
        """Return the day that verdicts are counted under."""
        zone = UTC if self.all else NEW_YORK
        return datetime.fromtimestamp(ms // 1000, zone).date()

    def phase(self, ms: int) -> Phase | None:
        """Return the admitted phase that `ms` lies in, None when the filter does not pass it."""
        if self.all:
            return Phase("all", BEFORE_ALL_TIME, False)
        day = self.day(ms)
        if day not in self._of_day:
            self._of_day[day] = self._phases(day)
        for start, end, phase in self._of_day[day]:
            if start <= ms < end:
                return phase
        return None

    def _phases(self, day: date) -> list[tuple[int, int, Phase]]:
        """List the admitted stretches of a day; a clock window may be cut by the regular one."""
        if not is_trading_day(day):
            return []
        end_of_regular = early_close(day) or CLOSE
        spans = {
            "pre": (PRE_OPEN, OPEN, True),
            "regular": (OPEN, end_of_regular, False),
            "post": (end_of_regular, POST_CLOSE, True),
        }
        if self.window:
            return self._window_phases(day, end_of_regular)
        found = []
        for name, (start, end, extended) in spans.items():
            if name in self.names:
                first = epoch_ms(day, start)
                found.append((first, epoch_ms(day, end), Phase(name, first, extended)))
        return found

    def _window_phases(self, day: date, end_of_regular: time) -> list[tuple[int, int, Phase]]:
        """A clock window is one phase; class 12 counts in the parts of it outside the regular."""
        assert self.window is not None
        start = epoch_ms(day, time.fromisoformat(self.window[1]))
        end = epoch_ms(day, time.fromisoformat(self.window[2]))
        opened, closed = epoch_ms(day, OPEN), epoch_ms(day, end_of_regular)
        return [
            (start, min(end, opened), Phase("window", start, True)),
            (max(start, opened), min(end, closed), Phase("window", start, False)),
            (max(start, closed), end, Phase("window", start, True)),
        ]
