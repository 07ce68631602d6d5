"""The invented companies of the synthetic session, and how each of them trades."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace

NYSE, ARCA, NASDAQ = 10, 11, 12  # exchange ids of the feed


@dataclass(frozen=True)
class Listing:
    """How one symbol trades on an ordinary day.

    Attributes:
        symbol: Ticker; invented, no company is meant.
        price: Previous close, dollars.
        trades: Expected prints between 09:30 and 16:00.
        spread_ticks: Usual NBBO spread, cents.
        odd_share: Share of prints below one round lot.
        lot_scale: Round lots by which the larger prints grow.
        tail: Exponent of the size distribution; smaller means larger prints.
        depth_lots: Usual round lots displayed on each side of the NBBO.
        quotes_per_trade: NBBO updates a print.
        volatility: Standard deviation of a day's own return.
        beta: Return per unit of the market's return.
        exchange: Listing exchange, where the auctions are held.
    """

    symbol: str
    price: float
    trades: int
    spread_ticks: float
    odd_share: float
    lot_scale: int
    tail: float
    depth_lots: float
    quotes_per_trade: float
    volatility: float
    beta: float
    exchange: int

    @property
    def round_lot(self) -> int:
        """Shares in a round lot: smaller for dear stocks since November 2025 (Rule 600)."""
        if self.price <= 250:
            return 100
        return 40 if self.price <= 1_000 else 10


def _low(symbol: str, price: float, trades: int, exchange: int, beta: float) -> Listing:
    return Listing(symbol, price, trades, 1.02, 0.52, 6, 0.7, 45, 2.5, 0.012, beta, exchange)


def _liquid(symbol: str, price: float, trades: int, exchange: int, beta: float) -> Listing:
    return Listing(symbol, price, trades, 1.6, 0.70, 6, 0.8, 5, 3.2, 0.010, beta, exchange)


def _middle(symbol: str, price: float, trades: int, exchange: int, beta: float) -> Listing:
    return Listing(symbol, price, trades, 3.5, 0.85, 1, 1.9, 2, 4.5, 0.011, beta, exchange)


def _dear(symbol: str, price: float, trades: int, exchange: int, beta: float) -> Listing:
    return Listing(symbol, price, trades, price / 20, 0.86, 1, 2.1, 1.5, 6.0, 0.012, beta, exchange)


def _thin(symbol: str, price: float, trades: int, exchange: int, beta: float) -> Listing:
    return Listing(symbol, price, trades, 6.0, 0.60, 1, 1.6, 2, 9.0, 0.014, beta, exchange)


LISTINGS: tuple[Listing, ...] = (
    _low("ZORB", 6.42, 10_400, NYSE, 1.1),
    _low("QALT", 9.15, 10_900, NASDAQ, 1.3),
    _low("VYKA", 11.74, 9_800, NYSE, 0.9),
    _low("JUNQ", 7.86, 10_600, NASDAQ, 1.4),
    _liquid("XELM", 34.20, 5_200, NYSE, 1.0),
    _liquid("KRVO", 52.65, 4_900, NASDAQ, 1.2),
    _liquid("QIRA", 27.38, 5_100, NYSE, 0.8),
    _liquid("WEXO", 61.02, 4_800, NASDAQ, 1.1),
    _liquid("BOQE", 44.91, 5_000, NYSE, 0.9),
    _liquid("FYLO", 38.47, 5_100, NASDAQ, 1.2),
    _middle("DRUQ", 118.30, 1_900, NYSE, 0.9),
    _middle("HAZQ", 152.75, 1_700, NASDAQ, 1.1),
    _middle("IXOR", 88.12, 1_600, NYSE, 0.7),
    _middle("LUQA", 203.40, 1_800, NASDAQ, 1.2),
    _middle("OZRE", 96.55, 1_500, NYSE, 0.8),
    _dear("UQEN", 640.20, 1_300, NASDAQ, 1.3),
    _dear("TUVI", 412.85, 1_200, NYSE, 1.0),
    _dear("PYXQ", 2_380.00, 600, NASDAQ, 0.9),
    _thin("NYQO", 8.24, 380, ARCA, 0.5),
    _thin("MIVQ", 22.60, 340, NYSE, 0.6),
)

_BY_SYMBOL = {listing.symbol: listing for listing in LISTINGS}


def listing_of(symbol: str) -> Listing:
    """Return how `symbol` trades; a name not in `LISTINGS` is like one of them, picked by name."""
    if symbol in _BY_SYMBOL:
        return _BY_SYMBOL[symbol]
    pick = zlib.crc32(symbol.encode())
    like = LISTINGS[pick % len(LISTINGS)]
    cents = round(like.price * (70 + pick % 61))
    return replace(like, symbol=symbol, price=cents / 100)
