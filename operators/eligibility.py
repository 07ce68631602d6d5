"""Which prints count: one verdict for each (detectors.md section 2)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream

from operators.columns import columns
from operators.duplicates import TradeKeys, remember
from operators.kernels import kernel, step
from operators.nbbo import PRINT, Prints
from operators.parts import PartStore
from operators.sessions import DAY_MS, PHASE, Sessions, phase_table
from operators.state import Scratch, Snapshot, SymbolRows, blank
from operators.ticks import GAP, ID_ROW, LATENESS_UNKNOWN, MS, TRADE, Array, Row
from operators.verdicts import (
    AUCTION_REOPEN,
    COUNTED,
    DUPLICATE,
    EXTENDED_HOURS,
    GAP_MARK,
    LATE,
    OFF_MARKET,
    OUT_OF_ORDER,
    OUT_OF_SESSION,
    REGULAR,
    SEEN_MARK,
    TOO_LATE,
    VERDICTS,
)

WINDOW_S = 360  # seconds the rolling windows reach back, the current one included
OFF_MARKET_QUOTE_MS = 1000
OFF_MARKET_FLOOR = 20_000  # 2 cents in 1e-6 dollar
NEVER = -(2**62)
NO_DAY = -(2**31)
VERSION = 4

STATE = np.dtype(
    [
        ("phase_ms", np.int64),  # start of the current phase
        ("floor_ms", np.int64),  # windows hold nothing from before this
        ("counted_ms", np.int64),  # newest counted print
        ("newest_ms", np.int64),  # newest print of any verdict but rejected
        ("day", np.int32),  # of `counts`, days since epoch as LEDGER has them
        ("counts", np.int32, (len(VERDICTS),)),  # prints of that day by verdict
    ],
    align=True,
)

DAY_STARTS_MS = 5 * 3_600_000
"""A trading day is counted from 05:00 UTC: midnight in New York, an hour later in summer."""

LEDGER = np.dtype(
    [("symbol", np.int32), ("day", np.int32), ("counts", np.int32, (len(VERDICTS),))], align=True
)
"""Prints of one symbol and day by verdict, written when the day is over."""
_NO_DAYS = np.empty(0, LEDGER)


@step
def _phase_at(phases: Array, ms: int) -> int:
    """Return the phase piece that holds `ms`, or -1."""
    low, high = 0, len(phases)
    while low < high:
        middle = (low + high) // 2
        if phases[middle]["start_ms"] <= ms:
            low = middle + 1
        else:
            high = middle
    if low > 0 and ms < phases[low - 1]["end_ms"]:
        return low - 1
    return -1


@step
def _is_off_market(row: Row, ms: int) -> bool:
    """Whether the price is outside a fresh usable quote by more than max(2 cents, 0.1 %)."""
    bid, ask = row["bid"], row["ask"]
    if row["sweep"] or bid <= 0 or ask <= bid or ms - row["quote_ns"] // MS > OFF_MARKET_QUOTE_MS:
        return False
    outside = max(bid - row["price"], row["price"] - ask)
    return bool(outside > OFF_MARKET_FLOOR and 2000 * outside > bid + ask)


@step
def _judge_time(state: Row, ms: int) -> int:
    """Judge a print that counts by where it stands in time."""
    if ms < state["floor_ms"]:  # its window was cleared by a reset
        return TOO_LATE
    if ms >= state["counted_ms"]:
        state["counted_ms"] = ms
        return COUNTED
    if ms // 1000 < state["counted_ms"] // 1000 - (WINDOW_S - 1):
        return TOO_LATE
    return OUT_OF_ORDER


@kernel
def _days(rows: Array) -> tuple[int, int]:
    """Return the first and the last UTC day of prints, which may be out of order."""
    first, last = rows[0]["ts_ns"], rows[0]["ts_ns"]
    for i in range(len(rows)):
        first = min(first, rows[i]["ts_ns"])
        last = max(last, rows[i]["ts_ns"])
    return first // (DAY_MS * MS), last // (DAY_MS * MS)


@kernel
def _turn_day(mine: Row, symbol: int, day: int, ledger: Array, n: int) -> int:
    """Begin a symbol's day; put the one before it into the ledger, if there was one."""
    if mine["day"] != NO_DAY:
        ledger[n]["symbol"] = symbol
        ledger[n]["day"] = mine["day"]
        for k in range(len(VERDICTS)):
            ledger[n]["counts"][k] = mine["counts"][k]
            mine["counts"][k] = 0
        n += 1
    mine["day"] = day
    return n


