from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np

from flows.feeds.tape import TapeFeed
from flows.feeds.tape_files import open_tapes
from flows.scorecard.recorded import Recorded, bounds, record
from flows.settings import Settings
from operators.sessions import parse_sessions
from tests.flows.files import write_books, write_parquet
from tests.flows.scorecard.days import OPEN, day, ns, seconds
from tests.make import book, quote, trade
from tests.reference_cases import OPEN_MS
from tests.reference_tape import Event

AT_OPEN_MS = OPEN // 1_000_000 - OPEN_MS  # as the builders count
HOUR_MS = 3_600_000


def recorded(folder: Path, *events: Event, sessions: str = "regular") -> Recorded:
    files = write_parquet(folder, events)
    return record(TapeFeed(open_tapes(files)), Settings(sessions=sessions))


def test_the_last_mark_at_or_before_a_time_stands_until_the_day_ends() -> None:
    one = day([(0, 10.0, 10.2), (5, 10.1, 10.3)], until=60)
    assert one.at(ns(0, 4.9, 5, 60), "bid").tolist() == [10.0, 10.0, 10.1, 10.1]
    assert one.at(ns(5)).round(6).tolist() == [10.2]
    assert np.isnan(one.at(ns(-0.1, 60.1))).all()


def test_a_day_holds_its_session_its_usable_quotes_and_its_counted_prints(tmp_path: Path) -> None:
    found = recorded(
        tmp_path,
        quote(AT_OPEN_MS - 1, 10.0, 10.1),  # before the open
        quote(AT_OPEN_MS + 1000, 10.0, 10.1),
        trade(AT_OPEN_MS + 2000, 10.1, 100),
        trade(AT_OPEN_MS + 3000, 10.0, 200, conditions=(8,)),  # a cross: not counted
        quote(AT_OPEN_MS + 4000, 10.2, 10.2),  # locked
        quote(AT_OPEN_MS + 5000, 10.3, 10.2),  # crossed
        quote(AT_OPEN_MS + 6000, 0.0, 10.2),
        trade(AT_OPEN_MS + 7000, 10.0, 300),
        trade(AT_OPEN_MS + 7 * HOUR_MS, 10.0, 400),  # behind the close
    )
    (one,) = found.days
    assert (one.symbol, one.day, one.quoted) == ("X", date(2013, 10, 8), True)
    assert seconds(one.marks["ts_ns"]) == [1]
    assert one.marks["mid"].round(6).tolist() == [10.05]
    assert seconds(one.prints["ts_ns"]) == [2, 7]
    assert (one.prints["size"].tolist(), one.prints["side"].tolist()) == ([100, 300], [1, -1])
    assert np.isnan(one.prints["average"]).all()
    assert one.prints["volume"].tolist() == [100, 400]
    assert seconds(np.array([one.from_ns, one.until_ns])) == [1, 7]
    assert (found.trades, found.quotes, found.symbols) == (4, 5, {"X"})


def test_without_quotes_the_last_print_stands_for_the_price(tmp_path: Path) -> None:
    found = recorded(tmp_path, trade(AT_OPEN_MS, 10.0, 1), trade(AT_OPEN_MS + 1000, 11.0, 1))
    (one,) = found.days
    assert not one.quoted
    assert one.at(ns(0.5, 1), "bid").tolist() == one.at(ns(0.5, 1)).tolist() == [10.0, 11.0]


def test_days_are_apart_and_sorted_by_day(tmp_path: Path) -> None:
    day_ms = 24 * HOUR_MS
    events = [
        trade(AT_OPEN_MS + at, 10.0, 1, symbol=symbol)
        for at, symbol in ((0, "X"), (1, "A"), (day_ms, "X"), (day_ms + 1, "A"))
    ]
    found = recorded(tmp_path, *events)
    assert [(d.symbol, d.day.day, len(d.prints)) for d in found.days] == [
        ("A", 8, 1), ("X", 8, 1), ("A", 9, 1), ("X", 9, 1),
    ]  # fmt: skip


def test_a_day_has_books_where_one_was_seen_in_its_session(tmp_path: Path) -> None:
    """Two days of X, with books in the first and before the second opens; Y has none."""
    second = AT_OPEN_MS + 24 * HOUR_MS
    events = [trade(AT_OPEN_MS), trade(AT_OPEN_MS, symbol="Y"), trade(second)]
    books = [book(ms, [(10.1, 100)], [(10.0, 100)]) for ms in (AT_OPEN_MS + 1, second - 1)]
    file = tmp_path / "books.book.parquet"
    write_books(file, books)
    feed = TapeFeed(open_tapes([*write_parquet(tmp_path, events), str(file)]))
    found = record(feed, Settings()).days
    assert [(d.symbol, d.day.day, d.has_books) for d in found] == [
        ("X", 8, True), ("Y", 8, False), ("X", 9, False),
    ]  # fmt: skip


def test_a_symbol_of_which_nothing_counts_is_named(tmp_path: Path) -> None:
    found = recorded(tmp_path, trade(AT_OPEN_MS - HOUR_MS, 10.0, 1))
    assert (found.days, found.symbols) == ([], {"X"})


def test_bounds_are_new_yorks_session_or_the_utc_day_where_none_closes() -> None:
    hour = HOUR_MS * 1_000_000
    at = np.array([OPEN])
    assert (date(2013, 10, 8), OPEN, OPEN + 6.5 * hour) in bounds(at, parse_sessions("regular"))
    long = bounds(at, parse_sessions("pre,regular,post"))
    assert (date(2013, 10, 8), OPEN - 5.5 * hour, OPEN + 10.5 * hour) in long
    midnight = OPEN - 13.5 * hour
    assert bounds(at, parse_sessions("all")) == [
        (date(2013, 10, 8), midnight, midnight + 24 * hour)
    ]
