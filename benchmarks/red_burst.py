"""The red-burst rule alone, on the same Parquet file, against what an analyst would write.

Rule: detectors.md section 6 with its second buckets, every print counted, its side given and
known. Engines too slow for the whole file run on a part of it; rates are compared, and answers
on that part.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import prints
from benchmarks.report import Figure, Result, rate, ratio
from benchmarks.rivals import red_burst_loop, red_burst_ours
from benchmarks.sides import BenchmarkError, Side, in_turn

PRINTS, QUICK_PRINTS = 2_000_000, 500_000
PART, QUICK_PART = 400_000, 100_000
FEW_SYMBOLS, QUICK_FEW_SYMBOLS = 3, 1
RIVALS = "benchmarks.rivals.red_burst_"


def _same(name: str, found: Mapping[str, Any], truth: Mapping[str, Any]) -> None:
    """Raise unless all that a side found is the truth."""
    for key, value in found.items():
        if truth[key] != value:
            raise BenchmarkError(f"{name} has another `{key}`: {value} is not {truth[key]}")


def _sides(whole: Path, part: Path, few: Path, sizes: tuple[int, int, int]) -> list[Side]:
    files = {"path": str(whole)}, {"path": str(part)}, {"path": str(few)}
    cores = {"threads": os.cpu_count() or 1}
    in_all, in_part, in_few = sizes
    return [
        Side("orderflow operators", f"{RIVALS}ours:bursts", files[0], in_all),
        Side("limit: numba loop, columns in memory", f"{RIVALS}loop:loop", files[0], in_all),
        Side("Polars rolling_sum_by", f"{RIVALS}polars:rolling_sums", files[0], in_all),
        Side("DuckDB cumulative sums, ASOF", f"{RIVALS}sql:asof", {**files[0], **cores}, in_all),
        Side("DuckDB RANGE windows", f"{RIVALS}sql:ranges", {**files[0], **cores}, in_all),
        Side("Bytewax stateful_flat_map", f"{RIVALS}prints:flat_map", files[1], in_part),
        Side("Bytewax stateful_batch", f"{RIVALS}prints:batch", files[1], in_part),
        Side("Bytewax sliding windows", f"{RIVALS}sliding:sliding", files[2], in_few),
    ]


def run(runs: int, quick: bool) -> Result:
    """Measure, and compare the answers.

    Raises:
        BenchmarkError: an engine found something else.
    """
    in_all, in_part = (QUICK_PRINTS, QUICK_PART) if quick else (PRINTS, PART)
    whole = prints.prints_file(in_all)
    part = prints.beginning(whole, in_part)
    few, in_few = prints.few_symbols(whole, QUICK_FEW_SYMBOLS if quick else FEW_SYMBOLS)
    truths = {path: red_burst_ours.checks(str(path)) for path in (whole, part, few)}
    for path, truth in truths.items():
        _same("the numba loop", red_burst_loop.loop(str(path))(), truth)
    measured = in_turn(_sides(whole, part, few, (in_all, in_part, in_few)), runs)
    ours, limit, polars, asof, ranges, flat_map, batch, sliding = measured
    for side in measured[:-1]:
        _same(side.side.name, side.answer, truths[Path(side.side.arguments["path"])])
    _same(sliding.side.name, sliding.answer, red_burst_loop.at_second_ends(str(few)))
    fires = truths[whole]["fires"]
    for side in measured:  # thousands of rows: their number says enough once they are equal
        if "fires" in side.answer:
            side.answer["fires"] = len(side.answer["fires"])
    return Result(
        "red_burst",
        f"{in_all:,} prints of {prints.SYMBOLS} symbols, from Parquet to the list of bursts",
        (
            Figure("orderflow operators", rate(ours), "prints/s"),
            Figure("over Polars", ratio(ours, polars), "x", 1, 2),
            Figure("over DuckDB ASOF", ratio(ours, asof), "x", 4, 12),
            Figure("over DuckDB RANGE", ratio(ours, ranges), "x", 12, 40),
            Figure("over stateful_flat_map", ratio(ours, flat_map), "x", 10, 40),
            Figure("over stateful_batch", ratio(ours, batch), "x", 8, 30),
            Figure("over sliding windows", ratio(ours, sliding), "x", 50, 200),
            Figure("of the limit", ratio(ours, limit), "x"),
        ),
        tuple(measured),
        {"fires": len(fires), "red_prints": truths[whole]["red"], "part": in_part, "few": in_few},
    )
