"""A disk that is full: a real one (a small tmpfs), and a limit that cuts at every single byte."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sinks.appendfile import LogError
from tests.disks import fill, small
from tests.sinks.notes import event, numbered, open_log, parsed


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with small(tmp_path / "disk", "size=64k") as disk:
        yield disk


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_full_disk_loses_nothing_and_stops_nobody(small_disk: Path) -> None:
    path, said = small_disk / "alerts.jsonl", list[str]()
    log = open_log(path, retry_s=0.05, warn=said.append)
    log.write(["a"])
    ballast = fill(small_disk)
    notes = [f"{n:0100}" for n in range(100)]  # more than fits the file's last page
    for note in notes:
        log.write([note])
    waiting = log.pending()
    assert waiting == tuple(notes[-len(waiting) :])
    assert len(waiting) > 50
    assert said == [
        f"{path}: No space left on device: 1 lines wait in memory, tried again every 0.05 s: "
        "free space on that disk"
    ]
    ballast.unlink()
    until(lambda: not log.pending())  # by its own timer, without another write
    log.write(["last"])
    log.close()
    assert numbered(path) == [(n + 1, note) for n, note in enumerate(["a", *notes, "last"])]
    assert said[1:] == [f"{path}: the disk takes lines again, none is missing"]


def test_what_a_run_that_died_could_not_write_is_written_by_the_next(small_disk: Path) -> None:
    path = small_disk / "alerts.jsonl"
    died = open_log(path, retry_s=60, warn=lambda _: None)
    died.write(["a"])
    ballast = fill(small_disk)
    notes = [f"{n:0100}" for n in range(50)]  # more than fits the file's last page
    for note in notes:
        died.write([note])
    died.event(event("feed_blind"))
    assert died.pending()
    with pytest.raises(LogError):
        died.close(timeout_s=0)
    log = open_log(path, retry_s=60, warn=lambda _: None)
    log.write([notes[-1], "last"])  # the first one is known, written or not
    ballast.unlink()
    log.close()
    assert numbered(path) == [(n + 1, note) for n, note in enumerate(["a", *notes, "last"])]
    assert [line["event"] for line in parsed(path) if line].count("feed_blind") == 1
    assert died.pending() == ()


def test_a_heartbeat_is_not_kept_for_later_but_a_blind_feed_is(small_disk: Path) -> None:
    path = small_disk / "alerts.jsonl"
    log = open_log(path, retry_s=60, warn=lambda _: None)
    ballast = fill(small_disk)
    assert not log.event(event("heartbeat"), keep=False)
    assert not log.event(event("feed_blind"))
    log.write(["a"])
    assert log.pending() == ("a",)
    ballast.unlink()
    log.close()
    assert [(line["event"], line["seq"]) for line in parsed(path) if line] == [
        ("feed_blind", None),
        ("note", 1),
    ]


def test_a_close_on_a_full_disk_says_what_is_missing(small_disk: Path) -> None:
    path = small_disk / "alerts.jsonl"
    log = open_log(path, warn=lambda _: None)
    fill(small_disk)
    log.write(["a", "b"])
    started = time.monotonic()
    with pytest.raises(
        LogError, match=r"2 lines could not be written within 0\.3 s \(No space left on device\)"
    ):
        log.close(timeout_s=0.3)
    assert time.monotonic() - started < 2


def test_a_start_on_a_full_disk_waits_with_the_rest(small_disk: Path) -> None:
    path = small_disk / "alerts.jsonl"
    path.write_bytes(b'{"torn":' + b"x" * 4088)  # the page is full: no room for the newline
    ballast = fill(small_disk)
    log = open_log(path, retry_s=60, warn=lambda _: None)
    log.write(["a"])
    assert log.pending() == ("a",)
    ballast.unlink()
    log.close()
    assert numbered(path) == [(1, "a")]
    assert parsed(path)[0] is None


def test_more_than_memory_should_hold_is_refused(small_disk: Path) -> None:
    path = small_disk / "alerts.jsonl"
    log = open_log(path, retry_s=60, max_pending=3, warn=lambda _: None)
    fill(small_disk)
    log.write(["a", "b", "c"])
    with pytest.raises(LogError, match=r"4 lines are waiting \(No space left on device\)"):
        log.write(["d"])
    assert log.pending() == ("a", "b", "c", "d")
    with pytest.raises(LogError, match="4 lines could not be written"):
        log.close(timeout_s=0)


CUT_ANYWHERE = """
import os, resource, sys
from pathlib import Path
from tests.sinks.notes import NOON, Clock, numbered, open_log, parsed, write_notes

folder, most = Path(sys.argv[1]), resource.getrlimit(resource.RLIMIT_FSIZE)[1]
notes = ["a", "b", "c"]
write_notes(folder / "whole.jsonl", *notes, clock=Clock())
size = (folder / "whole.jsonl").stat().st_size
for limit in range(1, size + 2):
    path = folder / f"{limit}.jsonl"
    log = open_log(path, clock=Clock(), retry_s=60, warn=lambda _: None)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, most))
    log.write(notes)
    assert path.stat().st_size == min(limit, size), limit
    cut = path.read_bytes()
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    log.write(["d"])
    log.close()
    assert path.read_bytes().startswith(cut), limit
    assert numbered(path) == [(1, "a"), (2, "b"), (3, "c"), (4, "d")], limit
    assert parsed(path).count(None) <= 1, limit
print("cut")
"""


def test_a_write_cut_at_any_byte_is_healed(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CUT_ANYWHERE, str(tmp_path)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": "."},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("cut\n", "")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS])
def test_every_way_a_disk_refuses_is_waited_for(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read-only is what a disk becomes after errors of its own."""

    def refuse(fd: int, data: bytes) -> int:
        raise OSError(code, os.strerror(code))

    path = tmp_path / "alerts.jsonl"
    log = open_log(path, retry_s=60, warn=lambda _: None)
    monkeypatch.setattr(os, "write", refuse)
    log.write(["a"])
    assert log.pending() == ("a",)
    monkeypatch.undo()
    log.close()
    assert numbered(path) == [(1, "a")]


def test_a_refused_sync_is_said_once_and_writes_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, path, said = os.fdatasync, tmp_path / "alerts.jsonl", list[str]()

    def refuse(fd: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    log = open_log(path, retry_s=60, warn=said.append)
    monkeypatch.setattr(os, "fdatasync", refuse)
    log.write(["a"])
    log.write(["b"])
    monkeypatch.setattr(os, "fdatasync", real)
    log.write(["c"])
    log.close()
    assert numbered(path) == [(1, "a"), (2, "b"), (3, "c")]
    assert [sentence.split(": ")[1] for sentence in said] == [
        "Input/output error",
        "the disk takes lines again, none is missing",
    ]
