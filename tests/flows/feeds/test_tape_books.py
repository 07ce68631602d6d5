"""Files of order books as part of a tape: their place among the ticks, and what is refused."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import orjson
import pytest

from flows.feeds.tape import TapeFeed
from flows.feeds.tape_files import TapeError, expand, open_tapes
from operators.ticks import MICRO, TRADE, Ticks
from tests.flows.feeds.replaying import batches, replayed
from tests.flows.files import QUOTES, TRADES, parquet, write_books
from tests.make import book
from tests.reference_cases import ns
from tests.reference_tape import Book

NAN = float("nan")


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep sorted copies of these files out of the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def order(chunks: list[Ticks]) -> list[tuple[str, float]]:
    """Kind and price (best ask of a book, bid of a quote) of all there is, in order."""
    out: list[tuple[str, float]] = []
    for chunk in chunks:
        b = 0
        for i in range(len(chunk) + 1):
            while b < len(chunk.books) and chunk.books[b]["at"] == i:
                out.append(("book", chunk.books[b]["ask_px"][0] / MICRO))
                b += 1
            if i < len(chunk):
                tick = chunk.ticks[i]
                kind = "trade" if tick["kind"] == TRADE else "quote"
                out.append((kind, tick["price"] / MICRO))
        assert b == len(chunk.books)
    return out


def asks(chunks: list[Ticks]) -> list[float]:
    return [price for kind, price in order(chunks) if kind == "book"]


def rejected(chunks: list[Ticks]) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    for chunk in chunks:
        found.update(chunk.rejected)
    return found


def offered(ms: float, ask: float, symbol: str = "X") -> Book:
    return book(ms, ((ask, 100.0),), symbol=symbol)


# Their place.


def test_of_one_time_trades_come_first_then_quotes_then_books(tmp_path: Path) -> None:
    paths = [
        write_books(tmp_path / "b.parquet", [offered(1, 3.0), offered(2, 4.0)]),
        parquet(tmp_path / "q.parquet", QUOTES, ("X", ns(1), 2.0, 9.0)),
        parquet(tmp_path / "t.parquet", TRADES, ("X", ns(1), 1.0, 1.0), ("X", ns(2), 1.5, 1.0)),
    ]
    expected = [("trade", 1.0), ("quote", 2.0), ("book", 3.0), ("trade", 1.5), ("book", 4.0)]
    assert order(replayed(*paths)) == expected
    assert order(replayed(*paths, batch=1)) == expected


def test_a_sequence_all_files_have_goes_before_the_kind_and_decides_no_tie(tmp_path: Path) -> None:
    books = [offered(1, 3.0), offered(1, 3.5), offered(1, 4.0)]
    paths = [
        write_books(tmp_path / "b.parquet", books, [5, 7, 8]),
        parquet(tmp_path / "t.parquet", (*TRADES, "feed_seq"), ("X", ns(1), 1.0, 1.0, 7)),
    ]
    assert order(replayed(*paths)) == [
        ("book", 3.0),
        ("trade", 1.0),
        ("book", 3.5),
        ("book", 4.0),
    ]


def test_a_book_without_a_sequence_takes_it_from_nobody(tmp_path: Path) -> None:
    seq = "feed_seq"
    paths = [
        write_books(tmp_path / "b.parquet", [offered(1, 3.0)]),
        parquet(tmp_path / "q.parquet", (*QUOTES, seq), ("X", ns(1), 2.0, 9.0, 7)),
        parquet(tmp_path / "t.parquet", (*TRADES, seq), ("X", ns(1), 1.0, 1.0, 8)),
    ]
    assert order(replayed(*paths)) == [("quote", 2.0), ("trade", 1.0), ("book", 3.0)]


@pytest.mark.parametrize("batch", [1, 7, 65_536])
def test_row_groups_and_batches_do_not_show(tmp_path: Path, batch: int) -> None:
    paths = [
        write_books(
            tmp_path / "b.parquet", [offered(i, 1.5 + i) for i in range(5_000)], group=2_048
        ),
        parquet(tmp_path / "t.parquet", TRADES, *[("X", ns(i), 1.0 + i, 1.0) for i in range(900)]),
    ]
    both = [[("trade", 1.0 + i)] * (i < 900) + [("book", 1.5 + i)] for i in range(5_000)]
    assert order(replayed(*paths, batch=batch)) == [one for pair in both for one in pair]


def test_books_of_several_files_are_merged(tmp_path: Path) -> None:
    one = write_books(tmp_path / "1.parquet", [offered(1, 1.0), offered(3, 3.0)])
    two = write_books(tmp_path / "2.parquet", [offered(2, 2.0, "Y"), offered(3, 4.0, "Y")])
    assert asks(replayed(one, two)) == [1.0, 2.0, 3.0, 4.0]


def test_a_file_of_books_alone_is_a_tape(tmp_path: Path) -> None:
    path = write_books(tmp_path / "b.parquet", [offered(i, 1.0 + i) for i in range(5)])
    chunks = replayed(path)
    assert asks(chunks) == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert sum(map(len, chunks)) == 0


def test_only_the_symbols_asked_for_are_read(tmp_path: Path) -> None:
    books = [offered(1, 1.0), offered(2, 2.0, "Y"), offered(3, 3.0)]
    assert asks(replayed(write_books(tmp_path / "b.parquet", books), symbols=("X",))) == [1.0, 3.0]


def test_a_folder_holds_its_books_too(tmp_path: Path) -> None:
    path = write_books(tmp_path / "a.book.parquet", [offered(1, 1.0)])
    assert expand([str(tmp_path)]) == [path]


# What a row may be.


def test_absent_levels_leave_no_place_whatever_spells_them(tmp_path: Path) -> None:
    rows = [
        book(1, ((1.0, 10.0), (NAN, NAN), (1.2, 30.0)), ((0.9, 5.0),)),
        book(2, ((0.0, 0.0), (1.1, 20.0)), ((None, None),)),
        book(3),
    ]
    (chunk,) = replayed(write_books(tmp_path / "b.parquet", rows))
    books = chunk.books
    assert (books["asks"].tolist(), books["bids"].tolist()) == ([2, 1, 0], [1, 0, 0])
    assert books["ask_px"][0][:3].tolist() == [1_000_000, 1_200_000, 0]
    assert books["ask_sz"][0][:3].tolist() == [10_000_000, 30_000_000, 0]
    assert books["levels"].tolist() == [3, 3, 3]


def test_bad_rows_are_rejected_with_their_code_and_the_others_are_kept(tmp_path: Path) -> None:
    good = offered(9, 1.0)
    rows = [
        book(1, ((-1.0, 10.0),)),
        book(2, ((NAN, 10.0),)),
        book(3, ((1.0, -1.0),)),
        book(4, ((1.0, None),)),
        book(5, ((1.0, 1.0), (1.0, 1.0))),
        book(6, ((1.0, 1.0),), ((0.8, 1.0), (0.9, 1.0))),
        book(7, ((1.0, 1.0),), ((1.000001, 1.0),)),
        book(8, ((1.0, 1.0),), ((1.0, 1.0),)),  # locked: kept
        good,
        offered(9.5, 1.0, "A|B"),
        Book("X", 0, good.bids, good.asks),
    ]
    chunks = replayed(write_books(tmp_path / "b.parquet", rows))
    assert len(asks(chunks)) == 2
    assert rejected(chunks) == {
        ("X", "bad_price"): 2,
        ("X", "bad_size"): 2,
        ("X", "unsorted_book"): 2,
        ("X", "crossed_book"): 1,
        ("", "bad_symbol"): 1,
        ("X", "bad_time"): 1,
    }
    crossed = next(r for c in chunks for r in c.rejects if r.code == "crossed_book")
    assert (crossed.symbol, crossed.ts_ns) == ("X", ns(7))
    assert orjson.loads(crossed.fragment) == {
        "symbol": "X",
        "ts_ns": ns(7),
        "bids": [[1.000001, 1.0], [None, None], [None, None]],
        "asks": [[1.0, 1.0], [None, None], [None, None]],
    }


@pytest.mark.parametrize("group", [2_048, 122_880])
def test_a_book_older_than_the_one_that_stands_is_stale(tmp_path: Path, group: int) -> None:
    """In the order of the file, in one row group or in many: a sorted copy still tells."""
    rows = [offered(2 * i, 1.0 + i) for i in range(5_000)]
    rows[100] = offered(3, 9_999.0)
    rows[4_000] = offered(5, 9_998.0)
    rows[4_500] = offered(9_001, 9_997.0, "Y")  # another symbol is not older than itself
    chunks = replayed(write_books(tmp_path / "b.parquet", rows, group=group))
    assert rejected(chunks) == {("X", "stale_book"): 2}
    assert not {9_999.0, 9_998.0} & set(asks(chunks))
    assert len(asks(chunks)) == 4_998


def test_a_file_by_symbol_is_in_order(tmp_path: Path) -> None:
    rows = [offered(i, 1.0 + i, s) for s in "XY" for i in range(3)]
    chunks = replayed(write_books(tmp_path / "b.parquet", rows))
    assert (asks(chunks), rejected(chunks)) == ([1.0, 1.0, 2.0, 2.0, 3.0, 3.0], {})


def test_at_most_ten_a_minute_and_code_are_written_and_all_are_counted(tmp_path: Path) -> None:
    rows = [book(i, ((1.0, -1.0),)) for i in range(50)]
    chunks = replayed(write_books(tmp_path / "b.parquet", rows))
    assert rejected(chunks) == {("X", "bad_size"): 50}
    assert sum(len(chunk.rejects) for chunk in chunks) == 10


def test_a_book_without_its_first_level_is_refused(tmp_path: Path) -> None:
    path = parquet(tmp_path / "b.parquet", ("symbol", "ts_ns", "bid_px_1"), ("X", ns(1), "1"))
    with pytest.raises(TapeError, match="has no column bid_sz_1 and no column ask_px_1"):
        open_tapes([path])


def test_levels_end_where_a_column_is_missing(tmp_path: Path) -> None:
    columns = ("symbol", "ts_ns", "bid_px_1", "bid_sz_1", "ask_px_1", "ask_sz_1", "ask_px_2")
    row = ("X", ns(1), 1.0, 5.0, 1.1, 6.0, 1.2)
    path = parquet(tmp_path / "b.parquet", columns, row, **dict.fromkeys(columns[2:], "DOUBLE"))
    (chunk,) = replayed(path)
    assert (chunk.books["levels"].tolist(), chunk.books["asks"].tolist()) == ([1], [1])


# A feed among others.


@pytest.mark.parametrize("books_only", [False, True])
def test_a_resumed_feed_goes_on_where_it_was(tmp_path: Path, books_only: bool) -> None:
    rows = [offered(i, 1.0 + i) if i % 7 else book(i, ((1.0, -1.0),)) for i in range(2_500)]
    paths = [write_books(tmp_path / "b.parquet", rows, group=2_048)]
    if not books_only:
        trades = [("X", ns(3 * i), 1.0 + i, 1.0) for i in range(600)]
        paths.append(parquet(tmp_path / "t.parquet", TRADES, *trades))
    feed = TapeFeed(open_tapes(paths), batch=70)
    whole = list(batches(feed))
    for stop in (1, 4, 30):
        part = feed.build_part("feed", "tape", None)
        before: list[Ticks] = []
        for _ in range(stop):
            try:
                before += part.next_batch()
            except StopIteration:
                break
        state = part.snapshot()
        part.close()
        assert order(before) + order(list(batches(feed, state))) == order(whole)


def test_at_a_speed_books_do_not_come_before_their_time(tmp_path: Path) -> None:
    """The last book is an hour of tape behind the others: at 1 x it is not due in this test."""
    rows = [offered(k, 1.0 + k) for k in (0, 2, 3_600_000)]
    paths = [
        write_books(tmp_path / "b.parquet", rows),
        parquet(tmp_path / "t.parquet", TRADES, ("X", ns(1), 1.5, 1.0)),
    ]
    tape = open_tapes(paths)
    due = [("book", 1.0), ("trade", 1.5), ("book", 3.0)]
    assert order(list(batches(TapeFeed(tape, speed=1e9)))) == [*due, ("book", 3_600_001.0)]
    slow = TapeFeed(tape, speed=1.0).build_part("feed", "tape", None)
    got: list[Ticks] = []
    while len(order(got)) < 3:
        got += slow.next_batch()
    assert slow.next_batch() == []
    assert slow.next_awake() is not None
    slow.close()
    assert order(got) == due


def test_progress_counts_books_and_their_times(tmp_path: Path) -> None:
    paths = [
        write_books(tmp_path / "b.parquet", [offered(k, 1.0) for k in (1, 9)]),
        parquet(tmp_path / "t.parquet", TRADES, ("X", ns(5), 1.5, 1.0)),
    ]
    feed = TapeFeed(open_tapes(paths))
    list(batches(feed))
    said = feed.progress
    assert (said.rows, said.ticks, said.first_ns, said.last_ns) == (3, 3, ns(1), ns(9))
