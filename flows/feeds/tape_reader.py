"""Tape files to ticks: merge the files as the market printed them.

Trades and quotes come from separate files and are merged by event time, then by `feed_seq`
where every file of a symbol has it, then trades before quotes, then file and row (detectors.md
section 1). The quote a print meets is thus the one that stood before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import orjson

from flows.feeds.tape_columns import Catalogue, Columns, FileReader
from flows.feeds.tape_files import TRADES, TapeSet
from operators.kernels import kernel
from operators.ticks import DETAIL, ID_ROW, QUOTE, TICK, TRADE, Array, Ticks
from operators.values import CROSSED, GOOD, PROBLEMS, RejectLog, fill_values

SLICE_ROWS = 262_144  # laid out at a time; a file's row group is held beside it
BEGINNING = -(2**63)
END = 2**63 - 1


@kernel
def lay_out(
    heads: Array,
    ends: Array,
    trades: int,
    code: Array,
    ts_ns: Array,
    sequence: Array,
    first: Array,
    second: Array,
    details: Array,
    rows: Array,
    ticks: Array,
    first_out: Array,
    second_out: Array,
    details_out: Array,
) -> None:
    """Merge sorted runs, which lie one behind the other from `heads` to `ends`.

    The first `trades` rows are trades; on ties the earlier run goes first. `rows` counts each
    symbol's trades and numbers those without an id. The scan over the runs' heads is linear:
    a tape has a few files, and they are sorted in long stretches.
    """
    t = 0
    for k in range(len(ticks)):
        best = -1
        for run in range(len(ends)):
            i = heads[run]
            if i == ends[run]:
                continue
            if (
                best < 0
                or ts_ns[i] < ts_ns[heads[best]]
                or (ts_ns[i] == ts_ns[heads[best]] and sequence[i] < sequence[heads[best]])
            ):
                best = run
        i = heads[best]
        heads[best] += 1
        tick = ticks[k]
        tick["ts_ns"] = ts_ns[i]
        tick["symbol"] = code[i]
        first_out[k] = first[i]
        second_out[k] = second[i]
        if i < trades:
            tick["kind"] = TRADE
            rows[code[i]] += 1
            details_out[t] = details[i]
            if details[i]["id_kind"] == ID_ROW:
                details_out[t]["trade_id"] = rows[code[i]]
            t += 1
        else:
            # NaN is how tapes spell an absent side. Not asked of DuckDB: it takes a column
            # whose Parquet statistics tell of no NaN for one that has none.
            tick["kind"] = QUOTE
            if np.isnan(first[i]):
                first_out[k] = 0.0
            if np.isnan(second[i]):
                second_out[k] = 0.0


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
    """A file in reading, and the rows of it that are not laid out yet."""

    def __init__(self, reader: FileReader, start_ns: int) -> None:
        self.reader = reader
        self.held: Columns | None = None
        self._start_ns = start_ns
        reader.skip_before(start_ns)

    def read_group(self) -> None:
        """Read the next row group behind what is held."""
        fresh = self.reader.read()
        if self._start_ns > BEGINNING:
            fresh = fresh.part(int(np.searchsorted(fresh.ts_ns, self._start_ns)), len(fresh))
        self.held = fresh if self.held is None else joined([self.held, fresh])

    def take(self, until_ns: int) -> Columns | None:
        """Take what is held from before `until_ns` (END: all)."""
        held = self.held
        if held is None or not len(held):
            return None
        end = len(held) if until_ns == END else int(np.searchsorted(held.ts_ns, until_ns))
        if end == 0:
            return None
        self.held = held.part(end, len(held)) if end < len(held) else None
        return held.part(0, end)


def joined(parts: Sequence[Columns]) -> Columns:
    """Return the rows of `parts` one behind the other."""
    if len(parts) == 1:
        return parts[0]
    numbered = any(len(part.sequence) for part in parts)
    return Columns(
        np.concatenate([part.code for part in parts]),
        np.concatenate([part.ts_ns for part in parts]),
        np.concatenate([part.first for part in parts]),
        np.concatenate([part.second for part in parts]),
        np.concatenate(
            [
                part.sequence if len(part.sequence) else np.zeros(len(part), np.int64)
                for part in parts
            ]
        )
        if numbered
        else np.empty(0, np.int64),
        np.concatenate([part.details for part in parts]),
        {number: text for part in parts for number, text in part.texts.items()},
    )


class TapeReader:
    """Read a tape slice by slice.

    Args:
        tape: Its files.
        symbols: Only these, or empty: every symbol the tape holds.
        stated_side: The column `side` is the feed's own statement, not a truth for scoring.

    Raises:
        TapeError: the files turn out unreadable.
    """

    def __init__(
        self, tape: TapeSet, symbols: Sequence[str] = (), stated_side: bool = False
    ) -> None:
        self._catalogue = Catalogue(tape.files, symbols)
        self._readers = [FileReader(self._catalogue, file, stated_side) for file in tape.files]
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
                parts = [(f.reader.file.kind, part) for f in files if (part := f.take(cut_ns))]
                rows = self._grown(rows, counted)
                here = Place(start_ns, self.names, rows.copy())
                if parts:
                    yield here, self._ticks(parts, rows)
                start_ns = cut_ns
            if until_ns == END:
                return

    def _read_up(self, files: list[_Open]) -> int:
        """Read the group that comes next, and return up to when all is held now."""
        waiting = [f for f in files if f.reader.next_ns is not None]
        if waiting:
            min(waiting, key=lambda f: f.reader.next_ns or 0).read_group()
        return min((f.reader.next_ns for f in files if f.reader.next_ns is not None), default=END)

    def _cuts(self, files: list[_Open], until_ns: int) -> list[int]:
        """Return where to cut what is held before `until_ns` into slices."""
        held = [f.held.ts_ns for f in files if f.held is not None]
        total = sum(int(np.searchsorted(ts, until_ns)) for ts in held)
        longest = max(held, key=len, default=np.empty(0, np.int64))
        inside = longest[: np.searchsorted(longest, until_ns)]
        pieces = max(1, total // SLICE_ROWS)
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

    def _ticks(self, parts: list[tuple[str, Columns]], rows: Array) -> Ticks:
        """Lay out the parts, trades first, and leave out what the values rule out."""
        trades = sum(len(part) for kind, part in parts if kind == TRADES)
        every = joined([part for _, part in parts])
        n = len(every)
        ticks = np.zeros(n, TICK)
        first, second = np.empty(n), np.empty(n)
        details = np.empty(trades, DETAIL)
        lengths = np.array([len(part) for _, part in parts])
        ends = lengths.cumsum()
        lay_out(
            ends - lengths,
            ends,
            trades,
            every.code,
            every.ts_ns,
            every.sequence if len(every.sequence) else np.zeros(n, np.int64),
            every.first,
            every.second,
            every.details,
            rows,
            ticks,
            first,
            second,
            details,
        )
        return self._sifted(ticks, details, first, second, every.texts)

    def _sifted(
        self, ticks: Array, details: Array, first: Array, second: Array, texts: dict[int, str]
    ) -> Ticks:
        """Return the good ticks, and the others as rejects."""
        names, venues = self._catalogue.names, self._catalogue.venues
        problem = fill_values(ticks, first, second)
        if problem is None:
            return Ticks(names, ticks, details, texts, venues)
        crossed = problem == CROSSED
        self._rejects.count_crossed(names, ticks["symbol"][crossed])
        good = (problem == GOOD) | crossed
        for k in np.flatnonzero(~good):
            code = int(ticks["symbol"][k])
            symbol = names[code] if code >= 0 else ""
            said = ("price", "size") if ticks["kind"][k] == TRADE else ("bid", "ask")
            at = int(ticks["ts_ns"][k])
            row = {"symbol": symbol, "ts_ns": at, said[0]: first[k], said[1]: second[k]}
            fragment = orjson.dumps(row, option=orjson.OPT_SERIALIZE_NUMPY)
            self._rejects.add(symbol, PROBLEMS[problem[k]], fragment, at)
        kept, counts = self._rejects.take()
        trades = ticks["kind"] == TRADE
        return Ticks(
            names,
            ticks[good],
            details[good[trades]],
            texts,
            venues,
            rejects=kept,
            rejected=counts,
        )
