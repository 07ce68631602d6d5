"""The durable log: numbered lines in append-only files, written by one process, read by anyone.

Promises, in the order they matter: a whole line is never removed, truncated or rewritten; a
record is never lost and, where it has an id, never written twice; `seq` counts 1, 2, 3 ...
without gaps over all files of the log.

A write the disk refuses (full, I/O error) keeps its records in memory, in order, and is tried
again with the next write and once a second. Memory is bounded by `max_pending`: an alert is
about 2 kB, so the default 10,000 are 20 MB, hours of a busy market. Past that the write
raises: a flow that stops and resumes from its recovery store loses nothing, one that eats the
machine's memory does. A failed fdatasync is warned about and tried again, but its lines are
not written again: they stand in the file and readers have acted on them.

A line of a log is a JSON object with `emitted_utc`, `seq` (an integer, or null for events
beside the numbered stream) and, where records have ids, the id under `id_key`.
"""

from __future__ import annotations

import errno
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Generic, TypeVar
from zoneinfo import ZoneInfo

import orjson

from sinks.appendfile import AppendFile, LogError, sync_folder
from sinks.iso import iso_utc, ns_of
from sinks.past import Past, read_past
from sinks.tailer import rotated_name

X = TypeVar("X")
ToLine = Callable[[X, int, int], bytes]
EventLine = Callable[[int], bytes]

WRITE_BYTES = 64 << 10  # a larger write can be torn by a kill (measured), this size was not
REFUSALS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG, errno.EROFS})
NEW_YORK = ZoneInfo("America/New_York")


@dataclass(slots=True)
class Counters:
    """What a log did since it was opened. `seq` is the last number given, ever."""

    seq: int = 0
    lines: int = 0
    skipped: int = 0
    last_emitted_ns: int = 0


@dataclass(frozen=True, slots=True)
class _Record(Generic[X]):
    value: X


def warn_stderr(sentence: str) -> None:
    """Say one sentence where people look, never among the data."""
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()


_open_logs: weakref.WeakValueDictionary[Path, AppendLog[Any]] = weakref.WeakValueDictionary()


