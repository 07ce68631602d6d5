from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from operators.market_wide import CONTEXT, UNKNOWN_OFI, market_wide, order_flow
from operators.records import MarketWide

BASE = 20_000_000  # 10 dollars, doubled


def row(own: float | None, market: float | None, **more: Any) -> Any:
    """A context row: returns of the last minute in bps, beta one, ten symbols, half selling."""
    out = np.zeros((), CONTEXT)
    for name, bps in (("", own), ("market_", market)):
        if bps is not None:
            out[f"{name}then"] = BASE
            out[f"{name}now"] = round(BASE * (1 + bps / 10_000))
    for name, value in {"beta": 1.0, "trading": 10, "selling": 5, **more}.items():
        out[name] = value
    return out


def test_everything_is_said() -> None:
    assert market_wide(row(-20, -12, beta=1.5, selling=7)) == MarketWide(
        return_60s_bps=-20.0,
        market_return_60s_bps=-12.0,
        beta=1.5,
        residual_bps=-2.0,
        net_selling_share=0.7,
        symbols=10,
        source="SPY",
        is_market_wide=True,
    )


@pytest.mark.parametrize(
    ("own", "market", "beta", "wide"),
    [
        (-20, -10, 1.0, True),  # exactly half
        (-20, -9, 1.0, False),
        (-20, -9, 1.2, True),
        (-20, -40, 1.0, True),  # it held up better than the market did
        (-20, 15, 1.0, False),
        (-20, 15, -1.0, True),  # it goes against the market, and did
        (0, -40, 1.0, False),  # nothing fell that could be the market's
        (10, 20, 1.0, False),
    ],
)
def test_a_fall_is_the_markets_when_the_market_explains_half_of_it(
    own: float, market: float, beta: float, wide: bool
) -> None:
    found = market_wide(row(own, market, beta=beta))
    assert (found.source, found.is_market_wide) == ("SPY", wide)


@pytest.mark.parametrize(
    ("selling", "trading", "share", "wide"),
    [(4, 6, 0.6667, True), (3, 5, 0.6, False), (5, 5, 1.0, True), (4, 4, None, None)],
)
def test_without_spy_the_breadth_decides_from_five_symbols_on(
    selling: int, trading: int, share: float | None, wide: bool | None
) -> None:
    found = market_wide(row(-20, None, selling=selling, trading=trading))
    source = None if wide is None else "breadth"
    assert (found.net_selling_share, found.source, found.is_market_wide) == (share, source, wide)
    assert (found.beta, found.residual_bps, found.symbols) == (None, None, trading)


def test_breadth_decides_where_the_symbols_own_return_is_unknown() -> None:
    found = market_wide(row(None, -30, selling=9))
    assert (found.source, found.is_market_wide, found.market_return_60s_bps) == (
        "breadth", True, -30.0,
    )  # fmt: skip


def test_order_flow_is_in_shares_and_unknown_is_none() -> None:
    assert order_flow(row(0, 0, ofi=-2_500_000)) == -2.5
    assert order_flow(row(0, 0, ofi=UNKNOWN_OFI)) is None
