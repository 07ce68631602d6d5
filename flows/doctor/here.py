"""Checks of this machine: folder, disk, kernels, calendar, the history, the running instance."""

from __future__ import annotations

import fcntl
import os
import struct
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from flows.doctor.check import FAIL, OK, WARN, Check
from flows.health import LEAST_FREE_BYTES, Limits, Status, free_bytes, problems
from flows.places import ALERTS, HISTORY, STATUS, cache_folder
from flows.settings import Settings
from sinks.iso import ns_of
from sinks.tailer import parse_lines, rotated_files

WARN_FREE_BYTES = 5 << 30
STALE_S = 10.0  # status.json is rewritten every second
_TAIL_BYTES = 256 << 10
_FLOCK = "hhqqi4x"  # struct flock of 64-bit Linux: type, whence, start, length, pid


def kernels_compiled(live: bool) -> Check:
    """Check that a start need not compile; a live one has machine code of its own."""
    from operators import kernels

    if kernels.is_compiled(cache_folder() / "kernels", parallel=not live):
        return Check("kernels", OK, "compiled for this version")
    return Check(
        "kernels", WARN, "not compiled yet: the first start takes a minute longer",
        "nothing to do, or run `orderflow demo` once",
    )  # fmt: skip


def _nearest(folder: Path) -> Path:
    """Return the folder, or the parent of it that exists."""
    return next(path for path in (folder, *folder.absolute().parents) if path.is_dir())


def folder(root: Path) -> Check:
    """Check that files can be made in the data folder; none is left there."""
    try:
        if root.is_dir():
            tempfile.TemporaryFile(dir=root).close()
        elif not os.access(_nearest(root), os.W_OK):
            raise PermissionError(None, f"{_nearest(root)} is not writable")
    except OSError as error:
        return Check(
            "data folder", FAIL, f"{root} cannot be written ({error.strerror})",
            "set ORDER_FLOW_DATA_DIR to a folder that can be written",
        )  # fmt: skip
    made = "" if root.is_dir() else ", made at the first start"
    return Check("data folder", OK, f"{root} can be written{made}")


def disk(root: Path) -> Check:
    """Check that there is room for a day."""
    free = free_bytes(_nearest(root)) or 0
    found = f"{free / 2**30:.1f} GiB free"
    fix = "free some space, or set ORDER_FLOW_DATA_DIR to another disk"
    if free < LEAST_FREE_BYTES:
        return Check("disk", FAIL, found, fix)
    return Check("disk", WARN, found, fix) if free < WARN_FREE_BYTES else Check("disk", OK, found)


def _status(root: Path) -> Status | None:
    try:
        found = orjson.loads((root / STATUS).read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return None
    return found if isinstance(found, dict) else None


def run(root: Path, pid: int | None, settings: Settings) -> Check:
    """Check the instance that runs on the folder, if one does.

    Args:
        root: the live folder.
        pid: who has its lock; 0 if that cannot be told.
        settings: for the limits of what is well.
    """
    if pid is None:
        return Check("instance", OK, f"none runs on {root}")
    who = f"process {pid}" if pid else "another process"
    status = _status(root)
    if status is None or status.get("pid") != pid:
        return Check("instance", WARN, f"{who} is starting, or only records")
    age_s = (time.time_ns() - ns_of(str(status["written_utc"]))) / 1e9
    if age_s > STALE_S:
        return Check(
            "instance", FAIL, f"{who} has not written {STATUS} for {age_s:.0f} s",
            "stop it and start it again",
        )  # fmt: skip
    wrong = problems(status, Limits.of(settings))
    if wrong:
        return Check("instance", FAIL, f"{who} is degraded: {', '.join(wrong)}", "see its stderr")
    return Check("instance", OK, f"{who} runs, its last event was {status.get('last_event_utc')}")


def history(root: Path, runs: int | None) -> Check:
    """Check that nobody keeps the history from being caught up."""
    path = root / HISTORY
    if not path.exists():
        return Check("history", OK, "none yet: the first run makes it")
    pid = lock_holder(path)
    status = _status(root) if runs is not None else None
    behind = sum((status or {}).get("history_behind", {}).values())
    found = f"{behind:,} rows behind" if behind else "complete"
    if pid is not None and pid != runs:
        return Check(
            "history", WARN, f"process {pid} has {HISTORY} open, {found}",
            "close it there: alerts go on, but the history waits",
        )  # fmt: skip
    return Check("history", OK, f"free, {found}")


def lock_holder(path: Path) -> int | None:
    """Return the process that has a DuckDB file open, None if nobody has or none can tell.

    Asks the system about the lock without opening a database: that would take it.
    """
    if not sys.platform.startswith("linux"):
        return None
    ask = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        kind, _, _, _, pid = struct.unpack(_FLOCK, fcntl.fcntl(fd, fcntl.F_GETLK, ask))
    finally:
        os.close(fd)
    return None if kind == fcntl.F_UNLCK else int(pid)


def last_alert(root: Path) -> dict[str, Any] | None:
    """Return the newest alert of the live folder, None if the newest two files end without."""
    log = root / ALERTS
    for path in [log, *rotated_files(log)[:-2:-1]]:
        try:
            with path.open("rb") as file:
                file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
                block = file.read()
        except OSError:
            continue
        alerts = [line for line in parse_lines(block) if line.get("event") == "order_flow_alert"]
        if alerts:
            names = ("alert_id", "symbol", "alert_type", "severity", "timestamp_utc")
            return {name: alerts[-1].get(name) for name in names}
    return None


def alerted(last: dict[str, Any] | None) -> Check:
    """Say what the last alert was."""
    if last is None:
        return Check("last alert", OK, "none on file")
    text = f"{last['symbol']} {last['alert_type']} ({last['severity']}) {last['timestamp_utc']}"
    return Check("last alert", OK, text)


def calendar() -> Check:
    """Say what day and phase it is for the exchanges."""
    from operators import sessions

    now_ms = time.time_ns() // 1_000_000
    day = sessions.new_york_day(now_ms)
    clock = datetime.fromtimestamp(now_ms / 1000, sessions.NEW_YORK).strftime("%a %H:%M New York")
    if not sessions.is_trading_day(day):
        return Check("calendar", OK, f"{day} is no trading day ({clock})")
    phase = sessions.phase_name(sessions.Sessions(sessions.PHASES, None), now_ms)
    close = sessions.regular_close(day).strftime("%H:%M")
    return Check("calendar", OK, f"{day} is a trading day, phase {phase}, close {close} ({clock})")
