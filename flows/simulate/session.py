"""The clock of the synthetic day: its hours, and how busy each minute of them is."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
REGULAR_MINUTES = 390
PRE_MARKET_MINUTES = 30
NEW_YORK = ZoneInfo("America/New_York")

# Volume is heavy after the open and before the close, light at lunch: weights by minute.
_U_MINUTES = (0, 5, 15, 30, 60, 120, 195, 270, 330, 360, 380, 390)
_U_WEIGHTS = (3.0, 2.4, 1.9, 1.5, 1.2, 0.85, 0.68, 0.75, 0.95, 1.2, 1.7, 2.4)


@dataclass(frozen=True)
class Session:
    """Half an hour before the open, and `minutes` of regular hours from 09:30 New York.

    Times are nanoseconds since the epoch, UTC.
    """

    day: date
    minutes: int
    open_ns: int = field(init=False)

    def __post_init__(self) -> None:
        opened = datetime.combine(self.day, time(9, 30), NEW_YORK)
        object.__setattr__(self, "open_ns", int(opened.timestamp()) * SECOND)

    @property
    def start_ns(self) -> int:
        """The first instant of the tape, 09:00 New York."""
        return self.open_ns - PRE_MARKET_MINUTES * MINUTE

    @property
    def end_ns(self) -> int:
        """The end of regular hours, or of the part of them that is simulated."""
        return self.open_ns + self.minutes * MINUTE

    @property
    def closes(self) -> bool:
        """Whether the tape reaches the closing auction."""
        return self.minutes == REGULAR_MINUTES

    def at(self, clock: str) -> int:
        """Return the instant of a New York wall-clock time `HH:MM:SS` on this day."""
        hours, minutes, seconds = (int(part) for part in clock.split(":"))
        since_open = (hours * 60 + minutes) * 60 + seconds - (9 * 60 + 30) * 60
        return self.open_ns + since_open * SECOND

    @property
    def weights(self) -> Array:
        """Expected share of a whole day's prints, one a simulated minute."""
        middle = np.arange(REGULAR_MINUTES) + 0.5
        curve = np.interp(middle, _U_MINUTES, _U_WEIGHTS)
        shares: Array = (curve / curve.sum())[: self.minutes]
        return shares

    def scatter(self, rng: np.random.Generator, count: int) -> Array:
        """Return `count` instants of regular hours, ns, denser where the day is busier, unsorted.

        Minutes are drawn by weight and the instant within as an integer, so that no rounding
        of a float decides a nanosecond.
        """
        weights = self.weights
        minute = rng.choice(self.minutes, size=count, p=weights / weights.sum())
        instants: Array = self.open_ns + minute * MINUTE + rng.integers(0, MINUTE, size=count)
        return instants
