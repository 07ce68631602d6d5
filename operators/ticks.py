"""Ticks as columns: the one definition of what a feed hands to the dataflow.

A chunk is a struct of numpy arrays, thousands of ticks an item, because a Python object per
tick costs ten to a hundred times what the rules themselves cost. Prices are in units of
1e-6 dollar and sizes in units of 1e-6 share, as integers: a comparison with a quote is exact
and a day of sums does not drift.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from operators.records import Coverage, Notice, Reject

Array = npt.NDArray[Any]
Row = Any  # one row of a structured array: numba sees a record, numpy a view of it

MICRO = 1_000_000
MS = 1_000_000  # nanoseconds in a millisecond

TRADE, QUOTE, GAP, SEEN = 0, 1, 2, 3

LIVE, LATE, WARMING = 0, 1, 2
"""How a chunk came: as the feed sent it, or fetched afterwards; WARMING raises no alerts."""

TICK = np.dtype(
    [
        ("ts_ns", np.int64),  # event time, SIP, UTC
        ("price", np.int64),  # of a trade; the bid of a quote (0: absent)
        ("size", np.int64),  # of a trade; the ASK PRICE of a quote (0: absent)
        ("symbol", np.int32),  # index into `Ticks.names`
        ("kind", np.uint8),  # TRADE, QUOTE, GAP (not seen up to here) or SEEN (whole from here on)
    ],
    align=True,
)
"""One tick, in arrival order. A quote's ask stands in `size` to keep a tick at 32 bytes."""

# How a trade's key is spelled in an alert id (detectors.md section 9).
ID_ROW = 0  # no id on the tape: `#n`, n = 1-based row of the symbol's trades; never a duplicate
ID_MOCK_ROW = 1  # a feed that serves "#n" as its id: `#n`, without exchange and TRF
ID_NUMBER = 2  # canonical decimal id, kept as the integer itself
ID_TEXT = 3  # any other id: a 64-bit hash here, the text in `Ticks.texts`

LATENESS_UNKNOWN = np.iinfo(np.int32).min
MAX_LATENESS_MS = np.iinfo(np.int32).max  # either way; what is more is taken for it

DETAIL = np.dtype(
    [
        ("trade_id", np.int64),
        ("received_ns", np.int64),  # receipt of the frame, wall clock; 0 in a replay
        ("lateness_ms", np.int32),  # SIP ms minus participant ms, or LATENESS_UNKNOWN
        ("exchange", np.int16),
        ("trf", np.int16),
        ("sale_class", np.uint8),  # a class of operators.eligibility
        ("sweep", np.uint8),  # carries condition 14
        ("id_kind", np.uint8),
        ("stated_side", np.int8),  # +1, -1 where the feed itself states the taker, else 0
        ("stale", np.uint8),  # the symbol is suspended: its events come too late
        ("imbalance", np.int16),  # of the book before it, see `operators.books`; 0: no depth
    ],
    align=True,
)
"""What only trades have: one row a trade, in the order of the trades among the ticks."""

DEPTH = np.dtype([("bid", np.int64), ("ask", np.int64)])
"""Displayed size at the bid and at the ask of a quote, 1e-6 share (0: none, or not known)."""
_NO_DEPTHS = np.empty(0, DEPTH)


def no_depths() -> Array:
    """Return what a feed hands on that was not asked for sizes of quotes."""
    return _NO_DEPTHS


MOST_LEVELS = 10

BOOK = np.dtype(
    [
        ("ts_ns", np.int64),  # event time, UTC
        ("symbol", np.int32),  # index into `Ticks.names`
        ("at", np.int32),  # how many ticks of the chunk stand before it
        ("levels", np.uint8),  # a side, that the feed shows when they are there
        ("bids", np.uint8),  # levels that are there, the best first
        ("asks", np.uint8),
        ("bid_px", np.int64, (MOST_LEVELS,)),
        ("bid_sz", np.int64, (MOST_LEVELS,)),
        ("ask_px", np.int64, (MOST_LEVELS,)),
        ("ask_sz", np.int64, (MOST_LEVELS,)),
    ],
    align=True,
)
"""An order book after a change, whole. Such a row is ten times as wide as a tick and most feeds
have none: so it stands beside the ticks, and costs nothing where it is missing."""

