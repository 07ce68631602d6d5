"""One tape file as columns: a row group at a time, in the order of time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
import numpy as np

from flows.feeds.tape_details import NO_ID, details_of
from flows.feeds.tape_files import BOOKS, TRADES, TapeError, TapeFile, connect, quoted, reason
from flows.feeds.tape_stream import Batch, batches
from flows.feeds.tape_symbols import ABSENT, UNKNOWN, SymbolHashes
from operators.symbols import valid_symbol
from operators.ticks import DETAIL, Array
from operators.verdicts import UnknownConditions

NAN = "'nan'"
_NONE = np.empty(0)
_SIZES = frozenset(("bid_size", "ask_size"))
_WHOLE_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")


def _none() -> Array:
    return _NONE


@dataclass(slots=True)
class Columns:
    """Rows of one file in time order; `details` only of trades, `sequence` where it is used."""

    code: Array
    ts_ns: Array
    first: Array  # price or bid, dollars
    second: Array  # size in shares, or ask
    sequence: Array
    details: Array
    texts: dict[int, str] = field(default_factory=dict)
    bid_size: Array = field(default_factory=_none)  # shares; of quotes, where they are asked for
    ask_size: Array = field(default_factory=_none)

    def __len__(self) -> int:
        return len(self.code)

    def part(self, start: int, end: int) -> Columns:
        """Return rows `start` to `end` as views."""
        return self._each(lambda column: column[start:end])

    def is_in_order(self) -> bool:
        """Return whether the rows go by time, then by sequence."""
        before, after = self.ts_ns[:-1], self.ts_ns[1:]
        if not len(self.sequence):
            return bool((before <= after).all())
        rising = self.sequence[:-1] <= self.sequence[1:]
        return bool(((before < after) | ((before == after) & rising)).all())

    def in_order(self) -> Columns:
        """Return the rows by time, then by sequence; what is equal stays as it was."""
        order = np.lexsort((self.sequence, self.ts_ns) if len(self.sequence) else (self.ts_ns,))
        return self._each(lambda column: read_only(column[order]))

    def _each(self, change: Callable[[Array], Array]) -> Columns:
        columns: Any = {name: getattr(self, name) for name in _COLUMNS}
        changed = {name: change(c) if len(c) else c for name, c in columns.items()}
        return Columns(**changed, texts=self.texts)


_COLUMNS = ("code", "ts_ns", "first", "second", "sequence", "details", "bid_size", "ask_size")


def read_only(array: Array) -> Array:
    """Return an array as those of a batch are: to a kernel another type than one to write to."""
    array.flags.writeable = False
    return array


def joined(parts: Sequence[Columns]) -> Columns:
    """Return parts as one."""
    texts = {number: text for part in parts for number, text in part.texts.items()}
    columns: Any = {n: np.concatenate([getattr(part, n) for part in parts]) for n in _COLUMNS}
    return Columns(**columns, texts=texts)


class Catalogue:
    """The database that reads the files, and the codes their symbols and exchanges get.

    A symbol gets its code when it is first met; what cannot be a ticker gets -1 and ends as a
    reject. With `wanted`, only those have codes and all else is passed over.
    """

    def __init__(self, files: Sequence[TapeFile], wanted: Sequence[str]) -> None:
        self.db = connect()
        # A join must keep the file as its streamed side, or rows leave the order of the file.
        self.db.execute("SET disabled_optimizers = 'join_order,build_side_probe_side'")
        self.names: list[str] = []
        self._codes: dict[str, int] = {}
        self._hashes = SymbolHashes()
        self.unknown_conditions = UnknownConditions()
        self.wanted = sorted(set(wanted))
        if self.wanted:
            sql = "SELECT hash(s), s FROM (SELECT unnest(?::VARCHAR[]) AS s)"
            self.learn(self.db.execute(sql, [self.wanted]).fetchall())
        self.venues: list[str] = []
        self._learn_venues([f for f in files if f.kind == TRADES and "exchange" in f.columns])
        ticks = [file for file in files if file.kind != BOOKS]
        # A book that has none takes the sequence of trades and quotes away from nobody.
        self.numbered = self._numbered(files) | self._numbered(ticks)

    def run(self, sql: str, path: str) -> duckdb.DuckDBPyConnection:
        """Run a query over a file.

        Raises:
            TapeError: the file turns out unreadable.
        """
        try:
            return self.db.execute(sql)
        except duckdb.Error as error:
            raise TapeError(f"{path} cannot be read: {reason(error)}") from None

    def learn(self, symbols: Iterable[tuple[int, str]]) -> None:
        """Give symbols, by hash and text, their codes."""
        coded = []
        for hashed, symbol in symbols:
            if symbol not in self._codes and valid_symbol(symbol):
                self._codes[symbol] = len(self.names)
                self.names.append(symbol)
            coded.append((hashed, self._codes.get(symbol, ABSENT)))
        self._hashes.learn(coded)

    def codes(self, hashes: Array) -> Array:
        """Return the codes of hashed symbols: ABSENT for what can be none, UNKNOWN for new ones."""
        return self._hashes.codes(hashes)

    def _learn_venues(self, files: Sequence[TapeFile]) -> None:
        """Number the exchanges where any file spells them as text."""
        if all(file.columns["exchange"] != "VARCHAR" for file in files):
            return
        found: set[str] = set()
        for file in files:
            sql = f"SELECT DISTINCT coalesce(exchange::VARCHAR, '') FROM {_table(file)}"
            found.update(row[0] for row in self.run(sql, file.path).fetchall())
        self.venues = sorted(found)
        self.db.execute(
            "CREATE TABLE venues AS SELECT unnest(?::VARCHAR[]) AS venue,"
            " unnest(range(?)) AS number",
            [self.venues, len(self.venues)],
        )

    def _numbered(self, files: Sequence[TapeFile]) -> dict[str, bool]:
        """Return which files' `feed_seq` counts: where every file of their symbols has one."""
        have = {file.path: "feed_seq" in file.columns for file in files}
        if len(set(have.values())) < 2:
            return have
        symbols = {
            file.path: {
                row[0]
                for row in self.run(
                    f"SELECT DISTINCT symbol FROM {_table(file)}", file.path
                ).fetchall()
            }
            for file in files
        }
        without = set().union(*(symbols[path] for path, has in have.items() if not has))
        return {path: has and not symbols[path] & without for path, has in have.items()}


