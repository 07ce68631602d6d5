"""Children by fork: the flow and the mock, ready in a moment because everything is imported.

A start of the program costs seconds of imports, which would be minutes of a tape that is played
fast. The parent imports all of it, once, and stays single-threaded; each start is a fork of it:
a process of its own, which can be killed like any other.
"""

from __future__ import annotations

import mmap
import os
import signal
import struct
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

POLL_S = 0.01
_PLACE = struct.Struct("d")


def fork(work: Callable[[], int | None], log: Path) -> int:
    """Do `work` in a child, whose output goes to `log`; return its pid."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for stream in (1, 2):
            os.dup2(fd, stream)
        code = work() or 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 (nobody above it: this is the child's own end)
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


class Process:
    """A child, seen from outside. `code` is how it ended, None while it runs."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.code: int | None = None

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        if self.code is None:
            pid, how = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(how)
        return self.code is not None

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if there is still somebody."""
        if not self.ended:
            os.kill(self.pid, number)

    def wait(self, seconds: float) -> bool:
        """Wait for its end; return whether it came."""
        deadline = time.monotonic() + seconds
        while not self.ended and time.monotonic() < deadline:
            time.sleep(POLL_S)
        return self.ended

    def kill(self) -> None:
        """Kill it, and wait until it is gone."""
        self.send(signal.SIGKILL)
        self.wait(60)


class Clock:
    """Where the tape is, shared between parent and children."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _PLACE.size)

    def set(self, tape_s: float) -> None:
        """Say where it is."""
        _PLACE.pack_into(self._memory, 0, tape_s)

    @property
    def tape_s(self) -> float:
        """Seconds since the first event of the tape; 0 before it begins to play."""
        return float(_PLACE.unpack_from(self._memory, 0)[0])


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment with settings of its own replaced by `more`."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ORDER_FLOW_", "POLYGON_"))}
    return {**kept, **more}


def read_line(fd: int) -> Any:
    """Return what a child says on a pipe: one short line."""
    said = b""
    while not said.endswith(b"\n"):
        part = os.read(fd, 1 << 16)
        if not part:
            break
        said += part
    return said.decode()
