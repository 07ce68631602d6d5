"""Tape files: what they hold, whether they can be replayed, and in which slices of time.

Every file is checked before the flow starts, and what is wrong with it is one sentence. Parquet
in the normalised schema is read in place; what is not in time order (the vendor's flat files
never are) is sorted once into the user's cache folder.
"""

from __future__ import annotations

import glob
import hashlib
import itertools
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from flows.errors import OrderflowError
from flows.feeds.book_columns import STALE, level_columns
from flows.feeds.flat_files import as_csv, kind_of, normalised
from flows.places import cache_folder

TRADES, QUOTES, BOOKS, CAPTURE = "trades", "quotes", "books", "capture"
_RANK = {TRADES: 0, QUOTES: 1, BOOKS: 2}

_NEEDED = {
    TRADES: ("symbol", "ts_ns", "price", "size"),
    QUOTES: ("symbol", "ts_ns", "bid", "ask"),
    BOOKS: ("symbol", "ts_ns", *level_columns(1)),
}


class TapeError(OrderflowError):
    """A tape cannot be replayed; the message is one sentence with the file and the reason."""


@dataclass(frozen=True, slots=True)
class TapeFile:
    """One Parquet file in time order.

    `groups`: (first ts, last ts, rows) of its row groups. `full`: columns that say they hold
    no null, so that nobody has to ask for each row.
    """

    path: str
    kind: str
    columns: dict[str, str]
    groups: tuple[tuple[int, int, int], ...]
    full: frozenset[str] = frozenset()

    @property
    def rows(self) -> int:
        """Rows in the file."""
        return sum(rows for _, _, rows in self.groups)


@dataclass(frozen=True, slots=True)
class TapeSet:
    """The files of one tape: trades, quotes, books, each kind in the order given."""

    files: tuple[TapeFile, ...] = ()
    captures: tuple[str, ...] = ()
    fingerprint: str = ""
    rows: int = 0

    @property
    def paths(self) -> tuple[str, ...]:
        """All files, by name."""
        return (*(file.path for file in self.files), *self.captures)


def connect(memory_limit: str = "256MB") -> duckdb.DuckDBPyConnection:
    """Return an in-memory database that reads files on one thread."""
    db = duckdb.connect(config={"threads": 1, "async_threads": 0})
    db.execute(f"SET memory_limit = '{memory_limit}'")
    # Each byte is read once, and a few files in turn: nothing is worth holding.
    db.execute("SET enable_external_file_cache = false")
    db.execute("SET read_ahead_depth = 0")
    db.execute("SET streaming_buffer_size = '256KB'")
    return db


def quoted(path: str) -> str:
    """Return a path as an SQL string."""
    return "'" + path.replace("'", "''") + "'"


def reason(error: duckdb.Error) -> str:
    """Return what DuckDB complained about, in one line."""
    return " ".join(str(error).split())[:300]


def expand(names: Iterable[str]) -> list[str]:
    """Return the files named by paths, folders and globs, sorted within each name.

    Raises:
        TapeError: a name that leads to no file.
    """
    found: list[str] = []
    for name in names:
        path = Path(name).expanduser()
        if path.is_dir():
            matches = sorted(str(p) for p in _inside(path) if _kind_by_name(p.name) is not None)
        elif path.exists():
            matches = [str(path)]
        else:
            matches = sorted(glob.glob(str(path)))  # noqa: PTH207 - pathlib takes no absolute pattern
        if not matches:
            raise TapeError(
                f"no tape at {name}: give a .parquet, .csv.gz or capture file, or a folder of them"
            )
        found += [match for match in matches if match not in found]
    return found


def _inside(folder: Path) -> list[Path]:
    """Return what a folder and its folders of days hold: an import makes one a day."""
    days = [p for p in folder.iterdir() if re.fullmatch(r"\d{4}-\d\d-\d\d", p.name)]
    return [p for place in (folder, *filter(Path.is_dir, days)) for p in place.iterdir()]


def _kind_by_name(name: str) -> str | None:
    if name.endswith((".jsonl", ".jsonl.gz", ".jsonl.zst")):
        return CAPTURE if "alerts" not in name else None
    if name.endswith((".csv.gz", ".csv")):
        return "flat"
    if name.endswith(".parquet"):
        return "parquet"
    return None


def _describe(db: duckdb.DuckDBPyConnection, source: str, path: str) -> dict[str, str]:
    try:
        rows = db.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
    except duckdb.Error as error:
        raise TapeError(f"{path} cannot be read: {reason(error)}") from None
    return {name: kind for name, kind, *_ in rows}


def _kind_of(columns: dict[str, str], path: str) -> str:
    if any(name in columns for name in level_columns(1)):
        kind = BOOKS
    else:
        kind = QUOTES if "bid" in columns or "ask" in columns else TRADES
    missing = [name for name in _NEEDED[kind] if name not in columns]
    if missing:
        raise TapeError(
            f"{path} has no column {' and no column '.join(missing)}: "
            f"{kind} need {', '.join(_NEEDED[kind])}"
        )
    if columns["ts_ns"] not in ("BIGINT", "UBIGINT", "HUGEINT", "INTEGER"):
        raise TapeError(f"{path}: ts_ns is {columns['ts_ns']}, not nanoseconds as BIGINT")
    return kind


