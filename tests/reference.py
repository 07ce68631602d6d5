"""The rules of detectors.md a second time: slowly, per print, one object a symbol.

Written from the page alone, to be compared with the operators. Integers of 1e-6 and exact
fractions only; floats appear in the finished alerts, never in a comparison.

Where the page leaves room, this is how it is read:
(a) The duplicate look-back compares with every earlier print of the symbol that was not
    rejected, duplicates included, back to 360,000 ms before the newest event time among those
    prints and the present one.
(b) A print before the last reset (start of the phase, or the reopening print's time, whichever
    is later) is too_late: its window is gone. That holds also where no print has been counted
    after it. An older phase never becomes current again.
(c) Class 12 inside a clock window counts only outside the regular phase of a trading day.
(d) `#n` counts the rows of a symbol in merged order, rejected ones included, from 1.
(e) An undefined ratio neither fires nor ends an episode.
(f) Venues are distinct exchange codes.
(g) A parent is in `large_sells` (`large_buys`) from its first firing until more than the alert
    window has passed since.
(h) After a gap the next counted print starts the 360 s again; volumes stay.
(i) A symbol's tick-evidence mode ends at its first quote that is not rejected, usable or not.
    It accepts sells only: large buyers are runs of BUY-certain prints, so there are none.
(j) A rejected print takes a row number and touches nothing else.
(k) A reopening print that is not a duplicate resets, whatever the session filter says. The
    newest counted time survives a reset.
(l) A phase starts at the first print that reaches the session filter and passes it, even if
    that print is then late or off market.
(m) `threshold` is the parent size, the spike threshold or the number of sellers, at either
    severity; of an exit signal for a burst alone, the red burst threshold. A signal with a burst
    among its reasons says its volumes too. `side_evidence` is that of the print, None for a
    print of unknown side, whatever fired on it. `evidence` holds the first alert of each parent,
    oldest first, then the burst's, for the reasons of that signal only. `first_ns` of a burst is
    its first alert's print, of an exit signal the print itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from typing import Any, NamedTuple

from tests.reference_detectors import Detectors
from tests.reference_resting import Resting, reject_book
from tests.reference_rules import (
    BUY,
    SELL,
    UNKNOWN,
    Print,
    Rules,
    TickReference,
    alert_id,
    exact,
    has_id,
    inside_side,
    off_market,
    reject_quote,
    reject_trade,
    sale_class,
    trade_key,
    usable,
)
from tests.reference_sessions import BEFORE_ALL_TIME, Phase, Sessions
from tests.reference_tape import Book, Event, Gap, Quote, Trade, micro, read_tape, whole_ms

__all__ = [
    "Book",
    "Gap",
    "Quote",
    "Result",
    "Row",
    "Rules",
    "Trade",
    "alert_id",
    "read_tape",
    "run",
]

LOOK_BACK_MS = 360_000


class Row(NamedTuple):
    """What one print came to. Volumes in micro-shares; `before` is the sum of the 5 minutes."""

    symbol: str
    n: int
    ts_ms: int
    verdict: str
    side: int
    certain: bool
    evidence: str | None  # stated, at_bid, at_ask, inside or tick
    volume: int | None  # V
    before: int | None  # 5 x A
    sells: int | None
    buys: int | None
    cvd: int = 0  # bought less sold since the phase began


@dataclass
class Result:
    """Alerts in arrival order, verdicts by (symbol, day, verdict), rejects by (symbol, code)."""

    alerts: list[dict[str, Any]] = field(default_factory=list)
    verdicts: Counter[tuple[str, date | None, str]] = field(default_factory=Counter)
    rejects: Counter[tuple[str, str]] = field(default_factory=Counter)
    rows: list[Row] = field(default_factory=list)


class SymbolState:
    """One symbol, event after event: what each print is, before the detectors see it."""

    def __init__(self, name: str, rules: Rules, sessions: Sessions, result: Result) -> None:
        self.name, self.rules, self.sessions, self.result = name, rules, sessions, result
        self.row = 0
        self.seen: dict[str, int] = {}  # trade key -> newest event ms
        self.newest_seen_ms = BEFORE_ALL_TIME
        self.quote: Quote | None = None
        self.phase: Phase | None = None
        self.reset_ms = BEFORE_ALL_TIME
        self.newest_ms = BEFORE_ALL_TIME  # of the counted prints
        self.cvd = 0
        self.tick = TickReference()
        self.detectors = Detectors(name, rules, result.alerts)
        self.resting = Resting(name, rules, sessions)

    # Events.

    def on_quote(self, quote: Quote) -> None:
        """Section 3: every decoded quote replaces the last one, usable or not."""
        code = reject_quote(quote)
        if code:
            self.result.rejects[self.name, code] += 1
        else:
            self.quote = quote

    def on_book(self, book: Book) -> None:
        """Section 5: a book that is not rejected replaces the last one, whole."""
        code = reject_book(book, self.resting.book)
        if code:
            self.result.rejects[self.name, code] += 1
            return
        for said in self.resting.on_book(book):
            self.detectors.resting(said)

    def on_trade(self, trade: Trade) -> Row:
        self.row += 1
        ms = whole_ms(trade.ts_ns)
        code = reject_trade(trade)
        if code:
            self.result.rejects[self.name, code] += 1
            day = None if code == "bad_time" else self.sessions.day(ms)
            return self._row(ms, day, "rejected")
        p = Print(
            trade,
            ms,
            ms // 1000,
            micro(trade.price) or 0,
            micro(trade.size) or 0,
            trade_key(trade, self.row),
        )
        verdict = self._verdict(p)
        row = self._row(ms, self.sessions.day(ms), verdict)
        if verdict == "out_of_order":
            self.detectors.out_of_order(p)
        if verdict == "counted":
            row = self._count(p, row)
        return row

    def _row(self, ms: int, day: date | None, verdict: str) -> Row:
        self.result.verdicts[self.name, day, verdict] += 1
        return Row(self.name, self.row, ms, verdict, UNKNOWN, False, None, None, None, None, None)

    # Sections 1 and 2: which prints count.

    def _verdict(self, p: Print) -> str:
        """Return the first verdict that applies, starting a phase on the way (section 2)."""
        if self._is_duplicate(p):
            return "duplicate"
        kind = sale_class(p.trade.conditions)
        phase = self.sessions.phase(p.ms)
        if kind == "auction_reopen":
            self._reset(p.ms)
        if kind == "extended_hours" and (phase is None or not phase.extended_hours_count):
            return kind
        if kind not in ("regular", "extended_hours"):
            return kind
        if phase is None:
            return "out_of_session"
        if self.phase is None or phase.start_ms > self.phase.start_ms:
            self.phase = phase
            self.cvd = 0
            self._reset(phase.start_ms)
        if self._is_late(p):
            return "late"
        market = usable(self.quote, p.ms, min(Fraction(1000), self._quote_age_ms()))
        if market and 14 not in p.trade.conditions and off_market(p.price, market):
            return "off_market"
        return self._order(p)

    def _is_duplicate(self, p: Print) -> bool:
        """Section 1; also remembers the print."""
        self.newest_seen_ms = max(self.newest_seen_ms, p.ms)
        if not has_id(p.trade):
            return False
        before = self.seen.get(p.key, BEFORE_ALL_TIME)
        self.seen[p.key] = max(before, p.ms)
        return before >= self.newest_seen_ms - LOOK_BACK_MS

    def _is_late(self, p: Print) -> bool:
        if not p.trade.participant_ns:
            return False
        return p.ms - whole_ms(p.trade.participant_ns) > self.rules.late_print_ms

    def _order(self, p: Print) -> str:
        """Section 1: in order, out of order, or too late even for its own second."""
        if p.ms < self.reset_ms:
            return "too_late"
        if p.ms >= self.newest_ms:
            return "counted"
        return "out_of_order" if p.second >= self.newest_ms // 1000 - 359 else "too_late"

    def _reset(self, ms: int) -> None:
        self.tick = TickReference()
        self.detectors.reset()
        self.reset_ms = max(self.reset_ms, ms)

    def _quote_age_ms(self) -> Fraction:
        return exact(self.rules.quote_max_age_seconds) * 1000

    # A counted print, in order.

    def _count(self, p: Print, row: Row) -> Row:
        self.newest_ms = p.ms
        side, certain, evidence = self._side(p)
        self.detectors.imbalance = self.resting.imbalance(p.ms)
        self.tick.move(p.price)
        self.cvd += side * p.size
        quoted = self.quote is not None
        volume, before = self.detectors.counted(p, side, certain, evidence, quoted)
        return row._replace(
            side=side,
            certain=certain,
            evidence=evidence,
            volume=volume.total(),
            before=before,
            sells=volume[SELL],
            buys=volume[BUY],
            cvd=self.cvd,
        )

    # Section 3: the side.

    def _side(self, p: Print) -> tuple[int, bool, str | None]:
        """Return the side, whether it is certain, and what says so."""
        if p.trade.stated_side:
            return (BUY if p.trade.stated_side > 0 else SELL), True, "stated"
        market = usable(self.quote, p.ms, self._quote_age_ms())
        tick = self.tick.side(p.price)
        if market is None:
            return tick, False, "tick" if tick else None
        if p.price <= market.bid:
            return SELL, True, "at_bid"
        if p.price >= market.ask:
            return BUY, True, "at_ask"
        side, evidence = inside_side(self.rules.side_rule, p.price, market, tick)
        return side, False, evidence if side else None


def run(events: Iterable[Event], rules: Rules | None = None, *, rows: bool = False) -> Result:
    """Apply the rules to events in arrival order; `rows` keeps what every print came to."""
    rules = rules or Rules()
    sessions, result = Sessions(rules.sessions), Result()
    symbols: dict[str, SymbolState] = {}
    for event in events:
        if isinstance(event, Gap) and event.symbol == "*":
            for every in symbols.values():
                every.detectors.gap()
            continue
        if event.symbol not in symbols:
            symbols[event.symbol] = SymbolState(event.symbol, rules, sessions, result)
        state = symbols[event.symbol]
        if isinstance(event, Gap):
            state.detectors.gap()
        elif isinstance(event, Quote):
            state.on_quote(event)
        elif isinstance(event, Book):
            state.on_book(event)
        else:
            row = state.on_trade(event)
            if rows:
                result.rows.append(row)
    return result
