"""Prints: where in the quote they execute, what they cost, and how the tape spells them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from flows.simulate.listings import ARCA, NASDAQ, NYSE, Listing
from flows.simulate.session import Session

Array = npt.NDArray[Any]

SHARE = 1_000_000  # sizes are integers of 1e-6 share
DOLLAR = 10_000  # prices are integers of 1e-4 dollar
CENT = 100

TOUCH, INSIDE, MID, CROSS, FAR, DEEPER, DEEPEST = range(7)

ONE_LOT = 0.3  # share of single round lots among prints that are not odd
MOST_LOTS = 40  # of an ordinary print

TRF = 4
CARTERET, CHICAGO, NYSE_TRF = 202, 203, 201
LIT_VENUES = (NASDAQ, ARCA, 8, NYSE, 19, 7, 15, 21, 18, 20, 2)
LIT_SHARES = (0.27, 0.17, 0.11, 0.13, 0.10, 0.06, 0.05, 0.05, 0.03, 0.02, 0.01)

# Sale conditions of the feed.
AVERAGE_PRICE, OFFICIAL_CLOSE, OFFICIAL_OPEN, CLOSING, OPENING, REOPENING = 2, 15, 16, 8, 17, 18
CROSS_TRADE, DERIVATIVE, PRIOR_REFERENCE, OUT_OF_SEQUENCE = 9, 10, 22, 32
CONTINGENT, QUALIFIED_CONTINGENT = 52, 53
FORM_T, SWEEP, ODD_LOT, TRADE_THROUGH_EXEMPT = 12, 14, 37, 41

AUCTIONS = (OPENING, CLOSING, REOPENING)
OFFICIAL = (OFFICIAL_OPEN, OFFICIAL_CLOSE)

PRINT = np.dtype(
    [
        ("ts_ns", np.int64),  # SIP time
        ("quote_ns", np.int64),  # the print is priced by the last quote before this
        ("latency_ns", np.int64),  # SIP time minus participant time
        ("size", np.int64),  # 1e-6 share
        ("side", np.int8),  # who initiated: +1 buyer, -1 seller, 0 nobody
        ("place", np.uint8),  # TOUCH .. DEEPEST
        ("exchange", np.int16),
        ("trf", np.int16),  # 0 on an exchange
        ("sale", np.int16),  # the one condition that sets a print apart; 0 is a regular sale
        ("sweep", np.bool_),
        ("exempt", np.bool_),
        ("again", np.bool_),  # the same report sent again, with the same trade id
    ]
)
"""A print before it has a price: what a generator decides."""


def blank_prints(ts_ns: Array) -> Array:
    """Return regular sales by a seller at the bid, on the first venue, without a size."""
    prints = np.zeros(len(ts_ns), PRINT)
    prints["ts_ns"] = prints["quote_ns"] = ts_ns
    prints["latency_ns"] = 210_000
    prints["side"] = -1
    prints["exchange"] = LIT_VENUES[0]
    return prints


def draw_sizes(rng: np.random.Generator, listing: Listing, count: int) -> Array:
    """Return `count` sizes, 1e-6 share: odd lots as they come, larger prints with a heavy tail."""
    lots = np.array([1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25])
    weights = lots**-listing.tail
    round_sizes = rng.choice(lots, size=count, p=weights / weights.sum())
    round_sizes = np.minimum(round_sizes * listing.lot_scale, MOST_LOTS)
    round_sizes = np.where(rng.random(count) < ONE_LOT, 1, round_sizes) * listing.round_lot
    mixed = rng.random(count) < 0.2
    round_sizes += np.where(mixed, rng.integers(1, listing.round_lot, size=count), 0)
    usual = np.array([1, 2, 3, 5, 10, 20, 25, 50, 75, 99])
    odd_sizes = np.where(
        rng.random(count) < 0.5,
        rng.choice(usual, size=count),
        rng.integers(1, 100, size=count),
    )
    odd_sizes = np.minimum(odd_sizes, listing.round_lot - 1)
    odd = rng.random(count) < listing.odd_share
    sizes: Array = np.where(odd, odd_sizes, round_sizes) * SHARE
    return sizes


def dress(rng: np.random.Generator, prints: Array, *, off_exchange: Array) -> None:
    """Give prints a venue, a latency and the flags an ordinary print has, in place.

    Args:
        rng: The symbol's generator.
        prints: PRINT rows.
        off_exchange: Which of them a dealer or a dark pool reports to a TRF.
    """
    count = len(prints)
    prints["exchange"] = rng.choice(LIT_VENUES, size=count, p=LIT_SHARES)
    prints["latency_ns"] = 150_000 + (rng.standard_exponential(count) * 120_000).astype(np.int64)
    sweep = ~off_exchange & (prints["place"] == TOUCH) & (rng.random(count) < 0.48)
    prints["sweep"] = sweep
    prints["exempt"] = sweep | (rng.random(count) < 0.06)
    _report_to_trf(rng, prints, off_exchange)


def _report_to_trf(rng: np.random.Generator, prints: Array, chosen: Array) -> None:
    count = int(chosen.sum())
    facility = rng.choice([CARTERET, CHICAGO, NYSE_TRF], size=count, p=[0.7, 0.2, 0.1])
    latency = 800_000 + (rng.standard_exponential(count) * 6_000_000).astype(np.int64)
    slow = rng.random(count) < 0.03
    latency = np.where(slow, rng.integers(50_000_000, 900_000_000, size=count), latency)
    prints["exchange"][chosen] = TRF
    prints["trf"][chosen] = facility
    prints["latency_ns"][chosen] = latency
    prints["quote_ns"][chosen] = prints["ts_ns"][chosen] - latency


def price(rng: np.random.Generator, prints: Array, quotes: Array) -> Array:
    """Return the price of each print, 1e-4 dollar, from the last quote before its `quote_ns`.

    Args:
        rng: The symbol's generator; decides how much an inside print improves on the touch.
        prints: PRINT rows, any order.
        quotes: QUOTE rows by time; their `bid` and `ask` before any lock or absence.
    """
    last = np.searchsorted(quotes["ts_ns"], prints["quote_ns"], side="left") - 1
    last = np.maximum(last, 0)
    bid, ask = quotes["bid"][last], quotes["ask"][last]
    mid = (bid + ask) // 2
    buys = prints["side"] > 0
    improved = (rng.integers(2, 45, size=len(prints)) * (ask - bid)) // 100
    # Only off exchange may an order improve the price by less than a cent (Rule 612).
    improved = np.where(prints["trf"] > 0, improved, improved // CENT * CENT)
    places = [
        np.where(buys, ask, bid),
        np.where(buys, ask - improved, bid + improved),
        mid,
        mid // CENT * CENT,
        bid * 994 // 1000 // CENT * CENT,
        bid - CENT,
        bid - 2 * CENT,
    ]
    prices: Array = np.choose(prints["place"], places)
    return prices


def spell_conditions(prints: Array, listing: Listing, session: Session) -> list[tuple[int, ...]]:
    """Return the sale conditions of each print as the feed lists them."""
    lot = listing.round_lot * SHARE
    form_t = prints["ts_ns"] < session.open_ns
    odd = prints["size"] < lot
    flags = zip(
        prints["sale"].tolist(),
        prints["sweep"].tolist(),
        form_t.tolist(),
        odd.tolist(),
        prints["exempt"].tolist(),
        strict=True,
    )
    known: dict[tuple[int, bool, bool, bool, bool], tuple[int, ...]] = {}
    spelled = []
    for key in flags:
        if key not in known:
            known[key] = _spell(*key)
        spelled.append(known[key])
    return spelled


def _spell(sale: int, sweep: bool, form_t: bool, odd: bool, exempt: bool) -> tuple[int, ...]:
    if sale in OFFICIAL:
        return (sale,)
    if sale in AUCTIONS:
        return (sale, CROSS_TRADE, TRADE_THROUGH_EXEMPT)
    listed = [sale] if sale else []
    listed += [SWEEP] if sweep else []
    listed += [FORM_T] if form_t else []
    listed += [ODD_LOT] if odd else []
    listed += [TRADE_THROUGH_EXEMPT] if exempt else []
    return tuple(listed)


def number_prints(rng: np.random.Generator, prints: Array) -> Array:
    """Return the trade id of each print (prints by time): a counter a venue and facility.

    A report sent again keeps the id of the one before it.
    """
    ids = np.zeros(len(prints), np.int64)
    first_trf_id = 71_675_222_000_000 + int(rng.integers(0, 900_000_000))
    step = rng.integers(1, 40, size=len(prints))
    step[prints["trf"] == 0] = 1
    step[prints["again"]] = 0
    venue = prints["exchange"].astype(np.int32) * 1_000 + prints["trf"]
    for one in np.unique(venue):
        here = venue == one
        base = first_trf_id if one % 1_000 else 0
        ids[here] = base + np.cumsum(step[here])
    return ids
