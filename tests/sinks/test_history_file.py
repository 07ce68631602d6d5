from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sinks.history_file import HeldError, HistoryFile, Row, Table
from sinks.tailer import Record
from tests.sinks.notes import HOUR, NOON, Clock, event, numbered, open_log, write_notes
from tests.sinks.shelf import CREATE, ask, held, shelf, shelved, to_row

ROOT = Path(__file__).parents[2]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "alerts.jsonl"
    write_notes(path, "a", "b")
    return path


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "alerts.duckdb"


def test_the_history_holds_what_the_log_holds(db: Path, log: Path) -> None:
    history = shelf(db, log)
    assert history.catch_up() == {"notes": 2}
    write_notes(log, "c")
    assert history.catch_up() == {"notes": 1}
    assert ask(db, "select * from notes order by seq") == [
        ("a", 1, "aa"),
        ("b", 2, "bb"),
        ("c", 3, "cc"),
    ]
    assert ask(db, "select note from loud order by note") == [("A",), ("B",), ("C",)]


def test_without_news_the_file_is_not_opened(db: Path, log: Path) -> None:
    history = shelf(db, log)
    history.catch_up()
    with held(db, "writer"):
        assert history.catch_up() == {}
    write_notes(log, "c")
    with held(db, "writer"), pytest.raises(HeldError):
        history.catch_up()


def test_lines_that_are_no_rows_and_half_lines_are_left_out(db: Path, log: Path) -> None:
    with log.open("ab") as file:
        file.write(b'{"event":"note","alert_id":"torn\n{"event":"heartbeat"}\n{"event":"no')
    history = shelf(db, log)
    history.catch_up()
    assert shelved(db) == [(1, "a"), (2, "b")]
    with log.open("ab") as file:
        file.write(b'te","alert_id":"c","seq":3}\n')
    history.catch_up()
    assert shelved(db) == [(1, "a"), (2, "b"), (3, "c")]


def test_a_line_the_table_cannot_hold_does_not_stop_the_others(db: Path, log: Path) -> None:
    with log.open("ab") as file:
        file.write(b'{"event":"note","alert_id":"c","seq":"three"}\n')
        file.write(b'{"event":"note","alert_id":"d","seq":4}\n')
    said: list[str] = []
    shelf(db, log, said.append).catch_up()
    assert shelved(db) == [(1, "a"), (2, "b"), (4, "d")]
    assert len(said) == 1
    assert "a line does not fit the table notes" in said[0]


def test_ten_thousand_alerts_are_caught_up_in_a_moment(db: Path, log: Path) -> None:
    notes = [f"{n:01000}" for n in range(10_000)]  # as long as alerts: more than one block
    write_notes(log, *notes)
    started = time.monotonic()
    assert shelf(db, log).catch_up() == {"notes": 10_002}
    assert time.monotonic() - started < 5
    assert shelved(db) == numbered(log)


def test_a_log_that_grows_while_it_is_read_is_read_to_where_it_ended(db: Path, log: Path) -> None:
    more = iter("cdefgh")

    def grow(record: Record) -> Row | None:
        write_notes(log, *(note for note in [next(more, "")] if note))
        return to_row(record)

    table = Table("notes", log, CREATE, grow, "select *, null from appender_data", joined=1)
    history = HistoryFile(db, [table])
    assert history.catch_up() == {"notes": 2}
    assert history.catch_up() == {"notes": 2}
    assert shelved(db) == [(1, "a"), (2, "b"), (3, "c"), (4, "d")]


def test_rotated_files_are_read_once_whatever_their_name(db: Path, log: Path) -> None:
    history, clock = shelf(db, log), Clock(NOON)
    log.unlink()
    writer = open_log(log, rotate=True, clock=clock)
    for day in range(3):
        clock.now_ns = NOON + day * 24 * HOUR
        writer.write([f"n{day}"])
        if day != 1:  # the second day's file is first seen when it is rotated already
            history.catch_up()
    writer.close()
    assert shelved(db) == [(1, "n0"), (2, "n1"), (3, "n2")]
    assert [row[0] for row in ask(db, "select file from log_positions order by file")] == [
        "alerts-2026-11-20.jsonl",
        "alerts-2026-11-21.jsonl",
        "alerts.jsonl",
    ]


