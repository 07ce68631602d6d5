"""The history file: DuckDB tables that are caught up from the JSONL logs.

The logs are the truth and this file is their index: it is opened for the few milliseconds of
one batch and closed, so that any DuckDB tool may read it all day, and it can be thrown away.
Rows and reading positions are committed together and every table has a key, so a kill at any
moment, an older file, a deleted one or a line read twice all end in the same rows. Nothing
here opens the database file except DuckDB: a second descriptor in the same process would drop
DuckDB's lock.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from sinks.appendlog import warn_stderr
from sinks.positions import FirstLines, LogFile, log_files, read_from
from sinks.tailer import Record, parse_lines

Row = tuple[Any, ...]
Marks = dict[tuple[str, str], int]  # (table, first line of the file) to the next byte to read

OPTIONS: dict[str, str | bool | int | float | list[str]] = {
    "storage_compatibility_version": "v1.4.0",  # readable by the tools analysts have
    "threads": 1,  # the flow owns the cores
    "async_threads": 0,  # eight of them else, each with memory of its own
    "memory_limit": "64MB",
}
POSITIONS = """
create table if not exists log_positions (
    log varchar not null,
    first_line varchar not null,
    file varchar not null,
    next_byte bigint not null,
    primary key (log, first_line)
)
"""
_BROKEN = re.compile(
    r"not a valid DuckDB database file|Could not read enough bytes|Corrupt database file"
    r"|Failure while replaying WAL|Corrupt WAL"
)
_HOLDER = re.compile(r"PID (\d+)")


class HeldError(Exception):
    """Another process has the history open. `pid` is its id where DuckDB could tell."""

    def __init__(self, pid: int | None) -> None:
        super().__init__(f"held by process {pid}" if pid else "held by another process")
        self.pid = pid


@dataclass(frozen=True)
class Table:
    """A table and the log it is caught up from.

    Args:
        name: the table; its first column is its key if `latest`.
        log: current file of the log; rotated ones lie beside it.
        create: `create table if not exists`.
        to_row: a line to the table's columns, in order; None for a line that is no row of it.
        select: what a batch, as `appender_data`, contributes; may add columns by a join.
        joined: how many columns at the end come from that join and not from `to_row`.
        latest: the last line of a key wins; otherwise a known key is ignored.
    """

    name: str
    log: Path
    create: str
    to_row: Callable[[Record], Row | None]
    select: str = "select * from appender_data"
    joined: int = 0
    latest: bool = False


class HistoryFile:
    """A DuckDB file and the logs it is made from. For one thread at a time.

    Args:
        path: the database file; made if missing.
        tables: in the order in which they are caught up (a join sees the ones before).
        views: `create or replace view` statements.
        warn: takes the sentences for people.
    """

    def __init__(
        self,
        path: Path,
        tables: Sequence[Table],
        views: Sequence[str] = (),
        warn: Callable[[str], None] = warn_stderr,
    ) -> None:
        self.path, self.set_aside = path, list[Path]()
        self._tables, self._views, self._warn = tables, views, warn
        self._marks: Marks | None = None
        self._seen: Marks = {}  # as `_marks`, but to where the file ended when last read
        self._first_lines = FirstLines()
        self._left_as: tuple[int, ...] | None = None  # how the file looked when we closed it

    @functools.cached_property
    def _layout(self) -> Layout:
        return _layout_of(self._tables)

    def catch_up(self, *, anew: bool = False) -> dict[str, int]:
        """Insert what the logs hold and the tables do not; opens the file only if there is any.

        A file that is broken, or has tables of another layout, is renamed aside and made
        again from the logs.

        Args:
            anew: read all logs from their start and let their rows replace those in the tables.

        Returns:
            How many rows of the logs were read, per table.

        Raises:
            HeldError: another process has the file open; nothing was done.
            duckdb.Error: DuckDB refused for another reason (a full disk, a newer format).
            OSError: a log cannot be read.
        """
        if not anew and self.path.exists() and not self._news():
            return {}
        try:
            return self._fill(anew)
        except _OtherLayoutError:
            self._rename_aside("has tables of another version")
        except duckdb.Error as error:
            held = _held(error)
            if held is not None:
                raise held from None
            if _BROKEN.search(str(error)) is None:
                raise
            self._rename_aside(f"is broken ({_first_line(error)})")
        return self._fill(anew)

    def behind(self) -> dict[str, int]:
        """Return, per table, how many rows the logs hold beyond the last catch-up."""
        marks = self._marks if self._marks is not None else self._peek()
        return {
            table.name: sum(self._count(table, file, marks) for file in self._files(table))
            for table in self._tables
        }

    def _news(self) -> bool:
        return any(
            self._seen.get((table.name, file.first_line)) != file.size
            for table in self._tables
            for file in self._files(table)
        )

    def _files(self, table: Table) -> list[LogFile]:
        return log_files(table.log, self._first_lines)

    def _connect(self, *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
        return duckdb.connect(self.path, read_only=read_only, config=OPTIONS)

    def _fill(self, anew: bool) -> dict[str, int]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        prepared = self._left_as is not None and self._left_as == self._looks()
        with closing(self._connect()) as connection:
            if not prepared:
                self._prepare(connection)
            if anew:
                connection.execute("delete from log_positions")
            self._marks = _marks_in(connection)
            seen: Marks = {}
            rows = dict.fromkeys((table.name for table in self._tables), 0)
            for table in self._tables:
                for file in self._files(table):
                    read, end = self._read_file(connection, table, file, anew)
                    rows[table.name] += read
                    seen[table.name, file.first_line] = max(file.size, end)
            self._seen = seen
        self._left_as = self._looks()
        return rows

    def _looks(self) -> tuple[int, ...] | None:
        """Return what tells our file from another, without opening it; None if there is none."""
        try:
            stat = self.path.stat()
        except OSError:
            return None
        return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns

    def _prepare(self, connection: duckdb.DuckDBPyConnection) -> None:
        found = _columns(connection, self._tables)
        if any(columns != self._layout[name] for name, columns in found.items() if columns):
            raise _OtherLayoutError
        connection.begin()
        for statement in [POSITIONS, *(table.create for table in self._tables), *self._views]:
            connection.execute(statement)
        connection.commit()

    def _read_file(
        self, connection: duckdb.DuckDBPyConnection, table: Table, file: LogFile, anew: bool
    ) -> tuple[int, int]:
        """Insert the rest of a file; return how many rows, and where its last line ends."""
        count = 0
        marks = self._marks if self._marks is not None else {}
        key = (table.name, file.first_line)
        while True:
            offset, block = read_from(file, marks.get(key, 0))
            if not block:
                return count, offset
            rows = [row for row in map(table.to_row, parse_lines(block)) if row is not None]
            connection.begin()
            if table.latest:
                rows = list({row[0]: row for row in rows}.values())
            if rows:
                self._insert(connection, table, rows, anew)
            connection.execute(
                "insert or replace into log_positions values ($log, $first, $file, $next)",
                {
                    "log": table.name,
                    "first": file.first_line,
                    "file": file.path.name,
                    "next": offset + len(block),
                },
            )
            connection.commit()
            marks[key] = offset + len(block)
            count += len(rows)

    def _insert(
        self, connection: duckdb.DuckDBPyConnection, table: Table, rows: list[Row], anew: bool
    ) -> None:
        columns = self._layout[table.name]
        given = dict(columns[: len(columns) - table.joined])
        verb = "replace" if anew or table.latest else "ignore"
        appender = connection.query_appender(
            f"insert or {verb} into {table.name} {table.select}", given
        )
        try:
            appender.append_rows(rows)
        except (duckdb.DataError, duckdb.ProgrammingError):
            appender.clear()
            self._append_one_by_one(appender, table, rows)
        appender.flush()

    def _append_one_by_one(self, appender: Any, table: Table, rows: Iterable[Row]) -> None:
        """Leave out the rows DuckDB cannot hold: one edited line must not stop the history."""
        for row in rows:
            try:
                appender.append_row(*row)
            except (duckdb.DataError, duckdb.ProgrammingError) as error:
                self._warn(
                    f"{table.log}: a line does not fit the table {table.name} and is left out "
                    f"of {self.path.name} ({_first_line(error)})"
                )

    def _rename_aside(self, what: str) -> None:
        """Put the file and its WAL away, where somebody may look into them."""
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        aside = self.path.with_name(f"{self.path.name}.aside-{stamp}")
        for suffix in (".wal", ""):  # either may be there without the other
            part = self.path.with_name(self.path.name + suffix)
            if part.exists():
                part.rename(aside.with_name(aside.name + suffix))
        self.set_aside.append(aside)
        self._left_as = None
        self._warn(f"{self.path} {what}: it is now {aside.name}, and is made again from the logs")

    def _peek(self) -> Marks:
        """Read the positions where a reader holds the file and we may still read, too."""
        try:
            with closing(self._connect(read_only=True)) as connection:
                self._marks = _marks_in(connection)
        except duckdb.Error:
            return {}
        return self._marks

    def _count(self, table: Table, file: LogFile, marks: Marks) -> int:
        count, offset = 0, marks.get((table.name, file.first_line), 0)
        while True:
            offset, block = read_from(file, offset)
            if not block:
                return count
            offset += len(block)
            count += sum(table.to_row(record) is not None for record in parse_lines(block))


class _OtherLayoutError(Exception):
    """The file's tables are not ours: made by another version."""


