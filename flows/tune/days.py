"""Tapes replayed day by day, and what is kept of each day, so that nothing is replayed twice."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from zipfile import BadZipFile

import msgspec
import numpy as np

from flows import __version__
from flows.errors import OrderflowError
from flows.feeds.tape import TapeFeed
from flows.feeds.tape_files import TapeFile, expand, open_tapes
from flows.places import cache_folder
from flows.progress import shown
from flows.run import TapeFiles, say, tape_feed
from flows.scorecard.judge import Terms
from flows.scorecard.recorded import record
from flows.settings import Settings
from flows.tune.condense import Condensed, Condenser
from flows.tune.grid import FIELDS, Lowest
from flows.tune.worth import Shard, shard_of
from operators.kernels import fingerprint
from operators.sessions import ENDLESS, new_york_day
from operators.ticks import MS


@dataclass(slots=True)
class Observed:
    """What is kept of the tapes: rows that could fire, and the symbol-days they are of.

    `symbol_days`: (ordinal of the date, symbol) of every day on which a print counted.
    """

    shards: list[Shard] = field(default_factory=list)
    symbol_days: list[tuple[int, str]] = field(default_factory=list)
    trades: int = 0
    quotes: int = 0

    @property
    def days(self) -> list[date]:
        """The dates, sorted."""
        return [date.fromordinal(n) for n in sorted({n for n, _ in self.symbol_days})]

    def add(self, other: Observed) -> None:
        """Add what another day left."""
        self.shards += other.shards
        self.symbol_days += other.symbol_days
        self.trades += other.trades
        self.quotes += other.quotes


def observe(
    settings: Settings,
    tapes: Sequence[str],
    lowest: Lowest,
    terms: Terms,
    progress: bool = False,
) -> Observed:
    """Replay tapes once, a group of days at a time, and keep what could fire.

    What a group left is kept in the user's cache folder, by files, rules and bounds: a run that
    was stopped goes on with the next group.

    Raises:
        TapeError: a file cannot be read.
        OrderflowError: captures, or nothing on the tapes counts.
    """
    out = Observed()
    tape = open_tapes(expand(tapes), lambda text: say(f"{text}\n"))
    if tape.captures:
        raise OrderflowError("tune reads tapes of trades and quotes, not raw captures.")
    groups = list(groups_of(tape.files, settings.sessions))
    for number, files in enumerate(groups, start=1):
        kept = cache_folder() / "tune" / f"{_key(files, settings, lowest, terms)}.npz"
        found = load(kept)
        if found is None:
            if progress and len(groups) > 1:
                say(f"days {number} of {len(groups)}\n")
            found = _replayed(settings, files, lowest, terms, progress)
            save(found, kept)
        out.add(found)
    if not out.symbol_days:
        raise OrderflowError(
            f"no print on these tapes counts in the sessions `{settings.sessions}`: "
            "a market that never closes needs --sessions all."
        )
    return out


def groups_of(files: Sequence[TapeFile], sessions: str) -> Iterator[list[TapeFile]]:
    """Yield the files that have to be replayed together: those that share a New York day.

    Where the market never closes, windows go on at midnight, and all files are one group.
    """
    if sessions == ENDLESS:
        yield list(files)
        return
    spans = sorted(((*_days(file), i) for i, file in enumerate(files) if file.groups))
    group: list[int] = []
    until = date.min
    for first, last, i in spans:
        if group and first > until:
            yield [files[n] for n in sorted(group)]
            group = []
        group.append(i)
        until = max(until, last)
    if group:
        yield [files[n] for n in sorted(group)]


def _days(file: TapeFile) -> tuple[date, date]:
    return new_york_day(file.groups[0][0] // MS), new_york_day(file.groups[-1][1] // MS)


def _key(files: Sequence[TapeFile], settings: Settings, lowest: Lowest, terms: Terms) -> str:
    """Return what the rows of a group depend on, as a name."""
    stats = [(Path(f.path).resolve(), Path(f.path).stat()) for f in files]
    parts = [
        __version__,
        fingerprint(),
        *_sources(),
        *(f"{path}|{stat.st_size}|{stat.st_mtime_ns}" for path, stat in stats),
        *(f"{k}={v}" for k, v in settings.public().items() if k not in FIELDS),
        repr(lowest),
        repr(terms),
    ]
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=16).hexdigest()


def _sources() -> list[str]:
    """Return hashes of the code that says what is kept, and what of it a fall is."""
    here = Path(__file__).parent
    files = [*here.glob("*.py"), *(here.parent / "scorecard").glob("*.py")]
    return [hashlib.blake2b(path.read_bytes()).hexdigest() for path in sorted(files)]


def _replayed(
    settings: Settings, files: Sequence[TapeFile], lowest: Lowest, terms: Terms, progress: bool
) -> Observed:
    feed = tape_feed(settings, TapeFiles(tuple(file.path for file in files)), "tape", None)
    assert isinstance(feed, TapeFeed)  # noqa: S101 - captures were refused above
    condenser = Condenser(lowest)
    with shown(feed.progress, progress):
        recorded = record(feed, settings, condenser)
    shards = [shard_of(one, recorded.days, terms) for one in condenser.condensed()]
    symbol_days = [(day.day.toordinal(), day.symbol) for day in recorded.days]
    return Observed(shards, symbol_days, recorded.trades, recorded.quotes)


def save(found: Observed, path: Path) -> None:
    """Keep what a group left; a folder that cannot be written costs a replay next time."""
    about = msgspec.json.encode((found.symbol_days, found.trades, found.quotes)).decode()
    arrays = {"about": np.array(about)}
    for i, shard in enumerate(found.shards):
        arrays[f"{i}_names"] = np.array(shard.condensed.names, str)
        arrays[f"{i}_rows"] = shard.condensed.rows
        arrays |= {f"{i}_{name}": getattr(shard, name) for name in ("fall", "base", "day")}
    partial = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]  # names are ours
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        say(f"what was found is not kept for next time: {error}\n")


def load(path: Path) -> Observed | None:
    """Return what `save` kept, without the texts of trade ids; None where it is not whole."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            symbol_days, trades, quotes = msgspec.json.decode(
                str(kept["about"]), type=tuple[list[tuple[int, str]], int, int]
            )
            shards = []
            for i in itertools.count():
                if f"{i}_rows" not in kept:
                    break
                condensed = Condensed(kept[f"{i}_names"].tolist(), kept[f"{i}_rows"])
                shards.append(Shard(condensed, *(kept[f"{i}_{n}"] for n in Shard._fields[1:])))
    except (OSError, ValueError, KeyError, EOFError, BadZipFile, msgspec.DecodeError):
        return None
    return Observed(shards, symbol_days, trades, quotes)
