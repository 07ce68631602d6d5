"""The book in the reference: what is rejected, how it weighs, and who rests on it (section 5).

Where the page leaves room, this is how it is read:
(n) A level without price and size is no level, and those behind it move up; one without the
    other is rejected. Locked is not crossed. A book older than the symbol's standing one is
    stale. What is rejected leaves the standing book as it is.
(o) A level that fired may fire again once its displayed size was seen below half the threshold,
    in a later ms than its last alert. Nothing is offered at a price between or below the levels
    shown, nor above the last one where fewer are shown than the tape has; above a full book
    nobody can tell, and the level stays as it was.
(p) A warning level that reaches twice the threshold fires once more, critical, and escalates its
    warning; half is always half of the threshold itself.
(q) Only books inside an admitted phase fire; the first one of a new phase forgets what fired.
    Nothing a print does touches the levels.
(r) Adaptive mode asks for the notional besides; the threshold stays the fixed one.
(s) Imbalance: over the best levels that are there, of the standing book before the print, to
    four decimals; None without one or where it is older than the oldest usable quote.
(t) At most 64 levels of a symbol are remembered; beyond, the highest price is forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import isnan
from typing import Any

from tests.reference_rules import (
    MAX_PRICE,
    MAX_SIZE,
    Rules,
    alert_id,
    bad_symbol,
    bad_time,
    exact,
)
from tests.reference_sessions import Phase, Sessions
from tests.reference_tape import MICRO, Book, micro, whole_ms

Level = tuple[int, int]
MOST_REMEMBERED = 64


def levels_there(side: tuple[tuple[float | None, float | None], ...]) -> list[Level]:
    """Return the levels that are there, in micro-dollars and micro-shares."""
    there = [level for level in side if not (_is_absent(level[0]) and _is_absent(level[1]))]
    return [(micro(price) or 0, micro(size) or 0) for price, size in there]


def _is_absent(value: float | None) -> bool:
    return value is None or value == 0 or isnan(value)


def reject_book(book: Book, standing: Book | None) -> str | None:
    """Return the code a book is rejected with, or None."""
    if bad_symbol(book.symbol):
        return "bad_symbol"
    if bad_time(book.ts_ns):
        return "bad_time"
    bids, asks = levels_there(book.bids), levels_there(book.asks)
    if any(not 0 < price <= MAX_PRICE for price, _ in bids + asks):
        return "bad_price"
    if any(not 0 < size <= MAX_SIZE for _, size in bids + asks):
        return "bad_size"
    bid_prices, ask_prices = [price for price, _ in bids], [price for price, _ in asks]
    if bid_prices != sorted(set(bid_prices), reverse=True) or ask_prices != sorted(set(ask_prices)):
        return "unsorted_book"
    if bids and asks and bid_prices[0] > ask_prices[0]:
        return "crossed_book"
    if standing is not None and book.ts_ns < standing.ts_ns:
        return "stale_book"
    return None


def weight(book: Book, levels: int) -> float | None:
    bids = sum(size for _, size in levels_there(book.bids)[:levels])
    asks = sum(size for _, size in levels_there(book.asks)[:levels])
    return float(round(Fraction(bids - asks, bids + asks), 4)) if bids + asks else None


@dataclass
class Fired:
    """What a level last fired as."""

    severity: str
    last_ms: int
    first_ns: int
    alert_id: str


class Resting:
    """The ask side of one symbol's book, one state after the other."""

    def __init__(self, name: str, rules: Rules, sessions: Sessions) -> None:
        self.name, self.rules, self.sessions = name, rules, sessions
        self.phase: Phase | None = None
        self.fired: dict[int, Fired] = {}  # by price
        self.book: Book | None = None

    def imbalance(self, ms: int) -> float | None:
        """Return what stands beside a print at `ms`."""
        limit = exact(self.rules.quote_max_age_seconds) * 1000
        if self.book is None or ms - whole_ms(self.book.ts_ns) > limit:
            return None
        return weight(self.book, self.rules.book_levels)

    def on_book(self, book: Book) -> list[dict[str, Any]]:
        """Return what the alerts of a good book say that other alerts do not."""
        self.book = book
        ms = whole_ms(book.ts_ns)
        phase = self.sessions.phase(ms)
        if phase is not None and (self.phase is None or phase.start_ms > self.phase.start_ms):
            self.phase, self.fired = phase, {}
        asks = levels_there(book.asks)
        half = exact(self.rules.large_order_size) * MICRO / 2
        for price in [p for p, fired in self.fired.items() if ms > fired.last_ms]:
            size = self._displayed(asks, len(book.asks), price)
            if size is not None and size < half:
                del self.fired[price]
        if phase is None:
            return []
        fired = (self._level(book, ms, level) for level in asks[: self.rules.book_levels])
        return [said for said in fired if said is not None]

    def _displayed(self, asks: list[Level], most: int, price: int) -> int | None:
        if asks and len(asks) == most and price > asks[-1][0]:
            return None
        return dict(asks).get(price, 0)

    def _level(self, book: Book, ms: int, level: Level) -> dict[str, Any] | None:
        price, size = level
        severity = self._severity(price, size)
        before = self.fired.get(price)
        if severity is None or (before and (before.severity, severity) != ("warning", "critical")):
            return None
        key = f"{_money(price)}|ask"
        mode = self.rules.detection_mode
        fired = alert_id(self.name, "large_resting_seller", severity, ms, key, mode)
        first_ns = before.first_ns if before else book.ts_ns
        if not before and len(self.fired) == MOST_REMEMBERED:
            del self.fired[max(self.fired)]
        self.fired[price] = Fired(severity, ms, first_ns, fired)
        return {
            "alert_id": fired,
            "severity": severity,
            "ts_ms": ms,
            "price": price / MICRO,
            "order_size": size / MICRO,
            "notional": float(Fraction(price * size, MICRO**2)),
            "escalates": before.alert_id if before else None,
            "first_ns": first_ns,
            "percentile": None,
            "baseline": None,
            "book_imbalance": weight(book, self.rules.book_levels),
        }

    def _severity(self, price: int, size: int) -> str | None:
        threshold = exact(self.rules.large_order_size) * MICRO
        poor = price * size < exact(self.rules.min_notional) * MICRO**2
        if size < threshold or (self.rules.adaptive and poor):
            return None
        return "critical" if size >= 2 * threshold else "warning"


def _money(price: int) -> str:
    """Return a price with two to six decimals."""
    whole, decimals = divmod(price, MICRO)
    return f"{whole}.{f'{decimals:06d}'.rstrip('0'):0<2}"