def test_a_restart_finds_by_itself_what_is_missing(db: Path, log: Path) -> None:
    shelf(db, log).catch_up()
    write_notes(log, "c")
    assert shelf(db, log).catch_up() == {"notes": 1}
    assert shelved(db) == [(1, "a"), (2, "b"), (3, "c")]


def test_a_deleted_history_is_made_again_while_we_run(db: Path, log: Path) -> None:
    history = shelf(db, log)
    history.catch_up()
    db.unlink()
    assert history.catch_up() == {"notes": 2}
    assert shelved(db) == [(1, "a"), (2, "b")]


def test_an_older_history_put_back_is_caught_up(db: Path, log: Path) -> None:
    history = shelf(db, log)
    history.catch_up()
    shutil.copy(db, db.with_suffix(".old"))
    write_notes(log, "c")
    history.catch_up()
    db.with_suffix(".old").rename(db)
    write_notes(log, "d")
    history.catch_up()
    assert shelved(db) == [(1, "a"), (2, "b"), (3, "c"), (4, "d")]


def test_logs_copied_elsewhere_are_known_again(db: Path, log: Path, tmp_path: Path) -> None:
    shelf(db, log).catch_up()
    copy = tmp_path / "copy" / "alerts.jsonl"
    copy.parent.mkdir()
    shutil.copy(log, copy)
    write_notes(copy, "c")
    assert shelf(db, copy).catch_up() == {"notes": 1}


def test_a_position_within_a_line_is_not_trusted(db: Path, log: Path) -> None:
    long_note = "x" * 100
    write_notes(log, long_note)
    shelf(db, log).catch_up()
    first = log.read_bytes().split(b"\n")[0] + b"\n"
    log.write_bytes(first)  # an older backup, written on
    write_notes(log, "y" * 300)
    shelf(db, log).catch_up()
    assert {note for _, note in shelved(db)} == {"a", "b", long_note, "y" * 300}


@pytest.mark.parametrize("by", ["reader", "writer"])
def test_a_held_history_is_left_alone_and_its_backlog_counted(db: Path, log: Path, by: str) -> None:
    shelf(db, log).catch_up()
    write_notes(log, "c", "d")
    history = shelf(db, log)
    with held(db, by) as pid:
        with pytest.raises(HeldError) as caught:
            history.catch_up()
        assert caught.value.pid == pid
        # Beside a reader we may read the positions; beside a writer all may be missing.
        assert history.behind() == {"notes": 2 if by == "reader" else 4}
    history.catch_up()
    assert shelved(db) == [(1, "a"), (2, "b"), (3, "c"), (4, "d")]
    assert history.behind() == {"notes": 0}


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: b"",
        lambda whole: b"not a database" * 1000,
        lambda whole: whole[:5000],
        lambda whole: whole[:4096] + b"\xff" * 8192 + whole[12288:],
        lambda whole: whole[:12288] + bytes(len(whole) - 12288),
    ],
    ids=["empty", "garbage", "cut", "headers", "zeros"],
)
def test_a_broken_file_is_put_aside_and_made_again(db: Path, log: Path, damage: object) -> None:
    shelf(db, log).catch_up()
    assert callable(damage)
    broken = damage(db.read_bytes())
    db.write_bytes(broken)
    write_notes(log, "c")
    said: list[str] = []
    history = shelf(db, log, said.append)
    history.catch_up()
    assert shelved(db) == [(1, "a"), (2, "b"), (3, "c")]
    assert [path.read_bytes() for path in history.set_aside] == [broken]
    assert "is broken" in said[0]
    assert history.set_aside[0].name in said[0]


