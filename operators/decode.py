"""Whatever a feed hands on, as ticks: the first step of the dataflow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import bytewax.operators as op
from bytewax.dataflow import Stream, operator
from bytewax.operators import KeyedStream, StatefulBatchLogic

from operators.frames import Decoder
from operators.freshness import LagRules
from operators.records import SUSPENDED, Coverage, Reject
from operators.ticks import GAP, Frames, Refill, Ticks


@dataclass(frozen=True)
class Decoded:
    """What comes out of a feed: ticks, what was rejected, and what was not seen.

    `rejects` and `coverage` are keyed by symbol (`""` and `*` where there is none).
    """

    ticks: Stream[Ticks]
    rejects: KeyedStream[Reject]
    coverage: KeyedStream[Coverage]


class Past(NamedTuple):
    """An item that a run before this one has taken: it is to be known, and nothing more."""

    item: Frames | Refill | Coverage


Item = Frames | Refill | Ticks | Coverage | Past


class Reader:
    """Turn the items of one feed into ticks, in order.

    A gap of every symbol is one of those, too, that the feed names only after it: their saved
    windows may reach back to before it.
    """

    def __init__(self, lag: LagRules | None = None, depths: bool = False) -> None:
        self._decoder = Decoder(lag, depths)
        self._unseen_ns: int | None = None  # end of the newest gap of every symbol
        self._marked = 0  # names marked since

    def __call__(self, item: Item) -> Iterator[Ticks]:
        """Yield the ticks of an item, marks among them."""
        if isinstance(item, Past):
            for _ in self(item.item):
                pass
            return
        for chunk in self._ticks_of(item):
            if self._unseen_ns is not None and self._marked < len(chunk.names):
                new = chunk.names[self._marked :]
                self._marked = len(chunk.names)
                yield self._decoder.marks(GAP, new, self._unseen_ns)
            yield chunk

    def _ticks_of(self, item: Frames | Refill | Ticks | Coverage) -> Iterator[Ticks]:
        if isinstance(item, Ticks):
            yield item
        elif isinstance(item, Frames):
            yield self._decoder(item)
        elif isinstance(item, Refill):
            yield from self._decoder.refill(item)
        else:
            self._decoder.note(item)
            if not item.refilled:
                yield self._gap(item)

    def _gap(self, item: Coverage) -> Ticks:
        gap = self._decoder.gap(item)
        if item.symbol == "*":
            self._unseen_ns, self._marked = item.to_ns, len(gap.names)
        return gap


class Suspensions:
    """Pass on how each symbol's suspension goes; all else only while one is on.

    Takes chunks, gives `("*", Course)`.
    """

    def __init__(self) -> None:
        self._on: set[str] = set()

    def __call__(self, chunk: Ticks) -> Iterator[tuple[str, Course]]:
        """Yield what a chunk has to say of suspensions."""
        for symbol, change in chunk.suspended.items():
            if change > 0:
                self._on.add(symbol)
            elif change < 0:
                self._on.discard(symbol)
        if len(chunk) and (self._on or chunk.suspended or chunk.coverage):
            since_ns = {s: t for s, t in chunk.since_ns.items() if s in self._on}
            yield "*", Course(int(chunk.ticks[-1]["ts_ns"]), since_ns, chunk.coverage)


class Course(NamedTuple):
    """Event time now, which suspensions began and stay (and since when), and which are over."""

    now_ns: int
    since_ns: dict[str, int]
    over: list[Coverage]


class _Covered(StatefulBatchLogic[Course, Coverage, None]):
    """Put suspensions on record when they are over, and at the end those that are not."""

    def __init__(self) -> None:
        self._since_ns: dict[str, int] = {}
        self._now_ns = 0

    def on_batch(self, values: list[Course]) -> tuple[list[Coverage], bool]:
        said = []
        for course in values:
            for coverage in course.over:
                self._since_ns.pop(coverage.symbol, None)
            self._since_ns |= course.since_ns
            self._now_ns = max(self._now_ns, course.now_ns)
            said += course.over
        return said, StatefulBatchLogic.RETAIN

    def on_eof(self) -> tuple[list[Coverage], bool]:
        still = [
            Coverage(symbol, since_ns, max(since_ns, self._now_ns), SUSPENDED, refilled=False)
            for symbol, since_ns in self._since_ns.items()
        ]
        self._since_ns = {}
        return still, StatefulBatchLogic.RETAIN

    def snapshot(self) -> None:
        return None  # who resumes has not seen the time between, which is a gap of its own


@operator
def decode(
    step_id: str, up: Stream[Item], lag: LagRules | None = None, depths: bool = False
) -> Decoded:
    """Turn whatever a feed hands on into ticks.

    Args:
        step_id: Name of the step.
        up: Frames of a socket, ticks of a tape, what was fetched afterwards, and intervals that
            were not seen, in order.
        lag: When frames come too late; None: never.
        depths: Hand on the sizes of quotes, too.

    Returns:
        Ticks (a gap is a mark among them), rejects and coverage.
    """

    def coverage_of(item: Item) -> Iterator[tuple[str, Coverage]]:
        if isinstance(item, Coverage):
            yield item.symbol, item

    def by_symbol(keyed: tuple[str, Coverage]) -> tuple[str, Coverage]:
        return keyed[1].symbol, keyed[1]

    def rejects_of(chunk: Ticks) -> Iterator[tuple[str, Reject]]:
        return ((reject.symbol, reject) for reject in chunk.rejects)

    ticks = op.flat_map("ticks", up, Reader(lag, depths))
    missed = op.flat_map("coverage", up, coverage_of)
    courses = op.flat_map("suspensions", ticks, Suspensions())
    suspended = op.stateful_batch("covered", courses, lambda _: _Covered())
    coverage = op.merge("gaps", missed, op.map("suspended", suspended, by_symbol))
    return Decoded(ticks, op.flat_map("rejects", ticks, rejects_of), coverage)
