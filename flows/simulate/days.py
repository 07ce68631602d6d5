"""Several synthetic days as tapes in a folder, and what the rules make of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from pathlib import Path

from flows.feeds.capture import CaptureFeed
from flows.orderflow import rules_of
from flows.pipeline import Pipeline
from flows.progress import shown
from flows.run import TapeFiles, paths_of, say, tape_feed
from flows.scorecard.recorded import chunks
from flows.settings import Settings
from flows.simulate.generate import SEED, simulate
from flows.simulate.planting import Label
from flows.simulate.programme import Programme
from flows.simulate.session import REGULAR_MINUTES
from flows.simulate.tape import write_labels
from flows.warm_up import warm_up
from operators.records import Alert
from operators.sessions import is_trading_day, regular_close


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What to simulate; as the arguments of `simulate`, for `days` full sessions from `first`."""

    first: date
    days: int = 1
    seed: int = SEED
    symbols: tuple[str, ...] | None = None
    trades: int | None = None
    minutes: int = REGULAR_MINUTES
    programme: Programme | None = None


@dataclass
class Simulated:
    """What lies in the folder: tapes and labels, and how much it is."""

    tapes: list[Path] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    labels_path: Path = Path()
    trades: int = 0
    quotes: int = 0
    rows: list[str] = field(default_factory=list)


def sessions_from(first: date, days: int) -> Iterator[date]:
    """Yield trading days with a full session, from `first` on."""
    day = first
    while days:
        if is_trading_day(day) and regular_close(day) == time(16):
            yield day
            days -= 1
        day += timedelta(days=1)


def write_days(asked: Asked, folder: Path) -> Simulated:
    """Simulate and write a pair of tapes a day, and one file of labels.

    Raises:
        ValueError: `asked` makes no session.
        OSError: the folder cannot be written.
    """
    made = Simulated()
    for day in sessions_from(asked.first, asked.days):
        tape = simulate(
            asked.seed,
            symbols=asked.symbols,
            trades=asked.trades,
            minutes=asked.minutes,
            day=day,
            programme=asked.programme,
        )
        sample = asked.programme is None and asked.days == 1
        made.tapes += tape.write_ticks(folder, "sample" if sample else day.isoformat())
        made.labels += tape.labels
        made.trades += len(tape.trades["ts_ns"])
        made.quotes += len(tape.quotes["ts_ns"])
        made.rows.append(tape.row_hash())
    made.labels_path = write_labels(tuple(made.labels), folder)
    return made


def raised(settings: Settings, tapes: Sequence[Path], progress: bool = False) -> list[Alert]:
    """Return the alerts of tapes under these settings, in order."""
    feed = tape_feed(settings, TapeFiles(paths_of(tapes)), "tape", None)
    assert not isinstance(feed, CaptureFeed)  # noqa: S101 - what was written is Parquet
    warm_up(say)
    pipeline = Pipeline(rules_of(settings, "replay"))
    with shown(feed.progress, progress):
        return [alert for ticks in chunks(feed) for alert in pipeline(ticks)]
