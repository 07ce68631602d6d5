"""Volume as the rules see it, and a background calm enough that only stories stand out."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from flows.simulate.listings import Listing
from flows.simulate.prints import FAR, SHARE
from flows.simulate.session import SECOND, Session

Array = npt.NDArray[Any]

# A minute of the background is kept near the volume that is usual at its hour, and below a
# multiple of the average minute of the five before it where it is large enough to matter;
# lower still around a story.
LEVEL_FROM, LEVEL_TO, MOST_GROWN = 0.75, 1.6, 3_000
CALM_RATIO, CALM_SHARES, CALM_PASSES = 2.4, 4_500, 8
STORY_RATIO, STORY_BEFORE_S, STORY_AFTER_S = 1.2, 70, 150


def counts_in_windows(prints: Array, session: Session) -> Array:
    """Return which prints enter the rolling volume: regular sales of regular hours, on time."""
    regular = (prints["sale"] == 0) & ~prints["again"] & (prints["place"] != FAR)
    on_time = prints["latency_ns"] <= SECOND
    in_hours = (prints["ts_ns"] >= session.open_ns) & (prints["ts_ns"] < session.end_ns)
    counted: Array = regular & on_time & in_hours
    return counted


def volume_by_second(prints: Array, session: Session) -> Array:
    """Return the shares that count in each second since the open."""
    counted = prints[counts_in_windows(prints, session)]
    second = (counted["ts_ns"] - session.open_ns) // SECOND
    volume: Array = np.bincount(second, counted["size"] / SHARE, session.minutes * 60)
    return volume


def minute_volume(by_second: Array) -> Array:
    """Return the volume of the minute that ends with each second."""
    running = np.concatenate([np.zeros(60), np.cumsum(by_second)])
    minutes: Array = running[60:] - running[:-60]
    return minutes


def average_minute(by_second: Array) -> Array:
    """Return the average minute of the five before the minute that ends with each second."""
    running = np.concatenate([np.zeros(360), np.cumsum(by_second)])
    averages: Array = (running[300:-60] - running[:-360]) / 5
    return averages


def steady_volume(prints: Array, listing: Listing, session: Session, stories_ns: list[int]) -> None:
    """Grow or shrink prints of the background, in place, so that only stories stand out.

    Args:
        prints: PRINT rows of the background.
        listing: How the symbol trades.
        session: The hours of the prints.
        stories_ns: When stories are to be planted.
    """
    counted = np.flatnonzero(counts_in_windows(prints, session))
    if not len(counted):
        return
    second = (prints["ts_ns"][counted] - session.open_ns) // SECOND
    _level(prints, counted, second, listing, session)
    _calm(prints, counted, second, session, stories_ns)


def _level(
    prints: Array, counted: Array, second: Array, listing: Listing, session: Session
) -> None:
    """Scale every minute towards the volume that is usual at its hour."""
    minute = second // 60
    sizes = prints["size"][counted]
    usual = session.weights * listing.trades * float(sizes.mean())
    grows = sizes >= 100 * SHARE
    fixed = np.bincount(minute[~grows], sizes[~grows], session.minutes)
    scaled = np.bincount(minute[grows], sizes[grows], session.minutes)
    wanted = np.clip(fixed + scaled, LEVEL_FROM * usual, LEVEL_TO * usual)
    factor = np.maximum(wanted - fixed, 0.0) / np.maximum(scaled, 1.0)
    _scale(prints, counted, factor[minute])


def _calm(
    prints: Array, counted: Array, second: Array, session: Session, stories_ns: list[int]
) -> None:
    """Shrink prints until no minute stands out from those before.

    Each pass scales the prints of a too busy window; the average it is compared with then
    falls for the windows after it, hence several passes.
    """
    ratio, least = _calm_bars(session, stories_ns)
    warm = np.arange(len(ratio)) >= 360
    for _ in range(CALM_PASSES):
        volume = volume_by_second(prints, session)
        minute, most = minute_volume(volume), ratio * average_minute(volume)
        busy = (minute > np.maximum(most, least)) & warm
        if not busy.any():
            return
        excess = np.where(busy, most / np.maximum(minute, 1.0), 1.0)
        windows = np.lib.stride_tricks.sliding_window_view(np.append(excess, np.ones(59)), 60)
        factor = windows.min(axis=1)[second]
        _scale(prints, counted[factor < 1], factor[factor < 1])


def _calm_bars(session: Session, stories_ns: list[int]) -> tuple[Array, Array]:
    seconds = session.minutes * 60
    ratio, least = np.full(seconds, CALM_RATIO), np.full(seconds, CALM_SHARES)
    for at_ns in stories_ns:
        second = (at_ns - session.open_ns) // SECOND
        near = slice(max(0, second - STORY_BEFORE_S), max(0, second + STORY_AFTER_S))
        ratio[near], least[near] = STORY_RATIO, 0
    return ratio, least


def _scale(prints: Array, rows: Array, factor: Array) -> None:
    """Scale prints of a hundred shares or more, in place, to whole hundreds."""
    shares = prints["size"][rows] // SHARE
    scaled = (shares * factor).astype(np.int64) // 100 * 100
    scaled = np.clip(scaled, 100, np.maximum(shares, MOST_GROWN))
    prints["size"][rows] = np.where(shares >= 100, scaled * SHARE, prints["size"][rows])
