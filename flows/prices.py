"""The price of one symbol over a tape of quotes, thin enough to draw."""

from __future__ import annotations

from pathlib import Path

import duckdb

_POINTS = 400

_MIDS = """
    WITH mine AS (
        SELECT ts_ns, (bid + ask) / 2 AS mid FROM read_parquet($quotes)
        WHERE symbol = $symbol AND bid > 0 AND ask > bid AND isfinite(ask)
    ),
    span AS (SELECT min(ts_ns) AS first, max(ts_ns) - min(ts_ns) + 1 AS length FROM mine)
    SELECT max(ts_ns) AS at_ns, arg_max(mid, ts_ns)
    FROM mine, span GROUP BY (ts_ns - first) * $points // length ORDER BY at_ns
"""


def mids(quotes: Path, symbol: str) -> list[tuple[int, float]]:
    """Return the last mid of each of 400 equal pieces of the symbol's time on the tape.

    Quotes that are locked, crossed or one-sided have no mid.

    Args:
        quotes: Parquet with symbol, ts_ns, bid, ask.
        symbol: Whose.

    Returns:
        (ns since epoch, dollars), sorted by time; empty for a symbol that is not there.
    """
    with duckdb.connect() as db:
        named = {"quotes": str(quotes), "symbol": symbol, "points": _POINTS}
        return db.execute(_MIDS, named).fetchall()
