"""Whether a fall is the symbol's own or the market's: what the columns say, in words.

The market is SPY where the feed has it, else the breadth of the monitored symbols.
"""

from __future__ import annotations

import numpy as np

from operators.records import MarketWide
from operators.ticks import MICRO, Row

MARKET = "SPY"
HALF = 0.5  # of a fall, from which it is called the market's
BROAD = 2 / 3  # of the symbols sold on balance, from which selling is called the market's
FEWEST_SYMBOLS = 5  # that must have traded for a breadth
BP = 10_000.0
UNKNOWN_OFI = -(2**63)

CONTEXT = np.dtype(
    [
        ("now", np.int64),  # twice the symbol's mid (or last print) before the print; 0: unknown
        ("then", np.int64),  # the same a minute earlier
        ("market_now", np.int64),
        ("market_then", np.int64),
        ("ofi", np.int64),  # order-flow imbalance of 60 s in 1e-6 share, or UNKNOWN_OFI
        ("beta", np.float64),
        ("selling", np.int32),  # symbols sold on balance in the last minute
        ("trading", np.int32),  # symbols bought or sold on balance
    ],
    align=True,
)
"""What the market was doing at a print."""
NO_CONTEXT = np.empty(0, CONTEXT)


def _return_bps(now: int, then: int) -> float | None:
    return BP * (now - then) / then if now > 0 and then > 0 else None


def market_wide(row: Row) -> MarketWide:
    """Return what a row of CONTEXT says.

    A fall is the market's when beta times the market's return makes up at least half of it.
    Without SPY, selling is the market's when at least two thirds of the symbols that traded one
    way or the other, and of these at least five, were sold on balance.
    """
    own = _return_bps(int(row["now"]), int(row["then"]))
    market = _return_bps(int(row["market_now"]), int(row["market_then"]))
    trading = int(row["trading"])
    share = int(row["selling"]) / trading if trading >= FEWEST_SYMBOLS else None
    source = is_wide = beta = residual = None
    if own is not None and market is not None:
        source, beta = "SPY", float(row["beta"])
        residual = own - beta * market
        is_wide = own < 0 and beta * market <= HALF * own
    elif share is not None:
        source, is_wide = "breadth", share >= BROAD
    return MarketWide(
        return_60s_bps=_rounded(own, 2),
        market_return_60s_bps=_rounded(market, 2),
        beta=_rounded(beta, 3),
        residual_bps=_rounded(residual, 2),
        net_selling_share=_rounded(share, 4),
        symbols=trading,
        source=source,
        is_market_wide=is_wide,
    )


def order_flow(row: Row) -> float | None:
    """Return the order-flow imbalance of 60 s in shares, None where it is not known."""
    ofi = int(row["ofi"])
    return None if ofi == UNKNOWN_OFI else ofi / MICRO


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits) + 0.0  # no minus before a nought
