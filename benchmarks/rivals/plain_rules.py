"""All rules in plain Python, one event at a time: what one would write without columns.

Fixed mode, regular session, default settings. Written for speed within that style: typed
events without dicts, one object a symbol, integers, quotes kept as they came until a print
needs them. Only the building of alerts, which happens a few times a minute, is shared.
"""

from __future__ import annotations

from typing import Any

import msgspec

from benchmarks.rivals.plain_parents import Parents
from benchmarks.rivals.plain_session import regular_session
from benchmarks.rivals.plain_windows import Episode, Windows
from operators.aggressor import BUY, SELL, UNKNOWN
from operators.exit_signal import AlertRules, Alerts, SymbolAlerts
from operators.records import Alert, Firing, Parent
from operators.verdicts import AUCTION_REOPEN, REGULAR, SWEEP, sale_class

MICRO = 1_000_000
MAX_PRICE, MAX_SIZE = 1e7, 1e9
YEAR_2000_MS, YEAR_2100_MS = 946_684_800_000, 4_102_444_800_000
LATE_MS = 1_000
LOOK_BACK_MS = 360_000
OFF_MARKET_QUOTE_MS = 1_000
QUOTE_MAX_AGE_MS = 60_000
MIN_BURST_VOLUME = 5_000 * MICRO
NEVER = -(2**62)
NOTHING: list[Alert] = []

# How a side is known. Only the first is certain.
AT_QUOTE, INSIDE, BY_TICK = "at_quote", "inside", "tick"


class Trade(msgspec.Struct, tag_field="ev", tag="T", gc=False):
    """A trade; fields as on the wire, times in ms."""

    sym: str
    t: int
    p: float
    s: float = 0.0
    ds: str | None = None
    i: str = ""
    x: int = 0
    trfi: int = 0
    pt: int | None = None
    c: tuple[int, ...] | None = None


class Quote(msgspec.Struct, tag_field="ev", tag="Q", gc=False):
    """A quote; 0 is an absent side."""

    sym: str
    t: int
    bp: float = 0.0
    ap: float = 0.0


class _SaleClasses(dict[Any, int]):
    """Class of the regular session by conditions, each combination worked out once."""

    def __missing__(self, conditions: tuple[int, ...] | None) -> int:
        found = self[conditions] = sale_class(conditions or ())[0]
        return found


SALE_CLASS = _SaleClasses()


