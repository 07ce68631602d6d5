"""The frames between the socket's thread and the dataflow: bounded, in order, never silent.

The socket must be read at once, whatever the dataflow is doing, or the vendor cuts the
connection. So frames queue here, up to a number of bytes. When there is no more room, frames of
nothing but quotes of symbols without a position are shed, the oldest first; where that is not
enough, the oldest frames whatever they hold: newest data is worth most to an alert. A frame is
looked at once, and only when there is no room. Coverage records say what is missing, and frames
that may miss quotes are marked.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from flows.feeds.shedding import ShedFrames, ShedLog, quoted_symbols
from operators.records import Coverage
from operators.ticks import Frames

MAX_BYTES = 64 * 2**20
FRAME_OVERHEAD = 128  # bytes a queued frame costs beside its own
_STALE_NS = 1_000_000_000  # as old may a quote be that judges a print to be off the market

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
    """A few consecutive frames, and those shed from among or behind them."""

    __slots__ = ("frames", "received_ns", "shed", "size")

    def __init__(self) -> None:
        self.received_ns: list[int] = []
        self.frames: list[bytes] = []
        self.size = 0
        self.shed: ShedFrames | None = None

    @property
    def full(self) -> bool:
        return len(self.frames) >= _CHUNK_FRAMES or self.size >= _CHUNK_BYTES

    def sweep(self, held: frozenset[bytes]) -> None:
        """Shed the frames of nothing but quotes of symbols that are not held."""
        received, frames = self.received_ns, self.frames
        self.received_ns, self.frames, self.size = [], [], 0
        for received_ns, frame in zip(received, frames, strict=True):
            symbols = quoted_symbols(frame)
            if symbols and held.isdisjoint(symbols):
                if self.shed is None:
                    self.shed = ShedFrames(received_ns, frame)
                self.shed.add(received_ns, frame, symbols)
            else:
                self.received_ns.append(received_ns)
                self.frames.append(frame)
                self.size += len(frame) + FRAME_OVERHEAD

    def join(self, emptied: _Chunk) -> None:
        """Take over what was shed from the chunk behind this one."""
        if self.shed is None:
            self.shed = emptied.shed
        elif emptied.shed is not None:
            self.shed.join(emptied.shed)


class FrameQueue:
    """Frames and coverage records, first in, first out; one thread puts, one takes.

    Args:
        max_bytes: what is queued at most, each frame counted with its overhead.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._items: deque[_Chunk | Coverage] = deque()
        self._swept = 0  # leading items that have been looked at
        self._held: frozenset[bytes] = frozenset()
        self._filled = threading.Condition()
        self._waiting = False
        self._passed: list[Coverage] = []  # records whose place was among dropped frames
        self._dropped: tuple[int, bytes] | None = None  # the first frame of the hole
        self._log = ShedLog()
        self._stale_ns = -1  # up to this receipt a quote may have lost its successor
        self.frames = 0
        self.bytes = 0
        self.shed_frames = 0
        self.dropped_frames = 0

    def hold(self, symbols: Iterable[str]) -> None:
        """Name the symbols whose quotes are shed last."""
        self._held = frozenset(symbol.encode() for symbol in symbols)

    def put(self, received_ns: int, frames: Sequence[bytes]) -> None:
        """Add frames read together; if there is no room, shed quotes, then the oldest frames."""
        with self._filled:
            for i in range(0, len(frames), _CHUNK_FRAMES):
                self._add(received_ns, frames[i : i + _CHUNK_FRAMES])
            if self._waiting:
                self._filled.notify()

    def _add(self, received_ns: int, frames: Sequence[bytes]) -> None:
        chunk = self._items[-1] if self._items else None
        if not isinstance(chunk, _Chunk) or chunk.full:
            chunk = _Chunk()
            self._items.append(chunk)
        size = sum(map(len, frames)) + FRAME_OVERHEAD * len(frames)
        chunk.received_ns += [received_ns] * len(frames)
        chunk.frames += frames
        chunk.size += size
        self.frames += len(frames)
        self.bytes += size
        while self.bytes > self._max_bytes and self.frames > len(chunk.frames):
            if self._swept < len(self._items) - 1:
                self._sweep_next()
            else:
                self._drop_oldest()

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
            taken: list[Frames | Coverage] = [*self._passed]
            self._passed = []
            self._note_hole()
            room_frames, room_bytes = BATCH_FRAMES, BATCH_BYTES
            while self._items and room_frames > 0 and room_bytes > 0:
                item = self._next()
                if isinstance(item, Coverage):
                    taken.append(item)
                    continue
                room_frames -= len(item.frames)
                room_bytes -= item.size
                self._hand_out(item, taken)
            if not self._items:
                taken += self._log.end()
        return taken

    def _next(self) -> _Chunk | Coverage:
        item = self._items.popleft()
        self._swept = max(0, self._swept - 1)
        if isinstance(item, _Chunk):
            self.frames -= len(item.frames)
            self.bytes -= item.size
        return item

    def _hand_out(self, chunk: _Chunk, taken: list[Frames | Coverage]) -> None:
        """Append a chunk, behind the records of what was shed from it."""
        if chunk.shed is not None:
            first, last = chunk.shed.first, chunk.shed.last
            self._log.add(chunk.shed.symbols, _first_event_ns(first), _last_event_ns(last))
            self._stale_ns = max(self._stale_ns, last[0] + _STALE_NS)
        now_ns = chunk.received_ns[0] if chunk.received_ns else self._stale_ns
        stale = now_ns <= self._stale_ns
        taken += self._log.due(now_ns) if stale else self._log.end()
        if chunk.frames:
            _append(taken, chunk, stale)

    def _sweep_next(self) -> None:
        """Look at the oldest item that has not been looked at, and shed what may be."""
        item = self._items[self._swept]
        before = self._items[self._swept - 1] if self._swept else None
        if isinstance(item, _Chunk):
            frames, size = len(item.frames), item.size
            item.sweep(self._held)
            self.shed_frames += frames - len(item.frames)
            self.frames -= frames - len(item.frames)
            self.bytes -= size - item.size
            if not item.frames and isinstance(before, _Chunk):
                before.join(item)
                del self._items[self._swept]
                return
        self._swept += 1

    def _drop_oldest(self) -> None:
        item = self._next()
        if isinstance(item, Coverage):
            self._passed.append(item)
            return
        self.dropped_frames += len(item.frames)
        if self._dropped is None:
            starts = [*zip(item.received_ns[:1], item.frames[:1], strict=True)]
            if item.shed is not None:
                starts.append(item.shed.first)
            self._dropped = min(starts, key=lambda start: start[0])

    def _note_hole(self) -> None:
        """Note what was dropped since the last batch, if anything was."""
        if self._dropped is None:
            return
        after = next(item for item in self._items if isinstance(item, _Chunk) and item.frames)
        start = after.received_ns[0], after.frames[0]
        self._log.add(None, _first_event_ns(self._dropped), _first_event_ns(start))
        self._stale_ns = max(self._stale_ns, start[0] + _STALE_NS)
        self._dropped = None


def _first_event_ns(received: tuple[int, bytes]) -> int:
    return first_event_ns(received[1], received[0])


def _last_event_ns(received: tuple[int, bytes]) -> int:
    times = event_times_ns(received[1])
    return times[-1] if times else received[0]


def _append(taken: list[Frames | Coverage], chunk: _Chunk, quotes_shed: bool) -> None:
    last = taken[-1] if taken else None
    if isinstance(last, Frames) and last.quotes_shed == quotes_shed:
        last.received_ns.extend(chunk.received_ns)
        last.frames.extend(chunk.frames)
    else:
        taken.append(Frames(chunk.received_ns, chunk.frames, quotes_shed=quotes_shed))
