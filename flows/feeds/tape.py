"""The tape feed: files as a Bytewax source, as fast as the flow takes them or at `speed`.

A thread reads ahead, because DuckDB and the kernels leave the GIL alone: reading one slice and
working on the one before it take place at the same time.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from flows.feeds.tape_files import TapeError, TapeSet
from flows.feeds.tape_reader import BEGINNING, Place, TapeReader
from operators.state import check_version
from operators.ticks import TRADE, Ticks

BATCH = 524_288
SLICES_AHEAD = 4
VERSION = 1
_END = None


class TapeState(NamedTuple):
    """Where to go on.

    A slice's first event time, how many ticks from there on are out, and how many trades each
    symbol had before it. `books_out` counts the books as `ticks_out` counts the ticks.
    """

    version: int
    fingerprint: str
    start_ns: int
    ticks_out: int
    rows: dict[str, int]
    books_out: int = 0


@dataclass(slots=True)
class Progress:
    """How far a replay has come, for whoever shows it; `ticks` are rows of any kind."""

    rows: int
    ticks: int = 0
    first_ns: int = 0
    last_ns: int = 0


class _ReadAhead:
    """Slices, read by a thread of its own; an error there is raised here."""

    def __init__(self, reader: TapeReader, place: Place) -> None:
        self._slices: queue.Queue[tuple[Place, Ticks] | Exception | None] = queue.Queue(
            SLICES_AHEAD
        )
        self._closed = threading.Event()
        self._thread = threading.Thread(
            target=self._work, args=(reader.read(place),), name="tape", daemon=True
        )
        self._thread.start()

    def _work(self, slices: Iterator[tuple[Place, Ticks]]) -> None:
        try:
            for item in slices:
                self._put(item)
                if self._closed.is_set():
                    return
            self._put(_END)
        except Exception as error:  # noqa: BLE001 - raised again where the flow waits for it
            self._put(error)

    def _put(self, item: tuple[Place, Ticks] | Exception | None) -> None:
        while not self._closed.is_set():
            try:
                self._slices.put(item, timeout=0.2)
                return
            except queue.Full:
                continue

    def next(self) -> tuple[Place, Ticks] | None:
        """Return the next slice, or None at the end of the tape.

        Raises:
            TapeError: the reader failed.
        """
        item = self._slices.get()
        if isinstance(item, Exception):
            raise item
        return item

    def close(self) -> None:
        """Stop reading."""
        self._closed.set()
        self._thread.join()


class _TapePartition(StatefulSourcePartition[Ticks, TapeState]):
    def __init__(self, feed: TapeFeed, resume: TapeState | None) -> None:
        self._feed = feed
        reader = TapeReader(feed.tape, feed.symbols, feed.stated_side, feed.depths)
        place = Place(BEGINNING, [], np.empty(0, np.int64))
        self._skip = self._skip_books = 0  # ticks and books that are out already
        if resume is not None:
            place = _resume_at(resume, feed.tape)
            self._skip, self._skip_books = resume.ticks_out, resume.books_out
        self._place, self._out, self._trades_out, self._books_out = place, 0, 0, 0
        self._ahead = _ReadAhead(reader, place)
        self._slice: Ticks | None = None
        self._pace: tuple[float, int] | None = None  # wall clock and event time of the first tick
        self._awake: datetime | None = None

    def next_batch(self) -> list[Ticks]:
        if self._feed.stop.is_set():
            raise StopIteration
        if self._slice is None or self._is_out(self._slice):
            item = self._ahead.next()
            if item is None:
                raise StopIteration
            return self._begin(*item)
        end = min(self._out + self._feed.batch, len(self._slice))
        books_end = self._books_before(self._slice, end)
        if self._feed.speed is not None:
            end, books_end = self._due(self._slice, end, books_end, self._feed.speed)
        chunk = self._part(self._slice, end, books_end)
        self._note(chunk)
        return [chunk] if len(chunk) or len(chunk.books) else []

    def _is_out(self, ticks: Ticks) -> bool:
        return self._out >= len(ticks) and self._books_out >= len(ticks.books)

    def _books_before(self, ticks: Ticks, end: int) -> int:
        """Return the end of the books that stand before tick `end`."""
        if not len(ticks.books):
            return 0
        return int(np.searchsorted(ticks.books["at"], end, side="right"))

    def _begin(self, place: Place, ticks: Ticks) -> list[Ticks]:
        """Begin a slice, behind what a run before this one has taken of it."""
        self._place, self._slice = place, ticks
        self._out = min(self._skip, len(ticks))
        self._skip -= self._out
        self._trades_out = int(np.count_nonzero(ticks.ticks["kind"][: self._out] == TRADE))
        self._books_out = min(self._skip_books, len(ticks.books))
        self._skip_books -= self._books_out
        if self._out or self._books_out:
            ticks.rejects, ticks.rejected = [], {}
        return [ticks] if ticks.rejects and self._is_out(ticks) else []

    def _part(self, ticks: Ticks, end: int, books_end: int) -> Ticks:
        """Take ticks and books up to their ends; what was rejected goes with the first."""
        part, trades = ticks.ticks[self._out : end], len(ticks.details)
        if end < len(ticks):
            trades = self._trades_out + int(np.count_nonzero(part["kind"] == TRADE))
        details = ticks.details[self._trades_out : trades]
        chunk = Ticks(ticks.names, part, details, ticks.texts, ticks.venues, marks=0)
        chunk.depths = ticks.depths[self._out : end]
        if len(ticks.books):
            chunk.books = ticks.books[self._books_out : books_end].copy()
            chunk.books["at"] -= self._out
        if self._out == self._books_out == 0 and (end or books_end):
            chunk.rejects, chunk.rejected = ticks.rejects, ticks.rejected
            chunk.notices = ticks.notices
        self._out, self._trades_out, self._books_out = end, trades, books_end
        return chunk

    def _due(self, ticks: Ticks, end: int, books_end: int, speed: float) -> tuple[int, int]:
        """Return the ends of what is due by now, and set when to look again."""
        times = ticks.ticks["ts_ns"][self._out : end]
        books = ticks.books["ts_ns"][self._books_out : books_end]
        next_ns = min(int(waiting[0]) for waiting in (times, books) if len(waiting))
        if self._pace is None:
            self._pace = time.monotonic(), next_ns
        started, first_ns = self._pace
        now_ns = first_ns + int((time.monotonic() - started) * 1e9 * speed)
        due, books_due = (int(np.searchsorted(t, now_ns, side="right")) for t in (times, books))
        self._awake = None
        if due == books_due == 0:
            wait = (next_ns - now_ns) / 1e9 / speed
            self._awake = datetime.now(UTC) + timedelta(seconds=min(wait, 0.2))
        return self._out + due, self._books_out + books_due

    def _note(self, chunk: Ticks) -> None:
        progress = self._feed.progress
        for rows in (chunk.ticks, chunk.books):
            if len(rows):
                first_ns = int(rows[0]["ts_ns"])
                progress.first_ns = min(progress.first_ns or first_ns, first_ns)
                progress.last_ns = max(progress.last_ns, int(rows[-1]["ts_ns"]))
            progress.ticks += len(rows)

    def next_awake(self) -> datetime | None:
        return self._awake

    def snapshot(self) -> TapeState:
        return TapeState(
            VERSION,
            self._feed.tape.fingerprint,
            self._place.start_ns,
            self._out + self._skip,
            self._place.counts(),
            self._books_out + self._skip_books,
        )

    def close(self) -> None:
        self._ahead.close()


def _resume_at(resume: TapeState, tape: TapeSet) -> Place:
    check_version(resume.version, VERSION)
    if resume.fingerprint != tape.fingerprint:
        raise TapeError(
            "the recovery store belongs to another tape: name the same files, or a new folder"
        )
    rows = np.array([*resume.rows.values()], np.int64)
    return Place(resume.start_ns, [*resume.rows], rows)


class TapeFeed(FixedPartitionedSource[Any, TapeState]):
    """Replay tape files in event order.

    Args:
        tape: The files, opened.
        symbols: Only these, or empty: every symbol the tape holds.
        speed: Multiple of tape time, or None: as fast as the flow takes it.
        batch: Most ticks a chunk.
        stated_side: The tape's `side` is the feed's own statement.
        depths: Hand on the sizes of quotes, too.

    Raises:
        TapeError: at build or in mid run, a file cannot be read.
    """

    def __init__(
        self,
        tape: TapeSet,
        symbols: tuple[str, ...] = (),
        speed: float | None = None,
        batch: int = BATCH,
        stated_side: bool = False,
        depths: bool = False,
    ) -> None:
        self.tape = tape
        self.symbols = symbols
        self.speed = speed
        self.batch = batch
        self.stated_side = stated_side
        self.depths = depths
        self.progress = Progress(tape.rows)
        self.stop = threading.Event()

    def list_parts(self) -> list[str]:
        """Name the one partition: a tape is one stream."""
        return ["tape"]

    def build_part(
        self, step_id: str, for_part: str, resume_state: TapeState | None
    ) -> _TapePartition:
        """Start reading, or go on where the state says."""
        return _TapePartition(self, resume_state)
