"""Tape files to ticks: read ahead in each file, and hand on slices of time that are whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from flows.feeds.tape_books import BookColumns, BookReader, among, gathered
from flows.feeds.tape_columns import Catalogue, FileReader
from flows.feeds.tape_files import BOOKS, TRADES, TapeSet
from flows.feeds.tape_merge import Run, depths_in_places, in_places, merged, sequences
from operators.records import UnknownCondition
from operators.ticks import DETAIL, TICK, TRADE, Array, Row, Ticks, no_depths
from operators.values import CROSSED, GOOD, PROBLEMS, RejectLog

SLICE_ROWS = 131_072  # laid out at a time; six slices are in memory, and a row group a file
BEGINNING = -(2**63)
END = 2**63 - 1
_NOTHING = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a slice begins: its first event time, and each symbol's trades before it."""

    start_ns: int
    names: list[str]
    rows: Array

    def counts(self) -> dict[str, int]:
        """Return the trades of each symbol before the slice, by name."""
        return dict(zip(self.names, self.rows.tolist(), strict=False))


class _Open:
    """A file in reading, and the rows of it that are not laid out yet, oldest first."""

    def __init__(self, reader: FileReader, start_ns: int) -> None:
        self.reader = reader
        self.held: list[Any] = []  # Columns, or BookColumns of a file of books
        self._start_ns = start_ns
        reader.skip_before(start_ns)

    def read_group(self) -> None:
        """Read the next row group behind what is held."""
        for fresh in self.reader.read():
            first = int(np.searchsorted(fresh.ts_ns, self._start_ns))
            if first < len(fresh):
                self.held.append(fresh.part(first, len(fresh)))

    def before(self, until_ns: int) -> list[Array]:
        """Return the times from before `until_ns` of what is held, part by part."""
        return [held.ts_ns[: np.searchsorted(held.ts_ns, until_ns)] for held in self.held]

    def take(self, until_ns: int) -> list[Any]:
        """Take what is held from before `until_ns` (END: all)."""
        taken, kept = [], []
        for held in self.held:
            end = len(held) if until_ns == END else int(np.searchsorted(held.ts_ns, until_ns))
            if end:
                taken.append(held.part(0, end))
            if end < len(held):
                kept.append(held.part(end, len(held)))
        self.held = kept
        return taken


