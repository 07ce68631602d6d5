"""A file a day: New York's midnight, by rename, and what a tail sees of it."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from sinks.iso import ns_of
from sinks.tailer import Tailer, rotated_files
from tests.sinks.notes import HOUR, NOON, Clock, event, numbered, open_log, parsed, write_notes

BEFORE = ns_of("2026-11-21T04:59:59.999999Z")  # 23:59:59.999999 in New York
MIDNIGHT = ns_of("2026-11-21T05:00:00.000000Z")


def names(path: Path) -> list[str]:
    return [file.name for file in rotated_files(path)]


def test_the_first_write_after_midnight_in_new_york_begins_a_new_file(tmp_path: Path) -> None:
    path, clock = tmp_path / "alerts.jsonl", Clock(BEFORE)
    log = open_log(path, rotate=True, clock=clock)
    log.write(["a"])
    clock.now_ns = MIDNIGHT
    log.write(["b"])
    log.close()
    old = tmp_path / "alerts-2026-11-20.jsonl"
    assert parsed(old)[1:] == [
        {
            "event": "rotated",
            "seq": None,
            "next": "alerts.jsonl",
            "day": "2026-11-20",
            "last_seq": 1,
            "emitted_utc": "2026-11-21T05:00:00.000000Z",
        }
    ]
    assert (numbered(old), numbered(path)) == ([(1, "a")], [(2, "b")])


def test_a_heartbeat_is_a_write(tmp_path: Path) -> None:
    path, clock = tmp_path / "alerts.jsonl", Clock(BEFORE)
    log = open_log(path, rotate=True, clock=clock)
    log.event(event("heartbeat"), keep=False)
    clock.now_ns = MIDNIGHT
    log.event(event("heartbeat"), keep=False)
    log.close()
    assert names(path) == ["alerts-2026-11-20.jsonl"]
    assert [line["event"] for line in parsed(path) if line] == ["heartbeat"]


def test_a_start_on_a_later_day_rotates_what_it_finds(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    write_notes(path, "a", rotate=True, clock=Clock(NOON))
    write_notes(path, "a", "b", rotate=True, clock=Clock(NOON + 72 * HOUR))
    assert names(path) == ["alerts-2026-11-20.jsonl"]
    assert numbered(path) == [(2, "b")]


def test_a_start_on_the_same_day_goes_on_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    write_notes(path, "a", rotate=True, clock=Clock(NOON))
    write_notes(path, "b", rotate=True, clock=Clock(BEFORE))
    assert (names(path), numbered(path)) == ([], [(1, "a"), (2, "b")])


def test_without_the_option_nothing_is_ever_renamed(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    write_notes(path, "a", clock=Clock(NOON))
    write_notes(path, "b", clock=Clock(NOON + 72 * HOUR))
    assert (names(path), numbered(path)) == ([], [(1, "a"), (2, "b")])


def test_a_crash_between_the_last_line_and_the_rename_is_completed(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    log = open_log(path, rotate=True, clock=Clock(BEFORE))
    log.write(["a"])
    goodbye = (
        b'{"event":"rotated","seq":null,"next":"alerts.jsonl","day":"2026-11-20","last_seq":1,'
        b'"emitted_utc":"2026-11-21T05:00:00.000000Z"}'
    )
    log.close()
    path.write_bytes(path.read_bytes() + goodbye)  # even its newline is missing
    write_notes(path, "a", "b", rotate=True, clock=Clock(MIDNIGHT))
    assert (tmp_path / "alerts-2026-11-20.jsonl").read_bytes().count(b"rotated") == 1
    assert (names(path), numbered(path)) == (["alerts-2026-11-20.jsonl"], [(2, "b")])


def test_the_count_goes_on_over_days_without_alerts(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    write_notes(path, "a", "b", rotate=True, clock=Clock(NOON))
    for day in (1, 2, 3):
        log = open_log(path, rotate=True, clock=Clock(NOON + 24 * day * HOUR))
        log.event(event("heartbeat"))
        log.close()
    (tmp_path / "alerts-2026-11-20.jsonl").unlink()  # archived elsewhere
    write_notes(path, "c", rotate=True, clock=Clock(NOON + 96 * HOUR))
    assert numbered(path) == [(3, "c")]


def test_the_ids_of_the_newest_rotated_file_are_still_known(tmp_path: Path) -> None:
    path, clock = tmp_path / "alerts.jsonl", Clock(NOON)
    log = open_log(path, rotate=True, clock=clock)
    log.write(["a"])
    clock.now_ns = NOON + 24 * HOUR
    log.write(["b", "a"])
    clock.now_ns = NOON + 48 * HOUR
    log.write(["c", "b"])
    log.close()
    write_notes(path, "b", "c", "d", rotate=True, clock=clock)
    assert numbered(path) == [(3, "c"), (4, "d")]


def test_a_clock_that_goes_back_over_midnight_overwrites_no_file(tmp_path: Path) -> None:
    path, clock = tmp_path / "alerts.jsonl", Clock(BEFORE)
    log = open_log(path, rotate=True, clock=clock)
    log.write(["a"])
    clock.now_ns = MIDNIGHT
    log.write(["b"])
    log.close()
    clock.now_ns = BEFORE
    path.unlink()
    write_notes(path, "c", rotate=True, clock=clock)
    write_notes(path, "d", rotate=True, clock=Clock(MIDNIGHT))
    assert names(path) == ["alerts-2026-11-20.jsonl", "alerts-2026-11-20.2.jsonl"]
    assert [numbered(file) for file in [*rotated_files(path), path]] == [
        [(1, "a")],
        [(2, "c")],
        [(3, "d")],
    ]


def test_gnu_tail_and_our_own_see_every_line_once_over_rotations(tmp_path: Path) -> None:
    path, clock = tmp_path / "alerts.jsonl", Clock(NOON)
    log = open_log(path, rotate=True, clock=clock)
    seen = tmp_path / "seen"
    ours, read = Tailer(path), list[str]()
    with seen.open("wb") as out:
        command = ["tail", "-n", "+1", "-s", "0.05", "-F", str(path)]
        with subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL) as tail:
            for day in range(3):
                clock.now_ns = NOON + day * 24 * HOUR
                for n in range(20):
                    log.write([f"{day}.{n}"])
                    read += [line["alert_id"] for line in ours.read() if line["seq"]]
                    time.sleep(0.01)
                wait_for(seen, f'"{day}.19"'.encode())
            log.close()
            tail.terminate()
    expected = [f"{day}.{n}" for day in range(3) for n in range(20)]
    assert [note for _, note in numbered(seen)] == expected
    assert read == expected


def wait_for(file: Path, text: bytes) -> None:
    deadline = time.monotonic() + 5
    while text not in file.read_bytes():
        if time.monotonic() > deadline:
            pytest.fail(f"{text!r} was not seen")
        time.sleep(0.02)
