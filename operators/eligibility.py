"""Which prints count: one verdict for each (detectors.md section 2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream

from operators.columns import columns
from operators.kernels import kernel
from operators.nbbo import Prints
from operators.sessions import DAY_MS, PHASE, Sessions, phase_table
from operators.state import Snapshot, SymbolRows, blank
from operators.ticks import GAP, ID_MOCK_ROW, ID_ROW, LATENESS_UNKNOWN, MS, Array, Row

# Verdicts, in the order of the page; the first that applies wins. 2 to 9 are sale classes too.
COUNTED = 0
DUPLICATE = 1
UNKNOWN_CONDITION = 2
SUMMARY_DROP = 3
NON_FLOW = 4
AUCTION_REOPEN = 5
AUCTION_OPEN = 6
AUCTION_CLOSE = 7
BLOCK = 8
EXTENDED_HOURS = 9
OUT_OF_SESSION = 10
LATE = 11
OFF_MARKET = 12
TOO_LATE = 13
OUT_OF_ORDER = 14
GAP_MARK = 15  # not a print: the symbol was not seen up to here

REGULAR = COUNTED

VERDICTS = (
    "counted",
    "duplicate",
    "unknown_condition",
    "summary_drop",
    "non_flow",
    "auction_reopen",
    "auction_open",
    "auction_close",
    "block",
    "extended_hours",
    "out_of_session",
    "late",
    "off_market",
    "too_late",
    "out_of_order",
)

SWEEP = 14

_CLASS_OF: dict[int, int] = {
    **dict.fromkeys((0, 1, 3, 4, 6, 11, SWEEP, 23, 27, 30, 31, 34, 35, 36, 37, 41), REGULAR),
    **dict.fromkeys((57, 58, 59, 60, *range(62, 72)), REGULAR),
    **dict.fromkeys((15, 16, 38), SUMMARY_DROP),
    **dict.fromkeys((2, 5, 7, 10, 13, 20, 21, 22, 29, 32, 33, 52, 53), NON_FLOW),
    **dict.fromkeys((18, 28), AUCTION_REOPEN),
    **dict.fromkeys((17, 25, 55), AUCTION_OPEN),
    **dict.fromkeys((8, 19), AUCTION_CLOSE),
    **dict.fromkeys((9, 24), BLOCK),
    12: EXTENDED_HOURS,
}
"""Sale condition id to class, from the vendor's conditions of 2026-08-11."""

_STRICTEST_FIRST = (
    UNKNOWN_CONDITION,
    SUMMARY_DROP,
    NON_FLOW,
    AUCTION_REOPEN,
    AUCTION_OPEN,
    AUCTION_CLOSE,
    BLOCK,
    EXTENDED_HOURS,
)

WINDOW_S = 360  # seconds the rolling windows reach back, the current one included
WINDOW_MS = WINDOW_S * 1000
OFF_MARKET_QUOTE_MS = 1000
OFF_MARKET_FLOOR = 20_000  # 2 cents in 1e-6 dollar
NEVER = -(2**62)
VERSION = 1

STATE = np.dtype(
    [
        ("phase_ms", np.int64),  # start of the current phase
        ("floor_ms", np.int64),  # windows hold nothing from before this
        ("counted_ms", np.int64),  # newest counted print
        ("newest_ms", np.int64),  # newest print of any verdict but rejected
    ],
    align=True,
)

SEEN = np.dtype(
    [
        ("trade_id", np.int64),
        ("ms", np.int64),
        ("symbol", np.int32),  # -1: free
        ("exchange", np.int16),
        ("trf", np.int16),
    ],
    align=True,
)
"""One trade key of the last 360 s, in an open-addressed table of a power-of-two size."""


def sale_class(conditions: Sequence[int]) -> tuple[int, bool]:
    """Return the strictest class among sale conditions, and whether 14 (sweep) is one."""
    classes = {_CLASS_OF.get(c, UNKNOWN_CONDITION) for c in conditions}
    strictest = next((c for c in _STRICTEST_FIRST if c in classes), REGULAR)
    return strictest, SWEEP in conditions


def is_known_condition(condition: int) -> bool:
    """Return whether a sale condition id has a class."""
    return condition in _CLASS_OF


