"""The red-burst rule in DuckDB: cumulative sums with ASOF joins, and RANGE windows.

Both are exact at every print: times of a symbol are distinct, so "up to this print" is a time.
Sums are DOUBLE, exact for whole shares: DuckDB adds up BIGINT in 128 bits, at half the speed.
"""

from __future__ import annotations

import duckdb

from benchmarks.sides import Answer, Timed

_JUDGE = """
    SELECT sum(v)::BIGINT, sum(base)::BIGINT, count(*) FILTER (
        ms - first_ms >= 360000 AND base > 0 AND 5 * v / base >= 3.0 AND v >= 5000
        AND sells / v > 0.60
    ) FROM windows
"""
_PRINTS = """
    SELECT hash(symbol) AS symbol, ts_ns, ts_ns // 1000000 AS ms, ts_ns // 1000000000 AS s,
           size, CASE WHEN side < 0 THEN size ELSE 0 END AS sold
    FROM '{path}'
"""
ASOF = f"""
    WITH prints AS ({_PRINTS}),
    running AS MATERIALIZED (
        SELECT *, sum(size) OVER w AS total, sum(sold) OVER w AS total_sold,
               first_value(ms) OVER w AS first_ms
        FROM prints
        WINDOW w AS (PARTITION BY symbol ORDER BY ts_ns ROWS UNBOUNDED PRECEDING)
    ),
    windows AS (
        SELECT r.ms, r.first_ms, r.total - coalesce(m.total, 0) AS v,
               r.total_sold - coalesce(m.total_sold, 0) AS sells,
               coalesce(m.total, 0) - coalesce(b.total, 0) AS base
        FROM running r
        ASOF LEFT JOIN running m
            ON r.symbol = m.symbol AND (r.s - 59) * 1000000000 > m.ts_ns
        ASOF LEFT JOIN running b
            ON r.symbol = b.symbol AND (r.s - 359) * 1000000000 > b.ts_ns
    )
    {_JUDGE}
"""
RANGE = f"""
    WITH prints AS ({_PRINTS}),
    windows AS (
        SELECT ms, min(ms) OVER (PARTITION BY symbol) AS first_ms,
               sum(size) OVER minute AS v, sum(sold) OVER minute AS sells,
               sum(size) OVER whole - sum(size) OVER minute AS base
        FROM prints
        WINDOW minute AS (PARTITION BY symbol ORDER BY ts_ns
                   RANGE BETWEEN (ts_ns - (s - 59) * 1000000000) PRECEDING AND CURRENT ROW),
               whole AS (PARTITION BY symbol ORDER BY ts_ns
                   RANGE BETWEEN (ts_ns - (s - 359) * 1000000000) PRECEDING AND CURRENT ROW)
    )
    {_JUDGE}
"""


def _query(sql: str, path: str, threads: int) -> Timed:
    def run() -> Answer:
        with duckdb.connect(config={"threads": threads}) as db:
            ((v, base, red),) = db.execute(sql.format(path=path)).fetchall()
        return {"v": v, "base": base, "red": red}

    return run


def asof(path: str, threads: int) -> Timed:
    """Cumulative sums, and the sums 60 and 360 seconds ago by ASOF joins."""
    return _query(ASOF, path, threads)


def ranges(path: str, threads: int) -> Timed:
    """Windows whose RANGE begins on a whole second."""
    return _query(RANGE, path, threads)
