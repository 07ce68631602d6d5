"""VPIN: how one-sided the trading of the last equal volumes was.

Source: Easley, Lopez de Prado and O'Hara 2012. Its use as a warning is disputed (Andersen and
Bondarenko 2014), which is why it stands here as a rival and in no rule.
"""

from __future__ import annotations

import math

import numpy as np

from operators.ticks import Array

BUCKETS_A_DAY = 250
WINDOW = 50  # buckets
BAR_NS = 60_000_000_000


def buckets(size: Array, bought: Array, bucket: float) -> tuple[Array, Array]:
    """Cut a stream of trades into buckets of equal volume, a trade where it has to be.

    Args:
        size: Shares a trade (or bar), in order.
        bought: The part of each that buyers initiated.
        bucket: Shares a bucket.

    Returns:
        Buyer minus seller volume of each full bucket, and the index of the trade that filled it.
    """
    total, buys = np.cumsum(size), np.cumsum(bought)
    full = int(total[-1] / bucket + 1e-9) if len(total) else 0
    ends = bucket * np.arange(1, full + 1)
    signed = np.diff(
        np.interp(ends, np.insert(total, 0, 0.0), np.insert(2 * buys - total, 0, 0.0)), prepend=0.0
    )
    # A sum in floats may fall short of an end it should reach.
    filled = np.minimum(np.searchsorted(total, ends * (1 - 1e-12)), len(total) - 1)
    return signed, filled


def vpin(signed: Array, bucket: float, window: int = WINDOW) -> Array:
    """Return VPIN at each bucket: mean absolute imbalance of the last `window`, nan before."""
    sums = np.insert(np.cumsum(np.abs(signed)), 0, 0.0)
    out = np.full(len(signed), np.nan)
    out[window - 1 :] = (sums[window:] - sums[:-window]) / (window * bucket)
    return out


def bulk_bought(price: Array, size: Array) -> Array:
    """Return the part of each bar's volume that bulk classification calls bought.

    It is Z(dP / sd), with sd of the price changes seen so far, this one included.
    """
    change = np.diff(price, prepend=price[:1])
    n = np.arange(1, len(change) + 1)
    sd = np.sqrt(np.cumsum(change * change) / n)
    z = np.divide(change, sd, out=np.zeros(len(change)), where=sd > 0)
    normal = np.array([0.5 * (1 + math.erf(x / math.sqrt(2))) for x in z])
    bought: Array = size * normal
    return bought


def bars(prints: Array) -> tuple[Array, Array, Array]:
    """Return the last print's time and price, and the volume, of each minute that traded."""
    minute = prints["ts_ns"] // BAR_NS
    first = np.flatnonzero(np.diff(minute, prepend=minute[0] - 1))
    last = np.append(first[1:], len(prints)) - 1
    volume = np.add.reduceat(prints["size"], first)
    return prints["ts_ns"][last], prints["price"][last], volume