class Watch:
    """One symbol, event after event."""

    __slots__ = ("alerts", "ask", "before", "bid", "counted_ms", "end_ms", "episode", "floor_ms",
                 "last", "newest_ms", "parents", "phase_ms", "prune_at", "quote_ms", "quoted",
                 "seen", "start_ms", "symbol", "trades", "windows")  # fmt: skip

    def __init__(self, symbol: str, rules: AlertRules) -> None:
        self.symbol = symbol
        self.alerts = Alerts(rules, SymbolAlerts())
        self.bid = self.ask = 0.0
        self.quote_ms = NEVER
        self.quoted = False
        self.trades = 0
        self.seen: dict[tuple[int, int, str], int] = {}
        self.prune_at = 64
        self.newest_ms = self.counted_ms = self.floor_ms = self.phase_ms = NEVER
        self.start_ms = self.end_ms = 0  # of the regular session looked up last
        self.last = self.before = 0
        self.parents = Parents()
        self.windows = Windows()
        self.episode = Episode()

    def __call__(self, event: Trade | Quote) -> list[Alert]:
        """Return the alerts of one event."""
        if isinstance(event, Quote):
            if 0 <= event.bp <= MAX_PRICE and 0 <= event.ap <= MAX_PRICE:
                self.bid, self.ask = event.bp, event.ap
                self.quote_ms = event.t
                self.quoted = True
            return NOTHING
        return self._on_trade(event)

    def _on_trade(self, trade: Trade) -> list[Alert]:
        self.trades += 1
        ms = trade.t
        shares = trade.s if trade.ds is None else float(trade.ds)
        if not (
            0 < trade.p <= MAX_PRICE
            and 0 < shares <= MAX_SIZE
            and YEAR_2000_MS <= ms < YEAR_2100_MS
        ):
            return NOTHING
        self.newest_ms = max(self.newest_ms, ms)
        if trade.i and self._is_duplicate(trade, ms):
            return NOTHING
        sale = SALE_CLASS[trade.c]
        if sale != REGULAR:
            if sale == AUCTION_REOPEN:
                self._reset(ms)
            return NOTHING
        if not self.start_ms <= ms < self.end_ms and not self._in_session(ms):
            return NOTHING
        if self.start_ms > self.phase_ms:
            self.phase_ms = self.start_ms
            self._reset(self.start_ms)
        if trade.pt is not None and ms - trade.pt > LATE_MS:
            return NOTHING
        return self._in_time(trade, ms, round(trade.p * MICRO), round(shares * MICRO))

    def _is_duplicate(self, trade: Trade, ms: int) -> bool:
        seen, key = self.seen, (trade.x, trade.trfi, trade.i)
        oldest = self.newest_ms - LOOK_BACK_MS
        before = seen.get(key, NEVER)
        seen[key] = max(before, ms)
        if len(seen) >= self.prune_at:
            self.seen = {k: at for k, at in seen.items() if at >= oldest}
            self.prune_at = 64 + 2 * len(self.seen)
        return before >= oldest

    def _in_session(self, ms: int) -> bool:
        self.start_ms, self.end_ms = regular_session(ms)
        return self.start_ms <= ms < self.end_ms

    def _reset(self, floor_ms: int) -> None:
        self.floor_ms = floor_ms
        self.last = self.before = 0
        self.parents.end()
        self.windows = Windows()
        self.episode = Episode()

    def _in_time(self, trade: Trade, ms: int, price: int, size: int) -> list[Alert]:
        """Judge a print by the market and by its place in time; count it if it is in order."""
        bid, ask = round(self.bid * MICRO), round(self.ask * MICRO)
        age_ms = ms - self.quote_ms
        usable = 0 < bid < ask
        if usable and age_ms <= OFF_MARKET_QUOTE_MS and not (trade.c and SWEEP in trade.c):
            outside = max(bid - price, price - ask)
            if outside > 20_000 and 2000 * outside > bid + ask:
                return NOTHING
        if ms >= self.counted_ms:
            self.counted_ms = ms
            return self._count(trade, ms, price, size, (bid, ask, usable, age_ms))
        if ms >= self.floor_ms and ms // 1000 >= self.counted_ms // 1000 - 359:
            self.windows.add_behind(ms // 1000, size)
        return NOTHING

    def _side(self, price: int, bid: int, ask: int, usable: bool) -> tuple[int, str]:
        if usable:
            if price <= bid:
                return SELL, AT_QUOTE
            if price >= ask:
                return BUY, AT_QUOTE
            if 10 * (price - bid) <= 3 * (ask - bid):
                return SELL, INSIDE
            if 10 * (ask - price) <= 3 * (ask - bid):
                return BUY, INSIDE
        against = self.last if self.last != price else self.before
        if against in (0, price):
            return UNKNOWN, ""
        return (BUY if price > against else SELL), BY_TICK

    def _count(
        self, trade: Trade, ms: int, price: int, size: int, quote: tuple[int, int, bool, int]
    ) -> list[Alert]:
        bid, ask, usable, age_ms = quote
        side, known = self._side(price, bid, ask, usable and age_ms <= QUOTE_MAX_AGE_MS)
        if price != self.last:
            self.before, self.last = self.last, price
        windows = self.windows
        windows.add(ms, size, side)
        parent = None
        if known == AT_QUOTE:
            parent = self.parents.join(ms, price, size, side, trade.x)
        elif known == BY_TICK and side == SELL and not self.quoted:
            parent = self.parents.alone(ms, price, size)
        burst = self.episode.on_print(ms, windows, MIN_BURST_VOLUME)
        if parent is None and not burst:
            return NOTHING
        if known == AT_QUOTE:
            known = "at_ask" if side == BUY else "at_bid"
        return self.alerts.on_print(
            self._firing(trade, ms, price, quote, known or None, parent, burst)
        )

    def _firing(
        self,
        trade: Trade,
        ms: int,
        price: int,
        quote: tuple[int, int, bool, int],
        evidence: str | None,
        parent: Parent | None,
        burst: int,
    ) -> Firing:
        bid, ask, _, age_ms = quote
        windows = self.windows
        classified = windows.sells + windows.buys
        ratio = windows.ratio(ms)
        return Firing(
            symbol=self.symbol,
            ts_ns=ms * MICRO,
            received_ns=0,
            trade_key=f"{trade.x}|{trade.trfi}|{trade.i}" if trade.i else f"#{self.trades}",
            price=price / MICRO,
            bid=bid / MICRO if bid > 0 else None,
            ask=ask / MICRO if ask > 0 else None,
            quote_age_ms=float(age_ms) if self.quoted else None,
            side_evidence=evidence,
            session="regular",
            parent=parent,
            burst=burst,
            burst_escalates=bool(burst) and self.episode.escalates,
            burst_first_ns=self.episode.first_ms * MICRO if burst else 0,
            volume_1m=windows.volume / MICRO,
            avg_volume_1m=windows.baseline / 5 / MICRO if ratio >= 0 else None,
            volume_ratio=ratio if ratio >= 0 else None,
            sell_share=windows.sells / classified if classified else None,
        )