class FileReader:
    """Read a file row group after row group, all of them by one query.

    Args:
        catalogue: Gives symbols and exchanges their codes.
        file: In time order from group to group.
        stated_side: The column `side` is the feed's own statement.
        depths: Read the sizes of quotes, too, where the file has them.

    Raises:
        TapeError: no side is stated.
    """

    def __init__(
        self, catalogue: Catalogue, file: TapeFile, stated_side: bool, depths: bool = False
    ) -> None:
        self._catalogue, self.file = catalogue, file
        self._sizes = sorted(_SIZES) if depths and file.columns.keys() >= _SIZES else []
        self._select = ", ".join(self._expressions(stated_side))
        self._group = 0
        self._row = 0  # first row of the next group
        self._batches: Iterator[Batch] | None = None
        self._rest: Columns | None = None  # of the last batch, not handed out yet
        self._rows = np.empty(0, np.int64)  # their rows in the file, where some were left out
        self._at = 0  # else: the row of the first of them

    @property
    def next_ns(self) -> int | None:
        """The first event time of the next group; None at the end of the file."""
        groups = self.file.groups
        return groups[self._group][0] if self._group < len(groups) else None

    def skip_before(self, start_ns: int) -> None:
        """Pass over the groups that end before `start_ns`; before the first `read`."""
        groups = self.file.groups
        while self._group < len(groups) and groups[self._group][1] < start_ns:
            self._row += groups[self._group][2]
            self._group += 1

    def read(self) -> list[Any]:
        """Return the rows of the next group, in order, in parts.

        Raises:
            TapeError: the file turns out unreadable.
        """
        if self._batches is None:
            self._batches = self._query()
        self._row += self.file.groups[self._group][2]
        self._group += 1
        parts = []
        while (rest := self._rest or self._next()) is not None:
            n = self._before(self._row)
            if n:
                parts.append(rest.part(0, n))
            if n < len(rest):
                self._rest, self._rows = rest.part(n, len(rest)), self._rows[n:]
                self._at += n
                break
            self._rest = None
            self._at += n
        if all(part.is_in_order() for part in parts) and all(map(_follow, parts, parts[1:])):
            return parts
        return [self._joined(parts).in_order()]

    def _joined(self, parts: Sequence[Any]) -> Any:
        return joined(parts)

    def _before(self, row: int) -> int:
        """Return how many rows of the rest come before a row of the file."""
        if self._catalogue.wanted:
            return int(np.searchsorted(self._rows, row))
        return min(len(self._rest or ()), row - self._at)

    def _query(self) -> Iterator[Batch]:
        """Begin to read at the next group."""
        self._at = self._row
        catalogue = self._catalogue
        select, where = self._select, []
        if catalogue.wanted:
            select += ", file_row_number AS row"
            where.append(f"symbol::VARCHAR IN ({', '.join(map(quoted, catalogue.wanted))})")
        if self._row:
            where.append(f"file_row_number >= {self._row}")
        source = _table(self.file, numbered=bool(where))
        if catalogue.venues and "exchange" in self.file.columns:
            source += " LEFT JOIN venues ON venue = coalesce(exchange::VARCHAR, '')"
        sql = f"SELECT {select} FROM {source}"
        if where:
            sql += f" WHERE {' AND '.join(where)}"
        return batches(catalogue.db.cursor(), sql, self.file.path)

    def _next(self) -> Any:
        """Take the next batch as the rest; None at the end."""
        batch = next(self._batches, None) if self._batches is not None else None
        if batch is None:
            return None
        self._rows = batch.get("row", self._rows)
        self._rest = self._columns(batch)
        return self._rest

    def _columns(self, batch: Batch) -> Any:
        """Return a batch as Columns, or as what another kind of file has."""
        details, texts = np.empty(0, DETAIL), dict[int, str]()
        if self.file.kind == TRADES:
            details, texts = details_of(batch, self._catalogue.unknown_conditions)
        return Columns(
            read_only(self._coded(batch["symbol"], self._at)),
            batch["ts_ns"],
            batch["first"],
            batch["second"],
            batch.get("sequence", np.empty(0, np.int64)),
            read_only(details),
            texts,
            batch.get("bid_size", _NONE),
            batch.get("ask_size", _NONE),
        )

    def _coded(self, hashes: Array, first: int) -> Array:
        """Return the codes of a batch whose first row is `first`; what is new is learnt."""
        codes = self._catalogue.codes(hashes)
        if not bool((codes == UNKNOWN).any()):
            return codes
        span = f"file_row_number BETWEEN {first} AND {first + len(hashes) - 1}"
        source = _table(self.file, numbered=True)
        sql = f"SELECT coalesce(symbol::VARCHAR, '') AS symbol FROM {source} WHERE {span}"
        new, where = np.unique(np.where(codes == UNKNOWN, hashes, 0), return_index=True)
        start, learnt = 0, []
        for batch in batches(self._catalogue.db.cursor(), sql, self.file.path):
            end = start + len(batch["symbol"].ends) - 1
            here = (where >= start) & (where < end) & (codes[where] == UNKNOWN)
            learnt += [
                (int(hashed), batch["symbol"].text(row - start))
                for hashed, row in zip(new[here], where[here].tolist(), strict=True)
            ]
            start = end
        self._catalogue.learn(learnt)
        return self._catalogue.codes(hashes)

    def _expressions(self, stated_side: bool) -> list[str]:
        have, trades = self.file.columns, self.file.kind == TRADES
        first, second = ("price", "size") if trades else ("bid", "ask")
        chosen = [
            "hash(symbol::VARCHAR) AS symbol",
            f"{self._given('ts_ns', '0')}::BIGINT AS ts_ns",
            f"{self._given(first, NAN)}::DOUBLE AS first",
            f"{self._given(second, NAN)}::DOUBLE AS second",
        ]
        if self._catalogue.numbered[self.file.path]:
            chosen.append("coalesce(feed_seq, 0)::BIGINT AS sequence")
        if not trades:
            return chosen + [f"{self._given(name, '0')}::DOUBLE AS {name}" for name in self._sizes]
        exchange = "number" if self._catalogue.venues else self._given("exchange", "0")
        whole = have.get("id") in _WHOLE_NUMBERS
        number, text = f"id::BIGINT, ({NO_ID})::BIGINT", "id::VARCHAR, ''"
        optional = {
            "conditions": "conditions::INTEGER[] AS conditions",
            "exchange": f"{exchange}::SMALLINT AS exchange",
            "trf_id": f"{self._given('trf_id', '0')}::SMALLINT AS trf",
            "participant_ns": f"{self._given('participant_ns', '0')}::BIGINT AS participant_ns",
            "id": f"coalesce({number if whole else text}) AS id",
        }
        if stated_side:
            if "side" not in have:
                raise TapeError(f"{self.file.path} states no side: it has no column side")
            optional["side"] = "coalesce(try_cast(side AS TINYINT), 0) AS stated_side"
        return chosen + [sql for column, sql in optional.items() if column in have]

    def _given(self, column: str, absent: str) -> str:
        """Return the SQL of a column whose nulls, if it has any, are spelled `absent`."""
        return column if column in self.file.full else f"coalesce({column}, {absent})"


def _follow(before: Columns, after: Columns) -> bool:
    """Return whether rows go on in order where the others end."""
    last, first = int(before.ts_ns[-1]), int(after.ts_ns[0])
    if last != first or not len(before.sequence):
        return last <= first
    return bool(before.sequence[-1] <= after.sequence[0])


def _table(file: TapeFile, numbered: bool = False) -> str:
    return f"read_parquet({quoted(file.path)}{', file_row_number = true' if numbered else ''})"
