"""The NBBO of a symbol: a price that walks, a spread that breathes, and its bad moments."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from flows.simulate.listings import Listing
from flows.simulate.prints import CENT, DOLLAR, SHARE
from flows.simulate.session import MINUTE, SECOND, Session

Array = npt.NDArray[Any]

NORMAL, LOCKED, CROSSED, NO_BID, NO_ASK = range(5)

QUOTE = np.dtype(
    [
        ("ts_ns", np.int64),
        ("bid", np.int64),  # 1e-4 dollar, before `state` is applied
        ("ask", np.int64),
        ("bid_size", np.int64),  # shares
        ("ask_size", np.int64),
        ("state", np.uint8),  # NORMAL .. NO_ASK
    ]
)

REACTIONS = 1.3  # quotes a print provokes
IMPACT = 0.10  # of the usual spread, for a print of the usual size; as the root of the size
MARKET_VOLATILITY = 0.006  # of a day
LOCKED_SHARE, CROSSED_SHARE = 0.012, 0.0012
OPENING_CALM_NS = 4 * MINUTE  # over which the spread of the open narrows


def market_path(rng: np.random.Generator, session: Session) -> Array:
    """Return the market's return since yesterday, one value a second from `start_ns`."""
    seconds = (session.end_ns - session.start_ns) // SECOND + 600
    steps = rng.standard_normal(seconds) * (MARKET_VOLATILITY / np.sqrt(23_400))
    path: Array = np.cumsum(steps)
    return path


def quote_times(
    rng: np.random.Generator, listing: Listing, session: Session, prints: Array, rate: float
) -> Array:
    """Return when the NBBO changes: in reaction to prints, by itself, and before the open."""
    provoked = np.repeat(prints["ts_ns"], rng.poisson(REACTIONS, size=len(prints)))
    quick = rng.random(len(provoked)) < 0.6
    delay = rng.standard_exponential(len(provoked)) * np.where(quick, 600_000, 250_000_000)
    provoked = provoked + 20_000 + delay.astype(np.int64)
    usual = listing.trades * rate * float(session.weights.sum())
    own = session.scatter(rng, rng.poisson(usual * (listing.quotes_per_trade - REACTIONS)))
    early = rng.integers(
        session.start_ns, session.open_ns, size=6 + rng.poisson(0.02 * listing.trades * rate)
    )
    times = np.unique(np.concatenate([provoked, own, early]))
    inside: Array = times[times < session.end_ns]
    return inside


def make_quotes(
    rng: np.random.Generator,
    listing: Listing,
    session: Session,
    times: Array,
    prints: Array,
    market: Array,
) -> Array:
    """Return the NBBO at `times`, QUOTE rows.

    The efficient price is the market's path, the symbol's own walk and the push of signed
    prints; bid and ask are the ticks around it.
    """
    count = len(times)
    fair = _efficient_price(rng, listing, session, times, prints, market)
    spread = _spread(rng, listing, session, times) * CENT
    bid = ((fair * DOLLAR - spread / 2) / CENT + 0.5).astype(np.int64) * CENT
    quotes = np.zeros(count, QUOTE)
    quotes["ts_ns"] = times
    quotes["bid"] = np.maximum(bid, CENT)
    quotes["ask"] = quotes["bid"] + spread
    bid_changes = rng.random(count) < 0.5
    quotes["bid_size"] = _depth(rng, listing, bid_changes)
    quotes["ask_size"] = _depth(rng, listing, ~bid_changes)
    quotes["state"] = _states(rng, session, times, spread)
    return quotes


def shown(quotes: Array) -> Array:
    """Return the quotes as the tape shows them: locks, crosses and absent sides applied."""
    out = quotes.copy()
    state = quotes["state"]
    out["ask"] = np.where(state == LOCKED, quotes["bid"], quotes["ask"])
    out["ask"] = np.where(state == CROSSED, quotes["bid"] - CENT, out["ask"])
    for side, absent in (("bid", NO_BID), ("ask", NO_ASK)):
        out[side][state == absent] = 0
        out[f"{side}_size"][state == absent] = 0
    return out


def _efficient_price(
    rng: np.random.Generator,
    listing: Listing,
    session: Session,
    times: Array,
    prints: Array,
    market: Array,
) -> Array:
    gaps_s = np.diff(times, prepend=times[:1]) / SECOND
    own = np.cumsum(rng.standard_normal(len(times)) * np.sqrt(gaps_s / 23_400))
    seconds = (times - session.start_ns) // SECOND
    common = market[np.minimum(seconds, len(market) - 1)]
    walk = listing.price * (1 + listing.beta * common + 0.6 * listing.volatility * own)
    usual = max(1, int(prints["size"].mean())) if len(prints) else SHARE
    root = np.minimum(np.sqrt(prints["size"] / usual), 12.0)
    push = np.where(prints["sale"] == 0, prints["side"] * root, 0.0)
    pushed = np.concatenate([[0.0], np.cumsum(push)])
    before = np.searchsorted(prints["ts_ns"], times, side="left")
    tick = IMPACT * listing.spread_ticks / 100
    fair: Array = walk + tick * pushed[before]
    return np.maximum(fair, listing.price / 4)


def _spread(rng: np.random.Generator, listing: Listing, session: Session, times: Array) -> Array:
    """Return the spread in ticks: held for a while, wide in the first minutes and before."""
    since_open = np.maximum(times - session.open_ns, 0)
    wide = 1 + 1.5 * np.maximum(0.0, 1 - since_open / OPENING_CALM_NS)
    usual = (listing.spread_ticks - 1) * wide + (wide - 1)
    more = (rng.standard_exponential(len(times)) * usual).astype(np.int64)
    spread: Array = _hold(1 + more, rng.random(len(times)) < 0.3)
    return spread


def _depth(rng: np.random.Generator, listing: Listing, changes: Array) -> Array:
    lots = 1 + (rng.standard_exponential(len(changes)) * listing.depth_lots).astype(np.int64)
    return _hold(lots, changes) * listing.round_lot


def _hold(values: Array, changes: Array) -> Array:
    """Return each value until the next change."""
    held: Array = values[np.maximum.accumulate(np.where(changes, np.arange(len(values)), 0))]
    return held


def _states(rng: np.random.Generator, session: Session, times: Array, spread: Array) -> Array:
    draw = rng.random(len(times))
    tight = (spread <= 2 * CENT) & (times >= session.open_ns)
    state = np.where(tight & (draw < LOCKED_SHARE), LOCKED, NORMAL).astype(np.uint8)
    state[tight & (draw > 1 - CROSSED_SHARE)] = CROSSED
    # The book fills one side at a time in the morning.
    state[:2] = rng.permutation(np.array([NO_BID, NO_ASK], np.uint8))[: len(state)]
    return state
