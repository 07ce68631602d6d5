"""The ordinary day of a symbol: arrivals that excite each other, and the noise of the tape."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from flows.simulate.listings import Listing
from flows.simulate.prints import (
    AVERAGE_PRICE,
    CLOSING,
    CROSS,
    CROSS_TRADE,
    DERIVATIVE,
    INSIDE,
    MID,
    OFFICIAL_CLOSE,
    OFFICIAL_OPEN,
    OPENING,
    OUT_OF_SEQUENCE,
    PRIOR_REFERENCE,
    QUALIFIED_CONTINGENT,
    SHARE,
    TOUCH,
    blank_prints,
    draw_sizes,
    dress,
)
from flows.simulate.session import MINUTE, SECOND, Session

Array = npt.NDArray[Any]

OFFSPRING = 0.45  # prints a print excites; below 1, or the day would never end
GENERATIONS = 5
FAST_NS, SLOW_NS = 1_500_000, 4 * SECOND  # a sweep over venues; a reaction of others
FAST_SHARE = 0.5
PRE_MARKET_SHARE = 0.015  # of a day's prints

# Prints closer than this could make one parent order, so they are kept below MOST_SHARES in
# sum: a large seller on the tape is there because it was planted.
CLUSTER_NS, MOST_SHARES = 12_000_000, 5_000

# The odd reports of a day: condition and their share of prints.
_ODDITIES = (
    (AVERAGE_PRICE, 0.0010),
    (DERIVATIVE, 0.0003),
    (PRIOR_REFERENCE, 0.0004),
    (QUALIFIED_CONTINGENT, 0.0003),
    (CROSS_TRADE, 0.0006),
)
LATE_SHARE = 0.003


def background(rng: np.random.Generator, listing: Listing, session: Session, rate: float) -> Array:
    """Return the prints of an ordinary day, PRINT rows by time.

    Args:
        rng: The symbol's generator.
        listing: How the symbol trades.
        session: The hours to fill.
        rate: Multiple of the listing's usual number of prints.
    """
    expected = listing.trades * rate
    ts_ns, side, fast = _arrivals(rng, session, expected * float(session.weights.sum()))
    early = np.sort(
        rng.integers(
            session.start_ns, session.open_ns, size=rng.poisson(expected * PRE_MARKET_SHARE)
        )
    )
    ts_ns = np.concatenate([early, ts_ns])
    side = np.concatenate([rng.choice(np.array([-1, 1], np.int8), size=len(early)), side])
    fast = np.concatenate([np.zeros(len(early), bool), fast])
    prints = blank_prints(ts_ns)
    prints["side"] = side
    prints["size"] = draw_sizes(rng, listing, len(prints))
    off_exchange = ~fast & (rng.random(len(prints)) < 0.46)
    _choose_places(rng, prints, off_exchange)
    dress(rng, prints, off_exchange=off_exchange)
    _fraction_sizes(rng, prints)
    _calm_clusters(prints)
    _report_oddly(rng, prints, listing, session)
    return prints


def _arrivals(
    rng: np.random.Generator, session: Session, expected: float
) -> tuple[Array, Array, Array]:
    """Return times, sides and whether each print follows another at once, by time.

    A Hawkes process drawn as its clusters: immigrants by the day's curve, each print the
    parent of Poisson(OFFSPRING) others (Hawkes and Oakes 1974). Offspring mostly trade the
    side of their parent, and immigrants come in runs of one side, as split orders do.
    """
    litter = sum(OFFSPRING**generation for generation in range(GENERATIONS + 1))
    count = int(rng.poisson(expected / litter))
    ts_ns = np.sort(session.scatter(rng, count))
    turns = np.cumsum(rng.random(count) < 0.4)
    run_side = rng.choice(np.array([-1, 1], np.int8), size=count + 1)
    side = run_side[turns]
    times, sides, fasts = [ts_ns], [side], [np.zeros(count, bool)]
    for _ in range(GENERATIONS):
        parent = np.repeat(np.arange(len(ts_ns)), rng.poisson(OFFSPRING, size=len(ts_ns)))
        fast = rng.random(len(parent)) < FAST_SHARE
        delay = rng.standard_exponential(len(parent)) * np.where(fast, FAST_NS, SLOW_NS)
        turned = ~fast & (rng.random(len(parent)) < 0.3)
        ts_ns = ts_ns[parent] + delay.astype(np.int64)
        side = np.where(turned, -side[parent], side[parent])
        times.append(ts_ns)
        sides.append(side)
        fasts.append(fast)
    every = np.concatenate(times)
    order = np.argsort(every, kind="stable")
    order = order[every[order] < session.end_ns]
    return every[order], np.concatenate(sides)[order], np.concatenate(fasts)[order]


def _choose_places(rng: np.random.Generator, prints: Array, off_exchange: Array) -> None:
    at = rng.random(len(prints))
    dark = np.where(at < 0.40, TOUCH, np.where(at < 0.78, INSIDE, MID))
    lit = np.where(at < 0.93, TOUCH, np.where(at < 0.96, INSIDE, MID))
    prints["place"] = np.where(off_exchange, dark, lit)
    # Half of the midpoint prints are two orders that met: nobody crossed the spread.
    prints["side"][(prints["place"] == MID) & (rng.random(len(prints)) < 0.5)] = 0


def _fraction_sizes(rng: np.random.Generator, prints: Array) -> None:
    """Turn a third of the odd lots off exchange into fractions of shares, in place."""
    small = (prints["trf"] > 0) & (prints["size"] < 100 * SHARE)
    chosen = small & (rng.random(len(prints)) < 0.35)
    places = rng.choice(np.array([100, 1_000, 100_000]), size=len(prints), p=[0.5, 0.3, 0.2])
    fraction = rng.integers(1, SHARE, size=len(prints)) // places * places
    whole = np.where(rng.random(len(prints)) < 0.4, 0, prints["size"])
    size = np.maximum(whole + fraction, places)
    prints["size"][chosen] = size[chosen]


def _calm_clusters(prints: Array) -> None:
    gaps = np.diff(prints["ts_ns"], prepend=prints["ts_ns"][:1])
    cluster = np.cumsum(gaps > CLUSTER_NS)
    shares = np.bincount(cluster, weights=prints["size"] // SHARE)
    loud = (shares > MOST_SHARES)[cluster] & (prints["size"] > 100 * SHARE)
    prints["size"][loud] = 100 * SHARE


def _report_oddly(
    rng: np.random.Generator, prints: Array, listing: Listing, session: Session
) -> None:
    """Make a few prints what detectors must not count: averages, crosses, late reports."""
    draw = rng.random(len(prints))
    blocks = rng.integers(5, 120, size=len(prints)) * listing.round_lot * SHARE
    stale_ns = rng.integers(20 * SECOND, 40 * MINUTE, size=len(prints))
    regular = prints["ts_ns"] >= session.open_ns
    floor = 0.0
    for condition, share in _ODDITIES:
        chosen = regular & (draw >= floor) & (draw < floor + share)
        floor += share
        _off_book(prints, chosen)
        prints["sale"][chosen] = condition
        prints["size"][chosen] = blocks[chosen]
        prints["place"][chosen] = MID
        prints["side"][chosen] = 0
        if condition in (AVERAGE_PRICE, PRIOR_REFERENCE):
            before = prints["ts_ns"][chosen] - stale_ns[chosen]
            prints["quote_ns"][chosen] = np.maximum(before, session.open_ns)
    late = regular & (draw >= floor) & (draw < floor + LATE_SHARE)
    _off_book(prints, late)
    prints["latency_ns"][late] = rng.integers(1_200_000_000, 30 * SECOND, size=int(late.sum()))
    prints["quote_ns"][late] = prints["ts_ns"][late] - prints["latency_ns"][late]
    prints["sale"][late & (draw < floor + LATE_SHARE / 3)] = OUT_OF_SEQUENCE


def _off_book(prints: Array, chosen: Array) -> None:
    prints["exchange"][chosen] = 4
    prints["trf"][chosen] = 202
    prints["latency_ns"][chosen] = 9_000_000
    prints["sweep"][chosen] = False


def auctions(
    rng: np.random.Generator, listing: Listing, session: Session, day_shares: int
) -> list[Array]:
    """Return the opening and, if the tape reaches it, the closing cross with their repeats.

    The official open and close (16 and 15) repeat the cross's price and size; the close is
    sent again minutes later. `day_shares` is the volume of an ordinary day.
    """
    opens = session.open_ns + int(rng.integers(300_000_000, 2 * SECOND))
    closes = session.end_ns + int(rng.integers(150_000_000, 900_000_000))
    shares = [int(day_shares * rng.uniform(0.01, 0.02)), int(day_shares * rng.uniform(0.06, 0.11))]
    venue = listing.exchange
    crosses = [_cross(opens, shares[0], venue, OPENING, OFFICIAL_OPEN, (1_100_000,))]
    if session.closes:
        again = (1_300_000, 2 * MINUTE, 5 * MINUTE)
        crosses.append(_cross(closes, shares[1], venue, CLOSING, OFFICIAL_CLOSE, again))
    return crosses


def _cross(
    at_ns: int, shares: int, venue: int, condition: int, official: int, repeats_ns: tuple[int, ...]
) -> Array:
    prints = blank_prints(np.array([at_ns, *(at_ns + after for after in repeats_ns)]))
    prints["quote_ns"] = at_ns
    prints["size"] = max(shares, 100) * SHARE
    prints["side"] = 0
    prints["place"] = CROSS
    prints["exchange"] = venue
    prints["sale"] = official
    prints["sale"][0] = condition
    return prints
