"""Aggressor side: who crossed the spread (detectors.md section 3).

Sources: Lee and Ready 1991; Ellis, Michaely and O'Hara 2000; Chakrabarty, Li, Nguyen and Van
Ness 2007 (CLNV).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream

from operators.columns import columns
from operators.kernels import kernel, step
from operators.nbbo import Prints
from operators.state import Snapshot, SymbolRows, blank
from operators.ticks import MS, Array, Row
from operators.verdicts import COUNTED

BUY, UNKNOWN, SELL = 1, 0, -1

# How the side is known. Only the first two are certain.
NONE, AT_QUOTE, STATED, INSIDE, TICK = 0, 1, 2, 3, 4

CLNV, LEE_READY, EMO, QUOTE_RULE, TICK_RULE = 0, 1, 2, 3, 4
SIDE_RULES = {
    "clnv": CLNV,
    "lee_ready": LEE_READY,
    "emo": EMO,
    "quote": QUOTE_RULE,
    "tick": TICK_RULE,
}

STATE = np.dtype([("last", np.int64), ("before", np.int64)])
"""Price of the previous counted print, and the last price different from it (0: none)."""
VERSION = 1


@step
def _tick_side(reference: Row, price: int) -> int:
    """Higher than the last different price BUY, lower SELL, none UNKNOWN."""
    against = reference["last"] if reference["last"] != price else reference["before"]
    if against == 0 or against == price:
        return UNKNOWN
    return BUY if price > against else SELL


@step
def _inside_side(price: int, bid: int, ask: int, rule: int) -> int:
    """Side of a print inside the spread by its place there, or UNKNOWN: ask the tick rule."""
    if rule == CLNV:
        if 10 * (price - bid) <= 3 * (ask - bid):
            return SELL
        if 10 * (ask - price) <= 3 * (ask - bid):
            return BUY
        return UNKNOWN
    if rule in (LEE_READY, QUOTE_RULE):
        middle = bid + ask
        if 2 * price < middle:
            return SELL
        if 2 * price > middle:
            return BUY
    return UNKNOWN


@step
def _side(row: Row, reference: Row, rule: int, max_age_ms: int) -> tuple[int, int]:
    """Return the side of a counted print and how it is known."""
    if row["stated_side"] != 0:
        return row["stated_side"], STATED
    price, bid, ask = row["price"], row["bid"], row["ask"]
    usable = (
        bid > 0 and ask > 0 and bid < ask
        and row["ts_ns"] // MS - row["quote_ns"] // MS <= max_age_ms
    )  # fmt: skip
    if usable:
        if price <= bid:
            return SELL, AT_QUOTE
        if price >= ask:
            return BUY, AT_QUOTE
        side = _inside_side(price, bid, ask, rule)
        if side != UNKNOWN:
            return side, INSIDE
        if rule == QUOTE_RULE:
            return UNKNOWN, NONE
    side = _tick_side(reference, price)
    return side, TICK if side != UNKNOWN else NONE


@kernel
def _sign(
    rows: Array,
    verdict: Array,
    resets: Array,
    state: Array,
    rule: int,
    max_age_ms: int,
    side: Array,
    evidence: Array,
) -> None:
    for i in range(len(rows)):
        row = rows[i]
        reference = state[row["symbol"]]
        if resets[i]:
            reference["last"] = 0
            reference["before"] = 0
        side[i] = UNKNOWN
        evidence[i] = NONE
        if verdict[i] != COUNTED:
            continue
        side[i], evidence[i] = _side(row, reference, rule, max_age_ms)
        if row["price"] != reference["last"]:
            reference["before"] = reference["last"]
            reference["last"] = row["price"]


@dataclass(frozen=True, slots=True)
class SideRules:
    """`rule`: one of SIDE_RULES' codes; `quote_max_age_ms`: older quotes are not used."""

    rule: int
    quote_max_age_ms: int


class Aggressor:
    """Give each counted print its side and how that side is known."""

    def __init__(self, rules: SideRules, saved: Snapshot | None = None) -> None:
        self._rules = rules
        self._state = SymbolRows(blank(STATE), saved, VERSION)

    def __call__(self, chunk: Prints) -> Prints:
        """Return `chunk` with `side` (+1, 0, -1) and `evidence`."""
        self._state.bind(chunk.names)
        chunk.side = np.empty(len(chunk), np.int8)
        chunk.evidence = np.empty(len(chunk), np.uint8)
        _sign(
            chunk.rows,
            chunk.verdict,
            chunk.resets,
            self._state.rows,
            self._rules.rule,
            self._rules.quote_max_age_ms,
            chunk.side,
            chunk.evidence,
        )
        return chunk

    def finish(self) -> None:
        """Have nothing left to say at the end of the feed."""

    def snapshot(self) -> Snapshot:
        """Return the state to save."""
        return self._state.snapshot()


@operator
def aggressor(step_id: str, up: KeyedStream[Prints], rules: SideRules) -> KeyedStream[Prints]:
    """Say who crossed the spread.

    Args:
        step_id: Name of the step, and the key of its saved state.
        up: `(shard, chunk)`, with verdicts, in arrival order.
        rules: The rule inside the spread, and how old a quote may be.

    Returns:
        `(shard, chunk)` with `side` and `evidence`.

    Source:
        detectors.md section 3.
    """
    return columns("columns", up, lambda saved: Aggressor(rules, saved))
