"""Large orders: prints joined to the parent order they came from (detectors.md section 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream

from operators.aggressor import AT_QUOTE, BUY, SELL, STATED, TICK, UNKNOWN
from operators.columns import columns
from operators.kernels import kernel, step
from operators.nbbo import Prints
from operators.records import LARGE_BUYER, SELLER_CRITICAL, SELLER_WARNING
from operators.state import Scratch, Snapshot, SymbolRows, blank
from operators.ticks import MICRO, MS, Array, Row
from operators.verdicts import COUNTED

VERSION = 1

STATE = np.dtype(
    [
        ("size", np.int64),  # of the run so far, 1e-6 share
        ("notional", np.float64),  # dollars; shown, never compared
        ("first_ns", np.int64),
        ("last_ms", np.int64),
        ("venues", np.uint64),  # one bit an exchange code
        ("number", np.int64),  # runs of this symbol so far
        ("alone", np.int64),  # prints judged alone so far, counted downwards
        ("prints", np.int32),
        ("side", np.int8),  # of the run, UNKNOWN: none
        ("fired", np.uint8),  # 0, SELLER_WARNING, SELLER_CRITICAL or LARGE_BUYER
    ],
    align=True,
)

PARENT = np.dtype(
    [
        ("size", np.int64),
        ("notional", np.float64),
        ("first_ns", np.int64),
        ("number", np.int64),
        ("row", np.int32),
        ("prints", np.int32),
        ("venues", np.int32),
        ("kind", np.uint8),
    ],
    align=True,
)
"""A parent at the print (`row`) on which it reached a threshold; units as in STATE."""

_NO_PARENTS = np.empty(0, PARENT)


@step
def _bits(mask: Any) -> int:
    n = 0
    one = np.uint64(1)
    while mask:
        mask &= mask - one
        n += 1
    return n


@step
def parent_side(row: Row, side: int, evidence: int) -> tuple[int, bool]:
    """Return the side with which a print joins parents (UNKNOWN: not at all), and if alone."""
    if evidence in (AT_QUOTE, STATED):
        return side, False
    if evidence == TICK and side == SELL and not row["quoted"]:  # a plan without quotes
        return side, True
    return UNKNOWN, False


@step
def _dollars(row: Row) -> float:
    return float((row["price"] / MICRO) * (row["size"] / MICRO))


@step
def report_alone(parent: Row, run: Row, row: Row, threshold: int) -> None:
    """Describe a large print that is a parent by itself; the run beside it goes on."""
    run["alone"] -= 1
    parent["kind"] = SELLER_CRITICAL if row["size"] >= 2 * threshold else SELLER_WARNING
    parent["size"] = row["size"]
    parent["notional"] = _dollars(row)
    parent["first_ns"] = row["ts_ns"]
    parent["number"] = run["alone"]
    parent["prints"] = 1
    parent["venues"] = 1


@step
def report(parent: Row, run: Row, kind: int) -> None:
    """Describe a run at the print on which it reached a threshold."""
    run["fired"] = kind
    parent["kind"] = kind
    parent["size"] = run["size"]
    parent["notional"] = run["notional"]
    parent["first_ns"] = run["first_ns"]
    parent["number"] = run["number"]
    parent["prints"] = run["prints"]
    parent["venues"] = _bits(run["venues"])


@step
def goes_on(run: Row, row: Row, side: int, gap_ms: int) -> bool:
    """Whether a print belongs to the run before it."""
    pause_ms = row["ts_ns"] // MS - run["last_ms"]
    return bool(run["side"] == side and gap_ms > 0 and pause_ms <= gap_ms)


@step
def join(run: Row, row: Row, side: int, gap_ms: int) -> None:
    """Add a print to its run, or begin the next one with it."""
    if not goes_on(run, row, side, gap_ms):
        run["size"] = 0
        run["notional"] = 0.0
        run["first_ns"] = row["ts_ns"]
        run["venues"] = 0
        run["prints"] = 0
        run["number"] += 1
        run["side"] = side
        run["fired"] = 0
    run["size"] += row["size"]
    run["notional"] += _dollars(row)
    run["last_ms"] = row["ts_ns"] // MS
    run["venues"] |= np.uint64(1) << np.uint64(min(max(row["exchange"], 0), 63))
    run["prints"] += 1


@step
def reached(run: Row, threshold: int) -> int:
    """Return what the run has newly become: 0, or the kind to report."""
    if run["side"] == BUY:
        return LARGE_BUYER if run["fired"] == 0 and run["size"] >= threshold else 0
    if run["fired"] != SELLER_CRITICAL and run["size"] >= 2 * threshold:
        return SELLER_CRITICAL
    if run["fired"] == 0 and run["size"] >= threshold:
        return SELLER_WARNING
    return 0


@kernel
def _find_parents(
    rows: Array,
    verdict: Array,
    resets: Array,
    side: Array,
    evidence: Array,
    state: Array,
    gap_ms: int,
    threshold: int,
    out: Array,
) -> int:
    n = 0
    for i in range(len(rows)):
        row = rows[i]
        run = state[row["symbol"]]
        if resets[i]:
            run["side"] = UNKNOWN
        if verdict[i] != COUNTED:
            continue
        joins, alone = parent_side(row, side[i], evidence[i])
        if joins == UNKNOWN:
            continue
        if alone:
            if row["size"] < threshold:
                continue
            report_alone(out[n], run, row, threshold)
        else:
            join(run, row, joins, gap_ms)
            kind = reached(run, threshold)
            if kind == 0:
                continue
            report(out[n], run, kind)
        out[n]["row"] = i
        n += 1
    return n


@dataclass(frozen=True, slots=True)
class ParentRules:
    """`gap_ms` joins prints (0: each alone); `threshold` in 1e-6 share, inclusive."""

    gap_ms: int
    threshold: int


class LargeOrders:
    """Report each parent order that reaches the threshold, and each seller that doubles it."""

    def __init__(self, rules: ParentRules, saved: Snapshot | None = None) -> None:
        self._rules = rules
        self._state = SymbolRows(blank(STATE), saved, VERSION)
        self._out = Scratch(PARENT)

    def __call__(self, chunk: Prints) -> Prints:
        """Return `chunk` with `parents`, rows of PARENT in print order."""
        self._state.bind(chunk.names)
        out = self._out.of(len(chunk))
        n = _find_parents(
            chunk.rows,
            chunk.verdict,
            chunk.resets,
            chunk.side,
            chunk.evidence,
            self._state.rows,
            self._rules.gap_ms,
            self._rules.threshold,
            out,
        )
        chunk.parents = out[:n].copy() if n else _NO_PARENTS
        return chunk

    def finish(self) -> None:
        """Have nothing left to say at the end of the feed."""

    def snapshot(self) -> Snapshot:
        """Return the state to save."""
        return self._state.snapshot()


@operator
def large_orders(step_id: str, up: KeyedStream[Prints], rules: ParentRules) -> KeyedStream[Prints]:
    """Join prints to parent orders, and report those that are large.

    Args:
        step_id: Name of the step, and the key of its saved state.
        up: `(shard, chunk)`, with verdicts, sides and evidence, in arrival order.
        rules: Pause within a parent, and the size that is large.

    Returns:
        `(shard, chunk)` with `parents`.

    Source:
        detectors.md section 4.
    """
    return columns("columns", up, lambda saved: LargeOrders(rules, saved))
