"""Tapes replayed and kept by symbol and day: marks to measure by, counted prints, alerts."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import numpy as np

from flows.feeds.tape import TapeFeed
from flows.learned import learned_of
from flows.orderflow import rules_of
from flows.pipeline import Pipeline, Watch
from flows.settings import Settings
from operators.nbbo import Prints
from operators.records import Alert
from operators.sessions import Sessions, new_york_day, parse_sessions, phase_table
from operators.ticks import MICRO, MS, QUOTE, Array, Ticks
from operators.verdicts import COUNTED

DAY_NS = 86_400_000_000_000

MARK = np.dtype(
    [("ts_ns", np.int64), ("bid", np.float64), ("ask", np.float64), ("mid", np.float64)]
)
"""What a symbol is worth from a moment on: dollars. A print is its own bid and ask."""

COUNTED_PRINT = np.dtype(
    [
        ("ts_ns", np.int64),
        ("price", np.float64),
        ("size", np.float64),
        ("side", np.int8),
        ("volume", np.float64),  # shares of the last 60 s, this print included
        ("average", np.float64),  # a minute, over the five before; nan until it is known
    ]
)


@dataclass(frozen=True, slots=True)
class SymbolDay:
    """One symbol on one day of its tape, between its session's bounds.

    `marks` are usable quotes, or prints where `quoted` is false. It lasts from its first mark or
    print to its last, both included: what a horizon beyond that would have shown is not known.
    `has_books`: order books were seen of it, so that resting sellers could be.
    """

    symbol: str
    day: date
    from_ns: int
    until_ns: int
    quoted: bool
    marks: Array
    prints: Array
    has_books: bool = False

    def at(self, ns: Array, column: str = "mid") -> Array:
        """Return the last bid, ask or mid at or before each time; nan outside the day."""
        times = self.marks["ts_ns"]
        i = np.searchsorted(times, ns, side="right") - 1
        known = (i >= 0) & (ns <= self.until_ns)
        return np.where(known, self.marks[column][np.maximum(i, 0)], np.nan)


@dataclass(slots=True)
class Recorded:
    """What a replay left: days sorted by day and symbol, and every alert in order.

    `symbols` are all that were seen, with a day or without.
    """

    days: list[SymbolDay]
    alerts: list[Alert] = field(default_factory=list)
    trades: int = 0
    quotes: int = 0
    symbols: set[str] = field(default_factory=set)


class _Columns:
    """Arrays of chunks by the names they speak of, put together once at the end."""

    def __init__(self) -> None:
        self._parts: dict[int, tuple[list[str], list[Array], list[Array]]] = {}

    def add(self, names: list[str], codes: Array, rows: Array) -> None:
        """Keep `rows` of the symbols with those codes; `names` of one shard are one list."""
        _, held, values = self._parts.setdefault(id(names), (names, [], []))
        held.append(codes)
        values.append(rows)

    def by_symbol(self) -> dict[str, Array]:
        """Return the rows of each symbol, in the order they came."""
        found: dict[str, list[Array]] = defaultdict(list)
        for names, held, values in self._parts.values():
            codes, rows = np.concatenate(held), np.concatenate(values)
            order = np.argsort(codes, kind="stable")
            cuts = np.flatnonzero(np.diff(codes[order])) + 1
            for part in np.split(order, cuts):
                if len(part):
                    found[names[codes[part[0]]]].append(rows[part])
        return {symbol: np.concatenate(parts) for symbol, parts in found.items()}


def _quotes(ticks: Ticks, columns: _Columns) -> int:
    """Keep the quotes of a chunk that have a mid: neither one-sided nor locked nor crossed."""
    quotes = ticks.ticks[ticks.ticks["kind"] == QUOTE]
    usable = quotes[(quotes["price"] > 0) & (quotes["size"] > quotes["price"])]
    rows = np.empty(len(usable), MARK)
    rows["ts_ns"] = usable["ts_ns"]
    rows["bid"] = usable["price"] / MICRO
    rows["ask"] = usable["size"] / MICRO
    rows["mid"] = (usable["price"] + usable["size"]) / (2 * MICRO)
    columns.add(ticks.names, usable["symbol"], rows)
    return len(quotes)


def _prints(chunk: Prints, columns: _Columns) -> None:
    counted = chunk.verdict == COUNTED
    rows, volume = chunk.rows[counted], chunk.volume[counted]
    out = np.empty(len(rows), COUNTED_PRINT)
    out["ts_ns"] = rows["ts_ns"]
    out["price"] = rows["price"] / MICRO
    out["size"] = rows["size"] / MICRO
    out["side"] = chunk.side[counted]
    out["volume"] = volume["current"] / MICRO
    known = (volume["warm"] == 1) & (volume["baseline"] > 0)
    out["average"] = np.where(known, volume["baseline"] / 5 / MICRO, np.nan)
    columns.add(chunk.names, rows["symbol"], out)


def chunks(feed: TapeFeed) -> Iterator[Ticks]:
    """Yield the ticks of a feed to its end."""
    part = feed.build_part("feed", "tape", None)
    with contextlib.closing(part), contextlib.suppress(StopIteration):  # how a source ends
        while True:
            yield from part.next_batch()


def record(feed: TapeFeed, settings: Settings, also: Watch | None = None) -> Recorded:
    """Replay a tape through the rules and keep what judging needs.

    In memory: 32 bytes a usable quote, 41 a counted print and 12 a book.

    Args:
        feed: The tape, from its beginning.
        settings: The rules, and the sessions admitted.
        also: Shown each chunk of prints, too.
    """
    quotes, prints, books = _Columns(), _Columns(), _Columns()
    out = Recorded([])

    def watch(chunk: Prints) -> None:
        out.symbols.update(chunk.names)
        _prints(chunk, prints)
        if also is not None:
            also(chunk)

    pipeline = Pipeline(rules_of(settings, "replay", learned_of(settings)), watch)
    for ticks in chunks(feed):
        out.trades += len(ticks.details)
        out.quotes += _quotes(ticks, quotes)
        if len(ticks.books):
            books.add(ticks.names, ticks.books["symbol"].copy(), ticks.books["ts_ns"].copy())
        out.alerts += pipeline(ticks)
    kept = prints.by_symbol(), quotes.by_symbol(), books.by_symbol()
    out.days = _days(*kept, settings.sessions)
    return out


def _days(
    prints: dict[str, Array], quotes: dict[str, Array], books: dict[str, Array], sessions: str
) -> list[SymbolDay]:
    admitted = parse_sessions(sessions)
    days: list[SymbolDay] = []
    for symbol, rows in prints.items():
        quoted = symbol in quotes
        marks = quotes[symbol] if quoted else _as_marks(rows)
        shown = books.get(symbol, np.empty(0, np.int64))
        for day, start, end in bounds(rows["ts_ns"], admitted):
            mine, held = _between(rows, start, end), _between(marks, start, end)
            if len(mine) and len(held):
                first = int(min(held["ts_ns"][0], mine["ts_ns"][0]))
                until = int(max(held["ts_ns"][-1], mine["ts_ns"][-1]))
                i, j = np.searchsorted(shown, (start, end))
                days.append(SymbolDay(symbol, day, first, until, quoted, held, mine, bool(i < j)))
    return sorted(days, key=lambda day: (day.day, day.symbol))


def _as_marks(prints: Array) -> Array:
    marks = np.empty(len(prints), MARK)
    marks["ts_ns"] = prints["ts_ns"]
    marks["bid"] = marks["ask"] = marks["mid"] = prints["price"]
    return marks


def _between(rows: Array, start: int, end: int) -> Array:
    i, j = np.searchsorted(rows["ts_ns"], (start, end))
    return rows[i:j]


def bounds(ns: Array, sessions: Sessions) -> list[tuple[date, int, int]]:
    """Return the days that hold any of these times: New York's, or UTC's where none closes.

    Returns:
        (day, first ns inclusive, last ns exclusive).
    """
    utc_days = np.unique(ns // DAY_NS)
    if not sessions.phases and sessions.window is None:
        return [
            (datetime.fromtimestamp(d * 86_400, UTC).date(), d * DAY_NS, (d + 1) * DAY_NS)
            for d in map(int, utc_days)
        ]
    spans: dict[date, list[tuple[int, int]]] = defaultdict(list)
    for piece in phase_table(sessions, utc_days):
        start, end = int(piece["start_ms"]), int(piece["end_ms"])
        spans[new_york_day(start)].append((start, end))
    return [
        (day, min(a for a, _ in pieces) * MS, max(b for _, b in pieces) * MS)
        for day, pieces in sorted(spans.items())
    ]
