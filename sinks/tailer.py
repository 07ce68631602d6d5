"""Reading an append-only JSONL file while someone writes it: whole lines, once each.

One piece of code for all who follow a log: `orderflow tail`, the history, a starting writer.
A line that does not parse is a healed crash and is skipped; a line without its newline is not
there yet.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

BLOCK_BYTES = 8 << 20  # some 7,000 alerts: bounds what one read holds in memory

Record = dict[str, Any]


def rotated_name(path: Path, day: str, again: int = 1) -> Path:
    """Return where the file of `day` (YYYY-MM-DD) goes; `again` > 1 if that name is taken."""
    turn = "" if again == 1 else f".{again}"
    return path.with_name(f"{path.stem}-{day}{turn}{path.suffix}")


def rotated_files(path: Path) -> list[Path]:
    """Return the rotated files of the log `path`, oldest first."""
    stem, suffix = re.escape(path.stem), re.escape(path.suffix)
    spelled = re.compile(rf"{stem}-(\d{{4}}-\d\d-\d\d)(?:\.(\d+))?{suffix}")
    found = []
    for entry in path.parent.iterdir() if path.parent.is_dir() else ():
        match = spelled.fullmatch(entry.name)
        if match:
            found.append(((match[1], int(match[2] or 1)), entry))
    return [entry for _, entry in sorted(found)]


def read_block(fd: int, offset: int, max_bytes: int = BLOCK_BYTES) -> bytes:
    """Return whole lines from `offset`, about `max_bytes` of them; empty if there is none yet."""
    while True:
        block = os.pread(fd, max_bytes, offset)
        end = block.rfind(b"\n") + 1
        if end or len(block) < max_bytes:
            return block[:end]
        max_bytes *= 2  # one line longer than the block


def parse_line(line: bytes) -> Record | None:
    """Return the JSON object of a line, or None if it is not one."""
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return record if isinstance(record, dict) else None


def parse_lines(block: bytes) -> Iterator[Record]:
    """Yield the object of every line that parses."""
    for line in block.split(b"\n"):
        record = parse_line(line) if line else None
        if record is not None:
            yield record


class Tailer:
    """Follow a log over rotations: each `read` returns what was written since the last.

    The open file is finished before the new one under the name is begun, so a rotation loses
    nothing as long as there is a read between two of them. A file that became shorter is read
    from its start.

    Args:
        path: the current file; it need not exist yet.
        from_end: skip the lines that are there at the first read.
    """

    def __init__(self, path: Path, *, from_end: bool = False) -> None:
        self._path = path
        self._fd: int | None = None
        self._offset = 0
        self._skip = from_end

    def __del__(self) -> None:
        self.close()

    def read(self) -> list[Record]:
        """Return the new whole lines, in order; an empty list if there is none."""
        records: list[Record] = []
        while self._fd is not None or self._open():
            records += self._rest()
            if self._is_current():
                break
            records += self._rest()  # written between the read above and the rename
            self.close()
        return records

    def close(self) -> None:
        """Let go of the file; a later read begins at the start of whatever has the name."""
        if self._fd is not None:
            os.close(self._fd)
        self._fd, self._offset = None, 0

    def _open(self) -> bool:
        try:
            self._fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            self._skip = False  # a file that appears later is new to the last line
            return False
        if self._skip:
            self._skip = False
            while block := read_block(self._fd, self._offset):
                self._offset += len(block)
        return True

    def _rest(self) -> list[Record]:
        if self._fd is None:
            return []
        if os.fstat(self._fd).st_size < self._offset:
            self._offset = 0
        records: list[Record] = []
        while block := read_block(self._fd, self._offset):
            self._offset += len(block)
            records += parse_lines(block)
        return records

    def _is_current(self) -> bool:
        try:
            return self._fd is not None and os.path.samestat(self._path.stat(), os.fstat(self._fd))
        except FileNotFoundError:
            return False
