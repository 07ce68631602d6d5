"""The frames a feed sends all day, read from bytes straight into columns.

Typed decoding makes a Python object an event, and turning objects into columns costs as much
again. This kernel reads what the vendor's server writes in its usual form: an array of flat `T`
and `Q` events with plain numbers. It judges nothing. A frame with anything else in it (another
event, an escape, an exponent, a value out of bounds) is left to `operators.decode`, whole, and
decides there; so a frame may always be passed over here, and never read differently.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from operators.kernels import kernel, step
from operators.ticks import (
    DETAIL,
    ID_MOCK_ROW,
    ID_NUMBER,
    LATENESS_UNKNOWN,
    MICRO,
    MS,
    QUOTE,
    TICK,
    TRADE,
    Array,
)
from operators.values import MAX_PRICE, MAX_SIZE, YEAR_2000_MS, YEAR_2100_MS
from operators.verdicts import REGULAR, SWEEP, is_known_condition, sale_class

# Places in a text are unsigned, or each access would first look for a negative one.
Place = Any
ONE: Place = np.uint64(1)
FAILED: Place = np.uint64(0)  # is the place behind nothing
ABSENT = -1
NOT_MET = 255  # a condition id nobody has been told of yet
LONGEST_SYMBOL = 16  # bytes kept in the table; a longer one is read the slow way
LONGEST_INTEGER = 18  # digits that fit 64 bits
DECIMALS = 6
TOP_PRICE = int(MAX_PRICE) * MICRO
TOP_SIZE = int(MAX_SIZE) * MICRO
TOP_SMALL = 2**15 - 1  # of an exchange or TRF code

QUOTED, SPACE, POINT, ZERO, NINE, HASH, DELETE = 34, 32, 46, 48, 57, 35, 127
OPEN, CLOSE, BEGIN, END, COMMA, COLON, BACKSLASH = 91, 93, 123, 125, 44, 58, 92

# Where a field's value is kept while its event is read.
EV, LOW, HIGH, ID, ID_KIND, CLASS, SWEPT = 0, 1, 2, 3, 4, 5, 6
EXCHANGE, TRF, TIME, PARTICIPANT, CONDITIONS = 7, 8, 9, 10, 11  # whole numbers
PRICE, SIZE, EXACT, BID, ASK, UNUSED, SLOTS = 12, 13, 14, 15, 16, 17, 18
FIRST_NUMBER, FIRST_DECIMAL = EXCHANGE, PRICE


def _key(text: str) -> int:
    """Return the name of a field as `_event` reads it."""
    return int.from_bytes(text.encode())


LOW_BYTES = 2**48 - 1  # of a longer name: no two of its letters are ever lost
_EV, _SYM, _P, _S, _DS, _I, _C = map(_key, ("ev", "sym", "p", "s", "ds", "i", "c"))
_X, _TRFI, _T, _PT, _BP, _AP = map(_key, ("x", "trfi", "t", "pt", "bp", "ap"))
_TRADE, _QUOTE = _key("T"), _key("Q")

SYMBOL = np.dtype([("low", np.int64), ("high", np.int64), ("code", np.int32)], align=True)
"""A symbol of up to 16 bytes and its code (-1: free), in a table of a power-of-two size."""

_FIRST = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_IN_SYMBOL = np.zeros(256, np.uint8)  # 2: may begin a symbol, 1: may stand in one
_IN_SYMBOL[[*b"./:_+$^=*-"]] = 1
_IN_SYMBOL[[*_FIRST.encode()]] = 2


@step
def _past_space(text: Array, p: Place) -> Place:
    while text[p] == SPACE or text[p] == 10 or text[p] == 13 or text[p] == 9:
        p += ONE
    return p


@step
def _number(text: Array, p: Place) -> tuple[int, int, Place]:
    """Read a plain number without sign or exponent.

    Returns:
        The whole part, the decimals in 1e-6 (ABSENT without a point), and the place behind it.
    """
    start = p
    whole = 0
    while ZERO <= text[p] <= NINE:
        whole = 10 * whole + int(text[p]) - ZERO
        p += ONE
    n = int(p - start)
    if n == 0 or n > LONGEST_INTEGER or (n > 1 and text[start] == ZERO):
        return 0, 0, FAILED
    if text[p] != POINT:
        return whole, ABSENT, p
    p += ONE
    start = p
    decimals = 0
    while ZERO <= text[p] <= NINE:
        decimals = 10 * decimals + int(text[p]) - ZERO
        p += ONE
    n = int(p - start)
    if n == 0 or n > DECIMALS:
        return 0, 0, FAILED
    for _ in range(DECIMALS - n):
        decimals *= 10
    return whole, decimals, p


@step
def _put_number(slots: Array, slot: int, whole: int, decimals: int) -> bool:
    """Keep a number: in units of 1e-6 where it may have decimals. Return whether it fits."""
    if slot >= FIRST_DECIMAL:
        if whole > TOP_SIZE // MICRO:
            return False
        slots[slot] = whole * MICRO + max(decimals, 0)
        return True
    slots[slot] = whole
    return decimals == ABSENT


@step
def _put_id(text: Array, p: Place, slots: Array) -> Place:
    """Read an id that is a plain number, or `#` and one."""
    kind = ID_NUMBER
    if text[p] == HASH:
        kind = ID_MOCK_ROW
        p += ONE
    start = p
    whole, decimals, p = _number(text, p)
    if p == FAILED or decimals != ABSENT:
        return FAILED
    if kind == ID_MOCK_ROW and int(p - start) == LONGEST_INTEGER:
        return FAILED
    slots[ID] = whole
    slots[ID_KIND] = kind
    return p


@step
def _put_symbol(text: Array, p: Place, slots: Array) -> Place:
    """Read up to 16 characters as two numbers."""
    low, high, n = 0, 0, 0
    while text[p] != QUOTED:
        c = int(text[p])
        if n == LONGEST_SYMBOL or c < SPACE or c == BACKSLASH or c >= DELETE:
            return FAILED
        if n < 8:
            low |= c << (8 * n)
        else:
            high |= c << (8 * (n - 8))
        n += 1
        p += ONE
    slots[LOW] = low
    slots[HIGH] = high
    return p


@step
def _put_text(text: Array, p: Place, slot: int, slots: Array) -> Place:
    """Read a string up to its closing quote, and return the place behind that."""
    if slot == LOW:
        p = _put_symbol(text, p, slots)
    elif slot == ID:
        p = _put_id(text, p, slots)
    elif slot == EXACT:
        whole, decimals, p = _number(text, p)
        if p == FAILED or not _put_number(slots, slot, whole, decimals):
            return FAILED
    elif slot == EV:
        slots[EV] = text[p]  # more than one letter fails below
        p += ONE
    elif slot == UNUSED:
        while text[p] != QUOTED:
            if text[p] < SPACE or text[p] == BACKSLASH or text[p] >= DELETE:
                return FAILED
            p += ONE
    else:
        return FAILED
    return p + ONE if p != FAILED and text[p] == QUOTED else FAILED


@step
def _put_list(text: Array, p: Place, slot: int, classes: Array, slots: Array) -> Place:
    """Read a list of whole numbers; of sale conditions their class, and whether one is 14."""
    strictest, swept = REGULAR, 0
    p = _past_space(text, p)
    while text[p] != CLOSE:
        whole, decimals, p = _number(text, p)
        if p == FAILED or decimals != ABSENT:
            return FAILED
        found = int(classes[whole]) if whole < len(classes) else NOT_MET
        if found == NOT_MET or strictest == REGULAR:
            strictest = found
        elif found != REGULAR and strictest != NOT_MET:
            strictest = min(strictest, found)  # the stricter class has the lower number
        if whole == SWEEP:
            swept = 1
        p = _past_space(text, p)
        if text[p] == COMMA:
            p = _past_space(text, p + ONE)
            if text[p] == CLOSE:
                return FAILED
        elif text[p] != CLOSE:
            return FAILED
    if slot == CONDITIONS:
        slots[CLASS] = strictest
        slots[SWEPT] = swept
    return p + ONE


@step
def _slot_of(key: int) -> int:
    """Return where the value of a field goes; UNUSED for one that no rule asks for."""
    if key == _SYM:
        return LOW
    if key == _T:
        return TIME
    if key == _BP:
        return BID
    if key == _AP:
        return ASK
    if key == _EV:
        return EV
    if key == _P:
        return PRICE
    if key == _S:
        return SIZE
    if key == _DS:
        return EXACT
    if key == _I:
        return ID
    if key == _C:
        return CONDITIONS
    if key == _X:
        return EXCHANGE
    if key == _PT:
        return PARTICIPANT
    if key == _TRFI:
        return TRF
    return UNUSED


@step
def _put(text: Array, p: Place, slot: int, classes: Array, slots: Array) -> Place:
    """Read the value of a field into its slot, and return the place behind it."""
    c = text[p]
    if ZERO <= c <= NINE:
        whole, decimals, p = _number(text, p)
        if p == FAILED or slot < FIRST_NUMBER or slot == EXACT:  # which is spelled as a string
            return FAILED
        if not _put_number(slots, slot, whole, decimals):
            return FAILED
        if slot == CONDITIONS:  # of a quote: one number, of no interest
            slots[CLASS] = NOT_MET
        # No exponent and no second point behind it.
        c = text[p]
        return p if c == COMMA or c == END or c <= SPACE else FAILED  # noqa: SIM109 - no tuples here
    if c == QUOTED:
        return _put_text(text, p + ONE, slot, slots)
    if c == OPEN and (slot == ID or slot == CONDITIONS or slot == UNUSED):  # noqa: SIM109
        return _put_list(text, p + ONE, slot, classes, slots)
    return FAILED


@step
def _event(text: Array, p: Place, classes: Array, slots: Array) -> Place:
    """Read the fields of one event behind its brace, and return the place behind it."""
    for k in range(SLOTS):
        slots[k] = ABSENT
    slots[CLASS] = REGULAR
    slots[SWEPT] = 0
    seen = 0
    while True:
        if text[p] != QUOTED:
            p = _past_space(text, p)
            if text[p] != QUOTED:
                return FAILED
        p += ONE
        key = 0
        while text[p] != QUOTED:
            c = int(text[p])
            if c < SPACE or c == BACKSLASH or c >= DELETE:
                return FAILED
            key = (key & LOW_BYTES) << 8 | c
            p += ONE
        slot = _slot_of(key)
        if seen >> slot & 1:  # a field said twice
            return FAILED
        if slot != UNUSED:
            seen |= 1 << slot
        p += ONE
        if text[p] != COLON:
            p = _past_space(text, p)
            if text[p] != COLON:
                return FAILED
        p += ONE
        if text[p] <= SPACE:
            p = _past_space(text, p)
        p = _put(text, p, slot, classes, slots)
        if p == FAILED:
            return FAILED
        if text[p] <= SPACE:
            p = _past_space(text, p)
        if text[p] == END:
            return p + ONE
        if text[p] != COMMA:
            return FAILED
        p += ONE


@step
def _find(table: Array, low: int, high: int) -> int:
    """Return the place of a symbol, or of the free cell where it belongs."""
    mask = len(table) - 1
    mixed = low ^ (high << 5) ^ high
    h = ((mixed ^ (mixed >> 32)) & 0xFFFFFFFF) * 0x1E3779B1
    at = (h >> 12) & mask
    while table[at]["code"] >= 0 and (table[at]["low"] != low or table[at]["high"] != high):
        at = (at + 1) & mask
    return at


@step
def _is_symbol(low: int, high: int, allowed: Array) -> bool:
    """Whether 1 to 16 characters can be a ticker."""
    if low <= 0 or allowed[low & 255] != 2:
        return False
    for part in (low, high):
        rest = part
        while rest:
            if allowed[rest & 255] == 0:
                return False
            rest >>= 8
    return True


@step
def _learn(table: Array, known: Array, at: int, slots: Array, fresh: Array, allowed: Array) -> int:
    """Give a new symbol its code, or FAILED; `known`: codes given, and those of this call."""
    if known[1] >= len(fresh) or not _is_symbol(slots[LOW], slots[HIGH], allowed):
        return -1
    code = known[0]
    table[at]["low"] = slots[LOW]
    table[at]["high"] = slots[HIGH]
    table[at]["code"] = code
    fresh[known[1]] = at
    known[0] += 1
    known[1] += 1
    return int(code)


@step
def _put_trade(tick: Array, detail: Array, slots: Array) -> bool:
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
    detail["trade_id"] = slots[ID]
    detail["id_kind"] = slots[ID_KIND]
    detail["exchange"] = max(slots[EXCHANGE], 0)
    detail["trf"] = max(slots[TRF], 0)
    detail["sale_class"] = slots[CLASS]
    detail["sweep"] = slots[SWEPT]
    detail["stated_side"] = 0
    detail["stale"] = 0
    detail["lateness_ms"] = LATENESS_UNKNOWN
    if slots[PARTICIPANT] > 0:
        late = slots[TIME] - slots[PARTICIPANT]
        detail["lateness_ms"] = max(min(late, 2**31 - 1), 1 - 2**31)
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
    crossed: Array,
    done: Array,
) -> bool:
    """Read one frame behind the ticks and details that are `done`; return whether it could be.

    `done` counts ticks, details and crossed quotes; it moves on only with a whole frame.
    """
    i, j, k = done[0], done[1], done[2]
    p = _past_space(text, p)
    if text[p] != OPEN:
        return False
    p = _past_space(text, p + ONE)
    while True:
        if text[p] != BEGIN:
            return False
        p = _event(text, p + ONE, classes, slots)
        if p == FAILED or not YEAR_2000_MS <= slots[TIME] < YEAR_2100_MS or slots[LOW] == ABSENT:
            return False
        at = _find(table, slots[LOW], slots[HIGH])
        code = int(table[at]["code"])
        if code < 0:
            code = _learn(table, known, at, slots, fresh, allowed)
            if code < 0:
                return False
        tick = ticks[i]
        tick["ts_ns"] = slots[TIME] * MS
        tick["symbol"] = code
        if slots[EV] == _QUOTE:
            bid, ask = max(slots[BID], 0), max(slots[ASK], 0)
            if bid > TOP_PRICE or ask > TOP_PRICE:
                return False
            tick["kind"] = QUOTE
            tick["price"] = bid
            tick["size"] = ask
            if bid > ask > 0:
                crossed[k] = code
                k += 1
        elif slots[EV] == _TRADE:
            if not _put_trade(tick, details[j], slots):
                return False
            details[j]["received_ns"] = received_ns
            j += 1
        else:
            return False
        i += 1
        p = _past_space(text, p)
        if text[p] == CLOSE:
            break
        if text[p] != COMMA:
            return False
        p = _past_space(text, p + ONE)
    if text[_past_space(text, p + ONE)] != 0:
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
            crossed,
            done,
        ):
            left += 1
    return left


@kernel
def _insert(table: Array, low: int, high: int, code: int) -> None:
    at = _find(table, low, high)
    table[at]["low"] = low
    table[at]["high"] = high
    table[at]["code"] = code


@kernel
def _rehash(old: Array, new: Array) -> None:
    for i in range(len(old)):
        if old[i]["code"] >= 0:
            _insert(new, old[i]["low"], old[i]["high"], old[i]["code"])


class Scanned(NamedTuple):
    """What the frames held that could be read.

    `ends[f]` and `ends[f + 1]` frame the ticks (column 0) and details (column 1) of frame `f`;
    `left` frames have none and are to be decoded in another way. `crossed`: symbol codes of
    crossed quotes.
    """

    ticks: Array
    details: Array
    ends: Array
    left: int
    crossed: Array


def _free(size: int) -> Array:
    table = np.zeros(size, SYMBOL)
    table["code"] = -1
    return table


class Scanner:
    """Read frames of the usual form; learns symbols as it meets them.

    Args:
        names: The feed's symbols by code; grows here and elsewhere, and is only appended to.
    """

    def __init__(self, names: list[str]) -> None:
        self._names = names
        self._known = np.zeros(2, np.int64)  # codes in the table, and those new in this call
        self._table = _free(1024)
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
        text = np.frombuffer(blob, np.uint8)
        lengths = np.array([*map(len, frames)], np.int64)
        starts = np.cumsum(lengths + 1) - lengths - 1
        most = blob.count(b"{")
        ticks, details = np.empty(most, TICK), np.empty(most, DETAIL)
        crossed = np.empty(most, np.int32)
        ends = np.zeros((len(frames) + 1, 3), np.int64)
        fresh = np.empty(len(self._table) // 4, np.int64)
        left = _scan(
            text,
            starts,
            np.array(received_ns, np.int64),
            self._classes,
            self._table,
            self._known,
            fresh,
            _IN_SYMBOL,
            self._slots,
            ticks,
            details,
            crossed,
            ends,
        )
        self._name(fresh[: int(self._known[1])])
        done = ends[-1]
        return Scanned(ticks[: done[0]], details[: done[1]], ends, left, crossed[: done[2]])

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
            larger = _free(size)
            _rehash(self._table, larger)
            self._table = larger
        for code in range(int(self._known[0]), len(self._names)):
            name = self._names[code].encode()
            if len(name) <= LONGEST_SYMBOL:
                low, high = (int.from_bytes(part, "little") for part in (name[:8], name[8:]))
                _insert(self._table, low, high, code)
        self._known[:] = len(self._names), 0