RESTING = np.dtype(
    [
        ("ts_ns", np.int64),
        ("price", np.int64),  # of the level
        ("size", np.int64),  # displayed there
        ("bid", np.int64),  # the best ones of the book; 0: absent
        ("ask", np.int64),
        ("first_ns", np.int64),  # the level's first alert, which this one escalates or is
        ("symbol", np.int32),
        ("at", np.int32),  # how many ticks of the chunk, then how many prints, stand before it
        ("imbalance", np.int16),
        ("kind", np.uint8),
        ("escalates", np.uint8),
    ],
    align=True,
)
"""An ask level on the book that fired; units as above."""


_NO_BOOKS, _NO_RESTING = np.empty(0, BOOK), np.empty(0, RESTING)


def _no_books() -> Array:
    return _NO_BOOKS


def no_resting() -> Array:
    """Return no rows of RESTING, the same for all."""
    return _NO_RESTING


@dataclass(slots=True)
class Ticks:
    """Ticks of many symbols in arrival order.

    `names` and `venues` only ever grow and are shared between chunks of one feed: a symbol
    keeps its code. `venues` names exchange codes where the tape spells them as letters.
    `rejects` are the records worth writing, `rejected` counts every rejected message.
    `quotes_shed`: as in `Frames`. `origin`: LIVE, LATE or WARMING, of the whole chunk. `marks`:
    how many ticks are neither trade nor quote, None: not counted. `notices`: what to tell a
    person. `suspended`: symbols that became suspended (1) or are so no more (-1), whose gaps are
    in `coverage`; `since_ns`: of those that became so, the last event before. `depths`: a row of
    DEPTH a tick (of a quote), or none where nobody asked. `context`: what the market was doing at
    each trade, a row a detail, or none. `books`: rows of BOOK in order, each `at` its place among
    the ticks; a book is no tick, and a chunk may hold nothing else. `resting`: what they were found
    to show.
    """

    names: list[str]
    ticks: Array
    details: Array
    texts: dict[int, str] = field(default_factory=dict)
    venues: list[str] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    rejected: dict[tuple[str, str], int] = field(default_factory=dict)
    quotes_shed: bool = False
    origin: int = LIVE
    marks: int | None = None
    notices: list[Notice] = field(default_factory=list)
    suspended: dict[str, int] = field(default_factory=dict)
    coverage: list[Coverage] = field(default_factory=list)
    since_ns: dict[str, int] = field(default_factory=dict)
    depths: Array = field(default_factory=no_depths)
    context: Array = field(default_factory=no_depths)
    books: Array = field(default_factory=_no_books)
    resting: Array = field(default_factory=no_resting)

    def __len__(self) -> int:
        return len(self.ticks)

    def count_marks(self) -> int:
        """Return how many ticks are neither trade nor quote, and note it."""
        if self.marks is None:
            self.marks = int(np.count_nonzero(self.ticks["kind"] >= GAP))
        return self.marks


class Frames(NamedTuple):
    """Frames as the socket gave them, oldest first: receipt time (ns since epoch) and bytes.

    `live`: they come from a socket now, so that an alert's latency can be told.
    `quotes_shed`: quotes are missing from among them, so that those there are may be outdated.
    """

    received_ns: list[int]
    frames: list[bytes]
    live: bool = True
    quotes_shed: bool = False


class Refill(NamedTuple):
    """What the socket did not send of one symbol, fetched afterwards.

    Its frames are spelled as the socket would have spelled them (times in ms, rounded down) and
    in the order the events happened, so that they decode to the very same ticks.

    `origin`: LATE (the end of a gap) or WARMING (the start of a run: the symbol is whole from
    `from_ns` on). Event times in ns since epoch, `received_ns` is wall clock.
    """

    symbol: str
    origin: int
    from_ns: int
    to_ns: int
    received_ns: int
    frames: list[bytes]
    live: bool = True
