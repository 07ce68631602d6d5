"""What surrounds a print a second time: slowly, from all that was seen, for each print anew.

Written from the README and the docstrings, to be compared with `operators.market_context`. It
keeps every event and looks back over all of them; nothing is subtracted, nothing is in buckets.
Integers only, but for beta, whose sums are added in the order of time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.reference_rules import sale_class
from tests.reference_tape import Event, Gap, Quote, Trade, micro, whole_ms

MINUTE, STALE, BEHIND = 60, 300, 5
LONG_AGO = -(10**12)
MARKET = "SPY"


class Context(NamedTuple):
    """Prices are twice the price in 1e-6 dollar, 0 where unknown; `ofi` in 1e-6 share or None."""

    now: int
    then: int
    market_now: int
    market_then: int
    ofi: int | None
    beta: float
    selling: int
    trading: int


class Seen(NamedTuple):
    """One event of a symbol that its windows hold."""

    second: int
    ofi: int
    price: int


@dataclass
class Symbol:
    """All that was seen of one symbol since it was last lost from sight."""

    second: int = LONG_AGO
    events: list[Seen] = field(default_factory=list)
    quote: Quote | None = None
    quoted: bool = False
    sized: bool = False
    since: int | None = None
    price: int = 0
    price_second: int = LONG_AGO
    minute: int | None = None
    start: tuple[int, int] = (0, 0)
    day: int | None = None
    pairs: list[tuple[float, float]] = field(default_factory=list)

    def lose(self) -> None:
        self.events, self.since, self.price, self.minute = [], None, 0, None

    def fresh_price(self) -> int:
        return self.price if self.second - self.price_second <= STALE else 0

    def before(self, end: int) -> int:
        """Return the price a minute before `end`, 0 if none is known of about then."""
        old = [event for event in self.events if event.second <= end - MINUTE]
        return old[-1].price if old and old[-1].second > end - MINUTE - STALE else 0

    def ofi(self, shed: int) -> int | None:
        whole = self.since is not None and self.second - max(self.since, shed) >= MINUTE
        if not (self.sized and whole):
            return None
        return sum(event.ofi for event in self.events if event.second > self.second - MINUTE)

    def beta(self) -> float:
        xy = xx = 0.0
        for own, other in self.pairs:
            xy += own * other
            xx += other * other
        return (xy + 256.0) / (xx + 256.0)


def _side(value: float | None) -> int:
    found = micro(value)
    return 0 if found is None else found


def _imbalance(before: Quote, now: Quote) -> int:
    """e_n of Cont, Kukanov and Stoikov; a side that is absent is infinitely far away."""
    bids, asks = (_side(before.bid), _side(now.bid)), (_side(before.ask), _side(now.ask))
    far_asks = [ask or 10**30 for ask in asks]
    e = 0
    e += micro(now.bid_size) if bids[1] >= bids[0] else 0  # type: ignore[operator]
    e -= micro(before.bid_size) if bids[1] <= bids[0] else 0  # type: ignore[operator]
    e -= micro(now.ask_size) if far_asks[1] <= far_asks[0] else 0  # type: ignore[operator]
    e += micro(before.ask_size) if far_asks[1] >= far_asks[0] else 0  # type: ignore[operator]
    return e


class ContextReference:
    """Symbols and breadth; `late_ms` and `max_age_ms` as the rules have them."""

    def __init__(self, late_ms: int = 1_000, max_age_ms: int = 60_000) -> None:
        self.late_ms, self.max_age_ms = late_ms, max_age_ms
        self.symbols: dict[str, Symbol] = {}
        self.clock = LONG_AGO
        self.signed: list[tuple[int, str, int]] = []
        self.shed = LONG_AGO

    def run(self, events: Iterable[Event]) -> list[Context]:
        """Return the context of each trade."""
        found = [self.take(event) for event in events]
        return [context for context in found if context is not None]

    def take(self, event: Event) -> Context | None:
        mine = self.symbols.setdefault(event.symbol, Symbol())
        if isinstance(event, Gap):
            mine.lose()
            return None
        second = event.ts_ns // 10**9
        if second < mine.second - STALE:
            mine.lose()
            mine.second = second
        mine.second = max(mine.second, second)
        self._minute(mine)
        if isinstance(event, Quote):
            self._quote(mine, event)
            return None
        self._print(mine, event, second)
        now, then = self._market(mine.second)
        selling, trading = self._breadth()
        return Context(
            mine.fresh_price(),
            mine.before(mine.second),
            now,
            then,
            mine.ofi(self.shed),
            mine.beta(),
            selling,
            trading,
        )

    def _market(self, second: int) -> tuple[int, int]:
        spy = self.symbols.get(MARKET)
        if spy is None or spy.price == 0:
            return 0, 0
        if second - spy.price_second > STALE or spy.second - second > BEHIND:
            return 0, 0
        return spy.price, spy.before(max(second, spy.second))

    def _minute(self, mine: Symbol) -> None:
        minute = mine.second // 60
        if minute == mine.minute:
            return
        price, market = mine.fresh_price(), self._market(mine.second)[0]
        if mine.minute is not None and minute == mine.minute + 1:
            own, other = mine.start
            if own and other and price and market:
                pair = 10_000.0 * (price - own) / own, 10_000.0 * (market - other) / other
                mine.pairs.append(pair)
        day = (mine.second - 5 * 3_600) // 86_400
        if day != mine.day:
            mine.day, mine.pairs = day, []
        mine.minute, mine.start = minute, (price, market)

    def _quote(self, mine: Symbol, quote: Quote) -> None:
        ofi = 0
        if mine.since is None:
            mine.since = mine.second
        elif mine.quote is not None:
            ofi = _imbalance(mine.quote, quote)
        mine.quote, mine.quoted = quote, True
        mine.sized = mine.sized or quote.bid_size > 0 or quote.ask_size > 0
        bid, ask = _side(quote.bid), _side(quote.ask)
        if 0 < bid < ask:
            mine.price, mine.price_second = bid + ask, mine.second
        mine.events.append(Seen(mine.second, ofi, mine.price))

    def _print(self, mine: Symbol, trade: Trade, second: int) -> None:
        late = trade.participant_ns and (
            whole_ms(trade.ts_ns) - whole_ms(trade.participant_ns) > self.late_ms
        )
        if sale_class(trade.conditions) != "regular" or late:
            return
        price, size = micro(trade.price) or 0, micro(trade.size) or 0
        self._count(trade.symbol, second, self._sign(mine, trade, price) * size)
        if not mine.quoted:
            mine.price, mine.price_second = 2 * price, mine.second
            mine.events.append(Seen(mine.second, 0, mine.price))

    def _sign(self, mine: Symbol, trade: Trade, price: int) -> int:
        if mine.quote is None:
            if mine.price == 0 or mine.price == 2 * price:
                return 0
            return 1 if 2 * price > mine.price else -1
        bid, ask = _side(mine.quote.bid), _side(mine.quote.ask)
        age = whole_ms(trade.ts_ns) - whole_ms(mine.quote.ts_ns)
        if not 0 < bid < ask or age > self.max_age_ms:
            return 0
        return 1 if price >= ask else -1 if price <= bid else 0

    def _count(self, symbol: str, second: int, signed: int) -> None:
        if second < self.clock - STALE:
            self.signed, self.clock = [], second
        elif second <= self.clock - MINUTE:
            return
        self.clock = max(self.clock, second)
        self.signed.append((self.clock, symbol, signed))

    def _breadth(self) -> tuple[int, int]:
        nets: dict[str, int] = {}
        for second, symbol, signed in self.signed:
            if second > self.clock - MINUTE:
                nets[symbol] = nets.get(symbol, 0) + signed
        return sum(net < 0 for net in nets.values()), sum(net != 0 for net in nets.values())
