"""Returns of the last minute: a symbol's, the market's, and how the one follows the other.

Source: the shrinkage of beta towards one is that of Vasicek 1973, its prior a choice of ours.
"""

from __future__ import annotations

from operators.context_window import LAST, WINDOW_S
from operators.kernels import step
from operators.ticks import Array, Row

STALE_S = 300  # a price nobody has confirmed for longer is no price
BEHIND_S = 5  # a print further behind the market's newest event is not compared with it
BETA_PRIOR_BPS2 = 256.0
"""How much evidence a beta of one is worth: the sum of squared market returns, in bps, at which
the symbol's own estimate has equal weight. About half an hour of minutes of 3 bps: the residual
of a stock's minute is about 8 bps, and betas lie about 0.5 around one (64 / 0.25)."""
DAY_S, DAY_STARTS_S = 86_400, 5 * 3_600  # a day turns when New York sleeps, as in the ledger


@step
def market_prices(state: Array, market: int, windows: Array, second: int) -> tuple[int, int]:
    """Return the market's price now and 60 s before `second`; 0: unknown."""
    if market < 0:
        return 0, 0
    spy = state[market]
    fresh = second - spy["price_second"] <= STALE_S and spy["second"] - second <= BEHIND_S
    if spy["price"] == 0 or not fresh:
        return 0, 0
    second = max(second, spy["second"])
    then, then_second = spy["then"], spy["then_second"]
    window, at = windows[market], spy["oldest"]
    # At most the buckets of a minute; where the market prints, the few since its last print.
    while at != spy["end"] and window[at & LAST]["second"] <= second - WINDOW_S:
        then = window[at & LAST]["price"]
        then_second = window[at & LAST]["second"]
        at += 1
    if then_second <= second - WINDOW_S - STALE_S:
        then = 0
    return spy["price"], then


@step
def price_of(mine: Row) -> int:
    """Return a symbol's price, or 0 if it is unknown or out of date."""
    return int(mine["price"]) if mine["second"] - mine["price_second"] <= STALE_S else 0


@step
def turn_minute(mine: Row, market: int) -> None:
    """Begin a minute: the one before it is a pair of returns if both its ends were seen."""
    price = price_of(mine)
    minute = mine["second"] // 60
    both = mine["minute_price"] > 0 and mine["minute_market"] > 0 and price > 0 and market > 0
    if both and minute == mine["minute"] + 1:
        own = 10_000.0 * (price - mine["minute_price"]) / mine["minute_price"]
        other = 10_000.0 * (market - mine["minute_market"]) / mine["minute_market"]
        mine["sxy"] += own * other
        mine["sxx"] += other * other
    day = (mine["second"] - DAY_STARTS_S) // DAY_S
    if day != mine["day"]:
        mine["day"] = day
        mine["sxy"] = 0.0
        mine["sxx"] = 0.0
    mine["minute"] = minute
    mine["minute_price"] = price
    mine["minute_market"] = market


@step
def beta_of(mine: Row) -> float:
    """Return a symbol's beta: its own of this day so far, drawn towards one."""
    return float((mine["sxy"] + BETA_PRIOR_BPS2) / (mine["sxx"] + BETA_PRIOR_BPS2))
