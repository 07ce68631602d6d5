"""A log of notes: the smallest records a log can hold, and how tests look at its files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sinks.appendlog import AppendLog
from sinks.iso import iso_utc, ns_of
from sinks.tailer import parse_line

NOON = ns_of("2026-11-20T17:00:00.000000Z")  # 12:00 in New York
SECOND = 1_000_000_000
HOUR = 3600 * SECOND


def to_line(note: str, seq: int, emitted_ns: int) -> bytes:
    return (
        f'{{"event":"note","alert_id":"{note}","seq":{seq},"emitted_utc":"{iso_utc(emitted_ns)}"}}'
    ).encode()


def event(name: str) -> Callable[[int], bytes]:
    return lambda ns: f'{{"event":"{name}","seq":null,"emitted_utc":"{iso_utc(ns)}"}}'.encode()


def id_of(note: str) -> str:
    return note


class Clock:
    """A wall clock that stands still until it is set."""

    def __init__(self, now_ns: int = NOON) -> None:
        self.now_ns = now_ns

    def __call__(self) -> int:
        return self.now_ns


def open_log(path: Path, **how: Any) -> AppendLog[str]:
    return AppendLog(path, to_line, id_of, **how)


def write_notes(path: Path, *notes: str, **how: Any) -> None:
    log = open_log(path, **how)
    log.write(notes)
    log.close()


def parsed(path: Path) -> list[dict[str, Any] | None]:
    """Return what stands in each line, None where it does not parse."""
    text = path.read_bytes()
    assert text == b"" or text.endswith(b"\n")
    return [parse_line(line) for line in text.split(b"\n")[:-1]]


def numbered(path: Path) -> list[tuple[int, str]]:
    """Return `(seq, id)` of the notes in the file."""
    return [(line["seq"], line["alert_id"]) for line in parsed(path) if line and line["seq"]]
