"""The stateless half of the reference: settings, sale conditions, rejects, sides, ids.

Section numbers are those of detectors.md. Thresholds are exact fractions of a setting's text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from functools import cache
from hashlib import blake2b
from typing import NamedTuple

from tests.reference_tape import MICRO, Quote, Trade, micro, whole_ms

Setting = int | float | str | Decimal

BUY, UNKNOWN, SELL = 1, 0, -1


@cache
def exact(setting: Setting) -> Fraction:
    """Return a setting as the number its text says."""
    return Fraction(str(setting))


class Print(NamedTuple):
    """A trade that was not rejected, in the units of the rules."""

    trade: Trade
    ms: int
    second: int
    price: int
    size: int
    key: str


@dataclass(frozen=True)
class Rules:
    """Section 10. `own_percentile` is what adaptive mode knows of a symbol's parents, shares.

    How the 99.9th percentile is learnt is not repeated here: the reference is given its value.
    """

    detection_mode: str = "fixed"
    large_order_size: Setting = 10_000
    parent_gap_ms: int = 10
    min_notional: Setting = 200_000
    volume_spike_threshold: Setting = "3.0"
    red_burst_threshold: Setting = "4.0"
    sell_share: Setting = "0.60"
    min_burst_volume: Setting = 5_000
    alert_window_seconds: Setting = 120
    exit_sellers: int = 3
    side_rule: str = "clnv"
    quote_max_age_seconds: Setting = 60
    late_print_ms: int = 1_000
    sessions: str = "regular"
    book_levels: int = 5
    own_percentile: Mapping[str, Setting] = field(default_factory=dict)

    @property
    def adaptive(self) -> bool:
        return self.detection_mode == "adaptive"

    @property
    def alert_window_ms(self) -> Fraction:
        return exact(self.alert_window_seconds) * 1000

    def parent_threshold(self, symbol: str) -> Fraction:
        """Return the size, in micro-shares, at which a parent order is large (section 4)."""
        if not self.adaptive:
            return exact(self.large_order_size) * MICRO
        if symbol not in self.own_percentile:
            raise ValueError(f"adaptive mode needs own_percentile[{symbol!r}], in shares")
        return max(Fraction(1_000), exact(self.own_percentile[symbol])) * MICRO


# Section 2: the class of a print is the strictest among its conditions.

STRICTEST_FIRST = (
    "unknown_condition",
    "summary_drop",
    "non_flow",
    "auction_reopen",
    "auction_open",
    "auction_close",
    "block",
    "extended_hours",
    "regular",
)
CLASS_OF_CONDITION: dict[int, str] = {
    **dict.fromkeys((15, 16, 38), "summary_drop"),
    **dict.fromkeys((2, 5, 7, 10, 13, 20, 21, 22, 29, 32, 33, 52, 53), "non_flow"),
    **dict.fromkeys((18, 28), "auction_reopen"),
    **dict.fromkeys((17, 25, 55), "auction_open"),
    **dict.fromkeys((8, 19), "auction_close"),
    **dict.fromkeys((24, 9), "block"),
    12: "extended_hours",
    **dict.fromkeys((0, 1, 3, 4, 6, 11, 23, 27, 34, 35, 36), "regular"),
    **dict.fromkeys((14, 30, 31, 37, 41, *range(57, 61), *range(62, 72)), "regular"),
}


def sale_class(conditions: tuple[int, ...]) -> str:
    """Return the strictest class; ids the table lists as glossary only (26, 39 ...) are unknown."""
    classes = {CLASS_OF_CONDITION.get(condition, "unknown_condition") for condition in conditions}
    return min(classes or {"regular"}, key=STRICTEST_FIRST.index)


# Section 8: what is rejected.

MAX_PRICE = 10**7 * MICRO
MAX_SIZE = 10**9 * MICRO
YEAR_2000_MS, YEAR_2100_MS = 946_684_800_000, 4_102_444_800_000


def bad_symbol(symbol: str) -> bool:
    """A symbol is 1 to 32 letters, digits and `./:_+$^=*-`, a letter or digit first."""
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9./:_+$^=*-]{0,31}", symbol) is None


def bad_time(ts_ns: int) -> bool:
    return not YEAR_2000_MS <= whole_ms(ts_ns) < YEAR_2100_MS


def reject_trade(trade: Trade) -> str | None:
    """Return the code a trade is rejected with, or None."""
    price, size = micro(trade.price), micro(trade.size)
    if bad_symbol(trade.symbol):
        return "bad_symbol"
    if bad_time(trade.ts_ns):
        return "bad_time"
    if price is None or not 0 < price <= MAX_PRICE:
        return "bad_price"
    if size is None or not 0 < size <= MAX_SIZE:
        return "bad_size"
    return None


def reject_quote(quote: Quote) -> str | None:
    """Return the code a quote is rejected with; an absent side (0) is not an error."""
    if bad_symbol(quote.symbol):
        return "bad_symbol"
    if bad_time(quote.ts_ns):
        return "bad_time"
    if any(not 0 <= (micro(side) or 0) <= MAX_PRICE for side in (quote.bid, quote.ask)):
        return "bad_price"
    return None


# Section 3: the aggressor's side.


@dataclass(frozen=True, slots=True)
class Market:
    """A usable quote, in micro-dollars."""

    bid: int
    ask: int


def usable(quote: Quote | None, ms: int, max_age_ms: Fraction | int) -> Market | None:
    """Return the quote if bid > 0, ask > 0, bid < ask and it is not older than `max_age_ms`."""
    if quote is None or ms - whole_ms(quote.ts_ns) > max_age_ms:
        return None
    bid, ask = micro(quote.bid) or 0, micro(quote.ask) or 0
    return Market(bid, ask) if 0 < bid < ask else None


def off_market(price: int, market: Market) -> bool:
    """More than max(2 cents, 0.1 % of mid) outside the quote (section 2)."""
    mid = Fraction(market.bid + market.ask, 2)
    tolerance = max(Fraction(2 * MICRO, 100), mid / 1000)
    return market.bid - price > tolerance or price - market.ask > tolerance


@dataclass
class TickReference:
    """The price of the previous counted print, and the last one different from it."""

    price: int | None = None
    other: int | None = None

    def side(self, price: int) -> int:
        """Against the previous price if different, else the last different one before it."""
        against = self.price if price != self.price else self.other
        if against is None:
            return UNKNOWN
        return BUY if price > against else SELL

    def move(self, price: int) -> None:
        if price != self.price:
            self.other, self.price = self.price, price


def inside_side(rule: str, price: int, market: Market, tick: int) -> tuple[int, str]:
    """Step 2, strictly between bid and ask: the side and whether the `quote` or the `tick` says."""
    mid = Fraction(market.bid + market.ask, 2)
    if rule == "clnv":
        near = Fraction(3, 10) * (market.ask - market.bid)
        if price - market.bid <= near:  # the sell test comes first
            return SELL, "inside"
        return (BUY, "inside") if market.ask - price <= near else (tick, "tick")
    if rule in ("lee_ready", "quote"):
        if price != mid:
            return (SELL if price < mid else BUY), "inside"
        return (tick, "tick") if rule == "lee_ready" else (UNKNOWN, "inside")
    if rule in ("emo", "tick"):
        return tick, "tick"
    raise ValueError(f"side_rule must be clnv, lee_ready, emo, quote or tick, not {rule}")


# Section 9: the alert id.

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def has_id(trade: Trade) -> bool:
    return trade.trade_id is not None and str(trade.trade_id) != ""


def trade_key(trade: Trade, row: int) -> str:
    """Return `exchange|trf id or 0|trade id`, or `#n`, the symbol's row, where there is no id."""
    if not has_id(trade):
        return f"#{row}"
    if re.fullmatch(r"#\d+", str(trade.trade_id)):  # served by a mock
        return str(trade.trade_id)
    return f"{trade.exchange}|{trade.trf or 0}|{trade.trade_id}"


def alert_id(symbol: str, alert_type: str, severity: str, ms: int, key: str, mode: str) -> str:
    """Return the 26 characters of section 9."""
    text = f"{symbol}|{alert_type}|{severity}|{ms}|{key}|{mode}"
    number = int.from_bytes(blake2b(text.encode(), digest_size=16).digest(), "big")
    digits = []
    for _ in range(26):
        number, digit = divmod(number, 32)
        digits.append(CROCKFORD[digit])
    return "".join(reversed(digits))