class AppendLog(Generic[X]):
    """A log and its one writer. Every method may be called from any thread.

    Args:
        path: the current file; made, with its folder, if missing.
        to_line: record, seq and emission time (ns since epoch) to one line, without newline.
        id_of: the record's id; None for streams without ids (nothing is skipped then).
        id_key: where the line carries that id.
        rotate: at midnight in `zone`, rename to `<stem>-YYYY-MM-DD<suffix>`; live only.
        sync_each_batch: one fdatasync a write; if False only `sync` and `close` do it, which
            is what a replay wants (a kill loses nothing either way, only a power cut does).
        clock: emission wall clock, ns since epoch.
        max_pending: records kept while the disk refuses them.
        retry_s: pause between tries while it does.
        warn: takes the sentences for people.
        written: told each record that stands in the file now, and its emission time.

    Raises:
        LogError: another process writes this log.
        OSError: a file of it cannot be opened or read.
    """

    def __init__(
        self,
        path: Path,
        to_line: ToLine[X],
        id_of: Callable[[X], str] | None = None,
        *,
        id_key: str = "alert_id",
        rotate: bool = False,
        zone: ZoneInfo = NEW_YORK,
        sync_each_batch: bool = True,
        clock: Callable[[], int] = time.time_ns,
        max_pending: int = 10_000,
        retry_s: float = 1.0,
        warn: Callable[[str], None] = warn_stderr,
        written: Callable[[X, int], None] | None = None,
    ) -> None:
        self.path, self.counters = path, Counters()
        self._to_line, self._id_of = to_line, id_of
        self._rotate, self._zone = rotate, zone
        self._sync_each_batch, self._clock = sync_each_batch, clock
        self._max_pending, self._retry_s, self._warn = max_pending, retry_s, warn
        self._written = written
        self._queue: deque[_Record[X] | EventLine] = deque()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._retrier: threading.Thread | None = None
        self._refused: OSError | None = None
        left = self._supersede()
        self._file = AppendFile(path)
        self._continue_from(read_past(path, id_key if id_of else None))
        with self._lock:
            self._queue += (x for x in left if not isinstance(x, _Record) or self._is_new(x.value))
            self._drain()

    def write(self, records: Iterable[X]) -> None:
        """Append `records` in order, skipping those whose id is on file already.

        Raises:
            LogError: the disk has refused `max_pending` records, or the log is closed.
            OSError: an error other than a full or failing disk.
        """
        with self._lock:
            if self._closed.is_set():
                raise LogError(f"{self.path}: this log is closed")
            for record in records:
                if self._is_new(record):
                    self._queue.append(_Record(record))
            self._drain()
            if len(self._queue) > self._max_pending:
                raise LogError(
                    f"{self.path}: {len(self._queue):,} lines are waiting "
                    f"({self._reason()}): free space, then start again with the same recovery"
                )

    def event(self, line: EventLine, *, keep: bool = True) -> bool:
        """Append a line beside the numbered stream (its `seq` is null).

        Args:
            line: emission time to the line, without newline.
            keep: False for a line that is worthless later (a heartbeat): it is dropped
                instead of kept when the disk refuses it.

        Returns:
            Whether it stands in the file now; False once the log is closed.
        """
        with self._lock:
            if self._closed.is_set():
                return False
            self._queue.append(line)
            self._drain()
            written = not any(item is line for item in self._queue)
            if not written and not keep:
                self._queue = deque(item for item in self._queue if item is not line)
            return written

    def pending(self) -> tuple[X, ...]:
        """Return the records the disk has refused so far, oldest first."""
        with self._lock:
            return tuple(item.value for item in self._queue if isinstance(item, _Record))

    def sync(self) -> None:
        """Make what was written survive a power cut; warns if the disk refuses."""
        with self._lock:
            self._attempt(self._file.sync)

    def close(self, timeout_s: float = 10.0) -> None:
        """Write what is pending, sync, and let go of the file.

        Raises:
            LogError: the disk still refused after `timeout_s`; says what is missing.
        """
        with self._lock:
            if self._closed.is_set():
                return
            self._closed.set()
            self._drain()
            deadline = time.monotonic() + timeout_s
            while self._in_trouble() and time.monotonic() < deadline:
                time.sleep(min(0.1, self._retry_s))
                self._drain()
            self._attempt(self._file.sync)
            self._file.close()
        if self._queue:
            raise LogError(
                f"{self.path}: {len(self._queue):,} lines could not be written within "
                f"{timeout_s:g} s ({self._reason()}): free space, then start again with the "
                "same recovery"
            )

    def _supersede(self) -> deque[_Record[X] | EventLine]:
        """Take over from a run that died in this process: its file, and what it could not write."""
        key = self.path.absolute()
        left: deque[_Record[X] | EventLine] = deque()
        earlier = _open_logs.pop(key, None)
        if earlier is not None:
            with earlier._lock:
                earlier._closed.set()
                earlier._file.close()
                left = earlier._queue
                earlier._queue = deque()
        _open_logs[key] = self
        return left

    def _continue_from(self, past: Past) -> None:
        self._ids, self._older_ids = past.ids, past.older_ids
        self.counters.seq = past.seq
        self._said_goodbye = past.last is not None and past.last.get("event") == "rotated"
        self._day = self._day_of(past)

    def _day_of(self, past: Past) -> str:
        if past.last is None:
            return self._today()
        if self._said_goodbye and "day" in past.last:
            return str(past.last["day"])
        try:
            return self._local_day(ns_of(str(past.last.get("emitted_utc"))))
        except ValueError:
            return self._local_day(self._file.stat().st_mtime_ns)

    def _local_day(self, ns: int) -> str:
        return datetime.fromtimestamp(ns // 1_000_000_000, self._zone).date().isoformat()

    def _today(self) -> str:
        return self._local_day(self._clock())

    # From here on the lock is held.

    def _is_new(self, record: X) -> bool:
        if self._id_of is None:
            return True
        record_id = self._id_of(record)
        if record_id in self._ids or record_id in self._older_ids:
            self.counters.skipped += 1
            return False
        self._ids.add(record_id)
        return True

    def _drain(self) -> None:
        """Write what waits; on a full or failing disk leave it waiting and try again later."""
        if self._attempt(self._write_all) and self._refused is not None:
            self._warn(f"{self.path}: the disk takes lines again, none is missing")
            self._refused = None

    def _write_all(self) -> None:
        if not self._file.has_its_name():
            self._warn(f"{self.path} was moved or removed: a new file of that name is begun")
            self._begin_file()
        self._follow_the_day()
        while self._queue:
            self._write_some()
        self._file.heal()
        if self._sync_each_batch:
            self._file.sync()

    def _write_some(self) -> None:
        """Hand the system up to 64 KiB of whole lines, stamped just before."""
        emitted_ns, seq = self._clock(), self.counters.seq
        lines: list[bytes] = []
        room = WRITE_BYTES - self._file.torn
        for item in self._queue:
            seq += isinstance(item, _Record)
            lines.append(self._encode(item, seq, emitted_ns) + b"\n")
            room -= len(lines[-1])
            if room < 0 and len(lines) > 1:
                lines.pop()
                break
        for _ in range(self._file.append(lines)):
            item = self._queue.popleft()
            self.counters.lines += 1
            self.counters.last_emitted_ns = emitted_ns
            if isinstance(item, _Record):
                self.counters.seq += 1
                if self._written is not None:
                    self._written(item.value, emitted_ns)

    def _encode(self, item: _Record[X] | EventLine, seq: int, emitted_ns: int) -> bytes:
        if isinstance(item, _Record):
            return self._to_line(item.value, seq, emitted_ns)
        return item(emitted_ns)

    def _follow_the_day(self) -> None:
        """At the first write of a new day, give the file its day's name and begin another."""
        if not self._rotate or self._today() <= self._day:
            return
        if self._file.stat().st_size == 0:
            self._day = self._today()
            return
        while not self._said_goodbye:
            self._said_goodbye = self._file.append([self._goodbye()]) == 1
        self._file.heal()
        self._file.sync()
        again = 1
        while rotated_name(self.path, self._day, again).exists():
            again += 1  # the clock went back over midnight: never over an existing file
        self.path.rename(rotated_name(self.path, self._day, again))
        self._begin_file()
        sync_folder(self.path.parent)

    def _begin_file(self) -> None:
        file = AppendFile(self.path)
        self._file.close()
        self._file, self._said_goodbye, self._day = file, False, self._today()
        self._ids, self._older_ids = set(), self._ids

    def _goodbye(self) -> bytes:
        line = {
            "event": "rotated",
            "seq": None,
            "next": self.path.name,
            "day": self._day,
            "last_seq": self.counters.seq,
            "emitted_utc": iso_utc(self._clock()),
        }
        return orjson.dumps(line) + b"\n"

    def _attempt(self, work: Callable[[], None]) -> bool:
        """Do `work`; if the disk refuses, warn once, start trying again, and return False."""
        try:
            work()
        except OSError as error:
            if error.errno not in REFUSALS:
                raise
            if self._refused is None:
                self._warn(
                    f"{self.path}: {error.strerror}: {len(self._queue):,} lines wait in memory, "
                    f"tried again every {self._retry_s:g} s: free space on that disk"
                )
            self._refused = error
            self._retry_soon()
            return False
        return True

    def _in_trouble(self) -> bool:
        return bool(self._queue) or self._refused is not None

    def _reason(self) -> str:
        return (self._refused.strerror if self._refused else None) or "unknown reason"

    def _retry_soon(self) -> None:
        if self._retrier is None and not self._closed.is_set():
            name = f"retry-{self.path.name}"
            self._retrier = threading.Thread(target=self._retry, name=name, daemon=True)
            self._retrier.start()

    def _retry(self) -> None:
        while not self._closed.wait(self._retry_s):
            with self._lock:
                if self._closed.is_set():
                    break
                try:
                    self._drain()
                except (OSError, LogError):
                    self._retrier = None  # the next write meets it, in a thread that can act
                    return
                if not self._in_trouble():
                    self._retrier = None
                    return
