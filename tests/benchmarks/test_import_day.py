"""The flat files of the import benchmark are such as the vendor's."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from benchmarks.import_day import QUOTES, TRADES, write
from benchmarks.market import OPEN_NS, SESSION_NS
from flows.feeds.flat_files import FLAT


@pytest.mark.parametrize(("kind", "select"), [("trades", TRADES), ("quotes", QUOTES)])
def test_a_flat_file_has_the_vendors_columns_and_is_sorted_by_symbol_then_time(
    tmp_path: Path, kind: str, select: str
) -> None:
    path = tmp_path / "day.csv.gz"
    write(select, 1_000, path, symbols=10)
    with duckdb.connect() as db:
        read = db.sql(f"SELECT * FROM read_csv('{path}')")
        assert read.columns == [*FLAT[kind]]
        rows = db.sql("SELECT ticker, sip_timestamp FROM read").fetchall()
    assert len(rows) == 1_000
    assert rows == sorted(rows)
    assert len({ticker for ticker, _ in rows}) == 10
    assert len({ns for _, ns in rows}) > 900
    assert all(OPEN_NS <= ns < OPEN_NS + SESSION_NS for _, ns in rows)
