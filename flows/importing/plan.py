"""What is to be imported: one tape a day and kind, and the sources it is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo

import duckdb

from flows.importing.manifest import SourceRecord

NEW_YORK = ZoneInfo("America/New_York")
KINDS = ("trades", "quotes")


@dataclass(slots=True)
class Progress:
    """How far an import has come, for whoever shows it.

    `total` and `done` are in the unit the sources weigh in; `fraction` is that of the tape in
    work, which weighs `weight`.
    """

    total: float = 0
    done: float = 0
    weight: float = 0
    fraction: float = 0
    rows: int = 0
    doing: str = ""

    @property
    def completed(self) -> float:
        """What is done of `total`."""
        return self.done + self.weight * min(self.fraction, 1)


@dataclass(frozen=True, slots=True)
class Bench:
    """Where a tape is put together.

    Args:
        db: the database that does the work.
        folder: for files on the way, on the disk of the tapes.
        fetched: for what is downloaded; it stays until the tape is made.
        symbols: only these, or empty: all.
        progress: counted on.
        share: where in the tape's work this source begins and ends, 0 to 1.
    """

    db: duckdb.DuckDBPyConnection
    folder: Path
    fetched: Path
    symbols: tuple[str, ...]
    progress: Progress
    share: tuple[float, float] = (0.0, 1.0)

    def next_staged(self) -> Path:
        """Return a free name for a staged source."""
        return self.folder / f"{len(list(self.folder.glob('*.staged')))}.staged"

    def reached(self, fraction: float) -> None:
        """Say how far this source is, 0 to 1."""
        begin, end = self.share
        self.progress.fraction = begin + (end - begin) * fraction


@dataclass(frozen=True, slots=True)
class Staged:
    """A source as Parquet in the order it came, with `sequence_number` and `correction`."""

    path: Path
    record: SourceRecord


class Origin(Protocol):
    """Something rows of one day and kind come from."""

    @property
    def name(self) -> str:
        """What a person calls it."""

    @property
    def weight(self) -> float:
        """How much work it is, in bytes or whatever all origins of an import count in."""

    def unchanged(self, record: SourceRecord) -> bool:
        """Return whether it is still what was imported then."""

    def stage(self, bench: Bench) -> list[Staged]:
        """Bring its rows to the bench."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One tape to make."""

    day: date
    kind: str
    origins: tuple[Origin, ...]

    @property
    def path(self) -> str:
        """Where it goes, below the target folder."""
        return f"{self.day}/{self.kind}.parquet"

    @property
    def weight(self) -> float:
        """How much work it is."""
        return sum(origin.weight for origin in self.origins)


def midnight_ns(day: date) -> int:
    """Return the first nanosecond of a New York day."""
    return int(datetime(day.year, day.month, day.day, tzinfo=NEW_YORK).timestamp()) * 10**9


def day_of(ts_ns: int) -> date:
    """Return the New York day of a time."""
    return datetime.fromtimestamp(ts_ns // 10**9, NEW_YORK).date()


def today() -> date:
    """Return the day it is in New York."""
    return datetime.now(NEW_YORK).date()


def days_between(first: date, last: date) -> list[date]:
    """Return the days on which the US exchanges open, both ends included."""
    from operators.sessions import is_trading_day

    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    return [day for day in days if is_trading_day(day)]


def units_of(found: Iterable[tuple[date, str, Origin]]) -> list[Unit]:
    """Group origins by day and kind, in the order of time."""
    grouped: dict[tuple[date, str], list[Origin]] = {}
    for day, kind, origin in found:
        grouped.setdefault((day, kind), []).append(origin)
    ordered = sorted(grouped, key=lambda key: (key[0], KINDS.index(key[1])))
    return [Unit(day, kind, tuple(grouped[day, kind])) for day, kind in ordered]


Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of the sources to import. `first` and `last` are days, included; None: no bound."""

    kinds: Sequence[str] = KINDS
    symbols: tuple[str, ...] = ()
    first: date | None = None
    last: date | None = None

    def has(self, day: date) -> bool:
        """Return whether a day is wanted."""
        return (self.first is None or self.first <= day) and (self.last is None or day <= self.last)
