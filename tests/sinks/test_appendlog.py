from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sinks.appendfile import LogError, is_being_written
from sinks.appendlog import AppendLog
from tests.sinks.notes import Clock, event, id_of, numbered, open_log, parsed, to_line, write_notes


def test_lines_are_numbered_from_one_and_stamped(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "alerts.jsonl"
    write_notes(path, "a", "b", clock=Clock())
    assert path.read_bytes() == (
        b'{"event":"note","alert_id":"a","seq":1,"emitted_utc":"2026-11-20T17:00:00.000000Z"}\n'
        b'{"event":"note","alert_id":"b","seq":2,"emitted_utc":"2026-11-20T17:00:00.000000Z"}\n'
    )


def test_a_restart_goes_on_counting(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    write_notes(path, "a", "b")
    write_notes(path, "c")
    assert numbered(path) == [(1, "a"), (2, "b"), (3, "c")]


def test_what_is_on_file_is_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    write_notes(path, "a", "b")
    log = open_log(path)
    log.write(["b", "c", "c", "a", "d"])
    assert (log.counters.seq, log.counters.lines, log.counters.skipped) == (4, 2, 3)
    log.close()
    assert numbered(path) == [(1, "a"), (2, "b"), (3, "c"), (4, "d")]


def test_records_without_ids_are_all_written_and_numbered(tmp_path: Path) -> None:
    path = tmp_path / "rejects.jsonl"
    for _ in range(2):
        log = AppendLog(path, to_line)
        log.write(["same", "same"])
        log.close()
    assert numbered(path) == [(1, "same"), (2, "same"), (3, "same"), (4, "same")]


def test_the_number_is_found_behind_any_length_of_events(tmp_path: Path) -> None:
    path = tmp_path / "rejects.jsonl"
    log = AppendLog(path, to_line)
    log.write(["a", "b", "c"])
    for _ in range(1500):  # more than the end of the file a start looks at first
        log.event(event("heartbeat"))
    log.close()
    log = AppendLog(path, to_line)
    assert log.counters.seq == 3
    log.close()


def test_an_event_has_no_number_and_leaves_no_gap(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    log = open_log(path)
    log.write(["a"])
    assert log.event(event("feed_blind"))
    log.write(["b"])
    log.close()
    assert [(line["event"], line["seq"]) for line in parsed(path) if line] == [
        ("note", 1),
        ("feed_blind", None),
        ("note", 2),
    ]


def test_threads_share_one_writer_without_tearing_a_line(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    log = open_log(path)

    def beat() -> None:
        for _ in range(200):
            log.event(event("heartbeat"), keep=False)

    beats = [threading.Thread(target=beat) for _ in range(3)]
    for thread in beats:
        thread.start()
    for n in range(200):
        log.write([f"n{n}"])
    for thread in beats:
        thread.join()
    log.close()
    assert numbered(path) == [(n + 1, f"n{n}") for n in range(200)]
    assert len(parsed(path)) == 800


@pytest.mark.parametrize("torn", [b"{", b'{"event":"note","alert_id":"b","se'])
def test_a_torn_tail_gets_a_newline_and_the_record_is_written_in_full(
    tmp_path: Path, torn: bytes
) -> None:
    path = tmp_path / "alerts.jsonl"
    write_notes(path, "a")
    whole = path.read_bytes()
    path.write_bytes(whole + torn)
    log = open_log(path)
    assert path.read_bytes() == whole + torn + b"\n"
    log.write(["b"])
    log.close()
    assert path.read_bytes().startswith(whole + torn + b"\n{")
    assert parsed(path)[1] is None
    assert numbered(path) == [(1, "a"), (2, "b")]


def test_a_line_that_misses_only_its_newline_is_a_line(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    write_notes(path, "a", "b")
    path.write_bytes(path.read_bytes()[:-1])
    write_notes(path, "b", "c")
    assert numbered(path) == [(1, "a"), (2, "b"), (3, "c")]
    assert None not in parsed(path)


def test_no_write_is_larger_than_64_kib_and_none_splits_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes: list[bytes] = []
    real = os.write

    def watched(fd: int, data: bytes) -> int:
        writes.append(bytes(data))
        return real(fd, data)

    monkeypatch.setattr(os, "write", watched)
    path = tmp_path / "alerts.jsonl"
    log = open_log(path, clock=Clock())
    log.write([f"{n:0300}" for n in range(1000)])
    log.close()
    assert b"".join(writes) == path.read_bytes()
    assert len(writes) > 5
    assert max(map(len, writes)) <= 64 << 10
    assert all(data.endswith(b"\n") for data in writes)


def test_the_emission_time_is_taken_for_each_write(tmp_path: Path) -> None:
    ticks = iter(range(1_000_000, 2_000_000))
    path = tmp_path / "alerts.jsonl"
    log = open_log(path, clock=lambda: next(ticks) * 1000)
    log.write([f"{n:0300}" for n in range(1000)])
    last = log.counters.last_emitted_ns
    log.close()
    stamps = [line["emitted_utc"] for line in parsed(path) if line]
    assert stamps == sorted(stamps)
    assert len(set(stamps)) > 5
    assert last > 1_000_000_000


def test_a_second_process_is_refused_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    code = (
        "import sys, pathlib\n"
        "from sinks.appendfile import AppendFile\n"
        "file = AppendFile(pathlib.Path(sys.argv[1]))\n"
        "print('open', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        assert is_being_written(path)
        with pytest.raises(LogError, match="is being written by another process: stop that run"):
            open_log(path)
        other.communicate()
    assert not is_being_written(path)
    write_notes(path, "a")


def test_a_writer_left_open_by_a_dead_run_of_this_process_is_superseded(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    dead = open_log(path)
    dead.write(["a"])
    write_notes(path, "a", "b")
    with pytest.raises(LogError, match="closed"):
        dead.write(["c"])
    assert dead.event(event("heartbeat")) is False
    assert numbered(path) == [(1, "a"), (2, "b")]


def test_a_file_moved_away_is_followed_by_a_new_one_of_its_name(tmp_path: Path) -> None:
    path, said = tmp_path / "alerts.jsonl", list[str]()
    log = open_log(path, warn=said.append)
    log.write(["a"])
    path.rename(tmp_path / "elsewhere")
    log.write(["b", "a"])
    log.close()
    assert numbered(tmp_path / "elsewhere") == [(1, "a")]
    assert numbered(path) == [(2, "b")]
    assert said == [f"{path} was moved or removed: a new file of that name is begun"]


def test_an_error_of_the_record_is_not_taken_for_one_of_the_disk(tmp_path: Path) -> None:
    def broken(note: str, seq: int, emitted_ns: int) -> bytes:
        raise ValueError(note)

    log = AppendLog(tmp_path / "alerts.jsonl", broken, id_of)
    with pytest.raises(ValueError, match="a"):
        log.write(["a"])
