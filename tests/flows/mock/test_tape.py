"""The tape as rows: order, numbering, and files that are none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flows.mock.tape import QUOTES, TRADES, Row, Span, Tape, TapeError, tape_paths
from tests.flows.mock import tapes
from tests.flows.mock.tapes import at, write_tape

EVER = 2**62


def rows_of(*files: Path, size: int = 3) -> list[Row]:
    tape = Tape(files)
    try:
        return [row for batch in tape.batches(size) for row in batch]
    finally:
        tape.close()


def prices(rows: list[Row]) -> list[float | None]:
    return [row.price if row.kind == TRADES else row.bid for row in rows]


def test_events_come_by_time_then_feed_seq(tmp_path: Path) -> None:
    trades = write_tape(
        tmp_path / "t.parquet",
        (*tapes.TRADES, "feed_seq"),
        ("A", at(2), 4.0, 1, 9),
        ("A", at(1), 3.0, 1, 7),
        ("A", at(1), 1.0, 1, 3),
    )
    quotes = write_tape(
        tmp_path / "q.parquet", (*tapes.QUOTES, "feed_seq"), ("A", at(1), 2.0, 1, 9.0, 1, 5)
    )
    assert prices(rows_of(quotes, trades)) == [1.0, 2.0, 3.0, 4.0]


def test_without_feed_seq_trades_come_first_then_file_and_row(tmp_path: Path) -> None:
    quotes = write_tape(tmp_path / "q.parquet", tapes.QUOTES, ("A", at(1), 4.0, 1, 9.0, 1))
    second = write_tape(tmp_path / "a.parquet", tapes.TRADES, ("A", at(1), 3.0, 1))
    first = write_tape(
        tmp_path / "b.parquet", tapes.TRADES, ("A", at(1), 1.0, 1), ("A", at(1), 2.0, 1)
    )
    assert prices(rows_of(quotes, first, second)) == [1.0, 2.0, 3.0, 4.0]


def test_feed_seq_counts_for_a_symbol_only_if_all_its_files_have_it(tmp_path: Path) -> None:
    numbered = write_tape(
        tmp_path / "n.parquet",
        (*tapes.TRADES, "feed_seq"),
        ("A", at(1), 1.0, 1, 8),
        ("A", at(1), 2.0, 1, 7),
    )
    bare = write_tape(tmp_path / "q.parquet", tapes.QUOTES, ("A", at(1), 3.0, 1, 9.0, 1))
    other = write_tape(tmp_path / "o.parquet", tapes.QUOTES, ("B", at(5), 4.0, 1, 9.0, 1))
    assert prices(rows_of(numbered, bare)) == [1.0, 2.0, 3.0]
    assert prices(rows_of(numbered, other)) == [2.0, 1.0, 4.0]


def test_each_symbol_counts_its_own_trades_and_quotes(tmp_path: Path) -> None:
    trades = write_tape(
        tmp_path / "t.parquet",
        tapes.TRADES,
        ("A", at(1), 1.0, 1),
        ("B", at(2), 1.0, 1),
        ("A", at(3), float("nan"), 1),
        ("A", at(4), 1.0, 1),
    )
    quotes = write_tape(tmp_path / "q.parquet", tapes.QUOTES, ("A", at(5), 1.0, 1, 2.0, 1))
    numbered = [(row.kind, row.symbol, row.number) for row in rows_of(trades, quotes)]
    assert numbered == [
        (TRADES, "A", 1),
        (TRADES, "B", 1),
        (TRADES, "A", 2),
        (TRADES, "A", 3),
        (QUOTES, "A", 1),
    ]


@pytest.mark.parametrize(
    ("span", "numbers"),
    [
        (Span("A", 0, EVER, True, None, 10), [1, 2, 3, 4]),
        (Span("A", 0, EVER, False, None, 3), [4, 3, 2]),
        (Span("A", 0, EVER, True, 2, 10), [3, 4]),
        (Span("A", 0, EVER, False, 2, 10), [1]),
        (Span("A", at(2), at(3), True, None, 10), [2, 3]),  # the end is not in
        (Span("Z", 0, EVER, True, None, 10), []),
    ],
)
def test_a_span_is_cut_from_the_same_numbering(
    tmp_path: Path, span: Span, numbers: list[int]
) -> None:
    rows = [("A", at(ms), 1.0, 1) for ms in (1, 2, 2, 3)]
    tape = Tape([write_tape(tmp_path / "t.parquet", tapes.TRADES, *rows)])
    assert [row.number for row in tape.rows(TRADES, span)] == numbers
    tape.close()


def test_a_tape_is_a_file_a_folder_a_glob_or_the_name_its_files_share(tmp_path: Path) -> None:
    trades = write_tape(tmp_path / "day.trades.parquet", tapes.TRADES)
    quotes = write_tape(tmp_path / "day.quotes.parquet", tapes.QUOTES)
    both = [quotes, trades]
    assert tape_paths([trades, trades]) == [trades]
    assert tape_paths([tmp_path]) == both
    assert tape_paths([str(tmp_path / "*.parquet")]) == both
    assert tape_paths([tmp_path / "day"]) == both


def test_an_order_book_is_passed_over(tmp_path: Path) -> None:
    write_tape(tmp_path / "a.book.parquet", ("symbol", "ts_ns", "bid_px_1"), ("A", at(1), 1.0))
    write_tape(tmp_path / "a.trades.parquet", tapes.TRADES, ("A", at(1), 1.0, 1))
    assert len(rows_of(tmp_path)) == 1


def test_what_is_no_tape_is_refused_in_a_sentence(tmp_path: Path) -> None:
    def refusal(*files: Any) -> str:
        with pytest.raises(TapeError) as refused:
            Tape(files)
        return str(refused.value)

    torn = tmp_path / "torn.parquet"
    torn.write_bytes(b"PAR1 and no more")
    strange = write_tape(tmp_path / "s.parquet", ("symbol", "price"), ("A", 1.0))
    gone = tmp_path / "gone.parquet"
    assert refusal(gone) == f"No tape at {gone}: give Parquet files, a folder of them or a glob."
    assert refusal(torn).startswith(f"Cannot read {torn} as Parquet: ")
    assert refusal(strange) == (
        f"{strange} holds neither trades (symbol, ts_ns, price, size) nor quotes "
        "(symbol, ts_ns, bid, ask), but: price, symbol."
    )
