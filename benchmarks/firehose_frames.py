"""A second or two of the market as it stands on the wire, sent over and over with new times.

Sixty seconds of the market's peak are gigabytes. So one block of frames, their WebSocket headers
included, is kept, and what must not repeat is written over just before a part of it is sent: the
times and the trade ids, which have a fixed number of digits.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from benchmarks.market import OPEN_NS
from benchmarks.wire_frames import EVENTS_A_FRAME

Array = npt.NDArray[Any]

START_MS = OPEN_NS // 1_000_000 + 30 * 60_000  # half an hour into the session
FIRST_ID = 52_983_525_000_000
_TIME, _ID = 13, 14  # digits
_TIMES = re.compile(rb'"t":(?=\d{13}\D)')
_REPORTS = re.compile(rb'"pt":(?=\d{13}\D)')
_IDS = re.compile(rb'"i":"(?=\d{14}")')


@numba.njit
def _write(wire: Array, at: int, value: int, digits: int) -> None:
    for k in range(digits):
        wire[at + digits - 1 - k] = 48 + value % 10
        value //= 10


@numba.njit
def _renew(
    wire: Array,
    times: Array,
    trades: Array,
    reports: Array,
    ids: Array,
    events: tuple[int, int],
    first: int,
    rate: float,
) -> None:
    """Give events their times, and trades a report a millisecond earlier and an id of their own."""
    for i in range(events[0], events[1]):
        _write(wire, times[i], START_MS + int((first + i) * 1000.0 / rate), _TIME)
    for j in range(np.searchsorted(trades, events[0]), np.searchsorted(trades, events[1])):
        n = first + trades[j]
        _write(wire, reports[j], START_MS + int(n * 1000.0 / rate) - 1, _TIME)
        _write(wire, ids[j], FIRST_ID + n, _ID)


def on_the_wire(payload: bytes) -> bytes:
    """Return a text frame as a server sends it: whole, and not masked."""
    return b"\x81\x7e" + len(payload).to_bytes(2, "big") + payload


class Block:
    """The frames of a file, eight events each, to be sent over and over at `rate` events a second.

    Event `n` of all that are sent is of `n / rate` seconds after `START_MS`.
    """

    def __init__(self, path: Path, rate: float) -> None:
        frames = [on_the_wire(payload) for payload in path.read_bytes().splitlines()]
        blob = b"".join(frames)
        self.frames = len(frames)
        self.wire = np.frombuffer(blob, np.uint8).copy()
        self.ends = np.cumsum([0, *map(len, frames)])
        self._rate = rate
        self._times = _places(_TIMES, blob)
        self._reports, self._ids = _places(_REPORTS, blob), _places(_IDS, blob)
        self.trades = np.searchsorted(self._times, self._ids)  # the event each of them is
        if len(self._times) != self.frames * EVENTS_A_FRAME or len(self._ids) != len(self._reports):
            raise ValueError(f"{path}: not every event has a time, or not every trade its own")
        self.part(0, 0, 0)  # compile

    def trades_in(self, events: int) -> int:
        """Return how many of the first `events` sent are trades."""
        rounds, rest = divmod(events, self.frames * EVENTS_A_FRAME)
        return rounds * len(self.trades) + int(np.searchsorted(self.trades, rest))

    def part(self, start: int, end: int, rounds: int) -> memoryview:
        """Return the bytes of frames `start` to `end`, after `rounds` rounds of all of them."""
        events = start * EVENTS_A_FRAME, end * EVENTS_A_FRAME
        first = rounds * self.frames * EVENTS_A_FRAME
        _renew(
            self.wire,
            self._times,
            self.trades,
            self._reports,
            self._ids,
            events,
            first,
            self._rate,
        )
        return memoryview(self.wire)[self.ends[start] : self.ends[end]]


def _places(pattern: re.Pattern[bytes], blob: bytes) -> Array:
    return np.array([found.end() for found in pattern.finditer(blob)], np.int64)
