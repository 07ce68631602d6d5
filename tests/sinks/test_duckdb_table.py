from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import bytewax.operators as op
import pytest
from bytewax.dataflow import Dataflow
from bytewax.operators import KeyedStream
from bytewax.testing import TestingSource, run_main

from sinks.duckdb_table import DuckDBTable, HistoryKeeper, HistoryState
from sinks.jsonl import JsonlSink
from sinks.opening import Opening
from tests.sinks.notes import id_of, numbered, to_line, write_notes
from tests.sinks.shelf import held, shelf, shelved

ROOT = Path(__file__).parents[2]


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Place:
    """A log, its history and its keeper, in one folder."""

    def __init__(self, folder: Path, patience_s: float = 5.0) -> None:
        self.log, self.db = folder / "alerts.jsonl", folder / "alerts.duckdb"
        self.said: list[str] = []
        self.ends: list[str] = []
        self.keeper = HistoryKeeper(
            shelf(self.db, self.log, self.said.append),
            [self.log],
            on_start=lambda: self.ends.append("started"),
            on_end=self.ends.append,
            period_s=0.05,
            patience_s=patience_s,
            warn=self.said.append,
        )

    def flow(self, *notes: str, change: Callable[[str], str] = id_of) -> Dataflow:
        graph = Dataflow("notes")
        source: TestingSource[Any] = TestingSource(list(notes), batch_size=1)
        noted: KeyedStream[Any] = op.key_on(
            "key", op.map("map", op.input("in", graph, source), change), id_of
        )
        keyed: KeyedStream[Any] = op.merge("all", op.input("open", graph, Opening()), noted)
        op.output("history", keyed, DuckDBTable(self.keeper))
        op.output("jsonl", keyed, JsonlSink(self.log, to_line, id_of, follower=self.keeper))
        return graph


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.mark.parametrize("notes", [("a", "b", "c"), ("a",), ()])
def test_a_flow_that_has_ended_leaves_a_complete_history(
    place: Place, notes: tuple[str, ...]
) -> None:
    run_main(place.flow(*notes))
    assert [note for _, note in shelved(place.db)] == list(notes)
    assert (place.ends[0], place.ends[-1]) == ("started", "ended")
    assert place.said == []


def test_the_history_follows_while_the_flow_runs(place: Place) -> None:
    place.keeper.start()
    place.keeper.enter()
    for n in range(3):
        write_notes(place.log, f"n{n}")
        until(partial(lambda n: place.db.exists() and len(shelved_or_none(place.db)) == n + 1, n))
    place.keeper.leave()
    assert shelved(place.db) == numbered(place.log)


def shelved_or_none(db: Path) -> list[tuple[int, str]]:
    """Read a file that its keeper may have open, in this very process, at this moment."""
    code = (
        "import sys, time, duckdb\n"
        "from pathlib import Path\n"
        "from tests.sinks.shelf import shelved\n"
        "try:\n    print(shelved(Path(sys.argv[1])))\n"
        "except duckdb.Error:\n    print([])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(db)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": "."},
        capture_output=True,
        text=True,
        check=True,
    )
    return list(eval(done.stdout))  # noqa: S307  # printed by the line above


def test_a_holder_is_named_and_waited_for(place: Place) -> None:
    write_notes(place.log, "a", "b")
    place.keeper.start()
    place.keeper.enter()
    until(place.db.exists)
    with held(place.db) as pid:
        write_notes(place.log, "c")
        until(lambda: place.keeper.state == HistoryState({"notes": 1}, held_by=pid))
    until(lambda: place.keeper.state == HistoryState({}))
    place.keeper.leave()
    assert shelved(place.db) == [(1, "a"), (2, "b"), (3, "c")]


def test_an_end_that_finds_the_history_held_says_so_and_loses_nothing(tmp_path: Path) -> None:
    place = Place(tmp_path, patience_s=0.3)
    run_main(place.flow("a"))
    again = Place(tmp_path, patience_s=0.3)
    with held(place.db) as pid:
        run_main(again.flow("a", "b", "c"))
        assert again.said == [
            f"{place.db} is behind by 2 notes (process {pid} has it open): the next start "
            "catches up, or run `orderflow rebuild-history`"
        ]
    run_main(Place(tmp_path).flow("a", "b", "c"))
    assert shelved(place.db) == [(1, "a"), (2, "b"), (3, "c")]


