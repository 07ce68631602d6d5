"""Recording the live feed: raw captures of what the dataflow got, written by a thread.

The alert path hands its items over and goes on: it never waits for a disk. What the disk cannot
follow is left out, counted, and marked on the tape as a gap, so that a replay trusts no window
that touches it.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from flows.feeds.capture_lines import Item, lines_of
from flows.feeds.frame_queue import FRAME_OVERHEAD, first_event_ns
from flows.feeds.tape_writer import TapeWriter
from operators.records import Coverage
from operators.ticks import Frames

MAX_BYTES = 64 << 20
FLUSH_S = 1.0  # what a kill loses, at most
NOT_RECORDED = "not_recorded"
_BLOCK = 1 << 20


@dataclass(slots=True)
class Recorded:
    """What a recorder did so far; `trouble` is why the disk refuses, None while it does not."""

    frames: int = 0
    dropped_frames: int = 0
    bytes: int = 0
    trouble: str | None = None


class Recorder:
    """Write items to tapes in `folder`; nothing is opened before the first block.

    Args:
        folder: of the tapes; made if missing.
        said: gets a sentence when the disk cannot follow, and when it can again.
        max_bytes: what waits at most before frames are left out.
        flush_s: longest time an item waits for its block.
        clock: wall clock, ns since epoch.
    """

    def __init__(
        self,
        folder: Path,
        said: Callable[[str], object],
        *,
        max_bytes: int = MAX_BYTES,
        flush_s: float = FLUSH_S,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self.folder, self.state = folder, Recorded()
        self._said, self._max_bytes, self._flush_s = said, max_bytes, flush_s
        self._clock = clock
        self._writer = TapeWriter(folder)
        self._waiting: deque[tuple[int, Item]] = deque()
        self._waiting_bytes = 0
        self._hole: tuple[int, bytes] | None = None  # the first frame that was left out
        self._changed = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """The tapes written, oldest first."""
        return tuple(self._writer.files)

    def start(self) -> None:
        """Begin to write."""
        self._thread = threading.Thread(target=self._work, name="recorder", daemon=True)
        self._thread.start()

    def put(self, items: Sequence[Item]) -> None:
        """Take items over; they must not be changed any more."""
        now = self._clock()
        with self._changed:
            for item in items:
                if isinstance(item, Frames):
                    if self._waiting_bytes + _size(item) > self._max_bytes:
                        self._leave_out(item)
                        continue
                    self._close_hole(item, now)
                self._add(now, item)
            if self._waiting_bytes >= _BLOCK:
                self._changed.notify()

    def _leave_out(self, frames: Frames) -> None:
        self.state.dropped_frames += len(frames.frames)
        if self._hole is None:
            self._hole = frames.received_ns[0], frames.frames[0]

    def _close_hole(self, frames: Frames, now: int) -> None:
        if self._hole is not None:
            (received_ns, first), self._hole = self._hole, None
            after_ns = first_event_ns(frames.frames[0], frames.received_ns[0])
            self._add(now, _gap(first_event_ns(first, received_ns), after_ns))

    def _add(self, now: int, item: Item) -> None:
        self._waiting.append((now, item))
        self._waiting_bytes += _size(item)

    def close(self) -> None:
        """Write what waits, and close the tape; try a disk that refuses once more only."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        while not self._closed:
            with self._changed:
                self._changed.wait_for(self._is_due, self._flush_s)
            self._write_waiting()
        self._write_waiting()
        self._forget_waiting()
        with contextlib.suppress(OSError):  # a refusal has been said, and what it cost counted
            self._writer.close()

    def _is_due(self) -> bool:
        # A disk that refuses is asked again once a pause, not for each batch that comes.
        return self._closed or (self._waiting_bytes >= _BLOCK and self.state.trouble is None)

    def _write_waiting(self) -> None:
        """Write what waits, in blocks; what comes meanwhile is for the next time."""
        while block := self._block():
            if not self._try(self._write, block):
                return
            with self._changed:
                for _ in block:
                    self._waiting_bytes -= _size(self._waiting.popleft()[1])
            self.state.frames += sum(_frames(item) for _, item in block)
            self.state.bytes = self._writer.bytes
            if self._waiting_bytes < _BLOCK and not self._closed:
                return

    def _write(self, block: list[tuple[int, Item]]) -> None:
        lines = [line for taken_ns, item in block for line in lines_of(item, taken_ns)]
        self._writer.write(lines, self._clock())

    def _block(self) -> list[tuple[int, Item]]:
        """Return the oldest items, a block's worth; they stay until they are written."""
        block: list[tuple[int, Item]] = []
        room = _BLOCK
        with self._changed:
            for entry in self._waiting:
                block.append(entry)
                room -= _size(entry[1])
                if room <= 0:
                    break
        return block

    def _try(self, work: Callable[..., None], *args: object) -> bool:
        state = self.state
        try:
            work(*args)
        except OSError as error:
            if state.trouble is None:
                self._said(
                    f"{self.folder}: the tape cannot be written ({error.strerror}): alerts go on, "
                    "and what does not fit into memory meanwhile is left out and counted."
                )
            state.trouble = error.strerror or str(error)
            return False
        if state.trouble is not None:
            state.trouble = None
            self._said(
                f"{self.folder}: the tape is written again; {state.dropped_frames:,} frames were "
                "left out so far."
            )
        return True

    def _forget_waiting(self) -> None:
        """Count what the end of the run leaves unwritten."""
        left = sum(_frames(item) for _, item in self._waiting)
        self.state.dropped_frames += left
        if left:
            self._said(f"{self.folder}: {left:,} frames could not be recorded before the end.")


