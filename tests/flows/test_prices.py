from __future__ import annotations

from pathlib import Path

import duckdb

from flows.prices import mids


def test_a_price_is_the_last_mid_of_its_piece_of_usable_quotes(tmp_path: Path) -> None:
    quotes = tmp_path / "quotes.parquet"
    rows = [
        ("ACME", 1_000_000_000_000, 10.0, 10.5),
        ("ACME", 1_000_000_000_001, 10.0, 11.0),
        ("BOLT", 1_500_000_000_000, 1.0, 2.0),
        ("ACME", 1_500_000_000_000, 12.0, 12.0),
        ("ACME", 1_500_000_000_000, 12.0, 11.0),
        ("ACME", 1_500_000_000_000, 0.0, 11.0),
        ("ACME", 2_000_000_000_000, 12.0, 13.0),
        ("ACME", 2_000_000_000_001, 12.0, "nan"),
    ]
    with duckdb.connect() as db:
        db.execute("CREATE TABLE q (symbol VARCHAR, ts_ns BIGINT, bid DOUBLE, ask DOUBLE)")
        db.execute(f"INSERT INTO q VALUES {', '.join(map(str, rows))}")
        db.execute(f"COPY q TO '{quotes}' (FORMAT parquet)")
    assert mids(quotes, "ACME") == [(1_000_000_000_001, 10.5), (2_000_000_000_000, 12.5)]
    assert mids(quotes, "GONE") == []
