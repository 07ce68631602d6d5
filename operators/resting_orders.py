"""Resting orders: ask levels on which much is offered (detectors.md section 5).

The book is also the context of every print: how much its two sides weigh is put beside each
trade here, before anything else looks at it.
"""

from __future__ import annotations

from dataclasses import dataclass

import bytewax.operators as op
import numpy as np
from bytewax.dataflow import Stream, operator

from operators.books import NEVER, imbalance
from operators.columns import columns
from operators.kernels import kernel, step
from operators.nbbo import EVERY
from operators.records import SELLER_CRITICAL, SELLER_WARNING
from operators.sessions import DAY_MS, Sessions, phase_table
from operators.state import Snapshot, SymbolRows, blank
from operators.ticks import MICRO, MS, RESTING, TRADE, Array, Row, Ticks, no_resting

MOST_FIRED = 64  # levels of a symbol that are remembered; beyond, the highest price is forgotten
NO_SLOT = -1
UNSEEN = -1
ROOM = 256  # events a call of the kernel may have
VERSION = 1

STATE = np.dtype(
    [
        ("phase_ms", np.int64),  # start of the current phase
        ("book_ns", np.int64),  # of the standing book
        ("slot", np.int32),  # row of its levels; NO_SLOT: no book so far
        ("fired", np.int32),  # levels that fired and have not been below half the threshold
        ("imbalance", np.int16),  # of the standing book
    ],
    align=True,
)

LEVEL = np.dtype(
    [
        ("price", np.int64),
        ("first_ns", np.int64),  # of its first alert
        ("fired_ms", np.int64),  # of its last alert
        ("kind", np.uint8),
    ],
    align=True,
)
"""A level that fired. Prices in 1e-6 dollar."""


@dataclass(frozen=True, slots=True)
class RestingRules:
    """When a level is large, and how old a book may be beside a print.

    `levels` from the touch are looked at; `threshold` in 1e-6 share, inclusive; `min_notional`
    in dollars.
    """

    sessions: Sessions
    levels: int
    threshold: int
    min_notional: float
    max_age_ms: int


@step
def _displayed(book: Row, price: int) -> int:
    """Return the size offered at a price; UNSEEN: it lies behind the levels shown."""
    for k in range(book["asks"]):
        if book["ask_px"][k] == price:
            return int(book["ask_sz"][k])
        if book["ask_px"][k] > price:
            return 0
    return 0 if book["asks"] < book["levels"] else UNSEEN


@step
def _rearm(mine: Row, fired: Array, book: Row, ms: int, threshold: int) -> None:
    """Forget the levels that are now seen below half the threshold."""
    for j in range(mine["fired"] - 1, -1, -1):
        size = _displayed(book, fired[j]["price"])
        if size != UNSEEN and 2 * size < threshold and ms > fired[j]["fired_ms"]:
            mine["fired"] -= 1
            fired[j] = fired[mine["fired"]]


@step
def _place_of(mine: Row, fired: Array, price: int) -> int:
    """Return where a level is remembered, or the place for a new one."""
    highest = 0
    for j in range(mine["fired"]):
        if fired[j]["price"] == price:
            return j
        if fired[j]["price"] > fired[highest]["price"]:
            highest = j
    if mine["fired"] == MOST_FIRED:
        return highest
    return int(mine["fired"])


@step
def _kind_of(price: int, size: int, threshold: int, min_notional: float) -> int:
    if size < threshold or (price / MICRO) * (size / MICRO) < min_notional:
        return 0
    return SELLER_CRITICAL if size >= 2 * threshold else SELLER_WARNING


@kernel
def _fire(mine: Row, fired: Array, book: Row, k: int, kind: int, event: Row) -> bool:
    """Note that level `k` is large, and describe it if that is news."""
    price = book["ask_px"][k]
    j = _place_of(mine, fired, price)
    level = fired[j]
    known = j < mine["fired"] and level["price"] == price
    if known and kind <= level["kind"]:
        return False
    if not known:
        mine["fired"] = max(mine["fired"], j + 1)
        level["price"] = price
        level["first_ns"] = book["ts_ns"]
    level["kind"] = kind
    level["fired_ms"] = book["ts_ns"] // MS
    event["ts_ns"] = book["ts_ns"]
    event["price"] = price
    event["size"] = book["ask_sz"][k]
    event["bid"] = book["bid_px"][0]
    event["ask"] = book["ask_px"][0]
    event["first_ns"] = level["first_ns"]
    event["symbol"] = book["symbol"]
    event["at"] = book["at"]
    event["kind"] = kind
    event["escalates"] = known
    return True


