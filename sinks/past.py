"""What a log already holds when its writer starts: its ids and its last number."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sinks.tailer import Record, parse_line, parse_lines, read_block, rotated_files

TAIL_BYTES = 64 << 10


@dataclass(slots=True)
class Past:
    """`ids` of the current file, `older_ids` of the newest rotated one, `seq` the last number.

    `last` is the last line of the current file that parses. A torn tail that is a whole line
    but for its newline counts as one.
    """

    ids: set[str] = field(default_factory=set)
    older_ids: set[str] = field(default_factory=set)
    seq: int = 0
    last: Record | None = None


def read_past(path: Path, id_key: str | None) -> Past:
    """Read the current file, its newest rotated one, and older ones until a number is found.

    Without `id_key` only the end of each file is read.

    Raises:
        OSError: a file is there but cannot be read.
    """
    past = Past()
    past.seq, past.last = _scan(path, id_key, past.ids)
    rotated = rotated_files(path)[::-1]
    if rotated and id_key is not None:
        older_seq, _ = _scan(rotated[0], id_key, past.older_ids)
        past.seq = max(past.seq, older_seq)
    for file in rotated:
        if past.seq:
            break
        past.seq, _ = _scan(file, None, set())
    return past


def _scan(path: Path, id_key: str | None, ids: set[str]) -> tuple[int, Record | None]:
    """Add the ids of a file to `ids`; return its highest number and its last line."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        seq, last = 0, None
        for start in (0,) if id_key is not None else (_tail_start(fd), 0):
            for record in _records(fd, start):
                last = record
                seq = max(seq, _number(record))
                record_id = record.get(id_key) if id_key is not None else None
                if isinstance(record_id, str):
                    ids.add(record_id)
            if seq or start == 0:
                break
        return seq, last
    finally:
        os.close(fd)


def _records(fd: int, offset: int) -> Iterator[Record]:
    while block := read_block(fd, offset):
        offset += len(block)
        yield from parse_lines(block)
    unended = parse_line(os.pread(fd, os.fstat(fd).st_size - offset, offset))
    if unended is not None:
        yield unended


def _number(record: Record) -> int:
    """Return the number of a line, or the last one before a rotation; 0 if it has none."""
    seq = record.get("last_seq" if record.get("event") == "rotated" else "seq")
    return seq if isinstance(seq, int) else 0


def _tail_start(fd: int) -> int:
    """Return the offset of the first whole line within the last `TAIL_BYTES`."""
    size = os.fstat(fd).st_size
    start = max(0, size - TAIL_BYTES)
    if start == 0:
        return 0
    return start + os.pread(fd, TAIL_BYTES, start).find(b"\n") + 1