@kernel
def _find(seen: Array, trade_id: int, symbol: int, exchange: int, trf: int) -> int:
    """Return the place of a trade key, or of the free cell where it belongs."""
    mask = len(seen) - 1
    h = trade_id ^ (symbol << 24) ^ (exchange << 12) ^ (trf << 4)
    # Ids count up per exchange: without the multiplication their runs would lie on each other.
    h = ((h ^ (h >> 32)) & 0xFFFFFFFF) * 0x1E3779B1
    at = (h >> 20) & mask
    while True:
        cell = seen[at]
        if cell["symbol"] < 0:
            return at
        if (
            cell["trade_id"] == trade_id
            and cell["symbol"] == symbol
            and cell["exchange"] == exchange
            and cell["trf"] == trf
        ):
            return at
        at = (at + 1) & mask


@kernel
def _rehash(old: Array, state: Array, new: Array) -> int:
    """Move what is younger than 360 s to `new`; return how many."""
    n = 0
    for i in range(len(old)):
        cell = old[i]
        if cell["symbol"] < 0 or cell["ms"] < state[cell["symbol"]]["newest_ms"] - WINDOW_MS:
            continue
        at = _find(new, cell["trade_id"], cell["symbol"], cell["exchange"], cell["trf"])
        new[at] = cell
        n += 1
    return n


@kernel
def _remember(seen: Array, row: Row, ms: int, newest_ms: int) -> tuple[bool, int]:
    """Note the trade key of a print; return whether it is a duplicate, and cells newly used."""
    exchange, trf = row["exchange"], row["trf"]
    if row["id_kind"] == ID_MOCK_ROW:
        exchange, trf = exchange * 0, trf * 0 - 1
    at = _find(seen, row["trade_id"], row["symbol"], exchange, trf)
    cell = seen[at]
    if cell["symbol"] < 0:
        cell["trade_id"] = row["trade_id"]
        cell["ms"] = ms
        cell["symbol"] = row["symbol"]
        cell["exchange"] = exchange
        cell["trf"] = trf
        return False, 1
    duplicate = cell["ms"] >= newest_ms - WINDOW_MS
    cell["ms"] = max(cell["ms"], ms)
    return duplicate, 0


@kernel
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


@kernel
def _is_off_market(row: Row, ms: int) -> bool:
    """Whether the price is outside a fresh usable quote by more than max(2 cents, 0.1 %)."""
    bid, ask = row["bid"], row["ask"]
    if row["sweep"] or bid <= 0 or ask <= bid or ms - row["quote_ns"] // MS > OFF_MARKET_QUOTE_MS:
        return False
    outside = max(bid - row["price"], row["price"] - ask)
    return bool(outside > OFF_MARKET_FLOOR and 2000 * outside > bid + ask)


@kernel
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
def _judge(
    rows: Array,
    state: Array,
    seen: Array,
    phases: Array,
    late_ms: int,
    verdict: Array,
    resets: Array,
) -> int:
    used = 0
    last = -1  # the phase piece of the print before: prints come in runs
    for i in range(len(rows)):
        row = rows[i]
        mine = state[row["symbol"]]
        resets[i] = 0
        if row["kind"] == GAP:
            verdict[i] = GAP_MARK
            continue
        ms = row["ts_ns"] // MS
        mine["newest_ms"] = max(mine["newest_ms"], ms)
        if row["id_kind"] != ID_ROW:
            duplicate, cells = _remember(seen, row, ms, mine["newest_ms"])
            used += cells
            if duplicate:
                verdict[i] = DUPLICATE
                continue
        if last < 0 or ms < phases[last]["start_ms"] or ms >= phases[last]["end_ms"]:
            last = _phase_at(phases, ms)
        sale = row["sale_class"]
        if sale == EXTENDED_HOURS and last >= 0 and phases[last]["extended"]:
            sale = REGULAR
        if sale != REGULAR:
            verdict[i] = sale
            if sale == AUCTION_REOPEN:  # trading resumed after a halt
                mine["floor_ms"] = max(mine["floor_ms"], ms)
                resets[i] = 1
            continue
        if last < 0:
            verdict[i] = OUT_OF_SESSION
            continue
        if phases[last]["phase_ms"] > mine["phase_ms"]:
            mine["phase_ms"] = phases[last]["phase_ms"]
            mine["floor_ms"] = max(mine["floor_ms"], phases[last]["phase_ms"])
            resets[i] = 1
        if row["lateness_ms"] != LATENESS_UNKNOWN and row["lateness_ms"] > late_ms:
            verdict[i] = LATE
        elif _is_off_market(row, ms):
            verdict[i] = OFF_MARKET
        else:
            verdict[i] = _judge_time(mine, ms)
    return used


