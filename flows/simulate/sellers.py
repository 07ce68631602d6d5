"""Sellers as they hide: over venues, over time, behind a quote that moved, inside the spread."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from flows.simulate.planting import MILLISECOND, Planting
from flows.simulate.prints import (
    CHICAGO,
    DEEPER,
    DEEPEST,
    INSIDE,
    LIT_VENUES,
    SHARE,
    TOUCH,
    TRF,
    Array,
    blank_prints,
)
from flows.simulate.quotes import NORMAL
from flows.simulate.session import SECOND
from flows.simulate.stories import Story

Gaps = Callable[[np.random.Generator, int], Array]


def within_gap(rng: np.random.Generator, prints: int) -> Array:
    """Return pauses of 0.2 to 8 ms: inside the parent gap even after truncation to ms."""
    return rng.integers(200_000, 8 * MILLISECOND, size=prints)


def around_gap(rng: np.random.Generator, prints: int) -> Array:
    """Return pauses of 5 ms on average, of which every seventh exceeds 10 ms."""
    return (rng.standard_exponential(prints) * 5 * MILLISECOND).astype(np.int64)


def beyond_gap(rng: np.random.Generator, prints: int) -> Array:
    """Return pauses of 15 to 200 ms."""
    return rng.integers(15 * MILLISECOND, 200 * MILLISECOND, size=prints)


def minutes_long(rng: np.random.Generator, prints: int) -> Array:
    """Return pauses of 1 to 6 s."""
    return rng.integers(SECOND, 6 * SECOND, size=prints)


def slices(rng: np.random.Generator, at_ns: int, shares: int, gaps_ns: Array, venues: int) -> Array:
    """Return one seller's prints at the bid, by time, over so many venues."""
    count = len(gaps_ns)
    after = np.concatenate([[0], np.cumsum(gaps_ns[1:])])
    run = blank_prints(at_ns + after)
    weights = rng.integers(60, 140, size=count)
    sizes = shares * weights // weights.sum()
    sizes[0] += shares - sizes.sum()
    run["size"] = sizes * SHARE
    run["exchange"] = np.resize(LIT_VENUES[:venues], count)
    run["sweep"] = run["exempt"] = count > 1
    return run


def split(
    shares: int, prints: int, venues: int, gaps: Gaps, *, clear: bool = True, why: str = ""
) -> Story:
    """Return a seller who slices `shares`; `clear` keeps the rest of the market away."""

    def plant(day: Planting, at_ns: int) -> None:
        run = slices(day.rng, at_ns, shares, gaps(day.rng, prints), venues)
        if clear:
            day.clear(run)
        said = why or f"{shares:,} shares hit the bid in {prints} prints on {venues} venues."
        day.plant("seller", run, (), said)

    return plant


def swept(shares: int, prints: int) -> Story:
    """Return one sweep through three levels of the book, every fill with one stamp."""

    def plant(day: Planting, at_ns: int) -> None:
        run = slices(day.rng, at_ns, shares, np.zeros(prints, np.int64), 5)
        run["place"] = np.sort(np.resize([TOUCH, DEEPER, DEEPEST], prints))
        day.clear(run)
        why = f"{shares:,} shares sweep three levels of the book in one instant."
        day.plant("seller", run, (), why)

    return plant


def scattered(shares: int, prints: int) -> Story:
    """Return a seller whose fills come within 5 ms and are reported 0.2 to 40 ms later.

    The tape then has them in the order of the reports.
    """

    def plant(day: Planting, at_ns: int) -> None:
        run = slices(day.rng, at_ns, shares, day.rng.integers(0, 900_000, size=prints), 6)
        latency = day.rng.integers(200_000, 40 * MILLISECOND, size=prints)
        run["latency_ns"] = latency
        run["ts_ns"] += latency
        off_exchange = day.rng.random(prints) < 0.5
        run["exchange"][off_exchange], run["trf"][off_exchange] = TRF, CHICAGO
        run["sweep"][off_exchange] = False
        run = run[np.argsort(run["ts_ns"], kind="stable")]
        day.clear(run)
        why = f"{shares:,} shares sold within 5 ms, reported over 40 ms and out of their order."
        day.plant("seller", run, (), why)

    return plant


