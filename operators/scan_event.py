"""One event of a frame, read from bytes into slots: what numbers, strings and lists may look like.

Whatever is not spelled in the usual form (an escape, an exponent, a sign, a field said twice)
fails: the frame is then left to `operators.decode`, which judges it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from operators.kernels import step
from operators.ticks import ID_MOCK_ROW, ID_NUMBER, MICRO, Array
from operators.values import MAX_SIZE
from operators.verdicts import REGULAR, SWEEP

# Places in a text are unsigned, or each access would first look for a negative one.
Place = Any
ONE: Place = np.uint64(1)
FAILED: Place = np.uint64(0)  # is the place behind nothing
ABSENT = -1
NOT_MET = 255  # a condition id nobody has been told of yet
LONGEST_SYMBOL = 16  # bytes kept in the table; a longer one is read the slow way
LONGEST_INTEGER = 18  # digits that fit 64 bits
DECIMALS = 6
TOP_SIZE = int(MAX_SIZE) * MICRO

QUOTED, SPACE, POINT, ZERO, NINE, HASH, DELETE = 34, 32, 46, 48, 57, 35, 127
OPEN, CLOSE, BEGIN, END, COMMA, COLON, BACKSLASH = 91, 93, 123, 125, 44, 58, 92

# Where a field's value is kept while its event is read.
EV, LOW, HIGH, ID, ID_KIND, CLASS, SWEPT = 0, 1, 2, 3, 4, 5, 6
EXCHANGE, TRF, TIME, PARTICIPANT, CONDITIONS = 7, 8, 9, 10, 11  # whole numbers
PRICE, SIZE, EXACT, BID, ASK, BID_SIZE, ASK_SIZE = 12, 13, 14, 15, 16, 17, 18
UNUSED, SLOTS = 19, 20
FIRST_NUMBER, FIRST_DECIMAL = EXCHANGE, PRICE


def _key(text: str) -> int:
    """Return the name of a field as `read_event` does."""
    return int.from_bytes(text.encode())


LOW_BYTES = 2**48 - 1  # of a longer name: no two of its letters are ever lost
_EV, _SYM, _P, _S, _DS, _I, _C = map(_key, ("ev", "sym", "p", "s", "ds", "i", "c"))
_X, _TRFI, _T, _PT, _BP, _AP = map(_key, ("x", "trfi", "t", "pt", "bp", "ap"))
_BS, _AS = map(_key, ("bs", "as"))
TRADE_LETTER, QUOTE_LETTER = _key("T"), _key("Q")


@step
def past_space(text: Array, p: Place) -> Place:
    """Return the next place that is no white space."""
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
    p = past_space(text, p)
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
        p = past_space(text, p)
        if text[p] == COMMA:
            p = past_space(text, p + ONE)
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
    if key == _BS:
        return BID_SIZE
    if key == _AS:
        return ASK_SIZE
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
def read_event(text: Array, p: Place, classes: Array, slots: Array) -> Place:
    """Read the fields of one event behind its brace, and return the place behind it."""
    for k in range(SLOTS):
        slots[k] = ABSENT
    slots[CLASS] = REGULAR
    slots[SWEPT] = 0
    seen = 0
    while True:
        if text[p] != QUOTED:
            p = past_space(text, p)
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
            p = past_space(text, p)
            if text[p] != COLON:
                return FAILED
        p += ONE
        if text[p] <= SPACE:
            p = past_space(text, p)
        p = _put(text, p, slot, classes, slots)
        if p == FAILED:
            return FAILED
        if text[p] <= SPACE:
            p = past_space(text, p)
        if text[p] == END:
            return p + ONE
        if text[p] != COMMA:
            return FAILED
        p += ONE
