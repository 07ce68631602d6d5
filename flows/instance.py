"""One run a folder: a lock that a killed run lets go of, with the pid of who holds it.

Two runs on one folder would also be two logins of one key, and the vendor drops one of them: so
the lock is taken before anything is connected.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from pathlib import Path

from flows.errors import OrderflowError

LOCK = "run.lock"
_held: dict[Path, int] = {}


class RunningError(OrderflowError):
    """Another process runs on the folder."""


def hold(root: Path) -> None:
    """Take the folder for this process, until `let_go` or its end; a second time is the same.

    Raises:
        RunningError: another process has it.
        OrderflowError: the folder cannot be written.
    """
    path = root.absolute() / LOCK
    if path in _held and _is_its_name(path, _held[path]):
        return
    let_go(root)
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise OrderflowError(
            f"{root} cannot be written ({error.strerror}): set ORDER_FLOW_DATA_DIR to a folder "
            "that can be written."
        ) from None
    if not _locked(fd):
        pid = _pid(fd)
        os.close(fd)
        raise RunningError(
            f"{f'process {pid}' if pid else 'another process'} is running on {root} already: stop "
            "it, or set ORDER_FLOW_DATA_DIR to another folder for this run."
        ) from None
    _held[path] = fd
    with contextlib.suppress(OSError):  # a full disk: locked all the same, only without a name
        os.pwrite(fd, b"%-20d\n" % os.getpid(), 0)


def _locked(fd: int) -> bool:
    for pause_s in (0.05, 0.05, 0.0):  # somebody may just be looking, as `holder` does
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(pause_s)
        else:
            return True
    return False


def let_go(root: Path) -> None:
    """Let other processes have the folder."""
    fd = _held.pop(root.absolute() / LOCK, None)
    if fd is not None:
        os.close(fd)


def holder(root: Path) -> int | None:
    """Return the pid of the process that runs on the folder, 0 if it cannot be told; or None."""
    try:
        fd = os.open(root / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _pid(fd) or 0
    finally:
        os.close(fd)
    return None


def _pid(fd: int) -> int | None:
    text = os.pread(fd, 32, 0).strip()
    return int(text) if text.isdigit() else None


def _is_its_name(path: Path, fd: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(fd))
    except OSError:
        return False
