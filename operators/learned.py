"""What a symbol's past sessions taught: how large its parents are, when in the day it trades.

Of each symbol and day there may be several parts (a run that began anew in mid session); parts
of a day add up, and so do days.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Generic, TypeVar

from operators.ticks import Array

SESSIONS_KEPT = 20
EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True, eq=False)
class DayPart:
    """One part of a symbol's day; `day` in days since epoch, `since_ns` its first print."""

    symbol: str
    day: int
    since_ns: int

    @property
    def date(self) -> date:
        """The calendar day in New York."""
        return EPOCH + timedelta(days=self.day)


@dataclass(frozen=True, slots=True, eq=False)
class SizeDay(DayPart):
    """Parents by size: `counts` of them in `bins` of the sketch, while `span_ms` were seen."""

    span_ms: int
    bins: Array
    counts: Array


@dataclass(frozen=True, slots=True, eq=False)
class VolumeDay(DayPart):
    """Volume by time of day, 1e-6 share: of each five minutes from `first` (of the day) on."""

    first: int
    volumes: Array


D = TypeVar("D", bound=DayPart)
History = Mapping[str, Iterable[D]]


@dataclass(frozen=True, slots=True)
class Learned:
    """What is known at the start of a run: parts by symbol. Never written to by a run."""

    sizes: History[SizeDay]
    volumes: History[VolumeDay]


NOTHING = Learned({}, {})


class Trailing(Generic[D]):
    """The parts of past sessions of each symbol: those known at the start, then the run's own.

    Holds at most `SESSIONS_KEPT` sessions of a symbol, and asks for a day's past once a day.
    """

    def __init__(self, known: History[D]) -> None:
        self._known = known
        self._parts: dict[str, dict[tuple[int, int], D]] = {}

    def add(self, part: D) -> None:
        """Take what a session taught; the same part again replaces it."""
        self._of(part.symbol)[part.day, part.since_ns] = part

    def before(self, symbol: str, day: int) -> list[D]:
        """Return the parts of the newest sessions before `day`, oldest first; forget older."""
        parts = self._of(symbol)
        past = sorted(key for key in parts if key[0] < day)
        kept = set(sorted({key[0] for key in past})[-SESSIONS_KEPT:])
        for key in past:
            if key[0] not in kept:
                del parts[key]
        return [parts[key] for key in past if key[0] in kept]

    def _of(self, symbol: str) -> dict[tuple[int, int], Any]:
        if symbol not in self._parts:
            known = self._known.get(symbol, ())
            self._parts[symbol] = {(part.day, part.since_ns): part for part in known}
        return self._parts[symbol]
