"""Builders: each test spells out only its fact.

Events are the records of `tests.reference_tape`; times are ms after 09:30 New York on Tuesday
2024-01-02 unless a name says otherwise.
"""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from operators import aggressor
from operators.aggressor import AT_QUOTE, BUY, NONE, SELL, UNKNOWN
from operators.books import NEVER, Level, fill_books
from operators.nbbo import PRINT, Prints
from operators.state import Snapshot
from operators.symbols import valid_symbol
from operators.ticks import (
    DEPTH,
    DETAIL,
    GAP,
    ID_ROW,
    ID_TEXT,
    LATENESS_UNKNOWN,
    MICRO,
    MOST_LEVELS,
    MS,
    QUOTE,
    TICK,
    TRADE,
    Frames,
    Ticks,
)
from operators.values import CROSSED, GOOD, PROBLEMS, fill_values, trade_id
from operators.verdicts import COUNTED, GAP_MARK, OUT_OF_ORDER, sale_class
from tests.reference_cases import OPEN_MS, ns
from tests.reference_tape import Book, Event, Gap, Quote, Side, Trade

ABSENT = float("nan")
_FILL = ((None, None),) * MOST_LEVELS


def trade(ms: float, price: float | None = 10.0, size: float | None = 100, **more: Any) -> Trade:
    """A print of X, or of `symbol`."""
    return Trade(more.pop("symbol", "X"), ns(ms), price, size, **more)


def quote(
    ms: float, bid: float | None = 10.0, ask: float | None = 10.1, symbol: str = "X"
) -> Quote:
    """The book of X."""
    return Quote(symbol, ns(ms), bid, ask)


def book(ms: float, asks: Side = (), bids: Side = (), symbol: str = "X", levels: int = 3) -> Book:
    """The book of X, of (price, size): so many levels a side, those not given absent."""
    absent = ((None, None),) * levels
    return Book(symbol, ns(ms), (*bids, *absent)[:levels], (*asks, *absent)[:levels])


