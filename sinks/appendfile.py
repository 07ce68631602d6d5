"""One file that only ever grows by whole lines, whatever the disk does."""

from __future__ import annotations

import errno
import fcntl
import os
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path


class LogError(Exception):
    """A log cannot keep its promise; the message is one sentence with the next step."""


class AppendFile:
    """An open file and what is known of its end. One process at a time has it open so.

    `torn`: the last byte is not a newline, because a crash or a full disk cut a line short.
    The next write begins with the newline that heals it, and a reader skips what does not
    parse. A torn line that misses nothing but its newline is whole, and is made so.

    Args:
        path: the file; made, with its folder, if missing.

    Raises:
        LogError: another process has it open for appending.
        OSError: it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.torn, self._unsynced = path, False, False
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._fd = os.open(path, flags, 0o644)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise LogError(
                f"{path} is being written by another process: "
                "stop that run, or choose another folder for this one"
            ) from None
        size = self.stat().st_size
        self.torn = size > 0 and os.pread(self._fd, 1, size - 1) != b"\n"

    def __del__(self) -> None:
        self.close()

    def append(self, lines: Sequence[bytes]) -> int:
        """Write `lines`, each with its newline, in one `os.write`, healing a torn tail first.

        Returns:
            How many of them stand in the file now; fewer than all after a short write.

        Raises:
            OSError: nothing was written.
        """
        heal = b"\n" if self.torn else b""
        buffer = heal + b"".join(lines)
        written = os.write(self._fd, buffer)
        if written == 0:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self._unsynced = True
        self.torn = buffer[written - 1 : written] != b"\n"
        ends = [len(heal) + end for end in accumulate(map(len, lines))]
        return bisect_right(ends, written + 1)  # + 1: whole but for its newline

    def heal(self) -> None:
        """Give a torn tail its newline."""
        if self.torn:
            self.append(())

    def sync(self) -> None:
        """Make what was written survive a power cut."""
        if self._unsynced:
            os.fdatasync(self._fd)
            self._unsynced = False

    def has_its_name(self) -> bool:
        """Return whether `path` still leads to this file: readers look for the name."""
        try:
            return os.path.samestat(self.path.stat(), self.stat())
        except FileNotFoundError:
            return False

    def stat(self) -> os.stat_result:
        """Return the status of the open file, wherever it was moved."""
        return os.fstat(self._fd)

    def close(self) -> None:
        """Let go of the file; others may write it from here on."""
        if getattr(self, "_fd", -1) >= 0:
            os.close(self._fd)
        self._fd = -1


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def is_being_written(path: Path) -> bool:
    """Return whether some process, perhaps this one, has `path` open as an `AppendFile`."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False