class TapeReader:
    """Read a tape slice by slice.

    Args:
        tape: Its files.
        symbols: Only these, or empty: every symbol the tape holds.
        stated_side: The column `side` is the feed's own statement, not a truth for scoring.
        depths: Read the sizes of quotes, too.

    Raises:
        TapeError: the files turn out unreadable.
    """

    def __init__(
        self,
        tape: TapeSet,
        symbols: Sequence[str] = (),
        stated_side: bool = False,
        depths: bool = False,
    ) -> None:
        self._catalogue = Catalogue(tape.files, symbols)
        self._readers = [
            BookReader(self._catalogue, file, stated_side)
            if file.kind == BOOKS
            else FileReader(self._catalogue, file, stated_side, depths)
            for file in tape.files
        ]
        self._depths = depths
        self._rejects = RejectLog()

    @property
    def names(self) -> list[str]:
        """The symbols met so far, by code."""
        return self._catalogue.names

    def read(self, place: Place | None = None) -> Iterator[tuple[Place, Ticks]]:
        """Yield each slice, with the place where it begins; from `place` on, or from the start."""
        start_ns = place.start_ns if place is not None else BEGINNING
        counted = place.counts() if place is not None else {}
        rows = np.empty(0, np.int64)
        files = [_Open(reader, start_ns) for reader in self._readers]
        while True:
            until_ns = self._read_up(files)
            for cut_ns in self._cuts(files, until_ns):
                runs, books = self._taken(files, cut_ns)
                rows = self._grown(rows, counted)
                here = Place(start_ns, self.names, rows.copy())
                if runs or books:
                    ticks = self._ticks(runs, rows, books)
                    news = self._catalogue.unknown_conditions.take()
                    ticks.notices += map(UnknownCondition, news)
                    yield here, ticks
                start_ns = cut_ns
            if until_ns == END:
                return

    def _taken(self, files: list[_Open], until_ns: int) -> tuple[list[Run], list[BookColumns]]:
        """Take trades and quotes, and books, from before `until_ns`."""
        taken = [(f.reader.file.kind, parts) for f in files if (parts := f.take(until_ns))]
        runs = [Run(kind == TRADES, parts) for kind, parts in taken if kind != BOOKS]
        return runs, [part for kind, parts in taken if kind == BOOKS for part in parts]

    def _read_up(self, files: list[_Open]) -> int:
        """Read the group that comes next, and return up to when all is held now."""
        waiting = [f for f in files if f.reader.next_ns is not None]
        if waiting:
            min(waiting, key=lambda f: f.reader.next_ns or 0).read_group()
        return min((f.reader.next_ns for f in files if f.reader.next_ns is not None), default=END)

    def _cuts(self, files: list[_Open], until_ns: int) -> list[int]:
        """Return where to cut what is held before `until_ns` into slices."""
        due = [times for f in files for times in f.before(until_ns)]
        inside = max(due, key=len, default=_NOTHING)
        pieces = max(1, -(-sum(map(len, due)) // SLICE_ROWS))
        cuts = {int(inside[len(inside) * k // pieces]) for k in range(1, pieces)}
        return [*sorted(cut for cut in cuts if cut < until_ns), until_ns]

    def _grown(self, rows: Array, counted: dict[str, int]) -> Array:
        """Return the counters with a place for each symbol met since, and one for no symbol."""
        names = self._catalogue.names
        if len(rows) == len(names) + 1:
            return rows
        known = max(len(rows) - 1, 0)
        fresh = [counted.get(name, 0) for name in names[known:]]
        return np.concatenate([rows[:known], np.array(fresh, np.int64), [0]])

    def _ticks(self, runs: list[Run], rows: Array, books: list[BookColumns]) -> Ticks:
        """Merge runs, and leave out what the values rule out: those are rejects."""
        if not books:
            ticks, _ = self._merged(runs, rows)
        else:
            whole = gathered(books, self._catalogue.names, self._rejects)
            if runs:
                ticks, sequence = self._merged(runs, rows, sequenced=True)
            else:
                names, venues = self._catalogue.names, self._catalogue.venues
                ticks = Ticks(names, np.empty(0, TICK), np.empty(0, DETAIL), {}, venues)
                sequence = _NOTHING
            ticks.books = among(whole, ticks.ticks["ts_ns"], sequence)
        ticks.rejects, ticks.rejected = self._rejects.take()
        return ticks

    def _merged(
        self, runs: list[Run], rows: Array, *, sequenced: bool = False
    ) -> tuple[Ticks, Array]:
        """Return what of the runs is good; with the sequence of each tick if it is asked for."""
        names, venues = self._catalogue.names, self._catalogue.venues
        ticks, details, problem, place, texts = merged(runs, rows)
        depths = depths_in_places(runs, place) if self._depths else no_depths()
        sequence = sequences(runs, place) if sequenced else _NOTHING
        if problem is None:
            return Ticks(names, ticks, details, texts, venues, depths=depths), sequence
        crossed = problem == CROSSED
        self._rejects.count_crossed(names, ticks["symbol"][crossed])
        good = (problem == GOOD) | crossed
        bad = np.flatnonzero(~good)
        if len(bad):
            first, second = (in_places(runs, place, name) for name in ("first", "second"))
            for k in bad:
                self._reject(ticks[k], PROBLEMS[problem[k]], first[k], second[k])
        trades = ticks["kind"] == TRADE
        kept = Ticks(names, ticks[good], details[good[trades]], texts, venues)
        kept.depths = depths[good] if self._depths else depths
        return kept, sequence[good] if sequenced else sequence

    def _reject(self, tick: Row, code: str, first: float, second: float) -> None:
        names = self._catalogue.names
        symbol = names[tick["symbol"]] if tick["symbol"] >= 0 else ""
        said = ("price", "size") if tick["kind"] == TRADE else ("bid", "ask")
        at = int(tick["ts_ns"])
        row = {"symbol": symbol, "ts_ns": at, said[0]: first, said[1]: second}
        fragment = orjson.dumps(row, option=orjson.OPT_SERIALIZE_NUMPY)
        self._rejects.add(symbol, code, fragment, at)
