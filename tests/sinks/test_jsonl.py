from __future__ import annotations

import errno
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bytewax.operators as op
import pytest
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import TestingSource, cluster_main, run_main

from sinks.jsonl import JsonlSink, LogError
from sinks.opening import Opening
from tests.sinks.notes import Clock, event, id_of, numbered, parsed, to_line


def flow(sink: JsonlSink[str], notes: Sequence[Any], batch_size: int = 2) -> Dataflow:
    graph = Dataflow("notes")
    source: TestingSource[Any] = TestingSource(notes, batch_size)
    keyed = op.key_on("key", op.input("in", graph, source), id_of)
    op.output("jsonl", keyed, sink)
    return graph


class Follower:
    def __init__(self) -> None:
        self.told: list[str] = []

    def enter(self) -> None:
        self.told.append("enter")

    def leave(self) -> None:
        self.told.append("leave")


def test_a_flow_writes_each_record_in_order(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    run_main(flow(JsonlSink(path, to_line, id_of), ["a", "b", "c"]))
    assert numbered(path) == [(1, "a"), (2, "b"), (3, "c")]


def test_a_flow_run_again_writes_nothing_twice(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    for notes in (["a", "b"], ["a", "b", "c"]):
        run_main(flow(JsonlSink(path, to_line, id_of), notes))
    assert numbered(path) == [(1, "a"), (2, "b"), (3, "c")]


def test_a_crashed_flow_resumes_without_loss_or_repeat(tmp_path: Path) -> None:
    path, store = tmp_path / "alerts.jsonl", tmp_path / "recovery"
    store.mkdir()
    init_db_dir(store, 1)
    notes = ["a", "b", TestingSource.ABORT(), "c", "d"]
    graph = flow(JsonlSink(path, to_line, id_of), notes, batch_size=1)
    for _ in range(2):
        run_main(graph, recovery_config=RecoveryConfig(str(store)))
    assert numbered(path) == [(1, "a"), (2, "b"), (3, "c"), (4, "d")]


@pytest.mark.parametrize("workers", [1, 3])
def test_any_number_of_workers_writes_one_file(tmp_path: Path, workers: int) -> None:
    path = tmp_path / "alerts.jsonl"
    notes = [f"n{n}" for n in range(50)]
    sink = JsonlSink(path, to_line, id_of)
    cluster_main(flow(sink, notes), [], 0, worker_count_per_proc=workers)
    assert sorted(note for _, note in numbered(path)) == sorted(notes)
    assert [seq for seq, _ in numbered(path)] == list(range(1, 51))


def test_what_the_disk_refused_travels_in_the_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(fd: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "alerts.jsonl"
    sink = JsonlSink(path, to_line, id_of, close_timeout_s=0)
    part = sink.build_part("jsonl", "log", None)
    part.write_batch(["a"])
    assert part.snapshot() is None
    monkeypatch.setattr(os, "write", refuse)
    part.write_batch(["b", "c"])
    kept = part.snapshot()
    assert kept == ("b", "c")
    with pytest.raises(LogError, match="2 lines could not be written"):
        part.close()
    monkeypatch.undo()
    resumed = JsonlSink(path, to_line, id_of).build_part("jsonl", "log", kept)
    resumed.write_batch(["c", "d"])
    resumed.close()
    assert numbered(path) == [(1, "a"), (2, "b"), (3, "c"), (4, "d")]


def test_events_are_written_by_whoever_holds_the_file(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    sink = JsonlSink(path, to_line, id_of, clock=Clock())
    assert not sink.event(event("heartbeat"))  # the flow does not run yet, or not here
    part = sink.build_part("jsonl", "log", None)
    beat = threading.Thread(target=lambda: sink.event(event("heartbeat"), keep=False))
    beat.start()
    beat.join()
    part.close()
    assert not sink.event(event("heartbeat"))
    assert [line and line["event"] for line in parsed(path)] == ["heartbeat"]


def test_a_follower_is_told_when_writing_begins_and_ends(tmp_path: Path) -> None:
    follower = Follower()
    sink = JsonlSink(tmp_path / "alerts.jsonl", to_line, id_of, follower=follower)
    assert follower.told == []
    run_main(flow(sink, ["a"]))
    assert follower.told == ["enter", "leave"]


def test_nothing_is_opened_before_the_flow_runs(tmp_path: Path) -> None:
    flow(JsonlSink(tmp_path / "deep" / "alerts.jsonl", to_line, id_of), ["a"])
    assert list(tmp_path.iterdir()) == []


def test_a_flow_without_a_record_still_opens_and_heals_its_file(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    path.write_bytes(b'{"torn":')
    follower = Follower()
    sink = JsonlSink(path, to_line, id_of, follower=follower)
    graph = Dataflow("quiet")
    op.output("jsonl", op.input("open", graph, Opening()), sink)
    run_main(graph)
    assert path.read_bytes() == b'{"torn":\n'
    assert follower.told == ["enter", "leave"]
