"""The symbols of scanned frames: up to 16 bytes as two numbers, looked up without a string."""

from __future__ import annotations

import numpy as np

from operators.kernels import kernel, step
from operators.scan_event import HIGH, LOW
from operators.ticks import Array

SYMBOL = np.dtype([("low", np.int64), ("high", np.int64), ("code", np.int32)], align=True)
"""A symbol of up to 16 bytes and its code (-1: free), in a table of a power-of-two size."""

_FIRST = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
IN_SYMBOL = np.zeros(256, np.uint8)  # 2: may begin a symbol, 1: may stand in one
IN_SYMBOL[[*b"./:_+$^=*-"]] = 1
IN_SYMBOL[[*_FIRST.encode()]] = 2


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
    """Give a new symbol its code, or -1; `known`: codes given, and those of this call."""
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
def code_of(table: Array, known: Array, slots: Array, fresh: Array, allowed: Array) -> int:
    """Return the code of an event's symbol, or -1."""
    at = _find(table, slots[LOW], slots[HIGH])
    code = int(table[at]["code"])
    return code if code >= 0 else _learn(table, known, at, slots, fresh, allowed)


@kernel
def insert(table: Array, low: int, high: int, code: int) -> None:
    """Note a symbol that was learnt elsewhere."""
    at = _find(table, low, high)
    table[at]["low"] = low
    table[at]["high"] = high
    table[at]["code"] = code


@kernel
def rehash(old: Array, new: Array) -> None:
    """Move all symbols to a larger table."""
    for i in range(len(old)):
        if old[i]["code"] >= 0:
            insert(new, old[i]["low"], old[i]["high"], old[i]["code"])


def free_table(size: int) -> Array:
    """Return a table of that many free cells."""
    table = np.zeros(size, SYMBOL)
    table["code"] = -1
    return table