def _row_groups(
    db: duckdb.DuckDBPyConnection, path: str
) -> tuple[tuple[int, int, int], ...] | None:
    """Return (first, last, rows) of each row group, or None where the file does not say."""
    groups = db.execute(
        "SELECT row_group_id, any_value(row_group_num_rows),"
        " any_value(stats_min) FILTER (path_in_schema = 'ts_ns'),"
        " any_value(stats_max) FILTER (path_in_schema = 'ts_ns')"
        f" FROM parquet_metadata({quoted(path)}) GROUP BY row_group_id ORDER BY row_group_id"
    ).fetchall()
    if any(low is None or high is None for _, _, low, high in groups):
        return None
    return tuple((int(low), int(high), rows) for _, rows, low, high in groups if rows)


def _full_columns(db: duckdb.DuckDBPyConnection, path: str) -> frozenset[str]:
    rows = db.execute(
        f"SELECT path_in_schema FROM parquet_metadata({quoted(path)})"
        " GROUP BY 1 HAVING bool_and(coalesce(stats_null_count, 1) = 0)"
    ).fetchall()
    return frozenset(name for (name,) in rows)


def _in_order(groups: Sequence[tuple[int, int, int]]) -> bool:
    return all(a[1] <= b[0] for a, b in itertools.pairwise(groups))


def _sorted_copy(
    db: duckdb.DuckDBPyConnection, path: str, select: str, order: str, say: Callable[[str], None]
) -> str:
    """Sort a file into the cache folder once, and return the path of the copy."""
    stat = Path(path).stat()
    key = f"{Path(path).resolve()}|{stat.st_size}|{stat.st_mtime_ns}|{select}|{order}"
    folder = cache_folder() / "tapes"
    target = folder / f"{hashlib.blake2b(key.encode(), digest_size=12).hexdigest()}.parquet"
    if target.exists():
        return str(target)
    folder.mkdir(parents=True, exist_ok=True)
    say(f"sorting {path} by time, once")
    partial = target.with_suffix(f".{os.getpid()}.tmp")
    db.execute("SET memory_limit = '2GB'")
    db.execute(f"SET temp_directory = {quoted(str(folder / 'spill'))}")
    try:
        db.execute(
            f"COPY ({select} ORDER BY {order}) TO {quoted(str(partial))}"
            " (FORMAT parquet, COMPRESSION zstd)"
        )
        partial.replace(target)
    except duckdb.Error as error:
        raise TapeError(f"{path} cannot be read: {reason(error)}") from None
    finally:
        partial.unlink(missing_ok=True)
    return str(target)


def _open_flat(db: duckdb.DuckDBPyConnection, path: str, say: Callable[[str], None]) -> str:
    read = f"read_csv({quoted(path)}, header = true, all_varchar = true)"
    header = tuple(_describe(db, read, path))
    kind, missing = kind_of(header)
    if missing:
        raise TapeError(f"{path} is no {kind} flat file: it has no column {', '.join(missing)}")
    select = normalised(kind, as_csv(kind, header, quoted(path)))
    return _sorted_copy(db, path, select, "sip_timestamp, sequence_number", say)


def _open_file(db: duckdb.DuckDBPyConnection, path: str, say: Callable[[str], None]) -> TapeFile:
    if Path(path).stat().st_size == 0:
        raise TapeError(f"{path} is empty: nothing to replay")
    if _kind_by_name(Path(path).name) == "flat":
        path = _open_flat(db, path, say)
    columns = _describe(db, f"read_parquet({quoted(path)})", path)
    kind = _kind_of(columns, path)
    groups = _row_groups(db, path)
    if groups is None or not _in_order(groups):
        sequence = "feed_seq, " if "feed_seq" in columns else ""
        order = f"ts_ns, {sequence}file_row_number"
        select = (
            f"SELECT * EXCLUDE (file_row_number){STALE if kind == BOOKS else ''}"
            f" FROM read_parquet({quoted(path)}, file_row_number = true)"
        )
        path = _sorted_copy(db, path, select, order, say)
        columns = _describe(db, f"read_parquet({quoted(path)})", path)
        groups = _row_groups(db, path) or ()
    return TapeFile(path, kind, columns, groups, _full_columns(db, path))


def open_tapes(paths: Sequence[str], say: Callable[[str], None] = lambda _: None) -> TapeSet:
    """Open and check every file of a tape.

    Args:
        paths: Files.
        say: Told of work that takes time.

    Raises:
        TapeError: a file that is no tape, cut short, or without a needed column.
    """
    captures = [p for p in paths if _kind_by_name(Path(p).name) == CAPTURE]
    if captures and len(captures) < len(paths):
        raise TapeError("captures and tape files cannot be replayed together: name one kind")
    with connect() as db:
        files = [_open_file(db, path, say) for path in paths if path not in captures]
    files.sort(key=lambda file: _RANK[file.kind])  # stable: within a kind, as named
    names = "|".join(f"{Path(p).resolve()}:{Path(p).stat().st_size}" for p in paths)
    return TapeSet(
        tuple(files),
        tuple(captures),
        hashlib.blake2b(names.encode(), digest_size=12).hexdigest(),
        sum(file.rows for file in files),
    )
