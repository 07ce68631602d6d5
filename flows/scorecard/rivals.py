"""Simple rivals on the same tape: an alert that does not beat them is not worth its code.

None is fitted. What a rival has to know beforehand (VPIN's day volume, the scale of returns) it
takes from earlier days, or from earlier that day.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flows.scorecard.recorded import SymbolDay
from flows.scorecard.vpin import BUCKETS_A_DAY, bars, buckets, bulk_bought, vpin
from flows.settings import Settings
from operators.ticks import Array

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
SIGMAS = 3.0
SIGMA_MINUTES = 30
FEWEST_MINUTES = 15
VPIN_RANK = 0.99
VPIN_REARM = 0.9
FEWEST_RANKED = 50
OPENING_NS = 30 * MINUTE
DAY_OVER_OPENING = 13  # half hours of a regular session

RAW_VOLUME, BIG_PRINT, DROP, VPIN = "raw_volume", "big_print", "minute_drop", "vpin"
RIVALS = {
    RAW_VOLUME: "one-minute volume at the spike threshold, whoever trades",
    BIG_PRINT: "one print of the large order size, whoever trades",
    DROP: "a one-minute return below -3 standard deviations of the last half hour",
    VPIN: "VPIN at the 99th percentile of what it was so far",
}


def episodes(ns: Array, fires: Array, ends: Array, quiet_ns: int) -> Array:
    """Return the times at which an episode begins.

    Args:
        ns: Times of the looks, sorted.
        fires: Whether the condition holds at a look.
        ends: Whether a look is calm enough to end an episode.
        quiet_ns: How old an episode must be before it may end.
    """
    begins: list[int] = []
    hot, calm = np.flatnonzero(fires), np.flatnonzero(ends)
    i = 0
    while (k := int(np.searchsorted(hot, i))) < len(hot):
        at = int(hot[k])
        begins.append(int(ns[at]))
        free = int(np.searchsorted(ns, ns[at] + quiet_ns))
        e = int(np.searchsorted(calm, free))
        if e == len(calm):
            break
        i = int(calm[e])
    return np.array(begins, np.int64)


def rivals(day: SymbolDay, before: Sequence[SymbolDay], settings: Settings) -> dict[str, Array]:
    """Return the times at which each rival fires.

    Args:
        day: The day judged.
        before: Earlier days of the symbol.
        settings: Thresholds the rivals share with the rules.
    """
    quiet_ns = settings.alert_window_seconds * SECOND
    return {
        RAW_VOLUME: _raw_volume(day, settings, quiet_ns),
        BIG_PRINT: day.prints["ts_ns"][day.prints["size"] >= settings.large_order_size],
        DROP: _minute_drop(day, quiet_ns),
        VPIN: _vpin(day, before, quiet_ns),
    }


def _raw_volume(day: SymbolDay, settings: Settings, quiet_ns: int) -> Array:
    spike = settings.volume_spike_threshold
    ratio = day.prints["volume"] / day.prints["average"]  # nan compares false
    fires = (ratio >= spike) & (day.prints["volume"] >= settings.min_burst_volume)
    return episodes(day.prints["ts_ns"], fires, ratio < min(2.0, spike * 2 / 3), quiet_ns)


def _minute_drop(day: SymbolDay, quiet_ns: int) -> Array:
    """Look once a second at the return of the last minute, against those of the half hour."""
    start = -(-day.from_ns // SECOND) * SECOND
    looks = np.arange(start, day.until_ns, SECOND)
    now, then = day.at(looks), day.at(looks - MINUTE)
    returns = np.log(now) - np.log(then)
    # Minutes that end 1, 2 .. 30 minutes before now: none of them holds any of this one.
    past = np.full((SIGMA_MINUTES, len(looks)), np.nan)
    for k in range(1, SIGMA_MINUTES + 1):
        past[k - 1, 60 * k :] = returns[: -60 * k]
    known = np.count_nonzero(np.isfinite(past), axis=0)
    scale = np.sqrt(np.nansum(past * past, axis=0) / np.maximum(known, 1))
    with np.errstate(invalid="ignore"):
        usable = (known >= FEWEST_MINUTES) & (scale > 0)
        fires = usable & (returns < -SIGMAS * scale)
        calm = usable & (returns > -SIGMAS / 2 * scale)
    return episodes(looks, fires, calm, quiet_ns)


def vpin_of(day: SymbolDay, before: Sequence[SymbolDay]) -> tuple[Array, Array]:
    """Return times and values of VPIN, by bulk classification of minutes.

    Args:
        day: The day.
        before: Earlier days of the symbol, whose volume sizes the buckets; without any the
            opening half hour does, and itself has no VPIN.
    """
    ns, price, volume = bars(day.prints)
    start = int(ns[0])
    if before:
        bucket = float(np.mean([past.prints["size"].sum() for past in before])) / BUCKETS_A_DAY
    else:  # a day is about thirteen of its opening half hours; what opened it is not judged
        start = day.from_ns + OPENING_NS
        opening = float(day.prints["size"][day.prints["ts_ns"] < start].sum())
        bucket = opening * DAY_OVER_OPENING / BUCKETS_A_DAY
    if bucket <= 0:
        return np.empty(0, np.int64), np.empty(0)
    signed, filled = buckets(volume, bulk_bought(price, volume), bucket)
    value, at = vpin(signed, bucket), ns[filled]
    known = np.isfinite(value) & (at >= start)
    return at[known], value[known]


def _vpin(day: SymbolDay, before: Sequence[SymbolDay], quiet_ns: int) -> Array:
    at, value = vpin_of(day, before)
    rank = np.array([np.mean(value[:i] < value[i]) if i else 0.0 for i in range(len(value))])
    fires = (rank >= VPIN_RANK) & (np.arange(len(rank)) >= FEWEST_RANKED)
    return episodes(at, fires, rank < VPIN_REARM, quiet_ns)
