"""A symbol's last minute of quotes, in buckets of one second that saw any.

What a bucket adds to the order flow is taken off again when it leaves the minute, and its price
is then the price of a minute ago: each is touched a fixed number of times.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from operators.kernels import kernel, step
from operators.ticks import Array, Row

WINDOW_S = 60
NONE = -1
NOT_YET = -(2**40)  # seconds: before all time

BUCKET = np.dtype(
    [
        ("ofi", np.int64),  # order-flow imbalance of this second, 1e-6 share
        ("price", np.int64),  # at its end; 0: unknown
        ("second", np.uint32),
        ("next", np.int32),  # the next newer bucket of the symbol, or the next free one
    ],
    align=True,
)


@step
def _free(buckets: Array, pool: Array, at: int) -> None:
    """Give a bucket back; `pool`: the first free one, how many were ever used, are in use."""
    buckets[at]["next"] = pool[0]
    pool[0] = at
    pool[2] -= 1


@step
def _append(mine: Row, buckets: Array, pool: Array, second: Any) -> int:
    """Put an empty bucket behind a symbol's newest one."""
    at = int(pool[0])
    if at == NONE:
        at = int(pool[1])
        pool[1] += 1
    else:
        pool[0] = buckets[at]["next"]
    pool[2] += 1
    buckets[at]["ofi"] = 0
    buckets[at]["second"] = second
    buckets[at]["next"] = NONE
    if mine["newest"] == NONE:
        mine["oldest"] = at
    else:
        buckets[mine["newest"]]["next"] = at
    mine["newest"] = at
    return at


@step
def advance(mine: Row, buckets: Array, pool: Array, second: int) -> None:
    """Move a symbol's minute on so that it ends with `second`."""
    at = mine["oldest"]
    while at != NONE and np.int64(buckets[at]["second"]) <= second - WINDOW_S:
        bucket = buckets[at]
        mine["ofi"] -= bucket["ofi"]
        mine["then"] = bucket["price"]
        mine["then_second"] = np.int64(bucket["second"])
        after = bucket["next"]
        _free(buckets, pool, at)
        at = after
    mine["oldest"] = at
    if at == NONE:
        mine["newest"] = NONE
    mine["second"] = second


@step
def add_to_bucket(mine: Row, buckets: Array, pool: Array, ofi: int) -> None:
    """Add order flow, and note the price, in the second of the symbol's newest event."""
    at = mine["newest"]
    if at == NONE or np.int64(buckets[at]["second"]) != mine["second"]:
        at = _append(mine, buckets, pool, mine["second"])
    buckets[at]["ofi"] += ofi
    buckets[at]["price"] = mine["price"]
    mine["ofi"] += ofi


@kernel
def forget(mine: Row, buckets: Array, pool: Array) -> None:
    """Forget what a symbol's windows hold: it was not seen for a while."""
    at = mine["oldest"]
    while at != NONE:
        after = buckets[at]["next"]
        _free(buckets, pool, at)
        at = after
    mine["oldest"] = NONE
    mine["newest"] = NONE
    mine["ofi"] = 0
    mine["price"] = 0
    mine["then"] = 0
    mine["since"] = NOT_YET
    mine["minute"] = NOT_YET


@kernel
def pack(state: Array, buckets: Array, counts: Array, out: Array) -> None:
    """Copy the buckets to `out`, symbol by symbol and oldest first, and count each symbol's."""
    n = 0
    for k in range(len(counts)):
        at = state[k]["oldest"]
        start = n
        while at != NONE:
            out[n] = buckets[at]
            n += 1
            at = buckets[at]["next"]
        counts[k] = n - start


@kernel
def unpack(mine: Row, saved: Array, buckets: Array, pool: Array) -> None:
    """Chain the saved buckets of one symbol into the pool."""
    mine["oldest"] = NONE
    mine["newest"] = NONE
    for i in range(len(saved)):
        at = _append(mine, buckets, pool, saved[i]["second"])
        buckets[at]["ofi"] = saved[i]["ofi"]
        buckets[at]["price"] = saved[i]["price"]
