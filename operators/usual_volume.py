"""What a minute's volume is held against in adaptive mode: the usual, not only the recent.

Volume has its hours. Against the five minutes before alone, an ordinary minute after a lull is
a burst, and so is every close. The baseline of adaptive mode is the largest of three averages a
minute: that of the five minutes before, as in fixed mode; those five minutes carried on along
the symbol's curve of the day, c(t) = usual minute now / usual minute then, where volume rises
(c < 1 counts as 1); and the usual minute at this time of day. Without a curve (`FEWEST_SESSIONS`
sessions make one) the day's own mean minute so far stands for the usual, and nothing can be said
in the first six and the last five minutes of the market's day, nor of an early close.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import numpy as np
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream

from operators.columns import columns
from operators.eligibility import DAY_STARTS_MS, NO_DAY, WINDOW_S
from operators.kernels import kernel, step
from operators.learned import EPOCH, History, Trailing, VolumeDay
from operators.nbbo import PRINT, Prints
from operators.rolling_volume import CURRENT_S, NOT_YET, VOLUME
from operators.sessions import DAY_MS, Sessions
from operators.sparse import Sparse
from operators.state import Snapshot, SymbolRows, blank
from operators.ticks import MS, Array, Row
from operators.verdicts import COUNTED, GAP_MARK, OUT_OF_ORDER, SEEN_MARK
from operators.volume_curve import (
    BUCKET_S,
    BUCKETS_A_DAY,
    UNKNOWN,
    day_bounds,
    span_of,
    usual_volumes,
)

VERSION = 1
BASELINE_S = WINDOW_S - CURRENT_S
OPENING_MS, CLOSING_MS = WINDOW_S * 1000, BUCKET_S * 1000
MOST = 4e18  # what 64 bits hold

STATE = np.dtype(
    [
        ("first_ms", np.int64),  # as of rolling volume: seen whole since then, or NOT_YET
        ("total", np.int64),  # volume since then, 1e-6 share
        ("midnight_ms", np.int64),  # of the day in New York
        ("open_ms", np.int64),
        ("close_ms", np.int64),
        ("since_ns", np.int64),  # first counted print of the day
        ("day", np.int32),
        ("low", np.int32),  # first and
        ("high", np.int32),  # last five minutes of the day that were seen
        ("short", np.uint8),  # the day ends early
    ],
    align=True,
)


@step
def _day(ms: int) -> int:
    return int((ms - DAY_STARTS_MS) // DAY_MS)


@step
def _bucket(mine: Row, second: int) -> int:
    return int((second - mine["midnight_ms"] // 1000) // BUCKET_S % BUCKETS_A_DAY)


@step
def _usual(mine: Row, usual: Array, code: int, second: int, seconds: int, first: int) -> int:
    """Return 300 times the usual volume of so many seconds, -1 where it is not known."""
    total, at, end = 0, second, second + seconds
    while at < end:
        bucket = _bucket(mine, at) - first
        if bucket < 0 or bucket >= usual.shape[1] or usual[code, bucket] < 0:
            return -1
        passed = (at - mine["midnight_ms"] // 1000) % BUCKET_S
        stop = min(end, at + BUCKET_S - passed)
        total += usual[code, bucket] * (stop - at)
        at = stop
    return total


@step
def _is_opening(mine: Row, ms: int) -> bool:
    return bool(mine["open_ms"] <= ms < mine["open_ms"] + OPENING_MS)


@step
def _is_closing(mine: Row, ms: int) -> bool:
    return bool(mine["close_ms"] - CLOSING_MS <= ms < mine["close_ms"])


@step
def _expected(mine: Row, volume: Row, usual: Array, code: int, ms: int, first: int) -> int:
    """Return what five minutes should hold by all that is known; 0: nothing can be said."""
    second = ms // 1000
    recent = volume["baseline"]
    now = _usual(mine, usual, code, second - CURRENT_S + 1, CURRENT_S, first)
    if now >= 0 and not (mine["short"] and _is_closing(mine, ms)):
        expected = max(recent, now // CURRENT_S)
        then = _usual(mine, usual, code, second - WINDOW_S + 1, BASELINE_S, first)
        if then > 0:
            carried = float(recent) * (5.0 * now) / float(then)
            expected = max(expected, np.int64(min(carried, MOST)))
        return int(expected)
    if _is_opening(mine, ms) or _is_closing(mine, ms):
        return 0
    seconds = second - CURRENT_S + 1 - mine["first_ms"] // 1000
    mean = float(mine["total"] - volume["current"]) * BASELINE_S / max(seconds, 1)
    return int(max(recent, np.int64(min(mean, MOST))))


@step
def _add(mine: Row, today: Array, code: int, second: int, size: int, first: int) -> None:
    bucket = _bucket(mine, second) - first
    if 0 <= bucket < today.shape[1]:
        today[code, bucket] += size
        mine["low"] = min(mine["low"], bucket)
        mine["high"] = max(mine["high"], bucket)


@kernel
def _expect(
    rows: Array,
    verdict: Array,
    resets: Array,
    state: Array,
    today: Array,
    usual: Array,
    first: int,
    start: int,
    out: Array,
) -> int:
    """Go on at print `start`; stop where a symbol's day begins, and return where."""
    for i in range(start, len(rows)):
        code = rows[i]["symbol"]
        mine = state[code]
        ms = rows[i]["ts_ns"] // MS
        if resets[i]:
            mine["first_ms"] = NOT_YET
        if verdict[i] == COUNTED:
            if _day(ms) > mine["day"]:
                return i
            if mine["first_ms"] == NOT_YET:
                mine["first_ms"] = ms
                mine["total"] = 0
            mine["total"] += rows[i]["size"]
            _add(mine, today, code, ms // 1000, rows[i]["size"], first)
            if out[i]["warm"] and out[i]["baseline"] > 0:
                out[i]["baseline"] = _expected(mine, out[i], usual, code, ms, first)
        elif verdict[i] == OUT_OF_ORDER:
            mine["total"] += rows[i]["size"]
            if _day(ms) == mine["day"]:
                _add(mine, today, code, ms // 1000, rows[i]["size"], first)
        elif verdict[i] == GAP_MARK:
            mine["first_ms"] = NOT_YET
        elif verdict[i] == SEEN_MARK:
            mine["first_ms"] = ms
            mine["total"] = 0
    return len(rows)


class UsualVolume:
    """Put beside each print what its minute is held against, and learn the symbol's curve."""

    def __init__(
        self, sessions: Sessions, known: History[VolumeDay], saved: Snapshot | None = None
    ) -> None:
        self._sessions, self._trailing = sessions, Trailing(known)
        self._first, self._buckets = span_of(sessions)
        self._state = SymbolRows(blank(STATE, first_ms=NOT_YET, day=NO_DAY), saved, VERSION)
        self._today = np.zeros((0, self._buckets), np.int64)
        self._usual = np.zeros((0, self._buckets), np.int64)
        parts = (saved.parts[:7], saved.parts[7:]) if saved is not None else (None, None)
        self._saved_today, self._saved_usual = map(Sparse.of_parts, parts)

    def __call__(self, chunk: Prints) -> Prints:
        """Return `chunk` with `expected`, rows of VOLUME, and `learned`, days that ended."""
        self._bind(chunk.names)
        chunk.expected = chunk.volume.copy()
        at = 0
        while True:
            at = _expect(
                chunk.rows,
                chunk.verdict,
                chunk.resets,
                self._state.rows,
                self._today,
                self._usual,
                self._first,
                at,
                chunk.expected,
            )
            if at == len(chunk):
                return chunk
            row = chunk.rows[at]
            over = self._turn(int(row["symbol"]), int(row["ts_ns"]))
            chunk.learned = (*chunk.learned, *over)

    def _bind(self, names: list[str]) -> None:
        restored = self._state.bind(names)
        if len(self._state.rows) > len(self._today):
            more = len(self._state.rows) - len(self._today)
            fresh = np.zeros((more, self._buckets), np.int64)
            self._today = np.concatenate([self._today, fresh])
            self._usual = np.concatenate([self._usual, fresh + UNKNOWN])
        for row, saved_row in restored:
            for counts, saved in (
                (self._today, self._saved_today),
                (self._usual, self._saved_usual),
            ):
                places, values = saved.counts[saved_row]
                counts[row, places] += values

    def _turn(self, code: int, ts_ns: int) -> list[VolumeDay]:
        """Begin a symbol's day; return what the one before it taught, if there was one."""
        over = self._days([code])
        for part in over:
            self._trailing.add(part)
        mine, day = self._state.rows[code], _day(ts_ns // MS)
        mine["day"], mine["since_ns"] = day, ts_ns
        bounds = day_bounds(self._sessions, EPOCH + timedelta(days=day))
        mine["midnight_ms"], mine["open_ms"], mine["close_ms"], mine["short"] = bounds
        mine["low"], mine["high"] = self._buckets, -1
        self._today[code] = 0
        past = self._trailing.before(self._state.names[code], day)
        self._usual[code] = usual_volumes(past, self._first, self._buckets)
        return over

    def _days(self, codes: Iterable[int]) -> list[VolumeDay]:
        """Return what the symbols' days have taught so far."""
        days = []
        for code in codes:
            mine = self._state.rows[code]
            low, high = int(mine["low"]), int(mine["high"])
            if mine["day"] != NO_DAY and low <= high:
                name, day, since_ns = self._state.names[code], int(mine["day"]), mine["since_ns"]
                volumes = self._today[code, low : high + 1].copy()
                days.append(VolumeDay(name, day, int(since_ns), self._first + low, volumes))
        return days

    def finish(self) -> Prints | None:
        """Return a chunk without prints, with what the days that are not over taught so far.

        Nothing is forgotten: a run that goes on says the whole day again.
        """
        names = self._state.every_name()
        self._bind(names)
        days = self._days(range(len(names)))
        if not days:
            return None
        return Prints(names, np.empty(0, PRINT), {}, [], volume=np.empty(0, VOLUME), learned=days)

    def snapshot(self) -> Snapshot:
        """Return the state to save: rows, and of the volumes those that are not zero."""
        rows, waiting = len(self._state.names), self._state.waiting()
        none = [None] * rows
        today = Sparse.of_rows(self._today[:rows], none)
        usual = Sparse.of_rows(self._usual[:rows] - UNKNOWN, none)
        return self._state.snapshot(
            (
                *today.followed_by(self._saved_today, waiting).parts(),
                *usual.followed_by(self._saved_usual, waiting).parts(),
            )
        )


@operator
def usual_volume(
    step_id: str, up: KeyedStream[Prints], sessions: Sessions, known: History[VolumeDay]
) -> KeyedStream[Prints]:
    """Add what each minute is held against: the usual volume, not only the recent.

    Args:
        step_id: Name of the step, and the key of its saved state.
        up: `(shard, chunk)`, with verdicts and volume, in arrival order.
        sessions: What is admitted: the hours of the curve.
        known: What past sessions taught, by symbol; days that are not over are not used.

    Returns:
        `(shard, chunk)` with `expected`, and `learned` where a symbol's day is over.

    Source:
        detectors.md section 6; the curve is the page's 20-day mean, the formula ours.
    """
    return columns("columns", up, lambda saved: UsualVolume(sessions, known, saved))
