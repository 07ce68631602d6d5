"""Tapes as files: gzip members written whole, a new file each hour.

A member a block: a file that ends between two of them is a whole gzip file to any tool, so a
kill costs what was not handed over yet. Deflate at its lowest level, because the machine has
alerts to find: five to ten times smaller already, and 200 MB a second.
"""

from __future__ import annotations

import errno
import os
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

_HOUR_NS = 3_600_000_000_000
_MS = 1_000_000
_LEVEL, _GZIP = 1, 31


class TapeWriter:
    """Append blocks of lines to the tape of the hour. For one thread.

    Args:
        folder: of the tapes; made, again if need be, before a file.

    Attributes:
        files: the tapes begun, oldest first.
        bytes: written to them.
    """

    def __init__(self, folder: Path) -> None:
        self.files: list[Path] = []
        self.bytes = 0
        self._folder = folder
        self._fd = -1
        self._hour = -1
        self._size = 0

    def write(self, lines: Sequence[bytes], now_ns: int) -> None:
        """Write lines as one block.

        Raises:
            OSError: the disk refuses; nothing of the block stands on the tape.
        """
        packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
        block = packer.compress(b"\n".join(lines) + b"\n") + packer.flush()
        if self._fd >= 0 and (now_ns // _HOUR_NS != self._hour or not self._has_its_name()):
            self.close()
        if self._fd < 0:
            self._begin(now_ns)
        try:
            written = os.write(self._fd, block)
            if written < len(block):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            os.ftruncate(self._fd, self._size)  # half a block would hide those after it
            raise
        self._size += len(block)
        self.bytes += len(block)

    def close(self) -> None:
        """Close the tape once it would survive a power cut.

        Raises:
            OSError: the disk refuses; the tape is closed nevertheless.
        """
        if self._fd < 0:
            return
        fd, self._fd = self._fd, -1
        try:
            os.fdatasync(fd)
        finally:
            os.close(fd)

    def _begin(self, now_ns: int) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        while True:
            path = self._folder / _name(now_ns)
            try:
                self._fd = os.open(
                    path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644
                )
                break
            except FileExistsError:
                now_ns += _MS
        self._hour, self._size = now_ns // _HOUR_NS, 0
        self.files.append(path)

    def _has_its_name(self) -> bool:
        try:
            return os.path.samestat(self.files[-1].stat(), os.fstat(self._fd))
        except FileNotFoundError:
            return False


def _name(ns: int) -> str:
    """Return a name that sorts by time: `20261120T143000.123Z.jsonl.gz`."""
    stamp = datetime.fromtimestamp(ns // 1_000_000_000, UTC).strftime("%Y%m%dT%H%M%S")
    return f"{stamp}.{ns // _MS % 1000:03d}Z.jsonl.gz"