class Tape:
    """A feed: gives symbols and venues their codes, numbers the rows, leaves out what is bad.

    Args:
        names: Symbols in the order the feed names them; others follow as they appear.
        rows: Trades of each symbol so far.
    """

    def __init__(self, names: Iterable[str] = (), rows: Counter[str] | None = None) -> None:
        self.names: list[str] = list(names)
        self.venues: list[str] = []
        self.rows: Counter[str] = Counter() if rows is None else rows
        self.rejected: Counter[tuple[str, str]] = Counter()
        self._newest_ns = np.full(100, NEVER)  # of the books, by symbol

    def ticks(self, *events: Event) -> Ticks:
        """Return events as one chunk."""
        books = [e for e in events if isinstance(e, Book)]
        if not books:
            return self._ticks(*events)
        before = np.cumsum([not isinstance(e, Book) for e in events])
        chunk = self._ticks(*[e for e in events if not isinstance(e, Book)])
        at = before[[isinstance(e, Book) for e in events]]
        chunk.books = self._books(books, np.concatenate([[0], np.cumsum(self._good)])[at])
        return chunk

    def _books(self, books: Sequence[Book], at: Any) -> Any:
        """Return the good ones of books, each with its place among the good ticks."""
        depth = max(len(b.bids) for b in books)
        code = np.array([self.code(b.symbol) for b in books], np.int32)
        times = np.array([b.ts_ns for b in books])
        levels = []
        for k in range(depth):
            sides = [((*b.bids, *_FILL)[k], (*b.asks, *_FILL)[k]) for b in books]
            columns = [
                [_value(one) for one in column]
                for column in zip(*[(*b, *a) for b, a in sides], strict=True)
            ]
            levels.append(Level(*map(np.array, columns)))
        rows, problem = fill_books(code, times, levels, self._newest_ns)
        rows["levels"] = [len(b.bids) for b in books]
        rows["at"] = at
        found = np.zeros(len(rows), np.uint8) if problem is None else problem
        for i in np.flatnonzero(found).tolist():
            self.rejected[books[i].symbol, PROBLEMS[found[i]]] += 1
        return rows[found == GOOD]

    def _ticks(self, *events: Event) -> Ticks:
        ticks = np.zeros(len(events), TICK)
        first, second = np.zeros(len(events)), np.zeros(len(events))
        details = np.zeros(sum(isinstance(e, Trade) for e in events), DETAIL)
        texts: dict[int, str] = {}
        gaps = np.array([isinstance(e, Gap) for e in events], bool)
        n = 0
        for i, event in enumerate(events):
            ticks[i]["symbol"] = self.code(event.symbol)
            if isinstance(event, Gap):
                ticks[i]["kind"] = GAP
                ticks[i]["ts_ns"] = event.to_ns
                continue
            ticks[i]["ts_ns"] = event.ts_ns
            if isinstance(event, Quote):
                ticks[i]["kind"] = QUOTE
                first[i], second[i] = _side(event.bid), _side(event.ask)
                continue
            ticks[i]["kind"] = TRADE
            first[i], second[i] = _value(event.price), _value(event.size)
            self._detail(event, details[n], texts)
            n += 1
        return self._sifted(events, ticks, details, (first, second), texts, gaps)

    def code(self, symbol: str) -> int:
        """Return the code of a symbol, given on sight; -1 if it can be none."""
        if not valid_symbol(symbol):
            return -1
        if symbol not in self.names:
            self.names.append(symbol)
        return self.names.index(symbol)

    def _venue(self, exchange: int | str) -> int:
        if isinstance(exchange, int):
            return exchange
        if exchange not in self.venues:
            self.venues.append(exchange)
        return self.venues.index(exchange)

    def _detail(self, event: Trade, detail: Any, texts: dict[int, str]) -> None:
        self.rows[event.symbol] += 1
        detail["trade_id"], detail["id_kind"] = self.rows[event.symbol], ID_ROW
        if event.trade_id not in (None, ""):
            detail["trade_id"], detail["id_kind"] = trade_id(str(event.trade_id))
            if detail["id_kind"] == ID_TEXT:
                texts[int(detail["trade_id"])] = str(event.trade_id)
        detail["exchange"], detail["trf"] = self._venue(event.exchange), event.trf or 0
        detail["sale_class"], detail["sweep"] = sale_class(event.conditions)
        detail["stated_side"] = event.stated_side
        detail["lateness_ms"] = LATENESS_UNKNOWN
        if event.participant_ns:
            lateness = event.ts_ns // MS - event.participant_ns // MS
            detail["lateness_ms"] = max(-(2**31) + 1, min(2**31 - 1, lateness))

    def _sifted(
        self,
        events: Sequence[Event],
        ticks: Any,
        details: Any,
        values: tuple[Any, Any],
        texts: dict[int, str],
        gaps: Any,
    ) -> Ticks:
        found = np.zeros(len(events), np.uint8)
        kept = ticks[~gaps]
        problem = fill_values(kept, values[0][~gaps], values[1][~gaps])
        ticks[~gaps] = kept
        if problem is not None:
            found[~gaps] = problem
        for i in np.flatnonzero((found != GOOD) & (found != CROSSED)).tolist():
            self.rejected[events[i].symbol, PROBLEMS[found[i]]] += 1
        good = self._good = (found == GOOD) | (found == CROSSED)
        trades = ticks["kind"] == TRADE
        return Ticks(
            self.names,
            ticks[good],
            details[good[trades]],
            texts,
            self.venues,
            depths=_depths(events)[good],
        )


def _depths(events: Sequence[Event]) -> Any:
    """Return the sizes of quotes, a row an event."""
    out = np.zeros(len(events), DEPTH)
    for row, event in zip(out, events, strict=True):
        if isinstance(event, Quote):
            row["bid"], row["ask"] = round(event.bid_size * MICRO), round(event.ask_size * MICRO)
    return out


