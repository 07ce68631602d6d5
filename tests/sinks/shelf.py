"""A history of notes: one table, and how tests read it and hold it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import duckdb

from sinks.history_file import HistoryFile, Row, Table
from sinks.tailer import Record

CREATE = """
create table if not exists notes (alert_id varchar primary key, seq bigint not null, twice varchar)
"""
VIEW = "create or replace view loud as select upper(alert_id) as note from notes"

HOLD = """
import sys, time
import duckdb
for _ in range(200):
    try:
        connection = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == "reader")
        break
    except duckdb.IOException:  # its keeper has it open for a moment
        time.sleep(0.05)
print("held", flush=True)
sys.stdin.read()
"""


def to_row(record: Record) -> Row | None:
    if record.get("event") != "note":
        return None
    return record["alert_id"], record["seq"]


def shelf(path: Path, log: Path, warn: Callable[[str], None] = print) -> HistoryFile:
    table = Table(
        "notes", log, CREATE, to_row, "select *, alert_id || alert_id from appender_data", joined=1
    )
    return HistoryFile(path, [table], [VIEW], warn)


def ask(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(duckdb.connect(path, read_only=True)) as connection:
        return connection.execute(sql).fetchall()


def shelved(path: Path) -> list[tuple[int, str]]:
    return [(n, note) for n, note in ask(path, "select seq, alert_id from notes order by seq")]


@contextmanager
def held(path: Path, by: str = "reader") -> Iterator[int]:
    """Hold the database in another process, as a `reader` or a `writer`; give its id."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path), by], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        try:
            yield holder.pid
        finally:
            holder.communicate()
