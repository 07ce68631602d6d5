"""Holes of a live feed: what it did not send, why, and how much of it is fetched."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from flows.feeds.fetch import Fetch
from flows.feeds.gaps import START, WARM_UP_NS
from flows.feeds.rest_wire import Key
from flows.feeds.seam import Seam
from flows.feeds.subscriptions import WHOLE_MARKET
from operators.records import SHED, UNSUBSCRIBED, Coverage
from operators.ticks import LATE, MS

RESTART = "restart"


@dataclass(frozen=True)
class RefillLimits:
    """What is refilled at most.

    Args:
        patience_s: how long live frames wait for a refill of which no symbol comes.
        longest_s: how long they wait for one that comes, symbol by symbol.
        symbol_patience_s: how long they wait for that of a symbol that is newly watched.
        quiet_s: how long the first print behind a gap is awaited, before what is listed of the gap
            until then goes on without it.
        settle_s: how long the few events behind the first print are awaited, which tell whether it
            is an old one.
        ahead_s: how far beyond the time reckoned a gap may reach: a tape may be played fast.
        symbol_minutes: symbols times minutes of a gap; the rest is only put on record.
        waiting_bytes: frames that are held while the first print behind a gap is awaited.
    """

    patience_s: float = 15.0
    longest_s: float = 30.0
    symbol_patience_s: float = 3.0
    quiet_s: float = 2.0
    settle_s: float = 0.05
    ahead_s: float = 0.0
    symbol_minutes: float = 3000.0
    waiting_bytes: int = 32 * 2**20


@dataclass
class Hole:
    """What is to be refilled: from when (None: the minutes before the live feed), and why.

    `record` is the feed's own, if it has one. `only`: the one symbol it is about. `unseen_ns`:
    of a gap the feed has not put on record yet. `relived`: items held from before the feed was gone
    once more, whose time is fetched, too. `since_s`: when it began to wait for a print.
    `early`: what is fetched while none comes, `given` the prints of it that have been handed on.
    `seen_ns`: a run before, which left no state, saw the feed from then on. `anchored_s`: when
    the first print behind it was found.
    """

    cause: str
    from_ns: int | None
    record: Coverage | None = None
    only: str | None = None
    seam: Seam = field(default_factory=Seam)
    looked_at: int = 0  # of what is held
    relived: int = 0
    waiting: int = 0  # bytes of frames looked at
    origin: int = LATE
    fetch: Fetch | None = None
    unseen_ns: tuple[int, int] | None = None
    since_s: float = field(default_factory=time.monotonic)
    asked_early: bool = False
    early: Fetch | None = None
    given: dict[str, set[Key]] = field(default_factory=dict)
    seen_ns: int = 0
    anchored_s: float | None = None

    def is_quiet(self, quiet_s: float) -> bool:
        """Return whether its first print has been awaited so long, and nothing fetched early."""
        return not self.asked_early and time.monotonic() - self.since_s > quiet_s

    def await_again(self) -> None:
        """Begin to wait anew: the feed was gone once more."""
        self.give_up_early()
        self.asked_early, self.since_s = False, time.monotonic()

    def give_up_early(self) -> None:
        """Have no more of what is being fetched early."""
        if self.early is not None:
            self.early.end()
            self.early = None

    def look_at(self, frame: bytes, subscribed: bool) -> None:
        """Take a frame behind it into account."""
        self.waiting += len(frame)
        is_anchored = self.seam.add(frame, subscribed, (self.from_ns or 0) // MS)
        if is_anchored and self.anchored_s is None:
            self.anchored_s = time.monotonic()

    def is_settled(self, settle_s: float) -> bool:
        """Return whether a first print is known, and the few events behind it have come."""
        if self.anchored_s is None:
            return False
        return self.seam.settled or time.monotonic() - self.anchored_s >= settle_s

    def begin_seam(self) -> None:
        """Look for where the feed sets in anew."""
        self.seam, self.anchored_s = Seam(), None

    def ends_ns(self, subscribed_ns: int) -> int:
        """Return when the live feed stood again, as far as it is known: what is later it sends."""
        if self.record is not None:
            return self.record.to_ns
        return subscribed_ns if self.unseen_ns is None else self.unseen_ns[1]

    def coverage(self) -> Coverage:
        """Return its record, not refilled."""
        if self.record is not None:
            return self.record
        to_ns = (self.seam.first_ms or 0) * MS
        from_ns = to_ns - WARM_UP_NS if self.from_ns is None else self.seen_ns or self.from_ns
        return Coverage("*", min(from_ns, to_ns), to_ns, self.cause, refilled=False)


def is_outage(record: Coverage) -> bool:
    """Return whether the feed itself was gone; what was shed is not asked for again."""
    return record.symbol == "*" and record.cause != SHED


def is_newly_watched(record: Coverage) -> bool:
    """Return whether a symbol is watched from here on."""
    return record.symbol != "*" and record.cause in (START, UNSUBSCRIBED)


def is_whole_market(symbols: Iterable[str]) -> bool:
    """Return whether every symbol is watched."""
    return not set(WHOLE_MARKET).isdisjoint(symbols)