def _side(price: float | None) -> float:
    """An absent side, as a tape spells it, is 0."""
    return 0.0 if price is None or np.isnan(price) else price


def _value(number: float | None) -> float:
    return ABSENT if number is None else number


def ticks(*events: Event) -> Ticks:
    """Return events as one chunk of a new feed."""
    return Tape().ticks(*events)


class P(NamedTuple):
    """A print as the operators behind eligibility see it; `volume` as (V, 5 A, sells, buys)."""

    ms: float
    size: float = 100
    side: int = UNKNOWN
    evidence: int = NONE
    price: float = 10.0
    verdict: int = COUNTED
    resets: bool = False
    quoted: bool = True
    exchange: int = 1
    symbol: str = "X"


def sell(ms: float, size: float = 100, **more: Any) -> P:
    """A print at the bid."""
    return P(ms, size, SELL, AT_QUOTE, **more)


def buy(ms: float, size: float = 100, **more: Any) -> P:
    """A print at the ask."""
    return P(ms, size, BUY, AT_QUOTE, **more)


def tick_sell(ms: float, size: float = 100, **more: Any) -> P:
    """A sell by the tick rule, before any quote of the symbol."""
    return P(ms, size, SELL, aggressor.TICK, **{"quoted": False, **more})


def behind(ms: float, size: float = 100, **more: Any) -> P:
    """A print out of order."""
    return P(ms, size, verdict=OUT_OF_ORDER, **more)


def gap(symbol: str = "X") -> P:
    """The symbol was not seen up to here."""
    return P(0, 0, verdict=GAP_MARK, symbol=symbol)


def prints(*rows: P, names: Sequence[str] = ()) -> Prints:
    """Return prints with verdict, side and evidence; `names`: the feed's symbols so far."""
    known = list(dict.fromkeys([*names, *(row.symbol for row in rows)]))
    out = np.zeros(len(rows), PRINT)
    for line, row in zip(out, rows, strict=True):
        line["ts_ns"] = ns(row.ms)
        line["price"] = round(row.price * MICRO)
        line["size"] = round(row.size * MICRO)
        line["symbol"] = known.index(row.symbol)
        line["quoted"] = row.quoted
        line["exchange"] = row.exchange
        line["kind"] = GAP if row.verdict == GAP_MARK else TRADE
    chunk = Prints(known, out, {}, [])
    chunk.verdict = np.array([row.verdict for row in rows], np.uint8)
    chunk.resets = np.array([row.resets for row in rows], np.uint8)
    chunk.side = np.array([row.side for row in rows], np.int8)
    chunk.evidence = np.array([row.evidence for row in rows], np.uint8)
    return chunk


def frame(*items: object) -> bytes:
    """Return one frame of the wire."""
    return msgspec.json.encode(items)


def frames(*contents: bytes, received_ns: int = 1) -> Frames:
    """Return frames received at one time."""
    return Frames([received_ns] * len(contents), list(contents))


def wire_trade(ms: float = 0, **fields: Any) -> dict[str, Any]:
    """A trade of X as the vendor's feed says it; a field given as None is left out."""
    said = {"ev": "T", "sym": "X", "p": 10.0, "s": 100, "i": "7", "x": 4, "t": OPEN_MS + int(ms)}
    return {name: value for name, value in {**said, **fields}.items() if value is not None}


def wire_quote(ms: float = 0, **fields: Any) -> dict[str, Any]:
    """A quote of X as the vendor's feed says it; a field given as None is left out."""
    said = {"ev": "Q", "sym": "X", "bp": 10.0, "ap": 10.1, "t": OPEN_MS + int(ms)}
    return {name: value for name, value in {**said, **fields}.items() if value is not None}


def stored(snapshot: Snapshot) -> Snapshot:
    """Return a snapshot as the recovery store gives it back."""
    back: Snapshot = pickle.loads(pickle.dumps(snapshot))  # noqa: S301 (our own bytes)
    return back