def fought(shares: int, prints: int) -> Story:
    """Return a seller while others buy: a print at the offer after every two of his."""

    def plant(day: Planting, at_ns: int) -> None:
        run = slices(day.rng, at_ns, shares, within_gap(day.rng, prints), 8)
        others = blank_prints(run["ts_ns"][1:-1:2] + 50_000)
        others["size"] = day.rng.integers(1, 4, size=len(others)) * 100 * SHARE
        others["side"] = 1
        both = np.concatenate([run, others])
        both = both[np.argsort(both["ts_ns"], kind="stable")]
        day.clear(both)
        why = f"{shares:,} shares hit the bid while buyers lift the offer in between."
        day.plant("seller", both, (), why)

    return plant


def raced(shares: int, prints: int, side: int = -1) -> Story:
    """Return an order whose prints reach the tape after the quote they moved has.

    They stand at the old bid (a buyer's: the old offer), which the quote has left by a cent.
    """

    def plant(day: Planting, at_ns: int) -> None:
        run = slices(day.rng, at_ns, shares, within_gap(day.rng, prints), 6)
        run["side"] = side
        day.clear(run)
        moved = at_ns - 100_000
        run["quote_ns"] = moved  # priced by the last quote before
        day.quotes.append((moved, NORMAL))
        day.moves.append((moved, side))
        who = "sold" if side < 0 else "bought"
        why = f"{shares:,} shares {who}; the quote moves a cent before the prints are out."
        day.plant("raced", run, (), why)

    return plant


def inside(shares: int, prints: int) -> Story:
    """Return a seller who trades inside the spread, off exchange: no print is at the bid."""

    def plant(day: Planting, at_ns: int) -> None:
        run = slices(day.rng, at_ns, shares, within_gap(day.rng, prints), 1)
        run["exchange"], run["trf"], run["place"] = TRF, CHICAGO, INSIDE
        run["sweep"] = False
        run["latency_ns"] = 4 * MILLISECOND
        day.clear(run)
        why = f"{shares:,} shares sold inside the spread: the side can only be inferred."
        day.plant("seller", run, (), why)

    return plant


def iceberg(shares: int, prints: int) -> Story:
    """Return a resting seller who shows little and refills: the prints are buyers' at the offer."""

    def plant(day: Planting, at_ns: int) -> None:
        gaps = day.rng.integers(200 * MILLISECOND, 3 * SECOND, size=prints)
        run = slices(day.rng, at_ns, shares, gaps, 1)
        run["side"] = 1
        run["sweep"] = run["exempt"] = False
        why = f"An iceberg of {shares:,} shares at the offer, lifted in {prints} prints."
        day.plant("seller", run, (), why)

    return plant


def strangers(shares: int) -> Story:
    """Return two sellers who know nothing of each other, 1 to 8 ms apart; neither is large."""

    def plant(day: Planting, at_ns: int) -> None:
        gap = np.array([0, int(day.rng.integers(MILLISECOND, 8 * MILLISECOND))])
        run = slices(day.rng, at_ns, shares, gap, 2)
        run["sweep"] = run["exempt"] = False
        day.clear(run)
        why = f"Two strangers sell {shares:,} shares between them within 8 ms."
        day.plant("strangers", run, (), why)

    return plant


def crossfire(shares: int, prints: int) -> Story:
    """Return small sellers and buyers who trade by turns: volume, but nobody large."""

    def plant(day: Planting, at_ns: int) -> None:
        run = slices(day.rng, at_ns, shares, within_gap(day.rng, prints), 8)
        run["side"] = np.resize([-1, 1], prints)
        run["sweep"] = run["exempt"] = False
        day.clear(run)
        why = f"{shares:,} shares change hands in {prints} prints, by turns at bid and offer."
        day.plant("crossfire", run, (), why)

    return plant


def several(sizes: tuple[int, ...], every_s: int, gaps: Gaps, prints: int) -> Story:
    """Return several sellers, `every_s` seconds apart, each slicing his order."""

    def plant(day: Planting, at_ns: int) -> None:
        runs = [
            slices(day.rng, at_ns + n * every_s * SECOND, shares, gaps(day.rng, prints), 5)
            for n, shares in enumerate(sizes)
        ]
        for run in runs:
            day.clear(run)
        why = f"{len(sizes)} sellers of {min(sizes):,} shares and more, {every_s} s apart."
        day.plant("sellers", np.concatenate(runs), (), why)

    return plant