@kernel
def _find_levels(
    books: Array,
    start: int,
    phase_ms: Array,
    state: Array,
    fired: Array,
    levels: int,
    threshold: int,
    min_notional: float,
    weights: Array,
    out: Array,
) -> tuple[int, int]:
    """Look at books from `start` on; return the first one that is left, and how many events."""
    n = 0
    for i in range(start, len(books)):
        if n + levels > len(out):
            return i, n
        book = books[i]
        mine = state[book["symbol"]]
        known = fired[mine["slot"]]
        weights[i] = imbalance(book, levels)
        if phase_ms[i] > mine["phase_ms"]:
            mine["phase_ms"] = phase_ms[i]
            mine["fired"] = 0
        _rearm(mine, known, book, book["ts_ns"] // MS, threshold)
        if phase_ms[i] == NEVER:
            continue
        for k in range(min(levels, book["asks"])):
            kind = _kind_of(book["ask_px"][k], book["ask_sz"][k], threshold, min_notional)
            if kind and _fire(mine, known, book, k, kind, out[n]):
                out[n]["imbalance"] = weights[i]
                n += 1
    return len(books), n


@step
def _stand(mine: Row, book: Row, weight: int) -> None:
    mine["imbalance"] = weight
    mine["book_ns"] = book["ts_ns"]


@kernel
def _weigh(
    ticks: Array, details: Array, books: Array, weights: Array, state: Array, max_age_ms: int
) -> None:
    """Put beside each trade how the book before it weighs, if it is not too old."""
    b = trade = 0
    for i in range(len(ticks)):
        while b < len(books) and books[b]["at"] <= i:
            _stand(state[books[b]["symbol"]], books[b], weights[b])
            b += 1
        if ticks[i]["kind"] == TRADE:
            mine = state[ticks[i]["symbol"]]
            if ticks[i]["ts_ns"] // MS - mine["book_ns"] // MS <= max_age_ms:
                details[trade]["imbalance"] = mine["imbalance"]
            trade += 1
    for k in range(b, len(books)):
        _stand(state[books[k]["symbol"]], books[k], weights[k])


class RestingOrders:
    """Report each ask level that becomes large, and once more when it doubles.

    Memory: 2 KiB a symbol that has a book. A chunk of a feed without books passes as it is.
    """

    def __init__(self, rules: RestingRules, saved: Snapshot | None = None) -> None:
        self._rules = rules
        self._state = SymbolRows(
            blank(STATE, phase_ms=NEVER, book_ns=NEVER, slot=NO_SLOT), saved, VERSION
        )
        self._fired = np.empty((0, MOST_FIRED), LEVEL)
        self._slots = 0
        self._saved = saved.parts[0] if saved is not None else np.empty(0, LEVEL)
        self._saved_ends = (
            saved.rows["fired"].cumsum() if saved is not None else np.empty(0, np.int64)
        )
        self._has_books = saved is not None and len(saved.names) > 0
        self._out = np.empty(ROOM, RESTING)

    def __call__(self, chunk: Ticks) -> Ticks:
        """Return `chunk` with `resting` and with the imbalance beside its trades."""
        self._has_books = self._has_books or len(chunk.books) > 0
        if not self._has_books:
            return chunk
        self._bind(chunk.names)
        books = chunk.books
        weights = np.empty(len(books), np.int16)
        if len(books):
            self._give_slots(np.unique(books["symbol"]))
            chunk.resting = self._resting(books, weights)
        _weigh(chunk.ticks, chunk.details, books, weights, self._state.rows, self._rules.max_age_ms)
        return chunk

    def _resting(self, books: Array, weights: Array) -> Array:
        rules, phase_ms, found, at = self._rules, self._phases(books["ts_ns"] // MS), [], 0
        while at < len(books):
            at, n = _find_levels(
                books,
                at,
                phase_ms,
                self._state.rows,
                self._fired,
                rules.levels,
                rules.threshold,
                rules.min_notional,
                weights,
                self._out,
            )
            found.append(self._out[:n].copy())
        resting = np.concatenate(found)
        return resting if len(resting) else no_resting()

    def _phases(self, ms: Array) -> Array:
        """Return the start of the phase each time is in, NEVER where none is admitted."""
        phases = phase_table(self._rules.sessions, np.unique(ms // DAY_MS))
        if not len(phases):
            return np.full(len(ms), NEVER)
        piece = np.searchsorted(phases["start_ms"], ms, side="right") - 1
        inside = (piece >= 0) & (ms < phases["end_ms"][piece])
        return np.where(inside, phases["phase_ms"][piece], NEVER)

    def _bind(self, names: list[str]) -> None:
        for row, saved_row in self._state.bind(names):
            mine = self._state.rows[row]
            if mine["slot"] != NO_SLOT:
                mine["slot"] = NO_SLOT
                self._give_slots(np.array([row]))
                self._fired[mine["slot"]][: mine["fired"]] = self._saved_levels(saved_row)

    def _give_slots(self, rows: Array) -> None:
        """Make room for the levels of symbols that show a book for the first time."""
        new = rows[self._state.rows["slot"][rows] == NO_SLOT]
        if self._slots + len(new) > len(self._fired):
            grown = np.empty((2 * (self._slots + len(new)), MOST_FIRED), LEVEL)
            grown[: self._slots] = self._fired[: self._slots]
            self._fired = grown
        self._state.rows["slot"][new] = np.arange(self._slots, self._slots + len(new))
        self._slots += len(new)

    def _saved_levels(self, saved_row: int) -> Array:
        ends = self._saved_ends
        return self._saved[ends[saved_row - 1] if saved_row else 0 : ends[saved_row]]

    def finish(self) -> None:
        """Have nothing left to say at the end of the feed."""

    def snapshot(self) -> Snapshot:
        """Return the state to save: rows, and the levels of each that have fired."""
        rows = self._state.rows[: len(self._state.names)]
        live = [self._fired[row["slot"]][: row["fired"]] for row in rows if row["fired"]]
        waiting = [self._saved_levels(row) for row in self._state.waiting()]
        none = np.empty(0, LEVEL)
        return self._state.snapshot((np.concatenate([none, *live, *waiting]),))


@operator
def resting_orders(step_id: str, up: Stream[Ticks], rules: RestingRules) -> Stream[Ticks]:
    """Report ask levels on which much is offered, and weigh the book before each trade.

    Args:
        step_id: Name of the step, and the key of its saved state.
        up: Chunks of one feed, in arrival order.
        rules: The size that is large, and where it is looked for.

    Returns:
        The chunks with `resting`, and `imbalance` in its details.

    Source:
        detectors.md section 5.
    """
    every = op.key_on("every", up, lambda chunk: EVERY)
    keyed = columns("columns", every, lambda saved: RestingOrders(rules, saved))
    return op.map("chunks", keyed, lambda one: one[1])