Layout = dict[str, list[tuple[str, str]]]


def _layout_of(tables: Sequence[Table]) -> Layout:
    """Return the columns and types the tables have when made by their statements."""
    with closing(duckdb.connect(config={"threads": 1})) as connection:
        connection.execute(POSITIONS)
        for table in tables:
            connection.execute(table.create)
        return _columns(connection, tables)


def _columns(connection: duckdb.DuckDBPyConnection, tables: Sequence[Table]) -> Layout:
    rows = connection.execute(
        "select table_name, column_name, data_type from duckdb_columns() "
        "where not internal order by table_name, column_index"
    ).fetchall()
    return {
        name: [(column, kind) for of, column, kind in rows if of == name]
        for name in ["log_positions", *(table.name for table in tables)]
    }


def _marks_in(connection: duckdb.DuckDBPyConnection) -> Marks:
    rows = connection.execute("select log, first_line, next_byte from log_positions").fetchall()
    return {(log, first_line): next_byte for log, first_line, next_byte in rows}


def _held(error: duckdb.Error) -> HeldError | None:
    """Return who holds the file if that is what `error` says."""
    if "with a different configuration" in str(error):
        return HeldError(os.getpid())  # a reader in this process
    if "Could not set lock" not in str(error):
        return None
    holder = _HOLDER.search(str(error))
    return HeldError(int(holder[1]) if holder else None)


def _first_line(error: duckdb.Error) -> str:
    return str(error).splitlines()[0][:200]
