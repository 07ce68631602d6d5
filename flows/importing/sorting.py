"""Rows in whatever order to a tape in the order of time, with less memory than they take.

A source is first copied to Parquet as it comes; the copies of a day are then sorted together.
What exceeds the memory limit spills to the disk of the tapes.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from flows.feeds.flat_files import FLAT_CONDITIONS, columns, kept
from flows.feeds.tape_files import quoted
from flows.importing.plan import Bench

MEMORY = "1GB"
MOST_THREADS = 4  # each holds buffers of its own
GROUP_ROWS = 122_880  # what the tape reader reads two of at a time
_TICK_S = 0.1
_ID = "try_cast(id AS BIGINT)"
_PLAIN = f"id IS NULL OR coalesce({_ID} >= 0 AND {_ID}::VARCHAR = id, false)"
_USABLE = "symbol IS NOT NULL AND ts_ns IS NOT NULL"


@contextlib.contextmanager
def open_database(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a database in memory that spills into `folder`."""
    db = duckdb.connect()
    try:
        db.execute(f"SET memory_limit = '{MEMORY}'")
        db.execute(f"SET temp_directory = {quoted(str(folder / 'spill'))}")
        db.execute(f"SET threads = {min(MOST_THREADS, os.cpu_count() or 1)}")
        db.execute("SET enable_progress_bar = true")  # counted, as nobody sees it:
        db.execute("SET enable_progress_bar_print = false")
        yield db
    finally:
        db.close()


def run(db: duckdb.DuckDBPyConnection, sql: str, tick: Callable[[], None]) -> None:
    """Run a statement in a thread of its own, so that Ctrl-C is heard meanwhile.

    The thread is not joined: a join that Ctrl-C breaks off takes the thread for ended (CPython
    3.11), and the database would be closed while it works.

    Raises:
        duckdb.Error: it failed.
    """
    failures: list[duckdb.Error] = []
    done, given_up = threading.Event(), threading.Event()

    def work() -> None:
        try:
            if not given_up.is_set():
                db.execute(sql).fetchall()
        except duckdb.Error as error:
            failures.append(error)
        finally:
            done.set()

    thread = threading.Thread(target=work, name="import")
    try:
        thread.start()
        while not done.wait(_TICK_S):
            tick()
    except BaseException:
        given_up.set()
        while thread.is_alive() and not done.is_set():
            db.interrupt()  # only a statement that has begun hears it
            done.wait(_TICK_S)
        raise
    if failures:
        raise failures[0]


def stage_sql(
    kind: str, source: str, symbols: Sequence[str], path: Path, conditions: str = FLAT_CONDITIONS
) -> str:
    """Return the statement that copies a source's wanted rows as they come.

    Args:
        kind: `trades` or `quotes`.
        source: its SQL, with the vendor's columns.
        symbols: only these, or empty: all.
        path: where to.
        conditions: how the source spells them, as a list.
    """
    correction = "correction" if kind == "trades" else "NULL"
    sql = f"SELECT {columns(kind, conditions)}, sequence_number, {correction} AS correction"
    sql += f" FROM {source}"
    if symbols:
        # A row without a symbol is counted as such later, not as one of another symbol.
        listed = ", ".join(map(quoted, symbols))
        sql += f" WHERE ticker IS NULL OR ticker IN ({listed})"
    return f"COPY ({sql}) TO {quoted(str(path))} (FORMAT parquet, COMPRESSION snappy)"


@dataclass(frozen=True, slots=True)
class Sorted:
    """What became of the rows that were staged."""

    staged: int
    rows: int
    unusable: int
    first_ns: int | None
    last_ns: int | None
    dropped: dict[str, int]
    symbols: dict[str, int]


def sort(bench: Bench, kind: str, staged: Sequence[Path], target: Path) -> Sorted:
    """Sort staged sources into one tape; a tape without rows is not written.

    Raises:
        duckdb.Error: it failed, as on a full disk.
    """
    db = bench.db
    paths = ", ".join(quoted(str(path)) for path in staged)
    source = f"read_parquet([{paths}])"
    good = f"{_USABLE} AND {kept(kind)}"
    [(total, rows, first_ns, last_ns)] = db.execute(
        f"SELECT count(*), count(*) FILTER ({good}), min(ts_ns) FILTER ({good}),"
        f" max(ts_ns) FILTER ({good}) FROM {source}"
    ).fetchall()
    dropped = db.execute(
        f"SELECT correction::VARCHAR, count(*) FROM {source}"
        f" WHERE {_USABLE} AND NOT ({kept(kind)}) GROUP BY correction ORDER BY correction"
    ).fetchall()
    seen = db.execute(
        f"SELECT symbol, count(*) FROM {source} WHERE {good} GROUP BY ALL ORDER BY ALL"
    )
    symbols = dict(seen.fetchall()) if bench.symbols else {}
    chosen = "* EXCLUDE (sequence_number, correction)"
    if kind == "trades" and _holds(db, f"SELECT coalesce(bool_and({_PLAIN}), false) FROM {source}"):
        chosen += " REPLACE (id::BIGINT AS id)"  # a replay reads numbers half again as fast
    if rows:
        run(
            db,
            f"COPY (SELECT {chosen} FROM {source} WHERE {good}"
            f" ORDER BY ts_ns, sequence_number) TO {quoted(str(target))}"
            f" (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {GROUP_ROWS})",
            lambda: bench.reached(max(db.query_progress(), 0) / 100),
        )
    unusable = total - rows - sum(count for _, count in dropped)
    return Sorted(total, rows, unusable, first_ns, last_ns, dict(dropped), symbols)


def _holds(db: duckdb.DuckDBPyConnection, sql: str) -> bool:
    [(answer,)] = db.execute(sql).fetchall()
    return bool(answer)
