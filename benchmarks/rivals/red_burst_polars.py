"""The red-burst rule in Polars: `rolling_sum_by(...).over(symbol)`, on all cores."""

from __future__ import annotations

import polars as pl

from benchmarks.sides import Answer, Timed


def _windows(path: str) -> pl.LazyFrame:
    """Return V, its sold part and the five minutes before, at every print.

    A rolling sum by second holds the whole second, later prints included; what comes after
    this print in its second (`ahead`) is taken off again. Prints are first sorted by a code of
    their symbol, which was the fastest of the ways tried.
    """
    second = pl.col("ts_ns") // 1_000_000_000
    size = pl.col("size").cast(pl.Int64)
    prints = (
        pl.scan_parquet(path)
        .select(
            pl.col("symbol").cast(pl.Categorical).to_physical().alias("code"),
            (pl.col("ts_ns") // 1_000_000).alias("ms"),
            second.alias("s"),
            size.alias("size"),
            pl.when(pl.col("side") < 0).then(size).otherwise(0).alias("sold"),
        )
        .sort("code", maintain_order=True)
    )
    last = (pl.col("s") != pl.col("s").shift(-1)) | (pl.col("code") != pl.col("code").shift(-1))
    last = last.fill_null(value=True)

    def ahead(column: str) -> pl.Expr:
        total = pl.col(column).cum_sum()
        return pl.when(last).then(total).otherwise(None).backward_fill() - total

    def rolling(column: str, seconds: int) -> pl.Expr:
        return pl.col(column).rolling_sum_by("s", window_size=f"{seconds}i").over("code")

    return prints.with_columns(
        rolling("size", 60).alias("minute"),
        rolling("size", 360).alias("whole"),
        rolling("sold", 60).alias("minute_sold"),
        ahead("size").alias("ahead"),
        ahead("sold").alias("ahead_sold"),
        pl.col("ms").first().over("code").alias("first_ms"),
    ).select(
        "ms",
        "first_ms",
        (pl.col("minute") - pl.col("ahead")).alias("v"),
        (pl.col("whole") - pl.col("minute")).alias("base"),
        (pl.col("minute_sold") - pl.col("ahead_sold")).alias("sells"),
    )


def rolling_sums(path: str) -> Timed:
    """Judge every print of a file."""
    v, base, sells = pl.col("v"), pl.col("base"), pl.col("sells")
    red = (
        (pl.col("ms") - pl.col("first_ms") >= 360_000)
        & (base > 0)
        & (5 * v / base >= 3.0)
        & (v >= 5_000)
        & (sells / v > 0.60)
    )

    def run() -> Answer:
        found = _windows(path).select(v.sum(), base.sum(), red.sum().alias("red")).collect()
        return {name: int(value) for name, value in found.row(0, named=True).items()}

    return run
