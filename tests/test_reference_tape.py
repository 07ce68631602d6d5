"""The reference's merge of separate files of trades and quotes (detectors.md, section 1)."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from tests.reference import Quote, Trade, read_tape
from tests.reference_tape import micro

TRADES = "symbol, ts_ns, price, size, side"
QUOTES = "symbol, ts_ns, bid, ask"


def parquet(path: Path, columns: str, *rows: str) -> Path:
    """Write rows, each an SQL tuple, in the order given."""
    values = ", ".join(rows)
    with duckdb.connect() as db:
        db.execute(f"COPY (SELECT * FROM (VALUES {values}) v({columns})) TO '{path}'")
    return path


def test_a_trade_comes_before_a_quote_of_its_own_stamp(tmp_path: Path) -> None:
    trades = parquet(tmp_path / "t.parquet", TRADES, "('X', 5, 10.0, 1.5, 1)")
    quotes = parquet(
        tmp_path / "q.parquet", QUOTES, "('X', 5, 10.0, 10.1e0)", "('X', 4, 'NaN'::DOUBLE, 10.1e0)"
    )
    early, print_, late = read_tape([trades], [quotes])
    assert print_ == Trade("X", 5, 10.0, 1.5)  # the column `side` is not read
    assert late == Quote("X", 5, 10.0, 10.1)
    assert isinstance(early, Quote)
    assert (early.ts_ns, early.ask, micro(early.bid)) == (4, 10.1, None)


def test_ties_keep_file_order_and_row_order(tmp_path: Path) -> None:
    rows = [f"('X', 7, {price}.0, 1.0, 1)" for price in range(2_000)]
    first = parquet(tmp_path / "z.parquet", TRADES, *rows[:1_500])
    second = parquet(tmp_path / "a.parquet", TRADES, *rows[1_500:])
    prices = [event.price for event in read_tape([first, second]) if isinstance(event, Trade)]
    assert prices == list(range(2_000))


@pytest.mark.parametrize(
    ("everywhere", "expected"), [(True, ["quote", "trade"]), (False, ["trade", "quote"])]
)
def test_the_feeds_own_sequence_decides_ties_only_where_all_files_have_it(
    tmp_path: Path, everywhere: bool, expected: list[str]
) -> None:
    trades = parquet(tmp_path / "t.parquet", TRADES + ", feed_seq", "('X', 5, 1.0, 1.0, 1, 2)")
    quotes = parquet(tmp_path / "q.parquet", QUOTES + ", feed_seq", "('X', 5, 1.0, 2.0, 1)")
    if not everywhere:
        quotes = parquet(tmp_path / "plain.parquet", QUOTES, "('X', 5, 1.0, 2.0)")
    kinds = ["trade" if isinstance(e, Trade) else "quote" for e in read_tape([trades], [quotes])]
    assert kinds == expected


def test_the_optional_columns_of_a_trade_are_read(tmp_path: Path) -> None:
    columns = "symbol, ts_ns, price, size, conditions, exchange, id, trf_id, participant_ns"
    full = "('X', 1, 10.0, 1.0, [12, 37], 'D', '71', 202, 9)"
    empty = "('X', 2, NULL, 1.0, NULL, NULL, NULL, NULL, NULL)"
    tape = read_tape([parquet(tmp_path / "t.parquet", columns, full, empty)])
    assert tape == [
        Trade("X", 1, 10.0, 1.0, (12, 37), "D", 202, "71", 9),
        Trade("X", 2, None, 1.0, (), 0, None, None, None),
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [(585.33, 585_330_000), (0.1 + 0.2, 300_000), (1641.92, 1_641_920_000), (None, None)],
)
def test_prices_and_sizes_become_whole_millionths(
    value: float | None, expected: int | None
) -> None:
    assert micro(value) == expected
