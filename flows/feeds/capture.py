"""Raw captures as a feed: the frames of a live day, decoded again as they were that day.

A capture is lines of `{"r": receipt time ns, "f": the frame as received}`, among them the gaps
and refills of the day (`capture_lines`), plain or compressed with gzip or zstd.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import duckdb
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from flows.feeds.capture_lines import Captured, captured
from flows.feeds.tape import Progress
from flows.feeds.tape_files import TapeError, TapeSet, connect, quoted, reason
from operators.records import Coverage
from operators.state import StateVersionError
from operators.ticks import Frames, Refill

Item = Frames | Refill | Coverage

BATCH = 1024
LONGEST_LINE = 64 << 20
VERSION = 1
_COLUMNS = "{'r': 'BIGINT', 'f': 'VARCHAR', 'refill': 'JSON', 'gap': 'JSON'}"


class CaptureState(NamedTuple):
    """Where to go on: how many lines of the captures are out."""

    version: int
    fingerprint: str
    frames_out: int


def read_capture(path: str) -> Iterator[Captured]:
    """Yield what each line holds.

    Raises:
        TapeError: the file is no capture, or is damaged.
    """
    source = (
        f"read_json({quoted(path)}, format = 'newline_delimited', columns = {_COLUMNS},"
        f" maximum_object_size = {LONGEST_LINE})"
    )
    try:
        with connect("1GB") as db:
            rows = db.execute(f"SELECT r, f, refill, gap FROM {source}")
            while part := rows.fetchmany(BATCH):
                for line in part:
                    yield captured(*line)
    except ValueError:
        raise TapeError(f'{path} is no capture: a line is not {{"r": ns, "f": …}}') from None
    except duckdb.Error as error:
        raise TapeError(f"{path} cannot be read: {reason(error)}") from None


class _CapturePartition(StatefulSourcePartition[Item, CaptureState]):
    def __init__(self, feed: CaptureFeed, frames_out: int) -> None:
        self._feed = feed
        self._lines = (line for path in feed.tape.captures for line in read_capture(path))
        self._out = 0
        while self._out < frames_out and next(self._lines, None) is not None:
            self._out += 1
        self._next: Captured | None = None
        self._pace: tuple[float, int] | None = None
        self._awake: datetime | None = None

    def next_batch(self) -> list[Item]:
        received: list[int] = []
        frames: list[bytes] = []
        while len(frames) < self._feed.batch and not self._feed.stop.is_set():
            line = self._next or next(self._lines, None)
            if line is None:
                break
            self._next = line
            if not self._due(line.received_ns):
                return self._batch(received, frames)
            if not isinstance(line.held, bytes):
                return self._batch(received, frames) if frames else [self._item(line.held)]
            self._next = None
            received.append(line.received_ns)
            frames.append(line.held)
        if not frames:
            raise StopIteration
        return self._batch(received, frames)

    def _item(self, item: Refill | Coverage) -> Item:
        """Take the item that comes next."""
        self._next = None
        self._out += 1
        return item

    def _batch(self, received: list[int], frames: list[bytes]) -> list[Item]:
        self._out += len(frames)
        self._feed.progress.ticks += len(frames)
        return [Frames(received, frames, live=False)] if frames else []

    def _due(self, received_ns: int) -> bool:
        """Return whether a frame is due at the feed's speed; if not, note when to look again."""
        self._awake = None
        if self._feed.speed is None:
            return True
        if self._pace is None:
            self._pace = time.monotonic(), received_ns
        started, first_ns = self._pace
        wait = (received_ns - first_ns) / 1e9 / self._feed.speed - (time.monotonic() - started)
        if wait > 0:
            self._awake = datetime.now(UTC) + timedelta(seconds=min(wait, 0.2))
        return wait <= 0

    def next_awake(self) -> datetime | None:
        return self._awake

    def snapshot(self) -> CaptureState:
        return CaptureState(VERSION, self._feed.tape.fingerprint, self._out)


class CaptureFeed(FixedPartitionedSource[Item, CaptureState]):
    """Replay raw captures, file after file.

    Args:
        tape: The captures.
        speed: Multiple of the time they took, or None: as fast as the flow takes them.
        batch: Most frames an item.

    Raises:
        TapeError: in the run, a file cannot be read.
    """

    def __init__(self, tape: TapeSet, speed: float | None = None, batch: int = BATCH) -> None:
        self.tape = tape
        self.speed = speed
        self.batch = batch
        self.progress = Progress(0)
        self.stop = threading.Event()

    def list_parts(self) -> list[str]:
        """Name the one partition: a capture is one stream."""
        return ["capture"]

    def build_part(
        self, step_id: str, for_part: str, resume_state: CaptureState | None
    ) -> _CapturePartition:
        """Start reading, or go on where the state says."""
        if resume_state is None:
            return _CapturePartition(self, 0)
        if resume_state.version != VERSION:
            raise StateVersionError("the recovery store is of another version: use a new folder")
        if resume_state.fingerprint != self.tape.fingerprint:
            raise TapeError(
                "the recovery store belongs to another tape: name the same files, or a new folder"
            )
        return _CapturePartition(self, resume_state.frames_out)
