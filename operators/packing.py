"""Whole numbers in as few bytes as they need: what a snapshot is packed with.

An epoch's end stops the flow until every byte of state is in the store, and bytes are what that
takes its time for: a table of counters is mostly zeros.

Source: LEB128, the variable-length numbers of DWARF and of Protocol Buffers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from operators.kernels import step
from operators.ticks import MICRO, Array

LONGEST = 10  # bytes of a 64-bit number
_SEVEN, _LOW, _MORE = np.uint64(7), np.uint64(127), np.uint64(128)
_ONE = np.uint64(1)


@step
def put(out: Array, n: int, value: Any) -> int:
    """Write a number of at most 64 bits without sign at `n`; return the place behind it."""
    rest = np.uint64(value)
    while rest > _LOW:
        out[n] = (rest & _LOW) | _MORE
        rest >>= _SEVEN
        n += 1
    out[n] = rest
    return n + 1


@step
def get(data: Array, n: int) -> tuple[Any, int]:
    """Return the number at `n`, an unsigned one, and the place behind it."""
    value = np.uint64(0)
    shift = np.uint64(0)
    while data[n] > _LOW:
        value |= (np.uint64(data[n]) & _LOW) << shift
        shift += _SEVEN
        n += 1
    return value | np.uint64(data[n]) << shift, n + 1


@step
def put_change(out: Array, n: int, change: int) -> int:
    """Write a small number of either sign."""
    return put(out, n, 2 * change if change >= 0 else -2 * change - 1)


@step
def get_change(data: Array, n: int) -> tuple[int, int]:
    """Return what `put_change` wrote, and the place behind it."""
    value, n = get(data, n)
    half = int(np.int64(value >> _ONE))
    return (-half - 1 if value & _ONE else half), n


@step
def put_shares(out: Array, n: int, shares: int) -> int:
    """Write a volume in 1e-6 share; most are whole shares."""
    whole = shares // MICRO
    if whole * MICRO == shares:
        return put(out, n, 2 * whole)
    return put(out, n, 2 * shares + 1)


@step
def get_shares(data: Array, n: int) -> tuple[int, int]:
    """Return what `put_shares` wrote, and the place behind it."""
    value, n = get(data, n)
    number = int(np.int64(value >> _ONE))
    return (number if value & _ONE else number * MICRO), n
