"""The frames between the socket's thread and the dataflow: bounded, in order, never silent.

The socket must be read at once, whatever the dataflow is doing, or the vendor cuts the
connection. So frames queue here, up to a number of bytes; then the oldest are dropped, whole
frames, and a coverage record takes their place. Newest data is worth most to an alert.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

import msgspec

from operators.records import Coverage
from operators.ticks import Frames

MAX_BYTES = 64 * 2**20
FRAME_OVERHEAD = 128  # bytes a queued frame costs beside its own
SHED = "queue_full"

BATCH_FRAMES, BATCH_BYTES = 8192, 8 * 2**20  # of one item of the dataflow
_CHUNK_FRAMES, _CHUNK_BYTES = 256, 2**18  # what is dropped at a time

_MS = 1_000_000
_EARLIEST_MS, _LATEST_MS = 946_684_800_000, 4_102_444_800_000  # 2000 to 2100


def event_times_ns(frame: bytes) -> list[int]:
    """Return the event times of a frame's events, in its order, in ns since epoch.

    For the edges of gaps only: it costs far more than decoding does. What has no plausible
    time is passed over.
    """
    try:
        events = msgspec.json.decode(frame)
    except (msgspec.DecodeError, RecursionError):
        return []
    times: list[Any] = (
        [e.get("t") for e in events if isinstance(e, dict)] if isinstance(events, list) else []
    )
    return [t * _MS for t in times if type(t) is int and _EARLIEST_MS <= t < _LATEST_MS]


def first_event_ns(frame: bytes, received_ns: int) -> int:
    """Return the time of a frame's first event; its receipt if it tells none."""
    times = event_times_ns(frame)
    return times[0] if times else received_ns


class _Chunk:
    """A few consecutive frames."""

    __slots__ = ("frames", "received_ns", "size")

    def __init__(self) -> None:
        self.received_ns: list[int] = []
        self.frames: list[bytes] = []
        self.size = 0

    @property
    def full(self) -> bool:
        return len(self.frames) >= _CHUNK_FRAMES or self.size >= _CHUNK_BYTES


class FrameQueue:
    """Frames and coverage records, first in, first out; one thread puts, one takes.

    Args:
        max_bytes: what is queued at most, each frame counted with its overhead.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._items: deque[_Chunk | Coverage] = deque()
        self._filled = threading.Condition()
        self._waiting = False
        self._passed: list[Coverage] = []  # records whose place was among dropped frames
        self._dropped: tuple[int, bytes] | None = None  # the first frame of the hole
        self.frames = 0
        self.bytes = 0
        self.dropped_frames = 0

    def put(self, received_ns: int, frame: bytes) -> None:
        """Add a frame; if there is no room, drop the oldest ones."""
        size = len(frame) + FRAME_OVERHEAD
        with self._filled:
            chunk = self._items[-1] if self._items else None
            if not isinstance(chunk, _Chunk) or chunk.full:
                chunk = _Chunk()
                self._items.append(chunk)
            chunk.received_ns.append(received_ns)
            chunk.frames.append(frame)
            chunk.size += size
            self.frames += 1
            self.bytes += size
            while self.bytes > self._max_bytes and self.frames > len(chunk.frames):
                self._drop_oldest()
            if self._waiting:
                self._filled.notify()

    def mark(self, coverage: Coverage) -> None:
        """Add a coverage record, behind the frames there are and before those to come."""
        with self._filled:
            self._items.append(coverage)
            if self._waiting:
                self._filled.notify()

    def take(self, wait_s: float) -> list[Frames | Coverage]:
        """Return what is queued, up to one batch of frames; wait for it if there is nothing.

        Args:
            wait_s: how long to wait, at most, for a first item.
        """
        with self._filled:
            if not self._items and wait_s > 0:
                self._waiting = True
                self._filled.wait(wait_s)
                self._waiting = False
            taken: list[Frames | Coverage] = [*self._passed, *self._hole()]
            self._passed = []
            room_frames, room_bytes = BATCH_FRAMES, BATCH_BYTES
            while self._items and room_frames > 0 and room_bytes > 0:
                item = self._items.popleft()
                if isinstance(item, Coverage):
                    taken.append(item)
                    continue
                room_frames -= len(item.frames)
                room_bytes -= item.size
                self._forget(item)
                _append(taken, item)
        return taken

    def _forget(self, chunk: _Chunk) -> None:
        self.frames -= len(chunk.frames)
        self.bytes -= chunk.size

    def _drop_oldest(self) -> None:
        item = self._items.popleft()
        if isinstance(item, Coverage):
            self._passed.append(item)
            return
        self._forget(item)
        self.dropped_frames += len(item.frames)
        if self._dropped is None:
            self._dropped = item.received_ns[0], item.frames[0]

    def _hole(self) -> list[Coverage]:
        """Return the record of what was dropped since the last batch, if anything was."""
        if self._dropped is None:
            return []
        received_ns, frame = self._dropped
        self._dropped = None
        from_ns = first_event_ns(frame, received_ns)
        after = next(item for item in self._items if isinstance(item, _Chunk))
        to_ns = first_event_ns(after.frames[0], after.received_ns[0])
        return [Coverage("*", from_ns, max(from_ns, to_ns), SHED, refilled=False)]


def _append(taken: list[Frames | Coverage], chunk: _Chunk) -> None:
    last = taken[-1] if taken else None
    if isinstance(last, Frames):
        last.received_ns.extend(chunk.received_ns)
        last.frames.extend(chunk.frames)
    else:
        taken.append(Frames(chunk.received_ns, chunk.frames))
