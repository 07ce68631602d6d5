"""Large orders by the symbol's own measure: adaptive mode (detectors.md section 4).

A parent is large when hardly any of the symbol's parents was as large, and worth the money.
Which parents enter: runs at the bid and at the ask alike, each when it is over, that is when the
next run begins or the phase ends; where a plan has no quotes, each print the tick rule gives a
side. What a parent is held against is therefore older than the parent, and the same whatever
the size of the batches.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream

from operators.aggressor import AT_QUOTE, SELL, STATED, TICK, UNKNOWN
from operators.columns import columns
from operators.eligibility import DAY_STARTS_MS, NEVER, NO_DAY
from operators.kernels import kernel, step
from operators.large_orders import (
    PARENT,
    STATE,
    ParentRules,
    goes_on,
    join,
    reached,
    report,
    report_alone,
)
from operators.learned import History, SizeDay, Trailing
from operators.nbbo import PRINT, Prints
from operators.rolling_volume import VOLUME
from operators.sessions import DAY_MS
from operators.size_sketch import BINS, EDGES, SKETCH, add_parent, begin_day
from operators.sparse import Prior, Sparse
from operators.state import Scratch, Snapshot, SymbolRows, blank
from operators.ticks import MICRO, MS, Array, Row
from operators.verdicts import COUNTED

VERSION = 1
PICO = 10**12  # of a dollar: a price times a size


def _fields(dtype: Any) -> list[tuple[str, Any]]:
    return [(name, dtype[name]) for name in dtype.names]


OWN_STATE = np.dtype(
    [
        *SKETCH,  # first, or numba takes a row for one of STATE with more behind it
        ("dollars", np.int64),  # of the run so far, exactly: whole ones,
        ("picos", np.int64),  # and the rest
        ("joined_ms", np.int64),  # newest print of the phase that has a side, or NEVER
        ("since_ns", np.int64),  # first such print of the day
        ("day", np.int32),
        *_fields(STATE),
    ],
    align=True,
)

OWN_PARENT = np.dtype(
    [("threshold", np.int64), ("percentile", np.float64), *_fields(PARENT)], align=True
)
"""PARENT with what was in force: the threshold, and the percentile it was (nan: none yet)."""

_NO_PARENTS = np.empty(0, OWN_PARENT)


@step
def _cost(row: Row) -> tuple[int, int]:
    """Return what a print cost, exactly: whole dollars, and the rest in 1e-12 dollar."""
    whole, rest = row["size"] // MICRO, row["size"] % MICRO
    dollars, micros = row["price"] // MICRO, row["price"] % MICRO
    crossed = dollars * rest + micros * whole  # 1e-6 dollar
    picos = crossed % MICRO * MICRO + micros * rest
    return dollars * whole + crossed // MICRO + picos // PICO, picos % PICO


@step
def _pay(run: Row, row: Row) -> None:
    """Add what a print cost to the money of its run."""
    dollars, picos = _cost(row)
    picos += run["picos"]
    run["dollars"] += dollars + picos // PICO
    run["picos"] = picos % PICO


@step
def _is_least(dollars: int, picos: int, least: Array) -> bool:
    return bool(dollars > least[0] or (dollars == least[0] and picos >= least[1]))


@step
def _side(row: Row, side: int, evidence: int) -> tuple[int, bool]:
    """Return the side of a print among parents (UNKNOWN: it has none), and if it is alone."""
    if evidence in (AT_QUOTE, STATED):
        return side, False
    if evidence == TICK and not row["quoted"]:  # a plan without quotes
        return side, True
    return UNKNOWN, False


@step
def _see(run: Row, ms: int) -> None:
    """Count the time since the print before as trading time."""
    if run["joined_ms"] != NEVER:
        run["span_ms"] += ms - run["joined_ms"]
    run["joined_ms"] = ms


@step
def _judge_alone(run: Row, row: Row, side: int, least: Array, parent: Row) -> int:
    """Report a print that is a parent by itself; return 1 if it is large."""
    dollars, picos = _cost(row)
    if side != SELL or row["size"] < run["threshold"] or not _is_least(dollars, picos, least):
        return 0
    report_alone(parent, run, row, run["threshold"])
    return 1


@step
def _judge_run(run: Row, least: Array, parent: Row) -> int:
    """Report what a run has newly become; return 1 if there is anything."""
    if not _is_least(run["dollars"], run["picos"], least):
        return 0
    kind = reached(run, run["threshold"])
    if kind == 0:
        return 0
    report(parent, run, kind)
    return 1


@kernel
def _find_own(
    rows: Array,
    verdict: Array,
    resets: Array,
    side: Array,
    evidence: Array,
    state: Array,
    counts: Array,
    edges: Array,
    gap_ms: int,
    large: int,
    least: Array,
    start: int,
    found: int,
    out: Array,
) -> tuple[int, int]:
    """Go on at print `start`; stop where a symbol's day begins. Return where, and how many."""
    n = found
    for i in range(start, len(rows)):
        row = rows[i]
        code = row["symbol"]
        run = state[code]
        if resets[i]:
            if run["side"] != UNKNOWN:
                add_parent(run, counts, code, edges, large, run["size"])
            run["side"] = UNKNOWN
            run["joined_ms"] = NEVER
        if verdict[i] != COUNTED:
            continue
        joins, alone = _side(row, side[i], evidence[i])
        if joins == UNKNOWN:
            continue
        ms = row["ts_ns"] // MS
        if (ms - DAY_STARTS_MS) // DAY_MS > run["day"]:
            return i, n
        _see(run, ms)
        if alone:
            is_large = _judge_alone(run, row, joins, least, out[n])
        else:
            if not goes_on(run, row, joins, gap_ms):
                if run["side"] != UNKNOWN:
                    add_parent(run, counts, code, edges, large, run["size"])
                run["dollars"] = 0
                run["picos"] = 0
            join(run, row, joins, gap_ms)
            _pay(run, row)
            is_large = _judge_run(run, least, out[n])
        if is_large:
            out[n]["threshold"] = run["threshold"]
            out[n]["percentile"] = run["percentile"]
            out[n]["row"] = i
            n += 1
        if alone:
            add_parent(run, counts, code, edges, large, row["size"])
    return len(rows), n