@dataclass(frozen=True, slots=True)
class EligibilityRules:
    """`late_ms`: SIP minus participant time above which a report is late."""

    sessions: Sessions
    late_ms: int


class Eligibility:
    """Give each print its verdict, and mark the print at which a symbol's windows start anew."""

    def __init__(self, rules: EligibilityRules, saved: Snapshot | None = None) -> None:
        self._rules = rules
        never = blank(STATE, phase_ms=NEVER, floor_ms=NEVER, counted_ms=NEVER, newest_ms=NEVER)
        self._state = SymbolRows(never, saved, VERSION)
        self._saved_keys = saved.parts[0] if saved is not None else np.empty(0, SEEN)
        self._seen = _free(1024)
        self._used = 0
        self._day = NEVER
        self._phases = np.empty(0, PHASE)

    def __call__(self, chunk: Prints) -> Prints:
        """Return `chunk` with `verdict` and `resets`."""
        self._adopt(self._state.bind(chunk.names))
        rows = chunk.rows
        self._make_room(len(rows))
        chunk.verdict = np.empty(len(rows), np.uint8)
        chunk.resets = np.empty(len(rows), np.uint8)
        if len(rows) == 0:
            return chunk
        self._used += _judge(
            rows,
            self._state.rows,
            self._seen,
            self._phases_of(rows),
            self._rules.late_ms,
            chunk.verdict,
            chunk.resets,
        )
        return chunk

    def _phases_of(self, rows: Array) -> Array:
        """Return the phases of the days these prints stand on; most chunks stand on one."""
        days = rows["ts_ns"] // (DAY_MS * MS)
        if days[0] == self._day and days[-1] == self._day and bool((days == self._day).all()):
            return self._phases
        utc_days = np.unique(days)
        self._day = int(utc_days[0]) if len(utc_days) == 1 else NEVER
        self._phases = phase_table(self._rules.sessions, utc_days)
        return self._phases

    def _make_room(self, prints: int) -> None:
        """Keep the table of trade keys at most half full, whatever this chunk adds."""
        if 2 * (self._used + prints) <= len(self._seen):
            return
        live = _free(len(self._seen))
        alive = _rehash(self._seen, self._state.rows, live)
        size = len(live)
        while 4 * (alive + prints) > size:  # room to spare, or the next chunk rehashes again
            size *= 2
        if size > len(live):
            larger = _free(size)
            _rehash(live, self._state.rows, larger)
            live = larger
        self._seen, self._used = live, alive

    def _adopt(self, restored: list[tuple[int, int]]) -> None:
        """Bring back the trade keys of symbols whose saved state was just bound."""
        if not restored or not len(self._saved_keys):
            return
        here = {old: new for new, old in restored}
        mine = np.isin(self._saved_keys["symbol"], np.array(list(here), np.int32))
        keys = self._saved_keys[mine]
        self._saved_keys = self._saved_keys[~mine]
        keys["symbol"] = [here[int(old)] for old in keys["symbol"]]
        self._make_room(len(keys))
        self._used += _rehash(keys, self._state.rows, self._seen)

    def snapshot(self) -> Snapshot:
        """Return the state to save: rows, and the trade keys that are still young."""
        live = _free(len(self._seen))
        _rehash(self._seen, self._state.rows, live)
        bound = len(self._state.names)
        waiting = self._state.waiting()
        keys = self._saved_keys[np.isin(self._saved_keys["symbol"], waiting)]
        moved = {old: bound + k for k, old in enumerate(waiting)}
        keys["symbol"] = [moved[int(old)] for old in keys["symbol"]]
        return self._state.snapshot((np.concatenate([live[live["symbol"] >= 0], keys]),))


def _free(size: int) -> Array:
    table = np.zeros(size, SEEN)
    table["symbol"] = -1
    return table


@operator
def eligibility(
    step_id: str, up: KeyedStream[Prints], rules: EligibilityRules
) -> KeyedStream[Prints]:
    """Say of each print whether it counts, and if not, why.

    Args:
        step_id: Name of the step, and the key of its saved state.
        up: `(shard, chunk)`, in arrival order.
        rules: Sessions and lateness.

    Returns:
        `(shard, chunk)` with `verdict` and `resets`.

    Source:
        detectors.md sections 1 and 2.
    """
    return columns("columns", up, lambda saved: Eligibility(rules, saved))
