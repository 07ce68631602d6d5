"""Raw captures as a feed: the frames of a live day, decoded again as they were that day."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import NamedTuple

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from flows.feeds.capture_files import read_capture
from flows.feeds.capture_lines import CaptureLine, Item, item_of
from flows.feeds.tape import Progress
from flows.feeds.tape_files import TapeError, TapeSet
from operators.decode import Past
from operators.state import check_version
from operators.ticks import Frames

BATCH = 1024
VERSION = 1


class CaptureState(NamedTuple):
    """Where to go on: how many lines of the captures are out."""

    version: int
    fingerprint: str
    lines_out: int


class _CapturePartition(StatefulSourcePartition[Item | Past, CaptureState]):
    def __init__(self, feed: CaptureFeed, lines_out: int) -> None:
        self._feed = feed
        self._lines = (line for path in feed.tape.captures for line in read_capture(path))
        self._out = 0
        self._past = lines_out  # lines that a run before this one has taken
        self._next: CaptureLine | None = None
        self._pace: tuple[float, int] | None = None
        self._awake: datetime | None = None

    def next_batch(self) -> list[Item | Past]:
        if self._out < self._past:
            return self._known()
        return [*self._new()]

    def _known(self) -> list[Item | Past]:
        """Return lines a run before this one has taken: what they taught it is not in the store.

        The symbols' codes, who is suspended, and how many prints without an id there were.
        """
        items: list[Item] = []
        wanted = min(self._feed.batch, self._past - self._out)
        for line in islice(self._lines, wanted):
            self._out += 1
            _append(items, line)
        if not items:  # the captures end early; their fingerprint would have told
            self._past = self._out
        return [Past(item) for item in items]

    def _new(self) -> list[Item]:
        items: list[Item] = []
        taken = 0
        while taken < self._feed.batch and not self._feed.stop.is_set():
            line = self._next or next(self._lines, None)
            if line is None:
                break
            self._next = line
            if not self._due(line.r):
                return self._handed_out(items, taken)
            self._next = None
            taken += 1
            _append(items, line)
        if not taken:
            raise StopIteration
        return self._handed_out(items, taken)

    def _handed_out(self, items: list[Item], taken: int) -> list[Item]:
        self._out += taken
        self._feed.progress.ticks += taken
        return items

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
        return CaptureState(VERSION, self._feed.tape.fingerprint, max(self._out, self._past))


def _append(items: list[Item], line: CaptureLine) -> None:
    item = item_of(line)
    if not isinstance(item, bytes):
        items.append(item)
        return
    last = items[-1] if items else None
    if not isinstance(last, Frames):
        last = Frames([], [], live=False)
        items.append(last)
    last.received_ns.append(line.r)
    last.frames.append(item)


class CaptureFeed(FixedPartitionedSource[Item | Past, CaptureState]):
    """Replay raw captures, file after file, the gaps and refills of that day included.

    Args:
        tape: The captures.
        speed: Multiple of the time they took, or None: as fast as the flow takes them.
        batch: Most lines a batch.

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
        check_version(resume_state.version, VERSION)
        if resume_state.fingerprint != self.tape.fingerprint:
            raise TapeError(
                "the recovery store belongs to another tape: name the same files, or a new folder"
            )
        return _CapturePartition(self, resume_state.lines_out)