KILLED = """
import os, signal, sys
from pathlib import Path
import duckdb
connection = duckdb.connect(sys.argv[1])
connection.execute("insert into notes values ('from the log file', 99, null)")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_wal_that_will_not_replay_is_put_aside_with_its_file(db: Path, log: Path) -> None:
    shelf(db, log).catch_up()
    subprocess.run([sys.executable, "-c", KILLED, str(db)], check=False)
    wal = db.with_name(db.name + ".wal")
    whole = wal.read_bytes()
    wal.write_bytes(whole[:-40] + bytes(40))
    write_notes(log, "c")
    history = shelf(db, log)
    history.catch_up()
    assert shelved(db) == [(1, "a"), (2, "b"), (3, "c")]
    assert [path.with_name(path.name + ".wal").exists() for path in history.set_aside] == [True]


def test_a_wal_whose_file_was_deleted_does_not_matter(db: Path, log: Path) -> None:
    shelf(db, log).catch_up()
    subprocess.run([sys.executable, "-c", KILLED, str(db)], check=False)
    db.unlink()
    shelf(db, log).catch_up()
    assert shelved(db) == [(1, "a"), (2, "b")]


def test_tables_of_another_version_are_put_aside_and_made_again(db: Path, log: Path) -> None:
    older = "create table if not exists notes (alert_id varchar primary key, seq integer)"
    HistoryFile(db, [Table("notes", log, older, to_row)]).catch_up()
    said: list[str] = []
    history = shelf(db, log, said.append)
    history.catch_up()
    assert shelved(db) == [(1, "a"), (2, "b")]
    assert "has tables of another version" in said[0]


def test_reading_anew_replaces_what_the_log_holds_and_keeps_what_it_does_not(
    db: Path, log: Path
) -> None:
    history = shelf(db, log)
    history.catch_up()
    write_notes(log, "c")
    log.write_bytes(log.read_bytes().replace(b'"a","seq":1', b'"a","seq":7'))
    history.catch_up()
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[::2]))  # b is archived
    assert history.catch_up(anew=True) == {"notes": 2}
    assert ask(db, "select * from notes order by alert_id") == [
        ("a", 7, "aa"),
        ("b", 2, "bb"),
        ("c", 3, "cc"),
    ]


def test_the_last_line_of_a_key_wins_where_the_table_says_so(db: Path, log: Path) -> None:
    with log.open("ab") as file:
        file.write(b'{"event":"note","alert_id":"a","seq":8}\n')
    table = Table("notes", log, CREATE, lambda r: (r["alert_id"], r["seq"], None), latest=True)
    history = HistoryFile(db, [table])
    history.catch_up()
    assert shelved(db) == [(2, "b"), (8, "a")]
    with log.open("ab") as file:
        file.write(b'{"event":"note","alert_id":"a","seq":9}\n')
    history.catch_up()
    assert shelved(db) == [(2, "b"), (9, "a")]


CATCH_UP = """
import sys
from pathlib import Path
from tests.sinks.shelf import shelf
history = shelf(Path(sys.argv[1]), Path(sys.argv[2]))
print("go", flush=True)
while True:
    history.catch_up()
"""


def test_a_keeper_killed_at_any_moment_leaves_every_row_once(db: Path, log: Path) -> None:
    writer = open_log(log)
    for round_ in range(5):
        with subprocess.Popen(
            [sys.executable, "-c", CATCH_UP, str(db), str(log)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": "."},
            stdout=subprocess.PIPE,
        ) as keeper:
            assert keeper.stdout is not None
            keeper.stdout.readline()
            for n in range(10 + 4 * round_):
                writer.write([f"{round_}.{n}.{m}" for m in range(50)])
                time.sleep(0.005)
            keeper.kill()
    writer.event(event("heartbeat"))
    writer.close()
    shelf(db, log).catch_up()
    assert shelved(db) == numbered(log)
