"""One tape file as columns: a row group at a time, in the order of the file."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
import numpy as np

from flows.feeds.tape_files import BOOKS, TRADES, TapeError, TapeFile, connect, quoted, reason
from operators.symbols import valid_symbol
from operators.ticks import (
    DETAIL,
    ID_NUMBER,
    ID_ROW,
    ID_TEXT,
    LATENESS_UNKNOWN,
    MAX_LATENESS_MS,
    MS,
    Array,
)
from operators.values import trade_id
from operators.verdicts import UnknownConditions, sale_class

ABSENT = -1
NAN = "'nan'"
PLACE = "try_cast(symbol AS symbol_place)"


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

    def __len__(self) -> int:
        return len(self.code)

    def part(self, start: int, end: int) -> Columns:
        """Return rows `start` to `end` as views."""
        return Columns(
            self.code[start:end],
            self.ts_ns[start:end],
            self.first[start:end],
            self.second[start:end],
            self.sequence[start:end],
            self.details[start:end],
            self.texts,
        )

    def in_order(self) -> Columns:
        """Return the rows by time, then by sequence; what is equal stays as it was."""
        ts_ns = self.ts_ns
        if bool((ts_ns[1:] > ts_ns[:-1]).all()):
            return self
        if not len(self.sequence):
            if bool((ts_ns[1:] >= ts_ns[:-1]).all()):
                return self
            order = np.argsort(ts_ns, kind="stable")
        else:
            order = np.lexsort((self.sequence, ts_ns))
        return Columns(
            self.code[order],
            ts_ns[order],
            self.first[order],
            self.second[order],
            self.sequence[order] if len(self.sequence) else self.sequence,
            self.details[order] if len(self.details) else self.details,
            self.texts,
        )


class Catalogue:
    """The database that reads the files, and the codes their symbols and exchanges get.

    A symbol gets its code when it is first met; what cannot be a ticker gets -1 and ends as a
    reject. With `wanted`, only those have codes and all else is passed over.
    """

    def __init__(self, files: Sequence[TapeFile], wanted: Sequence[str]) -> None:
        self.db = connect()
        # A join must keep the file as its streamed side, or rows leave the order of the file.
        self.db.execute("SET disabled_optimizers = 'join_order,build_side_probe_side'")
        self.db.execute("CREATE TEMP TABLE symbols (named VARCHAR)")
        self.names: list[str] = []
        self.numbers = itertools.count()
        self.known: set[str] = set()
        self.versions = 0  # of the enum: what was prepared for another one is of no use
        self.unknown_conditions = UnknownConditions()
        self._codes = [ABSENT]  # by place in the enum; no place is the last one
        self.learns = not wanted
        if wanted:
            self.add_symbols(sorted(set(wanted)))
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

    def add_symbols(self, symbols: Sequence[str]) -> None:
        """Give each symbol its code."""
        if not symbols:
            return
        self.known.update(symbols)
        self.versions += 1
        for symbol in symbols:
            good = valid_symbol(symbol)
            self._codes.insert(len(self._codes) - 1, len(self.names) if good else ABSENT)
            if good:
                self.names.append(symbol)
        # Parquet keeps a dictionary of symbols, and a cast looks each of its entries up once:
        # a join would look up every row.
        self.db.execute("INSERT INTO symbols SELECT unnest(?::VARCHAR[])", [list(symbols)])
        self.db.execute("DROP TYPE IF EXISTS symbol_place")
        self.db.execute("CREATE TYPE symbol_place AS ENUM (SELECT named FROM symbols)")

    def codes(self, places: Array) -> Array:
        """Return the codes of places in the enum; ABSENT stays."""
        found: Array = np.array(self._codes, np.int32)[places]
        return found

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
            "CREATE TEMP TABLE venues AS SELECT unnest(?::VARCHAR[]) AS venue,"
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
    """Read a file row group after row group."""

    def __init__(self, catalogue: Catalogue, file: TapeFile, stated_side: bool) -> None:
        self._catalogue, self.file = catalogue, file
        self._classes = _Classes(catalogue.unknown_conditions)
        self._name = f"group_{next(catalogue.numbers)}"  # of the prepared statement
        self._version: int | None = None
        self._learnt = False
        self._group = 0
        self._row = 0  # first row of the next group
        code = f"enum_code({PLACE})::INTEGER"
        self._code = f"{f'coalesce({code}, {ABSENT})' if catalogue.learns else code} AS code"
        self._select = ", ".join(self._expressions(stated_side))

    @property
    def next_ns(self) -> int | None:
        """The first event time of the next group; None at the end of the file."""
        groups = self.file.groups
        return groups[self._group][0] if self._group < len(groups) else None

    def skip_before(self, start_ns: int) -> None:
        """Pass over the groups that end before `start_ns`."""
        groups = self.file.groups
        while self._group < len(groups) and groups[self._group][1] < start_ns:
            self._row += groups[self._group][2]
            self._group += 1

    def read(self) -> Any:
        """Return the rows of the next group.

        Raises:
            TapeError: the file turns out unreadable.
        """
        first, rows = self._row, self.file.groups[self._group][2]
        span = f"file_row_number BETWEEN {first} AND {first + rows - 1}"
        self._group += 1
        self._row += rows
        if self._catalogue.learns and not self._learnt:
            self._learn_symbols()
        found = self._fetch(self._prepared(first, first + rows - 1))
        found["code"] = self._catalogue.codes(found["code"])
        return self._columns(found, span)

    def _columns(self, found: dict[str, Array], span: str) -> Any:
        """Return fetched rows, in time order: Columns, or what another kind of file has."""
        texts: dict[int, str] = {}
        details = np.empty(0, DETAIL)
        if self.file.kind == TRADES:
            details = self._details(found, span, texts)
        nothing = np.empty(0, np.int64)
        return Columns(
            found["code"],
            found["ts_ns"],
            found["first"],
            found["second"],
            found.get("sequence", nothing),
            details,
            texts,
        ).in_order()

    def _prepared(self, first: int, last: int) -> str:
        """Return the SQL for the rows of a group; planning it costs as much as reading a third."""
        catalogue = self._catalogue
        if self._version != catalogue.versions:
            if self._version is not None:
                catalogue.run(f"DEALLOCATE {self._name}", self.file.path)
            span = "file_row_number BETWEEN ? AND ?"
            sql = f"SELECT {self._select} FROM {self._source()} WHERE {span}{self._wanted()}"
            catalogue.run(f"PREPARE {self._name} AS {sql}", self.file.path)
            self._version = catalogue.versions
        return f"EXECUTE {self._name}({first}, {last})"

    def _fetch(self, sql: str) -> dict[str, Array]:
        result = self._catalogue.run(sql, self.file.path)
        try:
            found: dict[str, Any] = result.fetchnumpy()
        except duckdb.Error as error:
            raise TapeError(f"{self.file.path} cannot be read: {reason(error)}") from None
        return found

    def _source(self) -> str:
        catalogue, source = self._catalogue, _table(self.file)
        if catalogue.venues and "exchange" in self.file.columns:
            source += " LEFT JOIN venues ON venue = coalesce(exchange::VARCHAR, '')"
        return source

    def _wanted(self) -> str:
        return "" if self._catalogue.learns else f" AND {PLACE} IS NOT NULL"

    def _learn_symbols(self) -> None:
        """Give every symbol of the file its code, at its first group.

        Symbols that trade rarely turn up for hours: learning them group by group would plan and
        read each of those groups twice.
        """
        self._learnt = True
        catalogue = self._catalogue
        catalogue.db.execute("SET threads = 2")  # the dataflow has nothing to do yet
        sql = f"SELECT DISTINCT symbol FROM {_table(self.file)}"
        found = {row[0] for row in catalogue.run(sql, self.file.path).fetchall()}
        catalogue.db.execute("SET threads = 1")
        catalogue.add_symbols(sorted(found - {None} - catalogue.known))

    def _expressions(self, stated_side: bool) -> list[str]:
        have, trades = self.file.columns, self.file.kind == TRADES
        first, second = ("price", "size") if trades else ("bid", "ask")
        chosen = [
            self._code,
            f"{self._given('ts_ns', '0')}::BIGINT AS ts_ns",
            f"{self._given(first, NAN)}::DOUBLE AS first",
            f"{self._given(second, NAN)}::DOUBLE AS second",
        ]
        if self._catalogue.numbered[self.file.path]:
            chosen.append("coalesce(feed_seq, 0)::BIGINT AS sequence")
        if not trades:
            return chosen
        exchange = "number" if self._catalogue.venues else self._given("exchange", "0")
        optional = {
            "conditions": "hash(conditions) AS conditions",
            "exchange": f"{exchange}::SMALLINT AS exchange",
            "trf_id": f"{self._given('trf_id', '0')}::SMALLINT AS trf",
            "participant_ns": f"coalesce(nullif(participant_ns, 0), {ABSENT})::BIGINT"
            " AS participant_ns",
            "id": f"coalesce({_plain_id(self.file)}, {ABSENT}) AS id",
        }
        if stated_side:
            if "side" not in have:
                raise TapeError(f"{self.file.path} states no side: it has no column side")
            optional["side"] = "coalesce(try_cast(side AS TINYINT), 0) AS stated_side"
        return chosen + [sql for column, sql in optional.items() if column in have]

    def _given(self, column: str, absent: str) -> str:
        """Return the SQL of a column whose nulls, if it has any, are spelled `absent`."""
        return column if column in self.file.full else f"coalesce({column}, {absent})"

    def _details(self, found: dict[str, Array], span: str, texts: dict[int, str]) -> Array:
        details = np.zeros(len(found["code"]), DETAIL)
        details["lateness_ms"] = LATENESS_UNKNOWN
        for column in ("exchange", "trf", "stated_side"):
            if column in found:
                details[column] = found[column]
        if "conditions" in found:
            classes = self._classes.of(found["conditions"])
            if classes is None:
                sql = (
                    f"SELECT hash(conditions), any_value(conditions) FROM {_table(self.file)}"
                    f" WHERE {span} GROUP BY 1"
                )
                self._classes.learn(self._catalogue.run(sql, self.file.path).fetchall())
                classes = self._classes.of(found["conditions"])
            details["sale_class"], details["sweep"] = classes if classes is not None else (0, 0)
        if "participant_ns" in found:
            known = found["participant_ns"] != ABSENT
            lateness = found["ts_ns"] // MS - found["participant_ns"] // MS
            clipped = np.clip(lateness, -MAX_LATENESS_MS, MAX_LATENESS_MS)
            details["lateness_ms"] = np.where(known, clipped, LATENESS_UNKNOWN)
        if "id" in found:
            details["trade_id"] = found["id"]
            details["id_kind"] = np.where(found["id"] == ABSENT, ID_ROW, ID_NUMBER)
            self._name_texts(details, span, texts)
        return details

    def _name_texts(self, details: Array, span: str, texts: dict[int, str]) -> None:
        """Look up the ids that are no plain numbers; a trade without any keeps its row number."""
        rows = np.flatnonzero(details["id_kind"] == ID_ROW)
        if not len(rows):
            return
        sql = (
            f"SELECT id::VARCHAR FROM {self._source()}"
            f" WHERE {span}{self._wanted()} AND {_plain_id(self.file)} IS NULL"
        )
        found = self._catalogue.run(sql, self.file.path).fetchall()
        for row, (text,) in zip(rows, found, strict=True):
            if text:
                number, kind = trade_id(text)
                details["trade_id"][row], details["id_kind"][row] = number, kind
                if kind == ID_TEXT:
                    texts[number] = text


class _Classes:
    """Hash of a condition list to class and sweep flag, learnt on sight."""

    def __init__(self, unknown: UnknownConditions) -> None:
        self._unknown = unknown
        self._known: dict[int, tuple[int, bool]] = {}
        self._hashes = np.empty(0, np.uint64)
        self._classes = np.empty((0, 2), np.uint8)

    def learn(self, rows: list[tuple[int, list[int | None] | None]]) -> None:
        """Note the lists behind some hashes."""
        for hashed, conditions in rows:
            ids = [-1 if c is None else c for c in conditions or ()]
            self._unknown.meet(ids)
            self._known[hashed] = sale_class(ids)
        self._hashes = np.array(sorted(self._known), np.uint64)
        self._classes = np.array([self._known[int(h)] for h in self._hashes], np.uint8)

    def of(self, hashes: Array) -> tuple[Array, Array] | None:
        """Return classes and sweep flags, or None where a hash is not known yet."""
        if not len(hashes):
            return np.empty(0, np.uint8), np.empty(0, np.uint8)
        if not len(self._hashes):
            return None
        at = np.minimum(np.searchsorted(self._hashes, hashes), len(self._hashes) - 1)
        if not bool((self._hashes[at] == hashes).all()):
            return None
        return self._classes[at, 0], self._classes[at, 1]


def _table(file: TapeFile) -> str:
    return f"read_parquet({quoted(file.path)}, file_row_number = true)"


def _plain_id(file: TapeFile) -> str:
    """Return the SQL of a trade id as a number, NULL where it is spelled any other way."""
    number = "try_cast(id AS BIGINT)"
    spelled = f"{number}::VARCHAR = id AND " if file.columns.get("id") == "VARCHAR" else ""
    return f"CASE WHEN {spelled}{number} >= 0 THEN {number} END"
