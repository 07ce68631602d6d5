"""Order books of a tape: rows that stand beside the ticks, each in its place among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson

from flows.feeds.book_columns import WAS_STALE, level_columns, levels_of
from flows.feeds.tape_columns import NAN, FileReader
from flows.feeds.tape_stream import Batch
from operators.books import NEVER, Level, fill_books
from operators.kernels import kernel
from operators.ticks import Array
from operators.values import GOOD, PROBLEMS, STALE_BOOK, RejectLog

LAST = 2**62  # a book without a sequence stands behind all ticks of its time


@dataclass(slots=True)
class BookColumns:
    """Books of one file or of several, by time, then by sequence.

    `problem` is one of `operators.values`. What is rejected keeps its text in `fragments`, at
    the place its row has in `at`.
    """

    rows: Array
    ts_ns: Array
    sequence: Array
    problem: Array
    fragments: list[bytes] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.rows)

    def part(self, start: int, end: int) -> BookColumns:
        """Return rows `start` to `end` as views."""
        return BookColumns(
            self.rows[start:end],
            self.ts_ns[start:end],
            self.sequence[start:end],
            self.problem[start:end],
            self.fragments,
        )

    def is_in_order(self) -> bool:
        """Return whether the rows go by time, then by sequence."""
        later = self.ts_ns[1:] > self.ts_ns[:-1]
        same = self.ts_ns[1:] == self.ts_ns[:-1]
        return bool((later | (same & (self.sequence[1:] >= self.sequence[:-1]))).all())

    def in_order(self) -> BookColumns:
        """Return the rows by time, then by sequence; what is equal stays as it was."""
        order = np.lexsort((self.sequence, self.ts_ns))
        return BookColumns(
            self.rows[order],
            self.ts_ns[order],
            self.sequence[order],
            self.problem[order],
            self.fragments,
        )


def _joined(parts: Sequence[BookColumns]) -> BookColumns:
    def whole(name: str) -> Array:
        return np.concatenate([getattr(part, name) for part in parts])

    rows, problem = whole("rows"), whole("problem")
    bad = np.flatnonzero(problem != GOOD)
    texts = [part.fragments[at] for part in parts for at in part.rows["at"][part.problem != GOOD]]
    rows["at"][bad] = np.arange(len(bad))
    return BookColumns(rows, whole("ts_ns"), whole("sequence"), problem, texts)


class BookReader(FileReader):
    """Read a file of books row group after row group."""

    _newest_ns = np.empty(0, np.int64)  # by symbol

    def _joined(self, parts: Sequence[Any]) -> Any:
        return _joined(parts)

    def _expressions(self, stated_side: bool) -> list[str]:
        chosen = [
            "hash(symbol::VARCHAR) AS symbol",
            f"{self._given('ts_ns', '0')}::BIGINT AS ts_ns",
        ]
        for level in range(1, levels_of(self.file.columns) + 1):
            names = level_columns(level)
            chosen += [f"{self._given(name, NAN)}::DOUBLE AS {name}" for name in names]
        if self._catalogue.numbered[self.file.path]:
            chosen.append("coalesce(feed_seq, 0)::BIGINT AS sequence")
        if WAS_STALE in self.file.columns:
            chosen.append(f"coalesce({WAS_STALE}, false)::TINYINT AS {WAS_STALE}")
        return chosen

    def _columns(self, batch: Batch) -> Any:
        depth = levels_of(self.file.columns)
        levels = [Level(*(batch[name] for name in level_columns(k + 1))) for k in range(depth)]
        code, ts_ns = self._coded(batch["symbol"], self._at), batch["ts_ns"]
        more = len(self._catalogue.names) - len(self._newest_ns)
        self._newest_ns = np.append(self._newest_ns, np.full(more, NEVER))
        rows, problem = fill_books(code, ts_ns, levels, self._newest_ns)
        if problem is None:
            problem = np.zeros(len(rows), np.uint8)
        if WAS_STALE in batch:
            problem[(batch[WAS_STALE] != 0) & (problem == GOOD)] = STALE_BOOK
        sequence = batch.get("sequence", np.full(len(rows), LAST))
        fragments: list[bytes] = []
        for i in np.flatnonzero(problem != GOOD):
            rows[i]["at"] = len(fragments)
            fragments.append(_fragment(self._catalogue.names, code[i], ts_ns[i], levels, i))
        return BookColumns(rows, ts_ns, sequence, problem, fragments)


def _fragment(names: list[str], code: int, ts_ns: int, levels: Sequence[Level], i: Any) -> bytes:
    """Return a row as text, the best levels first: what is cut off is the least of it."""
    row = {
        "symbol": names[code] if code >= 0 else "",
        "ts_ns": ts_ns,
        "bids": [[level.bid_px[i], level.bid_sz[i]] for level in levels],
        "asks": [[level.ask_px[i], level.ask_sz[i]] for level in levels],
    }
    return orjson.dumps(row, option=orjson.OPT_SERIALIZE_NUMPY)


def gathered(parts: Sequence[BookColumns], names: list[str], rejects: RejectLog) -> BookColumns:
    """Return the good rows of parts, each in order, as one; what is bad goes to `rejects`."""
    for part in parts:
        for i in np.flatnonzero(part.problem != GOOD):
            row = part.rows[i]
            symbol = names[row["symbol"]] if row["symbol"] >= 0 else ""
            code, text = PROBLEMS[part.problem[i]], part.fragments[row["at"]]
            rejects.add(symbol, code, text, int(row["ts_ns"]))
    good = [part.problem == GOOD for part in parts]

    def kept(name: str) -> Array:
        columns = (getattr(part, name) for part in parts)
        return np.concatenate([column[rows] for column, rows in zip(columns, good, strict=True)])

    whole = BookColumns(kept("rows"), kept("ts_ns"), kept("sequence"), kept("problem"))
    return whole.in_order() if len(parts) > 1 else whole


@kernel
def _stand(ts_ns: Array, sequence: Array, book_ns: Array, book_sequence: Array, at: Array) -> None:
    """Count the ticks before each book; both are in order, and on ties ticks go first."""
    i = 0
    for b in range(len(at)):
        while i < len(ts_ns) and (
            ts_ns[i] < book_ns[b] or (ts_ns[i] == book_ns[b] and sequence[i] <= book_sequence[b])
        ):
            i += 1
        at[b] = i


def among(books: BookColumns, ts_ns: Array, sequence: Array) -> Array:
    """Return books with their places among the ticks.

    Args:
        books: In order.
        ts_ns: Of the ticks, in order.
        sequence: Of the ticks; zeros where it does not count.
    """
    at = np.empty(len(books), np.int32)
    # Contiguous, as the kernel is compiled for: a column of a structured array is not.
    _stand(np.ascontiguousarray(ts_ns), sequence, books.ts_ns, books.sequence, at)
    books.rows["at"] = at
    return books.rows