def test_an_end_waits_for_a_holder_that_is_soon_done(place: Place) -> None:
    write_notes(place.log, "a")
    place.keeper.start()
    place.keeper.enter()
    until(place.db.exists)
    leaving = threading.Thread(target=place.keeper.leave)
    with held(place.db):
        write_notes(place.log, "b")
        leaving.start()
        time.sleep(0.3)
        assert leaving.is_alive()
    leaving.join()
    assert place.said == []
    assert shelved(place.db) == [(1, "a"), (2, "b")]


ELSEWHERE = """
import sys
from pathlib import Path
from tests.sinks.notes import open_log

log = open_log(Path(sys.argv[1]))
print("open", flush=True)
sys.stdin.readline()
log.write(["late"])
log.close()
"""


def test_a_writer_in_another_process_is_waited_for_without_holding_up_the_flow(
    place: Place,
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", ELSEWHERE, str(place.log)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": "."},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"open\n"
        place.keeper.start()
        place.keeper.enter()
        place.keeper.leave()
        time.sleep(0.2)
        assert place.ends == ["started"]
        writer.communicate(b"go\n")
    until(lambda: place.ends[-1] == "ended")
    place.keeper.finish("finished")
    assert shelved(place.db) == [(1, "late")]


def test_a_history_that_cannot_be_written_does_not_stop_the_flow(tmp_path: Path) -> None:
    place = Place(tmp_path, patience_s=0.1)
    place.db.mkdir()  # as good as any reason why the file cannot be opened
    run_main(place.flow("a"))
    assert numbered(place.log) == [(1, "a")]
    assert "cannot be caught up, the logs are whole" in place.said[0]
    assert place.keeper.state.behind == {"notes": 1}


def test_a_keeper_left_behind_by_a_dead_run_is_stopped_by_the_next(tmp_path: Path) -> None:
    dead = Place(tmp_path)
    dead.keeper.start()
    dead.keeper.enter()
    place = Place(tmp_path)
    run_main(place.flow("a"))
    dead.keeper.leave()
    assert (dead.ends, place.ends[-1]) == (["started"], "ended")
    assert shelved(place.db) == [(1, "a")]


LEAVING = """
import sys
from pathlib import Path
from tests.sinks.notes import write_notes
from tests.sinks.test_duckdb_table import Place

place = Place(Path(sys.argv[1]))
place.keeper.start()
place.keeper.enter()
write_notes(place.log, "a", "b")
print(place.ends, flush=True)
sys.exit(3)
"""


def test_a_program_that_ends_without_closing_anything_still_completes_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LEAVING, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": "."},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, "['started']\n", "")
    assert shelved(tmp_path / "alerts.duckdb") == [(1, "a"), (2, "b")]


def test_who_knows_how_it_ended_has_the_last_word(place: Place) -> None:
    run_main(place.flow("a"))
    place.keeper.finish("stopped")
    assert place.ends[-2:] == ["ended", "stopped"]


def test_where_the_history_is_not_kept_the_end_of_a_writer_does_nothing(place: Place) -> None:
    place.keeper.enter()
    place.keeper.leave()
    place.keeper.finish()
    assert (place.ends, place.db.exists()) == ([], False)


CRASHING = """
import atexit, sys
from pathlib import Path
from bytewax.testing import run_main
from tests.sinks.test_duckdb_table import Place

def explode(note):
    if note == "boom":
        raise ValueError("boom")
    return note

place = Place(Path(sys.argv[1]))
atexit.register(lambda: print(place.ends))
run_main(place.flow("a", "b", "boom", change=explode))
"""


def test_a_flow_that_dies_of_an_error_still_leaves_a_complete_history(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CRASHING, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": "."},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 1
    assert "ValueError: boom" in done.stderr
    assert done.stdout == "['started', 'ended']\n"
    assert shelved(tmp_path / "alerts.duckdb") == [(1, "a"), (2, "b")]
    assert numbered(tmp_path / "alerts.jsonl") == [(1, "a"), (2, "b")]


TWO_PROCESSES = """
import sys
from pathlib import Path
from tests.sinks.test_duckdb_table import Place

folder = Path(sys.argv[0]).parent
flow = Place(folder).flow(*(f"n{n}" for n in range(200)))
"""


def test_two_processes_leave_one_log_and_a_complete_history(tmp_path: Path) -> None:
    (tmp_path / "two.py").write_text(
        TWO_PROCESSES.replace("Path(sys.argv[0]).parent", f"Path({str(tmp_path)!r})")
    )
    done = subprocess.run(
        [sys.executable, "-m", "bytewax.testing", "two:flow", "-p", "2"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{tmp_path}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert [seq for seq, _ in numbered(tmp_path / "alerts.jsonl")] == list(range(1, 201))
    assert shelved(tmp_path / "alerts.duckdb") == numbered(tmp_path / "alerts.jsonl")
