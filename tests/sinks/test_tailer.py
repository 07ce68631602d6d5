from __future__ import annotations

import os
from pathlib import Path

import pytest

from sinks.tailer import Tailer, read_block, rotated_files, rotated_name


def test_a_tailer_gives_each_whole_line_once(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"n":1}\n{"n":2}\n')
    tailer = Tailer(path)
    assert tailer.read() == [{"n": 1}, {"n": 2}]
    assert tailer.read() == []
    with path.open("ab") as file:
        file.write(b'{"n":3}\n')
    assert tailer.read() == [{"n": 3}]


def test_half_a_line_waits_for_its_other_half(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"n":1}\n{"n":')
    tailer = Tailer(path)
    assert tailer.read() == [{"n": 1}]
    with path.open("ab") as file:
        file.write(b"2}\n")
    assert tailer.read() == [{"n": 2}]


def test_lines_that_are_no_json_object_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"n":1}\n{"n":2,"te\n[3]\n\n\xff\n\0\0{"n":4}\n{"n":5}\n')
    assert Tailer(path).read() == [{"n": 1}, {"n": 5}]


def test_a_file_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    tailer = Tailer(path, from_end=True)
    assert tailer.read() == []
    path.write_bytes(b'{"n":1}\n')
    assert tailer.read() == [{"n": 1}]


def test_from_the_end_only_what_comes_is_given(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"n":1}\n{"n":')
    tailer = Tailer(path, from_end=True)
    assert tailer.read() == []
    with path.open("ab") as file:
        file.write(b"2}\n")
    assert tailer.read() == [{"n": 2}]


def test_a_rotated_file_is_finished_before_the_new_one_is_begun(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"n":1}\n')
    tailer = Tailer(path)
    assert tailer.read() == [{"n": 1}]
    with path.open("ab") as file:
        file.write(b'{"n":2}\n')
    path.rename(tmp_path / "log-2026-11-20.jsonl")
    path.write_bytes(b'{"n":3}\n')
    assert tailer.read() == [{"n": 2}, {"n": 3}]
    path.unlink()
    assert tailer.read() == []
    path.write_bytes(b'{"n":4}\n')
    assert tailer.read() == [{"n": 4}]


def test_a_line_written_just_before_the_rotation_is_not_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"n":1}\n')
    real = Path.stat

    def rotate_first(self: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        monkeypatch.undo()
        path.write_bytes(b'{"n":1}\n{"n":2}\n')
        path.rename(tmp_path / "log-2026-11-20.jsonl")
        path.write_bytes(b'{"n":3}\n')
        return real(self, follow_symlinks=follow_symlinks)

    tailer = Tailer(path)
    monkeypatch.setattr(Path, "stat", rotate_first)  # between the read and the look at the name
    assert tailer.read() == [{"n": 1}, {"n": 2}, {"n": 3}]


def test_a_file_that_became_shorter_is_read_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"n":1}\n{"n":2}\n')
    tailer = Tailer(path)
    tailer.read()
    path.write_bytes(b'{"n":3}\n')
    assert tailer.read() == [{"n": 3}]


def test_a_line_longer_than_a_block_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"x" * 1000 + b"\nshort\nhalf")
    with path.open("rb") as file:
        assert read_block(file.fileno(), 0, 16) == b"x" * 1000 + b"\nshort\n"
        assert read_block(file.fileno(), 1007, 16) == b""


def test_rotated_files_are_listed_by_day_and_turn(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    days = [
        rotated_name(path, "2026-11-20", 10),
        rotated_name(path, "2026-11-20"),
        rotated_name(path, "2026-11-20", 2),
        rotated_name(path, "2026-01-03"),
    ]
    others = [path, tmp_path / "alerts-old.jsonl", tmp_path / "rejects-2026-11-20.jsonl"]
    for file in [*days, *others]:
        file.touch()
    assert [file.name for file in rotated_files(path)] == [
        "alerts-2026-01-03.jsonl",
        "alerts-2026-11-20.jsonl",
        "alerts-2026-11-20.2.jsonl",
        "alerts-2026-11-20.10.jsonl",
    ]
