"""How far each file of each log has been read into the history.

A file is known by the hash of its first line, not by name or inode: that survives a rotation,
a copy and a restored backup, and no two files of a log begin alike (a line carries its time).
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from sinks.tailer import read_block, rotated_files

PEEK_BYTES = 4 << 10
BATCH_BYTES = 4 << 20  # some 4,000 alerts a transaction, 80 MiB while it lasts


@dataclass(frozen=True, slots=True)
class LogFile:
    """A file of a log that holds at least one whole line. `size` in bytes, when looked at."""

    path: Path
    first_line: str
    size: int


Version = tuple[int, int, int]  # inode, size and mtime of a file
FirstLines = dict[Path, tuple[Version, str]]


def log_files(log: Path, known: FirstLines) -> list[LogFile]:
    """Return the files of the log whose current file is `log`, oldest first.

    `known` remembers first lines, so that the files of past days are not opened each time.

    Raises:
        OSError: a file is there but cannot be read.
    """
    files = []
    for path in [*rotated_files(log), log]:
        try:
            at = path.stat()
            version = (at.st_ino, at.st_size, at.st_mtime_ns)
            was, name = known.get(path, (None, ""))
            if was != version:
                name = _first_line(path)
        except FileNotFoundError:
            continue  # not begun yet, or renamed since it was listed: the next look finds it
        known[path] = version, name
        if name:
            files.append(LogFile(path, name, at.st_size))
    return files


def _first_line(path: Path) -> str:
    """Return the hash of a file's first line; empty if it has no whole line yet."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        first, newline, _ = read_block(fd, 0, PEEK_BYTES).partition(b"\n")
    finally:
        os.close(fd)
    return hashlib.blake2b(first, digest_size=16).hexdigest() if newline else ""


def read_from(file: LogFile, offset: int) -> tuple[int, bytes]:
    """Return where reading really begins, and whole lines from there.

    A position that is not the start of a line belongs to another content (an older backup
    under the same first line): reading begins anew, and known rows are ignored.

    Raises:
        OSError: the file cannot be read.
    """
    try:
        fd = os.open(file.path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return offset, b""
    try:
        if offset and os.pread(fd, 1, offset - 1) != b"\n":
            offset = 0
        return offset, read_block(fd, offset, BATCH_BYTES)
    finally:
        os.close(fd)