def _frames(item: Item) -> int:
    return len(item.frames) if isinstance(item, Frames) else 0


def _size(item: Item) -> int:
    if isinstance(item, Coverage):
        return FRAME_OVERHEAD
    return sum(map(len, item.frames)) + FRAME_OVERHEAD * len(item.frames)


def _gap(from_ns: int, to_ns: int) -> Coverage:
    return Coverage("*", from_ns, max(from_ns, to_ns), NOT_RECORDED, refilled=False)


class RecordedFeed(FixedPartitionedSource[Item, Any]):
    """A live feed, and a recorder that gets every item the dataflow gets.

    Args:
        feed: the live feed.
        recorder: begins with the feed and ends with it.
    """

    def __init__(self, feed: FixedPartitionedSource[Item, Any], recorder: Recorder) -> None:
        self._feed, self._recorder = feed, recorder

    def list_parts(self) -> list[str]:
        """Name the parts of the feed."""
        return self._feed.list_parts()

    def build_part(self, step_id: str, for_part: str, resume_state: Any) -> _RecordedPartition:
        """Begin to record, and open the feed."""
        self._recorder.start()
        part = self._feed.build_part(step_id, for_part, resume_state)
        return _RecordedPartition(part, self._recorder)


class _RecordedPartition(StatefulSourcePartition[Item, Any]):
    def __init__(self, part: StatefulSourcePartition[Item, Any], recorder: Recorder) -> None:
        self._part, self._recorder = part, recorder

    def next_batch(self) -> list[Item]:
        items = list(self._part.next_batch())
        if items:
            self._recorder.put(items)
        return items

    def next_awake(self) -> Any:
        return self._part.next_awake()

    def snapshot(self) -> Any:
        return self._part.snapshot()

    def close(self) -> None:
        self._part.close()
        self._recorder.close()


def items_of(part: StatefulSourcePartition[Item, Any], idle_s: float) -> Iterator[Item]:
    """Yield the items of a source that nobody else reads, to its end, and close it."""
    try:
        while True:
            items = list(part.next_batch())
            yield from items
            if not items:
                time.sleep(idle_s)
    except StopIteration:
        return
    finally:
        part.close()
