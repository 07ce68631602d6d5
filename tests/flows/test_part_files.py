"""Parts of state beside the recovery store: named only once they are safe, gone when not needed."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from flows import part_files
from flows.part_files import PartFiles, PartLostError
from operators.parts import Part, Place
from tests.disks import small


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PartFiles]:
    monkeypatch.setattr(part_files, "GATHER_S", 0.0)
    files = PartFiles(tmp_path / "parts")
    yield files
    files.close()


def part(n: int, length: int = 100) -> Part:
    return Part(np.full(length, n, np.uint8))


def safe(files: PartFiles, *parts: Part) -> list[Place]:
    """Keep parts and wait until they have their places."""
    for one in parts:
        files.keep(one)
    until = time.monotonic() + 10
    while any(one.place is None for one in parts):
        assert time.monotonic() < until
        time.sleep(0.001)
    return [one.place for one in parts if one.place is not None]


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_parts_are_read_where_they_are_said_to_stand(files: PartFiles, tmp_path: Path) -> None:
    parts = [part(n, 10 + n) for n in range(9)]
    places = safe(files, *parts[:5]) + safe(files, *parts[5:])
    assert len({place.file for place in places}) == 1
    later = PartFiles(tmp_path / "parts", keeps=False)  # as a run after it would
    for one, place in zip(parts, places, strict=True):
        assert later.read(place).tolist() == one.data.tolist()
        assert one.saved() is place


def test_a_part_is_held_by_the_snapshot_until_it_is_safe(tmp_path: Path) -> None:
    files, one = PartFiles(tmp_path / "parts"), part(1)
    files.keep(one)
    assert one.saved() is one.data  # for parts are gathered first
    files.close()
    reading, other = PartFiles(tmp_path / "read", keeps=False), part(2)
    reading.keep(other)
    reading.close()
    assert other.saved() is other.data
    assert not (tmp_path / "read").exists()


@pytest.mark.parametrize("damage", ["gone", "short", "changed"])
def test_what_is_lost_is_named_with_the_next_step(
    damage: str, files: PartFiles, tmp_path: Path
) -> None:
    (place,) = safe(files, part(1))
    path = tmp_path / "parts" / place.file
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-1] + (b"" if damage == "short" else b"\0"))
    with pytest.raises(PartLostError, match=f"{place.file} is missing or damaged.* begin anew"):
        files.read(place)


def test_a_file_goes_when_nothing_names_it(
    files: PartFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part_files, "FILE_BYTES", 150)
    old = [part(n) for n in range(2)]
    first = {place.file for place in safe(files, *old)}
    second = {place.file for place in safe(files, part(2))}
    assert first.isdisjoint(second)
    files.let_go(old[0])
    third = {place.file for place in safe(files, part(3), part(4))}
    assert names(tmp_path / "parts") == first | second | third  # one of the first is still named
    files.let_go(old[1])
    safe(files, part(5))
    assert not names(tmp_path / "parts") & first
    assert names(tmp_path / "parts") >= second | third


def test_what_was_let_go_before_it_was_written_keeps_no_file(tmp_path: Path) -> None:
    files, one = PartFiles(tmp_path / "parts"), part(1)
    files.keep(one)
    files.let_go(one)
    safe(files, part(2))
    assert one.place is None
    (path,) = (tmp_path / "parts").iterdir()
    assert path.stat().st_size == len(one.data)  # of the other one
    files.close()


def test_no_file_is_left_where_a_folder_cannot_be_synced(
    files: PartFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: int) -> None:
        raise OSError(errno.EINVAL, "no such call here")

    sync = os.fsync
    monkeypatch.setattr(os, "fsync", refuse)
    refused = part(1)
    files.keep(refused)
    time.sleep(0.2)
    assert list((tmp_path / "parts").iterdir()) == []
    monkeypatch.setattr(os, "fsync", sync)
    safe(files, part(2))
    assert refused.saved() is refused.data


def test_what_is_let_go_while_it_is_written_keeps_no_file(
    files: PartFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, sync = part(1), os.fdatasync

    def let_go_then_sync(fd: int) -> None:
        files.let_go(one)
        sync(fd)

    monkeypatch.setattr(os, "fdatasync", let_go_then_sync)
    files.keep(one)
    until = time.monotonic() + 10
    while one.wanted and time.monotonic() < until:
        time.sleep(0.001)
    safe(files, part(2))
    assert not one.wanted
    assert one.place is None


def test_what_a_killed_run_left_goes_after_an_hour_unless_it_is_asked_for(
    files: PartFiles, tmp_path: Path
) -> None:
    (asked, unasked) = (place for n in (1, 2) for place in left_by_a_run(tmp_path / "parts", n))
    (young,) = left_by_a_run(tmp_path / "parts", 3)
    for place in (asked, unasked):
        long_ago = time.time() - part_files.LEFT_S - 60
        os.utime(tmp_path / "parts" / place.file, (long_ago, long_ago))
    files.read(asked)
    (new,) = safe(files, part(4))
    assert names(tmp_path / "parts") == {asked.file, young.file, new.file}


def left_by_a_run(folder: Path, n: int) -> list[Place]:
    files = PartFiles(folder)
    places = safe(files, part(n))
    files.close()
    return places


def test_what_a_full_disk_refuses_stays_in_the_snapshots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part_files, "GATHER_S", 0.0)
    with small(tmp_path / "disk", "size=1m") as disk:
        files = PartFiles(disk / "parts")
        (place,) = safe(files, part(1))
        too_large = part(2, 2 << 20)
        files.keep(too_large)
        time.sleep(0.5)  # or it would be refused together with the next
        (after,) = safe(files, part(3))
        assert too_large.saved() is too_large.data
        assert [int(files.read(where)[0]) for where in (place, after)] == [1, 3]
        files.close()
