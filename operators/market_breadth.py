"""How many symbols were sold on balance in the last minute, and how many traded at all.

One queue of all symbols, in the order of the clock that their prints drive: what a symbol bought
and sold in a second is counted when it enters and taken off when it leaves, so that a symbol that
falls silent leaves the breadth without being looked at.
"""

from __future__ import annotations

import numpy as np

from operators.context_window import WINDOW_S
from operators.kernels import step
from operators.ticks import Array, Row

FALSE_CLOCK_S = 300  # a clock further ahead of a live print than this was driven by a false stamp

ENTRY = np.dtype([("signed", np.int64), ("symbol", np.int32), ("second", np.uint32)], align=True)
"""Buying less selling of one symbol in one second, 1e-6 share. A symbol whose saved state waits
for the feed to name it has a code that counts down from -1."""

CLOCK, SELLING, TRADING, HEAD, TAIL, SHED, SHARED = 0, 1, 2, 3, 4, 5, 6
"""Places in what symbols share: the second of the newest print, how many symbols are sold on
balance, how many are not balanced, the oldest and the next place of the queue, and the last
second in which quotes were shed."""


@step
def _add(mine: Row, shared: Array, signed: int) -> None:
    before = mine["net"]
    after = before + signed
    mine["net"] = after
    shared[SELLING] += int(after < 0) - int(before < 0)
    shared[TRADING] += int(after != 0) - int(before != 0)


@step
def _expire(state: Array, waiting: Array, queue: Array, shared: Array, second: int) -> None:
    """Take off what is older than a minute at `second`."""
    head = shared[HEAD]
    while head < shared[TAIL] and np.int64(queue[head]["second"]) <= second - WINDOW_S:
        code = queue[head]["symbol"]
        if code >= 0:
            _add(state[code], shared, -queue[head]["signed"])
        else:
            _add(waiting[-1 - code], shared, -queue[head]["signed"])
        head += 1
    shared[HEAD] = head
    shared[CLOCK] = second


@step
def count_side(
    state: Array,
    waiting: Array,
    queue: Array,
    shared: Array,
    code: int,
    second: int,
    signed: int,
    is_live: bool,
) -> None:
    """Count a print of `signed` 1e-6 shares; one from before the minute is passed over."""
    if second > shared[CLOCK]:
        _expire(state, waiting, queue, shared, second)
    elif second <= shared[CLOCK] - WINDOW_S:
        if not is_live or second >= shared[CLOCK] - FALSE_CLOCK_S:
            return
        _expire(state, waiting, queue, shared, shared[CLOCK] + WINDOW_S)
        shared[CLOCK] = second
    if signed == 0:
        return
    mine = state[code]
    at = mine["entry"]
    if (
        at < shared[HEAD]
        or at >= shared[TAIL]
        or queue[at]["symbol"] != code
        or np.int64(queue[at]["second"]) != shared[CLOCK]
    ):
        at = shared[TAIL]
        shared[TAIL] += 1
        queue[at]["signed"] = 0
        queue[at]["symbol"] = code
        queue[at]["second"] = shared[CLOCK]
        mine["entry"] = at
    queue[at]["signed"] += signed
    _add(mine, shared, signed)


def room_for(queue: Array, shared: Array, entries: int) -> Array:
    """Return the queue with room for more entries, moved to its start where it has none.

    A symbol's `entry` then points elsewhere, at the worst at nothing of its own: its next print
    gets a new one.
    """
    head, tail = int(shared[HEAD]), int(shared[TAIL])
    if tail + entries <= len(queue):
        return queue
    used = tail - head
    moved = np.empty(max(len(queue), 2 * (used + entries)), ENTRY)
    moved[:used] = queue[head:tail]
    shared[HEAD], shared[TAIL] = 0, used
    return moved
