"""Whatever a feed hands on, as ticks: the first step of the dataflow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import bytewax.operators as op
from bytewax.dataflow import Stream, operator
from bytewax.operators import KeyedStream

from operators.frames import Decoder
from operators.freshness import LagRules
from operators.records import Coverage, Reject
from operators.ticks import GAP, Frames, Refill, Ticks


@dataclass(frozen=True)
class Decoded:
    """What comes out of a feed: ticks, what was rejected, and what was not seen.

    `rejects` and `coverage` are keyed by symbol (`""` and `*` where there is none).
    """

    ticks: Stream[Ticks]
    rejects: KeyedStream[Reject]
    coverage: KeyedStream[Coverage]


Item = Frames | Refill | Ticks | Coverage


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
        for chunk in self._ticks_of(item):
            if self._unseen_ns is not None and self._marked < len(chunk.names):
                new = chunk.names[self._marked :]
                self._marked = len(chunk.names)
                yield self._decoder.marks(GAP, new, self._unseen_ns)
            yield chunk

    def _ticks_of(self, item: Item) -> Iterator[Ticks]:
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

    def suspended(chunk: Ticks) -> Iterator[tuple[str, Coverage]]:
        return ((coverage.symbol, coverage) for coverage in chunk.coverage)

    def rejects_of(chunk: Ticks) -> Iterator[tuple[str, Reject]]:
        return ((reject.symbol, reject) for reject in chunk.rejects)

    ticks = op.flat_map("ticks", up, Reader(lag, depths))
    missed = op.flat_map("coverage", up, coverage_of)
    coverage = op.merge("gaps", missed, op.flat_map("suspended", ticks, suspended))
    return Decoded(ticks, op.flat_map("rejects", ticks, rejects_of), coverage)
