"""Adaptive mode of the reference: a symbol's own sizes and its usual volume, kept as plain lists.

Where detectors.md leaves room, this is how it is read, beside the letters of reference.py:
(n) A parent enters the symbol's sizes when it is over: at the next print with a certain side that
    does not join it, or at a reset; buyers and sellers alike. On a plan without quotes every print
    that the tick rule gives a side enters, once it has been judged.
(o) What "the 99.9th percentile" lets through is at most one parent in 1,000, and no more than one
    in 20 minutes of trading time (from print to print with a side, within a phase).
(p) Sizes are told apart by the edges 1,000 x (101/99)^k shares; the threshold is an edge.
(q) Below 500 parents the fixed size is a floor beside what has been seen.
(r) Past sessions that hold 500 parents decide all day; otherwise the day's parents join them. The
    newest 20 sessions count. A day begins at 05:00 UTC, with the symbol's first print of it that
    has a side (sizes) or counts (volume).
(s) A minute is held against the largest of: the five minutes before; those times the usual volume
    of this minute over that of theirs; the usual volume of this minute. Usual is the mean of each
    five minutes of the day over the sessions that saw it, at least 5; else the mean minute since
    the symbol is whole, except in the first six and last five minutes of the market's day and
    before an early close, when there is no ratio.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import Counter
from datetime import date, time, timedelta
from fractions import Fraction

from tests.reference_rules import Print, Rules, exact
from tests.reference_sessions import CLOSE, OPEN, early_close, epoch_ms, is_trading_day
from tests.reference_tape import MICRO

DAY_MS, FIVE_HOURS_MS = 86_400_000, 18_000_000
SESSIONS = 20
EDGES = [1_000 * MICRO]
while EDGES[-1] < 10**9 * MICRO:
    EDGES.append(int(1_000 * MICRO * Fraction(101, 99) ** len(EDGES)))


def day_of(ms: int) -> int:
    return (ms - FIVE_HOURS_MS) // DAY_MS


class OwnSizes:
    """Sizes of the parents that are over, in micro-shares, and what is large by them."""

    def __init__(self, rules: Rules) -> None:
        self.learns = rules.adaptive
        self.large = int(exact(rules.large_order_size) * MICRO)
        self.past: list[tuple[list[int], int]] = []  # sizes and trading time of each session
        self.today: list[int] = []
        self.span_ms = 0
        self.day: int | None = None
        self.seen_ms: int | None = None
        self.threshold, self.percentile = self.large, None  # type: tuple[int, float | None]

    def see(self, ms: int) -> None:
        """A print with a side: perhaps of a new day."""
        if not self.learns:
            return
        if self.day is None or day_of(ms) > self.day:
            if self.day is not None and self.today:
                self.past = [*self.past, (self.today, self.span_ms)][-SESSIONS:]
            self.day, self.today, self.span_ms = day_of(ms), [], 0
            self._judge()
        if self.seen_ms is not None:
            self.span_ms += ms - self.seen_ms
        self.seen_ms = ms

    def over(self, size: int) -> None:
        """A parent ends."""
        if not self.learns:
            return
        insort(self.today, size)
        if not self._settled():
            self._judge()

    def _settled(self) -> bool:
        return sum(len(sizes) for sizes, _ in self.past) >= 500

    def _judge(self) -> None:
        parts = self.past if self._settled() else [*self.past, (self.today, self.span_ms)]
        sizes = parts[0][0] if len(parts) == 1 else sorted(s for part, _ in parts for s in part)
        allowed = min(len(sizes) // 1000, sum(span for _, span in parts) // 1_200_000)
        rank = len(sizes) - 1 - allowed  # of the first that is not let through
        edge = bisect_right(EDGES, sizes[rank]) if sizes else 0
        self.threshold = EDGES[min(edge, len(EDGES) - 1)]
        self.percentile = None
        if len(sizes) < 500:
            self.threshold = max(self.threshold, self.large)
        else:
            top = sum(min(bisect_right(EDGES, s), len(EDGES) - 1) > edge for s in sizes[rank:])
            self.percentile = round(100 * (len(sizes) - top) / len(sizes), 3)


class UsualVolume:
    """Volume of each five minutes of the day, by session, and what a minute is held against."""

    def __init__(self, rules: Rules) -> None:
        self.learns = rules.adaptive
        self.sessions = rules.sessions
        self.past: list[Counter[int]] = []
        self.today: Counter[int] = Counter()
        self.day: int | None = None
        self.midnight_s = 0
        self._means: dict[int, int | None] = {}  # by bucket, of the day
        self.total = 0  # since the symbol is whole

    def begin(self) -> None:
        self.total = 0

    def add(self, p: Print) -> None:
        """A counted print."""
        if not self.learns:
            return
        if self.day is None or day_of(p.ms) > self.day:
            if self.day is not None and self.today:
                self.past = [*self.past, self.today][-SESSIONS:]
            self.day, self.today = day_of(p.ms), Counter()
            self._means = {}
            self.midnight_s = epoch_ms(self._date(), time()) // 1000
        self.add_behind(p)

    def add_behind(self, p: Print) -> None:
        """Any print that has volume."""
        self.total += p.size
        if day_of(p.ms) == self.day:
            self.today[self._bucket(p.second)] += p.size

    def expected(self, p: Print, current: int, before: int, whole_from_ms: int) -> int:
        """Return what five minutes should hold, 0 where nothing can be said."""
        now, then = self._usual(p.second - 59, 60), self._usual(p.second - 359, 300)
        opened, closed, early = self._market()
        opening, closing = opened <= p.ms < opened + 360_000, closed - 300_000 <= p.ms < closed
        if now is not None and not (early and closing):
            carried = float(before) * (5.0 * now) / float(then) if then else 0
            return max(before, now // 60, int(carried))
        if opening or closing:
            return 0
        seconds = p.second - 59 - whole_from_ms // 1000
        return max(before, int(float(self.total - current) * 300 / max(seconds, 1)))

    def _date(self) -> date:
        assert self.day is not None
        return date(1970, 1, 1) + timedelta(days=self.day)

    def _market(self) -> tuple[int, int, bool]:
        day = self._date()
        if self.sessions == "all" or not is_trading_day(day):
            return 0, 0, False
        early = early_close(day)
        return epoch_ms(day, OPEN), epoch_ms(day, early or CLOSE), early is not None

    def _bucket(self, second: int) -> int:
        return (second - self.midnight_s) // 300 % 288

    def _usual(self, second: int, seconds: int) -> int | None:
        """Return 300 times the usual volume of so many seconds, second by second."""
        total = 0
        for at in range(second, second + seconds):
            mean = self._mean(self._bucket(at))
            if mean is None:
                return None
            total += mean
        return total

    def _mean(self, bucket: int) -> int | None:
        if bucket not in self._means:
            seen = [day[bucket] for day in self.past if min(day) <= bucket <= max(day)]
            self._means[bucket] = sum(seen) // len(seen) if len(seen) >= 5 else None
        return self._means[bucket]
