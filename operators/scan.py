"""The frames a feed sends all day, read from bytes straight into columns.

Typed decoding makes a Python object an event, and turning objects into columns costs as much
again. This kernel reads what the vendor's server writes in its usual form: an array of flat `T`
and `Q` events with plain numbers. It judges nothing. A frame with anything else in it (another
event, an escape, an exponent, a value out of bounds) is left to `operators.frames`, whole, and
decides there; so a frame may always be passed over here, and never read differently.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from operators.kernels import kernel, step
from operators.scan_event import (
    ABSENT,
    ASK,
    ASK_SIZE,
    BEGIN,
    BID,
    BID_SIZE,
    CLASS,
    CLOSE,
    COMMA,
    EV,
    EXACT,
    EXCHANGE,
    FAILED,
    ID,
    ID_KIND,
    LONGEST_SYMBOL,
    LOW,
    NOT_MET,
    ONE,
    OPEN,
    PARTICIPANT,
    PRICE,
    QUOTE_LETTER,
    SIZE,
    SLOTS,
    SWEPT,
    TIME,
    TOP_SIZE,
    TRADE_LETTER,
    TRF,
    Place,
    past_space,
    read_event,
)  # fmt: skip
from operators.scan_symbols import IN_SYMBOL, code_of, free_table, insert, rehash
from operators.symbols import MOST_SYMBOLS
from operators.ticks import (
    DEPTH,
    DETAIL,
    LATENESS_UNKNOWN,
    MAX_LATENESS_MS,
    MICRO,
    MS,
    QUOTE,
    TICK,
    TRADE,
    Array,
)
from operators.values import MAX_PRICE, YEAR_2000_MS, YEAR_2100_MS
from operators.verdicts import is_known_condition, sale_class

TOP_PRICE = int(MAX_PRICE) * MICRO
TOP_SMALL = 2**15 - 1  # of an exchange or TRF code

SHORTEST = len('{"ev":"Q","sym":"A","t":946684800000}')
"""Bytes of the least a scanned event has: so many cannot hold more events than one."""


@step
def _put_quote(tick: Array, slots: Array) -> int:
    """Write a quote; return 1 if it is crossed, 0 if not, -1 if it is none or too large."""
    bid, ask = max(slots[BID], 0), max(slots[ASK], 0)
    if slots[EV] != QUOTE_LETTER or bid > TOP_PRICE or ask > TOP_PRICE:
        return -1
    tick["kind"] = QUOTE
    tick["price"] = bid
    tick["size"] = ask
    return 1 if bid > ask > 0 else 0


@step
def _put_trade(tick: Array, detail: Array, received_ns: int, slots: Array) -> bool:
    """Write a trade; return whether it has all it needs, within bounds."""
    size = slots[EXACT] if slots[EXACT] != ABSENT else slots[SIZE]
    if not (
        0 < slots[PRICE] <= TOP_PRICE
        and 0 < size <= TOP_SIZE
        and slots[ID_KIND] != ABSENT
        and slots[CLASS] != NOT_MET
        and slots[EXCHANGE] <= TOP_SMALL
        and slots[TRF] <= TOP_SMALL
    ):
        return False
    tick["kind"] = TRADE
    tick["price"] = slots[PRICE]
    tick["size"] = size
    detail["received_ns"] = received_ns
    detail["trade_id"] = slots[ID]
    detail["id_kind"] = slots[ID_KIND]
    detail["exchange"] = max(slots[EXCHANGE], 0)
    detail["trf"] = max(slots[TRF], 0)
    detail["sale_class"] = slots[CLASS]
    detail["sweep"] = slots[SWEPT]
    detail["stated_side"] = 0
    detail["stale"] = 0
    detail["imbalance"] = 0
    detail["lateness_ms"] = LATENESS_UNKNOWN
    if slots[PARTICIPANT] > 0:
        late = slots[TIME] - slots[PARTICIPANT]
        detail["lateness_ms"] = max(min(late, MAX_LATENESS_MS), -MAX_LATENESS_MS)
    return True


@step
def _frame(
    text: Array,
    p: Place,
    received_ns: int,
    classes: Array,
    table: Array,
    known: Array,
    fresh: Array,
    allowed: Array,
    slots: Array,
    ticks: Array,
    details: Array,
    depths: Array,
    crossed: Array,
    done: Array,
) -> bool:
    """Read one frame behind the ticks and details that are `done`; return whether it could be.

    `done` counts ticks, details and crossed quotes; it moves on only with a whole frame.
    """
    i, j, k = done[0], done[1], done[2]
    p = past_space(text, p)
    if text[p] != OPEN:
        return False
    p = past_space(text, p + ONE)
    while True:
        if text[p] != BEGIN:
            return False
        p = read_event(text, p + ONE, classes, slots)
        if p == FAILED or not YEAR_2000_MS <= slots[TIME] < YEAR_2100_MS or slots[LOW] == ABSENT:
            return False
        code = code_of(table, known, slots, fresh, allowed)
        if code < 0:
            return False
        tick = ticks[i]
        tick["ts_ns"] = slots[TIME] * MS
        tick["symbol"] = code
        if slots[EV] == TRADE_LETTER:
            if not _put_trade(tick, details[j], received_ns, slots):
                return False
            j += 1
        else:
            crosses = _put_quote(tick, slots)
            if crosses < 0:
                return False
            crossed[k] = code
            k += crosses
            if len(depths):
                depths[i]["bid"] = max(slots[BID_SIZE], 0)
                depths[i]["ask"] = max(slots[ASK_SIZE], 0)
        i += 1
        p = past_space(text, p)
        if text[p] == CLOSE:
            break
        if text[p] != COMMA:
            return False
        p = past_space(text, p + ONE)
    if text[past_space(text, p + ONE)] != 0:
        return False
    done[0], done[1], done[2] = i, j, k
    return True


@kernel
def _scan(
    text: Array,
    starts: Array,
    received_ns: Array,
    classes: Array,
    table: Array,
    known: Array,
    fresh: Array,
    allowed: Array,
    slots: Array,
    ticks: Array,
    details: Array,
    depths: Array,
    crossed: Array,
    ends: Array,
) -> int:
    """Read frame after frame; `ends` has what was done before each and at last.

    A frame that is left out has no ticks. Returns how many were left out.
    """
    left = 0
    done = ends[0]
    for f in range(len(starts)):
        ends[f + 1, 0], ends[f + 1, 1], ends[f + 1, 2] = done[0], done[1], done[2]
        done = ends[f + 1]
        if not _frame(
            text,
            np.uint64(starts[f]),
            received_ns[f],
            classes,
            table,
            known,
            fresh,
            allowed,
            slots,
            ticks,
            details,
            depths,
            crossed,
            done,
        ):
            left += 1
    return left


class Scanned(NamedTuple):
    """What the frames held that could be read.

    `ends[f]` and `ends[f + 1]` frame the ticks (column 0) and details (column 1) of frame `f`;
    `left` frames have none and are to be decoded in another way. `crossed`: symbol codes of
    crossed quotes. `depths`: sizes of quotes, a row a tick, or none.
    """

    ticks: Array
    details: Array
    ends: Array
    left: int
    crossed: Array
    depths: Array


class Scanner:
    """Read frames of the usual form; learns symbols as it meets them.

    Args:
        names: The feed's symbols by code; grows here and elsewhere, and is only appended to.
        depths: Keep the sizes of quotes, too.
    """

    def __init__(self, names: list[str], depths: bool = False) -> None:
        self._names, self._depths = names, depths
        self._known = np.zeros(2, np.int64)  # codes in the table, and those new in this call
        self._table = free_table(1024)
        self._slots = np.empty(SLOTS, np.int64)
        self._classes = np.full(256, NOT_MET, np.uint8)
        for condition in filter(is_known_condition, range(len(self._classes))):
            self._classes[condition] = sale_class((condition,))[0]

    def meet(self, condition: int) -> None:
        """Know a condition id that has no class: from now on it is no news."""
        if 0 <= condition < len(self._classes):
            self._classes[condition] = sale_class((condition,))[0]

    def __call__(self, frames: Sequence[bytes], received_ns: Sequence[int]) -> Scanned:
        """Read what can be read of `frames`, in order."""
        self._catch_up()
        blob = b"\0".join((*frames, b""))  # a zero ends every loop over a frame
        if blob.count(b"\0") > len(frames):  # a zero within is no end: typed decoding refuses it
            frames = [b"" if b"\0" in frame else frame for frame in frames]
            blob = b"\0".join((*frames, b""))
        text = np.frombuffer(blob, np.uint8)
        lengths = np.array([*map(len, frames)], np.int64)
        starts = np.cumsum(lengths + 1) - lengths - 1
        most = len(blob) // SHORTEST + 1  # and one that turns out to be none
        ticks, details = np.empty(most, TICK), np.empty(most, DETAIL)
        depths = np.zeros(most if self._depths else 0, DEPTH)
        crossed = np.empty(most, np.int32)
        ends = np.zeros((len(frames) + 1, 3), np.int64)
        room = min(len(self._table) // 4, MOST_SYMBOLS - len(self._names))
        fresh = np.empty(room, np.int64)
        left = _scan(
            text,
            starts,
            np.array(received_ns, np.int64),
            self._classes,
            self._table,
            self._known,
            fresh,
            IN_SYMBOL,
            self._slots,
            ticks,
            details,
            depths,
            crossed,
            ends,
        )
        self._name(fresh[: int(self._known[1])])
        done = ends[-1]
        t, d, c = done.tolist()
        return Scanned(ticks[:t], details[:d], ends, left, crossed[:c], depths[:t])

    def _name(self, fresh: Array) -> None:
        """Spell the symbols that were learnt in a call."""
        for at in fresh.tolist():
            cell = self._table[at]
            spelled = b"".join(int(cell[part]).to_bytes(8, "little") for part in ("low", "high"))
            self._names.append(spelled.rstrip(b"\0").decode())

    def _catch_up(self) -> None:
        """Make room for what the next call may learn, and take in names learnt elsewhere."""
        size = len(self._table)
        while size < 4 * (len(self._names) + 1):
            size *= 2
        if size > len(self._table):
            larger = free_table(size)
            rehash(self._table, larger)
            self._table = larger
        for code in range(int(self._known[0]), len(self._names)):
            name = self._names[code].encode()
            if len(name) <= LONGEST_SYMBOL:
                low, high = (int.from_bytes(part, "little") for part in (name[:8], name[8:]))
                insert(self._table, low, high, code)
        self._known[:] = len(self._names), 0