@step
def _turn_phase(mine: Row, phases: Array, piece: int) -> int:
    """Return 1 if a symbol is in a phase newer than its last one, and note that it is."""
    if piece < 0 or phases[piece]["phase_ms"] <= mine["phase_ms"]:
        return 0
    mine["phase_ms"] = phases[piece]["phase_ms"]
    mine["floor_ms"] = max(mine["floor_ms"], phases[piece]["phase_ms"])
    return 1


@step
def _mark(row: Row, mine: Row, phases: Array) -> tuple[int, int]:
    """Return the verdict of a mark, and 1 if it begins a phase its first print would begin."""
    if row["kind"] == GAP:
        return GAP_MARK, 0
    return SEEN_MARK, _turn_phase(mine, phases, _phase_at(phases, row["ts_ns"] // MS))


@kernel
def _judge(
    rows: Array,
    state: Array,
    seen: Array,
    old_seen: Array,
    moved: int,
    phases: Array,
    late_ms: int,
    quotes_shed: bool,
    verdict: Array,
    resets: Array,
    ledger: Array,
) -> tuple[int, int]:
    """Judge every print; return newly used cells of `seen`, and rows of `ledger`."""
    used = turned = 0
    last = -1  # the phase piece of the print before: prints come in runs
    for i in range(len(rows)):
        row = rows[i]
        mine = state[row["symbol"]]
        resets[i] = 0
        if row["kind"] != TRADE:
            verdict[i], resets[i] = _mark(row, mine, phases)
            continue
        ms = row["ts_ns"] // MS
        day = (ms - DAY_STARTS_MS) // DAY_MS
        if day > mine["day"]:
            turned = _turn_day(mine, row["symbol"], day, ledger, turned)
        mine["newest_ms"] = max(mine["newest_ms"], ms)
        if row["id_kind"] != ID_ROW:
            duplicate, cells = remember(seen, old_seen, moved, row, ms, mine["newest_ms"])
            used += cells
            if duplicate:
                verdict[i] = DUPLICATE
                mine["counts"][DUPLICATE] += 1
                continue
        if last < 0 or ms < phases[last]["start_ms"] or ms >= phases[last]["end_ms"]:
            last = _phase_at(phases, ms)
        sale = row["sale_class"]
        if sale == EXTENDED_HOURS and last >= 0 and phases[last]["extended"]:
            sale = REGULAR
        if sale != REGULAR:
            verdict[i] = sale
            mine["counts"][sale] += 1
            if sale == AUCTION_REOPEN:  # trading resumed after a halt
                mine["floor_ms"] = max(mine["floor_ms"], ms)
                resets[i] = 1
            continue
        if last < 0:
            verdict[i] = OUT_OF_SESSION
            mine["counts"][OUT_OF_SESSION] += 1
            continue
        resets[i] = _turn_phase(mine, phases, last)
        if row["lateness_ms"] != LATENESS_UNKNOWN and row["lateness_ms"] > late_ms:
            verdict[i] = LATE
        elif not quotes_shed and _is_off_market(row, ms):
            verdict[i] = OFF_MARKET
        else:
            verdict[i] = _judge_time(mine, ms)
        mine["counts"][verdict[i]] += 1
    return used, turned


@dataclass(frozen=True, slots=True)
class EligibilityRules:
    """Which prints count, and how the trade keys are kept.

    `late_ms`: SIP minus participant time above which a report is late. `live`: snapshots will be
    taken and must be short, so their keys are made ready as prints come.
    """

    sessions: Sessions
    late_ms: int
    live: bool = False


class Eligibility:
    """Give each print its verdict, and mark the print at which a symbol's windows start anew."""

    def __init__(
        self,
        rules: EligibilityRules,
        saved: Snapshot | None = None,
        store: PartStore | None = None,
    ) -> None:
        self._rules = rules
        never = blank(
            STATE, phase_ms=NEVER, floor_ms=NEVER, counted_ms=NEVER, newest_ms=NEVER, day=NO_DAY
        )
        self._state = SymbolRows(never, saved, VERSION)
        at_once = rules.live or store is not None
        if saved is None:
            self._keys = TradeKeys(at_once=at_once, store=store)
        else:
            newest = saved.rows["newest_ms"]
            self._keys = TradeKeys(saved.parts, newest, at_once=at_once, store=store)
        self._turned = Scratch(LEDGER)
        self._day = NEVER
        self._phases = np.empty(0, PHASE)

    def __call__(self, chunk: Prints) -> Prints:
        """Return `chunk` with `verdict` and `resets`."""
        restored = self._state.bind(chunk.names)
        if restored:
            self._keys.adopt(restored, self._newest())
        rows = chunk.rows
        if not self._keys.is_ready(len(rows)):
            self._keys.make_ready(len(rows), self._newest())
        chunk.verdict = np.empty(len(rows), np.uint8)
        chunk.resets = np.empty(len(rows), np.uint8)
        if len(rows) == 0:
            return chunk
        days = self._turned.of(len(rows))
        used, turned = _judge(
            rows,
            self._state.rows,
            self._keys.table,
            self._keys.old,
            self._keys.moved,
            self._phases_of(rows),
            self._rules.late_ms,
            chunk.quotes_shed,
            chunk.verdict,
            chunk.resets,
            days,
        )
        self._keys.noted(rows, used)
        chunk.ledger = days[:turned].copy() if turned else _NO_DAYS
        return chunk

    def finish(self) -> Prints | None:
        """Return a chunk without prints, with the ledger of the days that are not over.

        Counting goes on from zero: the rows of a day add up.
        """
        names = self._state.every_name()
        self._keys.adopt(self._state.bind(names), self._newest())
        days = np.zeros(len(names), LEDGER)
        days["symbol"] = np.arange(len(names))
        for column in ("day", "counts"):
            days[column] = self._state.rows[column][: len(names)]
        self._state.rows["counts"][: len(names)] = 0
        days = days[days["counts"].any(axis=1)]
        if not len(days):
            return None
        chunk = Prints(names, np.empty(0, PRINT), {}, [])
        return replace(self(chunk), ledger=days)

    def _phases_of(self, rows: Array) -> Array:
        """Return the phases of the days these prints stand on; most chunks stand on one."""
        first, last = _days(rows)
        if first == self._day and last == self._day:
            return self._phases
        utc_days = np.unique(rows["ts_ns"] // (DAY_MS * MS))
        self._day = int(utc_days[0]) if len(utc_days) == 1 else NEVER
        self._phases = phase_table(self._rules.sessions, utc_days)
        return self._phases

    def snapshot(self) -> Snapshot:
        """Return the state to save: rows, and the trade keys that are still young."""
        return self._state.snapshot(self._keys.snapshot(self._newest(), self._state.waiting()))

    def _newest(self) -> Array:
        newest: Array = self._state.rows["newest_ms"][: len(self._state.names)].copy()
        return newest


@operator
def eligibility(
    step_id: str,
    up: KeyedStream[Prints],
    rules: EligibilityRules,
    store: PartStore | None = None,
) -> KeyedStream[Prints]:
    """Say of each print whether it counts, and if not, why.

    Args:
        step_id: Name of the step, and the key of its saved state.
        up: `(shard, chunk)`, in arrival order.
        rules: Sessions and lateness.
        store: Keeps trade keys beside the snapshots; None: these hold them.

    Returns:
        `(shard, chunk)` with `verdict` and `resets`.

    Source:
        detectors.md sections 1 and 2.
    """
    return columns("columns", up, lambda saved: Eligibility(rules, saved, store))
