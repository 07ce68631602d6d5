"""The JSONL output of the dataflow: a thin partition over the one `AppendLog` of a file."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from sinks.appendfile import LogError
from sinks.appendlog import AppendLog, EventLine, ToLine

X = TypeVar("X")

__all__ = ["Follower", "JsonlSink", "LogError"]


class Follower(Protocol):
    """Someone in this process who reads the file: told when its writer begins and ends."""

    def enter(self) -> None:
        """Count one more writer."""

    def leave(self) -> None:
        """Count one less; after the last one nothing more will be written."""


class JsonlSink(FixedPartitionedSink[X | None, tuple[X, ...] | None], Generic[X]):
    """Append the value of each `(key, value)` to one JSONL file, in one partition.

    The file is opened by the first item; None opens it and writes nothing (`Opening`).
    Bytewax delivers at least once after a crash: with `id_of` a record that is on file is
    skipped, so readers see it once. Records the disk refuses travel in the snapshot and are
    written by the resumed run; without `id_of` such a record may then stand twice.

    Args:
        path: the current file.
        to_line: `(record, seq, emitted_ns)` to the line, without newline.
        id_of: the record's id, carried by the line under `id_key`; None for none.
        id_key: the line's field of that id.
        rotate: a file a day, New York time (live only).
        sync_each_batch: one fdatasync a batch; False leaves it to snapshot and close.
        clock: emission wall clock, ns since epoch.
        follower: told when writing begins and ends, so that it can read to the last line.
        close_timeout_s: how long `close` tries while the disk refuses.
        written: told each record that stands in the file now, and its emission time.
        raise_unwritten: what the disk has refused to the end raises inside the dataflow; else
            the runner looks at `unwritten`. An engine that is dying itself
            aborts the process when an output raises, and all lines in memory are lost.

    Attributes:
        unwritten: why the log could not be completed, None if it was.
    """

    def __init__(
        self,
        path: Path,
        to_line: ToLine[X],
        id_of: Callable[[X], str] | None = None,
        *,
        id_key: str = "alert_id",
        rotate: bool = False,
        sync_each_batch: bool = True,
        clock: Callable[[], int] = time.time_ns,
        follower: Follower | None = None,
        close_timeout_s: float = 10.0,
        written: Callable[[X, int], None] | None = None,
        raise_unwritten: bool = True,
    ) -> None:
        self.path = path
        self.unwritten: LogError | None = None
        self.raise_unwritten = raise_unwritten
        self.follower, self.close_timeout_s = follower, close_timeout_s
        self._to_line, self._id_of, self._id_key = to_line, id_of, id_key
        self._rotate, self._sync_each_batch, self._clock = rotate, sync_each_batch, clock
        self._written = written
        self._log: AppendLog[X] | None = None

    @property
    def log(self) -> AppendLog[X] | None:
        """The log while this process writes it; None before the flow runs and elsewhere."""
        return self._log

    def event(self, line: EventLine, *, keep: bool = True) -> bool:
        """Append a line beside the stream (heartbeat, feed_blind); from any thread.

        Returns:
            Whether it stands in the file. False where another process, or nobody, writes it.
        """
        return self._log.event(line, keep=keep) if self._log is not None else False

    def list_parts(self) -> list[str]:
        """Name the one partition: one file has one writer, however many workers there are."""
        return ["log"]

    def part_fn(self, item_key: str) -> int:
        """Send every key to it."""
        return 0

    def build_part(
        self, step_id: str, for_part: str, resume_state: tuple[X, ...] | None
    ) -> _Partition[X]:
        """Open the log and hand it what the last run could not write."""
        log = AppendLog(
            self.path,
            self._to_line,
            self._id_of,
            id_key=self._id_key,
            rotate=self._rotate,
            sync_each_batch=self._sync_each_batch,
            clock=self._clock,
            written=self._written,
        )
        log.write(resume_state or ())
        self._log = log
        return _Partition(log, self)


class _Partition(StatefulSinkPartition[X | None, tuple[X, ...] | None], Generic[X]):
    def __init__(self, log: AppendLog[X], sink: JsonlSink[X]) -> None:
        self._log, self._sink = log, sink
        if sink.follower is not None:
            sink.follower.enter()

    def write_batch(self, values: list[X | None]) -> None:
        self._log.write(value for value in values if value is not None)

    def snapshot(self) -> tuple[X, ...] | None:
        self._log.sync()
        return self._log.pending() or None

    def close(self) -> None:
        sink = self._sink
        try:
            self._log.close(sink.close_timeout_s)
        except LogError as error:
            sink.unwritten = error
            if sink.raise_unwritten:
                raise
        finally:
            if sink.follower is not None:
                sink.follower.leave()
