"""The quote before the print: trades leave with the NBBO that stood when they arrived.

This comes before the shards, for all symbols at once: the stream behind it has prints alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import bytewax.operators as op
import numpy as np
from bytewax.dataflow import Stream, operator
from bytewax.operators import KeyedStream

from operators.columns import columns
from operators.kernels import kernel
from operators.learned import DayPart
from operators.state import Snapshot, SymbolRows, blank
from operators.ticks import LIVE, QUOTE, TRADE, Array, Ticks, no_depths, no_resting

PRINT = np.dtype(
    [
        ("ts_ns", np.int64),
        ("price", np.int64),
        ("size", np.int64),
        ("bid", np.int64),  # 0: absent
        ("ask", np.int64),
        ("quote_ns", np.int64),
        ("trade_id", np.int64),
        ("received_ns", np.int64),
        ("symbol", np.int32),
        ("lateness_ms", np.int32),
        ("exchange", np.int16),
        ("trf", np.int16),
        ("sale_class", np.uint8),
        ("sweep", np.uint8),
        ("id_kind", np.uint8),
        ("stated_side", np.int8),
        ("imbalance", np.int16),  # of the book before it; 0: no depth
        ("quoted", np.uint8),  # the symbol has had a quote of any quality
        ("kind", np.uint8),  # TRADE, GAP or SEEN
        ("stale", np.uint8),  # the symbol is suspended: no alerts, and no window is warm
    ],
    align=True,
)
"""One print with the last quote of its symbol. Units as in `operators.ticks`."""

QUOTE_STATE = np.dtype(
    [("bid", np.int64), ("ask", np.int64), ("ts_ns", np.int64), ("seen", np.uint8)], align=True
)
VERSION = 2
EVERY = "every"  # the one key of what passes all symbols
_NO_ROWS = np.empty(0, np.uint8)


def _no_rows() -> Array:
    """Return a column nobody has filled, the same for all."""
    return _NO_ROWS


@dataclass(slots=True)
class Prints:
    """Prints of the feed, or of one shard, in arrival order, and the columns that operators add.

    Every column has one entry a print; the event tables at the end have one row for each
    print on which something happened (`row` points at the print); `resting` has one for each
    level of a book, `at` the number of prints before it. `quotes_shed`: the quote
    beside a print may have lost its successor. `expected`: as `volume`, its baseline what the
    minute is held against in adaptive mode. `learned`: what sessions that are over taught.
    """

    names: list[str]
    rows: Array
    texts: dict[int, str]
    venues: list[str]
    quotes_shed: bool = False
    origin: int = LIVE
    verdict: Array = field(default_factory=_no_rows)
    resets: Array = field(default_factory=_no_rows)
    side: Array = field(default_factory=_no_rows)
    evidence: Array = field(default_factory=_no_rows)
    volume: Array = field(default_factory=_no_rows)
    parents: Array = field(default_factory=_no_rows)
    bursts: Array = field(default_factory=_no_rows)
    ledger: Array = field(default_factory=_no_rows)
    expected: Array = field(default_factory=_no_rows)
    learned: Sequence[DayPart] = ()
    delta: Array = field(default_factory=_no_rows)
    context: Array = field(default_factory=no_depths)
    resting: Array = field(default_factory=no_resting)

    def __len__(self) -> int:
        return len(self.rows)


@kernel
def _attach(ticks: Array, details: Array, state: Array, out: Array) -> int:
    n = 0
    trade = 0
    for i in range(len(ticks)):
        tick = ticks[i]
        kind = tick["kind"]
        quote = state[tick["symbol"]]
        if kind == QUOTE:
            quote["bid"] = tick["price"]
            quote["ask"] = tick["size"]
            quote["ts_ns"] = tick["ts_ns"]
            quote["seen"] = 1
            continue
        row = out[n]
        row["ts_ns"] = tick["ts_ns"]
        row["symbol"] = tick["symbol"]
        row["kind"] = kind
        row["bid"] = quote["bid"]
        row["ask"] = quote["ask"]
        row["quote_ns"] = quote["ts_ns"]
        row["quoted"] = quote["seen"]
        if kind == TRADE:
            detail = details[trade]
            trade += 1
            row["price"] = tick["price"]
            row["size"] = tick["size"]
            row["trade_id"] = detail["trade_id"]
            row["received_ns"] = detail["received_ns"]
            row["lateness_ms"] = detail["lateness_ms"]
            row["exchange"] = detail["exchange"]
            row["trf"] = detail["trf"]
            row["sale_class"] = detail["sale_class"]
            row["sweep"] = detail["sweep"]
            row["id_kind"] = detail["id_kind"]
            row["stated_side"] = detail["stated_side"]
            row["stale"] = detail["stale"]
            row["imbalance"] = detail["imbalance"]
        n += 1
    return n


def _beside(context: Array, prints: Array) -> Array:
    """Return what stands beside each trade with rows for the marks, too."""
    if len(context) in (0, len(prints)):
        return context
    out = np.zeros(len(prints), context.dtype)
    out[prints["kind"] == TRADE] = context
    return out


def _among_prints(chunk: Ticks) -> Array:
    """Return `resting`, `at` their places among the prints."""
    before = np.concatenate([[0], np.cumsum(chunk.ticks["kind"] != QUOTE)])
    resting = chunk.resting.copy()
    resting["at"] = before[resting["at"]]
    return resting


class Nbbo:
    """Keep the last quote of each symbol and put it beside each print.

    Every decoded quote replaces the one before it, usable or not; whether it is usable is the
    reader's question (detectors.md section 3).
    """

    def __init__(self, saved: Snapshot | None = None) -> None:
        self._state = SymbolRows(blank(QUOTE_STATE), saved, VERSION)

    def __call__(self, chunk: Ticks) -> Prints:
        """Return the prints (and marks) of `chunk`, each with the quote before it."""
        self._state.bind(chunk.names)
        marks = chunk.count_marks()
        out = np.empty(len(chunk.details) + marks, PRINT)
        if marks:
            out[:] = np.zeros((), PRINT)  # what a mark says nothing of
        _attach(chunk.ticks, chunk.details, self._state.rows, out)
        prints = Prints(
            chunk.names, out, chunk.texts, chunk.venues, chunk.quotes_shed, chunk.origin
        )
        prints.context = _beside(chunk.context, out)
        if len(chunk.resting):
            prints.resting = _among_prints(chunk)
        return prints

    def finish(self) -> None:
        """Have nothing left to say at the end of the feed."""

    def snapshot(self) -> Snapshot:
        """Return the state to save."""
        return self._state.snapshot()


@operator
def nbbo(step_id: str, up: Stream[Ticks]) -> KeyedStream[Prints]:
    """Put beside each print the quote that stood before it.

    Args:
        step_id: Name of the step, and the key of its saved state.
        up: Chunks of one feed, in arrival order.

    Returns:
        `(EVERY, chunk)` of prints, which alone go on.

    Source:
        detectors.md section 3.
    """
    return columns("columns", op.key_on("every", up, lambda chunk: EVERY), Nbbo)
