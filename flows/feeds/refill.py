"""Between the queue and the dataflow: what the socket did not send is fetched and goes first.

At the start the last minutes are fetched, after an outage what it hid, for a symbol that is
newly watched its last minutes. A refill ends with the first live print, which shows that REST
has caught up; while none comes after an outage, what is listed of it goes on early. Live frames
wait meanwhile: one batch here, the rest in the bounded queue. Nothing here waits for an answer,
so the dataflow can stop at any moment. What cannot be had in time is on record as not refilled,
and the live frames go on without it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence, Sized
from typing import NamedTuple

import msgspec

from flows.feeds.capture_lines import Item
from flows.feeds.earlier import Earlier
from flows.feeds.feed_state import FeedState
from flows.feeds.fetch import Fetch, Wanted
from flows.feeds.frame_queue import event_times_ns
from flows.feeds.gaps import START, WARM_UP_NS
from flows.feeds.holes import (
    RESTART,
    Hole,
    RefillLimits,
    is_newly_watched,
    is_outage,
    is_whole_market,
)
from flows.feeds.rest import Rest
from flows.feeds.seam import Seam, has_print, without_quotes
from flows.feeds.subscriptions import QUOTES, named
from operators.records import Coverage
from operators.ticks import LATE, MS, WARMING, Frames, Refill

VERSION = 1  # of FeedPosition
_MINUTE_NS = 60 * 10**9


class FeedPosition(NamedTuple):
    """Event time of the last live event handed on, as a run leaves it to the next."""

    version: int
    event_ns: int


class Refiller:
    """Pass on what the queue gives, each gap with what was fetched for it.

    Args:
        rest: whom to ask.
        symbols: the symbols watched now; of the whole market nothing is refilled.
        state: of the live feed.
        said: gets a sentence when something cannot be refilled.
        resumed_ns: event time up to which an earlier run has seen the feed, if known.
        limits: what is refilled at most.
        earlier: an earlier run that saved nothing, if there was one.
        goes_on: a run to come resumes this one, and will fetch what is open in the end.
    """

    def __init__(
        self,
        rest: Rest,
        symbols: Callable[[], Iterable[str]],
        state: FeedState,
        said: Callable[[str], None],
        resumed_ns: int | None = None,
        limits: RefillLimits | None = None,
        earlier: Earlier | None = None,
        goes_on: bool = False,
    ) -> None:
        self._rest = rest
        self._symbols = symbols
        self._state = state
        self._said = said
        self._limits = limits or RefillLimits()
        self._held: deque[Frames | Coverage] = deque()
        self._ready: deque[Item] = deque()
        self._event_ns = resumed_ns
        self._last = b""
        self._goes_on = goes_on
        self._hole: Hole | None = _first_hole(resumed_ns, earlier)
        self._newly: dict[str, Coverage] = {}  # watched newly, no print of them has come yet

    @property
    def fetching(self) -> bool:
        """Whether a refill is on its way: nothing more is to be taken from the queue."""
        return self._hole is not None and self._hole.fetch is not None

    def await_refill(self, seconds: float) -> None:
        """Wait for the refill on its way, so long at most."""
        if self._hole is not None and self._hole.fetch is not None:
            self._hole.fetch.wait(seconds)

    def through(self, taken: Iterable[Frames | Coverage], ended: bool = False) -> list[Item]:
        """Return what can go on now, in order.

        Args:
            taken: what the queue gave.
            ended: no more will come: what is open stays unrefilled.
        """
        before = len(self._held)
        self._held.extend(taken)
        if len(self._held) == before:
            self._look_for_silence()
        out: list[Item] = []
        while not (ended and self._is_left_open()) and self._advance(ended):
            if self._ready:
                out.append(self._ready.popleft())
                if isinstance(out[-1], Refill) and not ended:
                    return out  # one at a time: they are large
            elif self._hole is None and self._held:
                self._pass_on(self._held.popleft(), out)
        if ended:
            out += self._newly.values()
            self._newly.clear()
        return out

    def _is_left_open(self) -> bool:
        """Whether the run to come fetches what is missing, and what came after it."""
        return self._goes_on and self._hole is not None and not self._ready

    def position(self) -> FeedPosition | None:
        """Return how far the feed has been handed on; None before its first event.

        What is fetched of a gap or a start is none: a run that is resumed within it fetches all
        of it again, and the operators drop what they have had.
        """
        times = event_times_ns(self._last)
        if times:
            self._event_ns = times[-1]
        return None if self._event_ns is None else FeedPosition(VERSION, self._event_ns)

    def _advance(self, ended: bool) -> bool:
        """Move an open hole on; return whether there is something to pass on."""
        hole = self._hole
        if self._ready or hole is None:
            return bool(self._ready or self._held)
        if hole.fetch is not None:
            if not (hole.fetch.wait(0) or ended):
                return False
            self._finish(hole, hole.fetch, tell=not ended)
        elif self._sets_in(hole) and not ended:
            self._begin(hole)
        elif ended:
            self._leave(hole, "")
        elif hole.waiting > self._limits.waiting_bytes:
            self._leave(hole, "no print has come since")
        elif hole.anchored_s is not None:
            hole.give_up_early()
            return False
        elif hole.early is not None:
            return self._hand_on(hole, hole.early)
        else:
            if self._state.subscribed_ns and hole.is_quiet(self._limits.quiet_s):
                self._begin_early(hole)
            return False
        return True

    def _look_for_silence(self) -> None:
        """Open a hole, or look at it anew, where the feed stands again and nothing comes."""
        unseen_ns = self._state.unseen_ns
        if unseen_ns is None:
            return
        if self._hole is None and not self._held and not self._ready:
            self._hole = Hole("", unseen_ns[0], unseen_ns=unseen_ns)
        elif self._hole is not None and self._hole.unseen_ns not in (None, unseen_ns):
            self._hole.await_again()
            self._hole.unseen_ns = unseen_ns

    def _pass_on(self, item: Frames | Coverage, out: list[Item]) -> None:
        if isinstance(item, Frames):
            item = self._up_to_first_print(item) if self._newly else item
            if item.frames:
                self._last = item.frames[-1]
                out.append(item)
        elif is_outage(item):
            self._hole = Hole(item.cause, item.from_ns, item)
        elif is_newly_watched(item):
            self._newly[item.symbol] = item
        else:
            out.append(item)

    def _up_to_first_print(self, item: Frames) -> Frames:
        """Return the frames before the first print of a newly watched symbol; hold the rest."""
        for i, frame in enumerate(item.frames):
            for symbol in self._newly:
                if has_print(frame, symbol):
                    self._held.appendleft(_cut(item, i, None))
                    record = self._newly.pop(symbol)
                    self._hole = Hole(record.cause, None, record, symbol, Seam(symbol))
                    return _cut(item, None, i)
        return item

    def _sets_in(self, hole: Hole) -> bool:
        """Look at what is held since; return whether the first print is among it."""
        while hole.looked_at < len(self._held):
            item = self._held[hole.looked_at]
            if isinstance(item, Coverage) and is_outage(item):
                if hole.only:
                    return True  # that outage is of every symbol, and comes next
                self._widen(hole, item)
                continue
            if isinstance(item, Coverage) and hole.cause == START and is_newly_watched(item):
                del self._held[hole.looked_at]  # the start is that of every symbol
                continue
            hole.looked_at += 1
            if isinstance(item, Frames) and self._look(hole, item):
                return True
        return hole.is_settled(self._limits.settle_s)

    def _look(self, hole: Hole, item: Frames) -> bool:
        since = self._state.subscribed_ns
        whole_market = is_whole_market(self._symbols())
        for received_ns, frame in zip(item.received_ns, item.frames, strict=True):
            hole.look_at(frame, hole.only is not None or 0 < since <= received_ns)
            if hole.is_settled(self._limits.settle_s) or whole_market:
                return True
        return False

    def _widen(self, hole: Hole, again: Coverage) -> None:
        """Take in an outage that came before the first print: the live feed sets in after it."""
        del self._held[hole.looked_at]
        hole.relived = hole.looked_at
        hole.begin_seam()
        if hole.unseen_ns is not None:  # it is the same
            hole.cause, hole.record, hole.unseen_ns = again.cause, again, None
            return
        hole.await_again()
        if hole.record is not None:
            hole.record = msgspec.structs.replace(hole.record, to_ns=again.to_ns)

    def _begin(self, hole: Hole) -> None:
        """Ask for what is missing, if it is not too much."""
        anchor, symbols = hole.seam.anchor, tuple(self._symbols())
        if anchor is None or is_whole_market(symbols):
            self._leave(hole, "")
            return
        # A newly watched symbol is fetched by itself, once it prints.
        symbols = (hole.only,) if hole.only else tuple(s for s in symbols if s not in self._newly)
        ends_ns = anchor.ms * MS
        if hole.cause == RESTART and self._is_too_much(symbols, hole.from_ns, ends_ns):
            self._begin_anew(hole, ends_ns)
        if hole.from_ns is None:
            hole.origin = WARMING
            hole.from_ns = ends_ns - WARM_UP_NS
        if self._is_too_much(symbols, hole.from_ns, ends_ns):
            self._leave(hole, f"{len(symbols)} symbols are too many for so long a time")
            return
        limits = self._limits
        patience_s = limits.symbol_patience_s if hole.only else limits.patience_s
        from_ns = min(hole.from_ns, ends_ns)
        wanted = Wanted(
            self._with_quotes(symbols), from_ns, hole.seam, given=hole.given, seen_ns=hole.seen_ns
        )
        hole.fetch = Fetch(self._rest, wanted, patience_s, limits.longest_s)
        hole.give_up_early()

    def _with_quotes(self, symbols: Iterable[str]) -> dict[str, bool]:
        """Return for each symbol whether its quotes are to be had."""
        refused = self._state.topics_refused
        return {symbol: f"{QUOTES}.{symbol}" not in refused for symbol in symbols}

    def _begin_early(self, hole: Hole) -> None:
        """Ask for what is listed of a gap while no print comes."""
        hole.asked_early = True
        symbols = tuple(s for s in self._symbols() if s not in self._newly)
        from_ns, to_ns = hole.from_ns, hole.ends_ns(self._state.subscribed_ns)
        if from_ns is None or hole.only or is_whole_market(symbols):
            return
        if self._is_too_much(symbols, from_ns, to_ns):
            return
        with_quotes = self._with_quotes(symbols)
        to_ns += int(self._limits.ahead_s * 1e9)
        wanted = Wanted(with_quotes, from_ns, Seam(), to_ns, hole.given, hole.seen_ns)
        hole.early = Fetch(self._rest, wanted, self._limits.patience_s)

    def _hand_on(self, hole: Hole, early: Fetch) -> bool:
        """Take what was fetched early, once it is there; return whether there is something.

        Nothing is put on record: what is missing is fetched again with the first print.
        """
        if not early.wait(0):
            return False
        hole.give_up_early()
        wanted, now = early.wanted, time.time_ns()
        for symbol, frames in dict(early.frames).items():
            if frames or hole.seen_ns:
                self._warm(hole, early, symbol, now)
                since_ns = max(wanted.from_ns, hole.seen_ns)
                self._ready.append(Refill(symbol, LATE, since_ns, wanted.to_ns, now, frames))
                hole.given.setdefault(symbol, set()).update(early.prints[symbol])
        return bool(self._ready)

    def _warm(self, hole: Hole, fetch: Fetch, symbol: str, now_ns: int) -> None:
        """Hand on, once, what an earlier run had seen of a symbol."""
        if hole.seen_ns and symbol not in hole.given:
            seen = fetch.wanted.from_ns, hole.seen_ns, now_ns, fetch.earlier[symbol]
            self._ready.append(Refill(symbol, WARMING, *seen))

    def _is_too_much(self, symbols: Sized, from_ns: int | None, to_ns: int) -> bool:
        minutes = 0.0 if from_ns is None else (to_ns - from_ns) / _MINUTE_NS
        return len(symbols) * minutes > self._limits.symbol_minutes

    def _begin_anew(self, hole: Hole, ends_ns: int) -> None:
        """Give up the time since the last run, but for the minutes of a start."""
        from_ns = hole.seen_ns or hole.from_ns or 0
        self._ready.append(Coverage("*", from_ns, ends_ns - WARM_UP_NS, RESTART, False))
        hole.from_ns, hole.seen_ns = None, 0

    def _finish(self, hole: Hole, fetch: Fetch, tell: bool) -> None:
        """Take what was fetched; put what was not on record."""
        fetch.end()
        now = time.time_ns()
        record = hole.coverage()
        if hole.origin == WARMING:
            from_ns = min(max(record.from_ns, fetch.wanted.from_ns), record.to_ns)
            record = msgspec.structs.replace(record, from_ns=from_ns)
        frames = dict(fetch.frames)
        symbols = list(fetch.wanted.symbols)
        whole = [symbol for symbol in symbols if symbol in frames]
        missing = [symbol for symbol in symbols if symbol not in frames]
        if missing and tell:
            self._tell(hole, f"{fetch.reason}; missing is {named(missing)}")
        if hole.origin == WARMING and tell:
            self._tell_of_strangers(fetch, whole)
        if not whole or not missing:
            self._ready.append(msgspec.structs.replace(record, refilled=not missing))
        else:
            self._ready.extend(
                msgspec.structs.replace(record, symbol=symbol, refilled=symbol in frames)
                for symbol in symbols
            )
        self._leave_out_quotes(hole, frozenset(whole))
        for symbol in whole:
            self._warm(hole, fetch, symbol, now)
            from_ns = max(fetch.wanted.from_ns, hole.seen_ns)
            self._ready.append(
                Refill(symbol, hole.origin, from_ns, record.to_ns, now, frames[symbol])
            )
        self._hole = None

    def _leave_out_quotes(self, hole: Hole, symbols: frozenset[str]) -> None:
        """Leave out of what is relived the quotes of some symbols: newer ones go before it."""
        for i in range(hole.relived):
            item = self._held[i]
            if isinstance(item, Frames):
                left = [without_quotes(frame, symbols) for frame in item.frames]
                self._held[i] = item._replace(frames=left)

    def _tell_of_strangers(self, fetch: Fetch, symbols: Sequence[str]) -> None:
        """Name symbols of which there is nothing at all while others trade: none may be meant."""
        silent = [
            symbol
            for symbol in symbols
            if fetch.wanted.symbols[symbol] and not fetch.frames[symbol]
        ]
        if silent and len(silent) < len(symbols):
            self._said(
                f"No trade and no quote of {named(silent)} in the minutes before the start: "
                "check the spelling if it should be active."
            )

    def _leave(self, hole: Hole, reason: str) -> None:
        """Put a hole on record as it is."""
        hole.give_up_early()
        if reason:
            self._tell(hole, reason)
        if hole.record is not None or hole.seam.first_ms is not None:
            self._ready.append(hole.coverage())
        self._hole = None

    def _tell(self, hole: Hole, reason: str) -> None:
        what = "The gap" if hole.origin == LATE else "The time before it was watched"
        self._said(f"{what} is not refilled ({hole.cause}): {reason}. Its windows begin anew.")


def _first_hole(resumed_ns: int | None, earlier: Earlier | None) -> Hole:
    """Return what is missing when a run begins."""
    if resumed_ns is not None:
        return Hole(RESTART, resumed_ns)
    if earlier is None:
        return Hole(START, None)
    return Hole(RESTART, earlier.from_ns, seen_ns=earlier.seen_ns)


def _cut(item: Frames, start: int | None, end: int | None) -> Frames:
    part = slice(start, end)
    return item._replace(received_ns=item.received_ns[part], frames=item.frames[part])