@dataclass(frozen=True, slots=True)
class OwnRules:
    """`parents.threshold` is the floor while too little is known; `least` in 1e-12 dollar."""

    parents: ParentRules
    least: int


class OwnLargeOrders:
    """Report each parent that is large by its symbol's own measure, and learn that measure."""

    def __init__(
        self, rules: OwnRules, known: History[SizeDay], saved: Snapshot | None = None
    ) -> None:
        self._rules, self._trailing = rules, Trailing(known)
        self._least = np.array(divmod(rules.least, PICO), np.int64)
        self._state = SymbolRows(blank(OWN_STATE, joined_ms=NEVER, day=NO_DAY), saved, VERSION)
        self._counts = np.zeros((0, BINS), np.int32)
        self._prior: dict[str, Prior] = {}  # what stands in the counts and is not of the day
        self._saved = Sparse.of_parts(saved.parts if saved is not None else None)
        self._out = Scratch(OWN_PARENT)

    def __call__(self, chunk: Prints) -> Prints:
        """Return `chunk` with `parents`, rows of OWN_PARENT, and `learned`, days that ended."""
        self._bind(chunk.names)
        out = self._out.of(len(chunk) + 1)
        at = n = 0
        while True:
            at, n = _find_own(
                chunk.rows,
                chunk.verdict,
                chunk.resets,
                chunk.side,
                chunk.evidence,
                self._state.rows,
                self._counts,
                EDGES,
                self._rules.parents.gap_ms,
                self._rules.parents.threshold,
                self._least,
                at,
                n,
                out,
            )
            if at == len(chunk):
                break
            row = chunk.rows[at]
            over = self._turn(int(row["symbol"]), int(row["ts_ns"]))
            chunk.learned = (*chunk.learned, *over)
        chunk.parents = out[:n].copy() if n else _NO_PARENTS
        return chunk

    def _bind(self, names: list[str]) -> None:
        restored = self._state.bind(names)
        if len(self._state.rows) > len(self._counts):
            grown = np.zeros((len(self._state.rows), BINS), np.int32)
            grown[: len(self._counts)] = self._counts
            self._counts = grown
        for row, saved_row in restored:
            bins, counts = self._saved.counts[saved_row]
            self._counts[row, bins] = counts
            prior = self._saved.priors[saved_row]
            if prior is not None:
                self._prior[names[row]] = prior

    def _turn(self, code: int, ts_ns: int) -> list[SizeDay]:
        """Begin a symbol's day; return what the one before it taught, if there was one."""
        over = self._days([code])
        for day in over:
            self._trailing.add(day)
        mine, name = self._state.rows[code], self._state.names[code]
        mine["day"] = (ts_ns // MS - DAY_STARTS_MS) // DAY_MS
        mine["since_ns"] = ts_ns
        past = self._trailing.before(name, int(mine["day"]))
        large = self._rules.parents.threshold
        counts, span_ms = begin_day(mine, self._counts, code, past, large)
        self._prior.pop(name, None)
        bins = np.flatnonzero(counts)
        if len(bins):
            self._prior[name] = bins, counts[bins], span_ms
        return over

    def _days(self, codes: Iterable[int], *, with_open: bool = False) -> list[SizeDay]:
        """Return what the symbols' days have taught so far, without what was known before."""
        days = []
        for code in codes:
            mine, name = self._state.rows[code], self._state.names[code]
            counts, span_ms = self._counts[code].copy(), int(mine["span_ms"])
            if name in self._prior:
                bins, known, known_ms = self._prior[name]
                counts[bins] -= known
                span_ms -= known_ms
            if with_open and mine["side"] != UNKNOWN:
                counts[min(np.searchsorted(EDGES, mine["size"], "right"), BINS - 1)] += 1
            bins = np.flatnonzero(counts)
            if mine["day"] != NO_DAY and len(bins):
                since_ns = int(mine["since_ns"])
                part = SizeDay(name, int(mine["day"]), since_ns, span_ms, bins, counts[bins])
                days.append(part)
        return days

    def finish(self) -> Prints | None:
        """Return a chunk without prints, with what the days that are not over taught so far.

        Runs that are open count as if they were over. Nothing is forgotten: a run that goes on
        says the whole day again.
        """
        names = self._state.every_name()
        self._bind(names)
        days = self._days(range(len(names)), with_open=True)
        if not days:
            return None
        return Prints(names, np.empty(0, PRINT), {}, [], volume=np.empty(0, VOLUME), learned=days)

    def snapshot(self) -> Snapshot:
        """Return the state to save: rows, and of the counts those that are not zero."""
        names, waiting = self._state.names, self._state.waiting()
        now = Sparse.of_rows(self._counts[: len(names)], map(self._prior.get, names))
        return self._state.snapshot(now.followed_by(self._saved, waiting).parts())


@operator
def own_large_orders(
    step_id: str, up: KeyedStream[Prints], rules: OwnRules, known: History[SizeDay]
) -> KeyedStream[Prints]:
    """Join prints to parent orders, and report those that are large for their symbol.

    Args:
        step_id: Name of the step, and the key of its saved state.
        up: `(shard, chunk)`, with verdicts, sides and evidence, in arrival order.
        rules: Pause within a parent, floors of size and money.
        known: What past sessions taught, by symbol; days that are not over are not used.

    Returns:
        `(shard, chunk)` with `parents`, and `learned` where a symbol's day is over.

    Source:
        detectors.md section 4.
    """
    return columns("columns", up, lambda saved: OwnLargeOrders(rules, known, saved))
