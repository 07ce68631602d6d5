"""The limit: one numba loop over columns in memory, grouped by symbol. No file, no engine."""

from __future__ import annotations

from typing import Any

import duckdb
import numba
import numpy as np
import numpy.typing as npt

from benchmarks.sides import Answer, Timed

Array = npt.NDArray[Any]


@numba.njit(nogil=True)
def _loop(symbol: Array, ms: Array, size: Array, side: Array, wanted: Array, out: Array) -> int:
    """Add up V and base where `wanted`, count red prints, note those on which episodes fire."""
    middle = oldest = start = 0
    v = base = sells = 0
    open_, first_ms, fires = 0, 0, 0
    for i in range(len(ms)):
        if i == 0 or symbol[i] != symbol[i - 1]:
            middle = oldest = start = i
            v = base = sells = 0
            open_ = 0
        second = ms[i] // 1000
        v += size[i]
        if side[i] < 0:
            sells += size[i]
        while ms[middle] // 1000 <= second - 60:
            v -= size[middle]
            base += size[middle]
            if side[middle] < 0:
                sells -= size[middle]
            middle += 1
        while ms[oldest] // 1000 <= second - 360:
            base -= size[oldest]
            oldest += 1
        if wanted[i]:
            out[0] += v
            out[1] += base
        if base <= 0 or ms[i] - ms[start] < 360_000:
            continue
        ratio = 5 * v / base
        if open_ and ratio < 2.0 and ms[i] - first_ms >= 120_000:
            open_ = 0
        if ratio < 3.0 or v < 5_000 or sells / v <= 0.60:
            continue
        out[2] += 1
        kind = 2 if ratio >= 4.0 else 1
        if kind <= open_:
            continue
        if open_ == 0:
            first_ms = ms[i]
        open_ = kind
        out[3 + 2 * fires] = i
        out[4 + 2 * fires] = kind
        fires += 1
    return fires


def columns(path: str) -> tuple[list[str], Array, Array, Array, Array]:
    """Return the names, and symbol, ms, size and side grouped by symbol in time order."""
    with duckdb.connect() as db:
        found: dict[str, Any] = db.execute(
            f"""
            SELECT dense_rank() OVER (ORDER BY symbol) - 1 AS code, ts_ns // 1000000 AS ms,
                   size::BIGINT AS size, side::TINYINT AS side
            FROM '{path}' ORDER BY symbol, ts_ns
            """
        ).fetchnumpy()
        names = db.execute(f"SELECT DISTINCT symbol FROM '{path}' ORDER BY symbol")
        code, ms, size, side = (np.asarray(found[c]) for c in ("code", "ms", "size", "side"))
        return [name for (name,) in names.fetchall()], code, ms, size, side


def _run(path: str, *, ends_only: bool) -> Timed:
    names, symbol, ms, size, side = columns(path)
    wanted = np.ones(len(ms), np.bool_)
    if ends_only:
        second = ms // 1000
        wanted[:-1] = (second[1:] != second[:-1]) | (symbol[1:] != symbol[:-1])

    def run() -> Answer:
        out = np.zeros(3 + 2 * len(ms), np.int64)
        n = _loop(symbol, ms, size, side, wanted, out)
        fires = [
            [names[symbol[i]], int(ms[i]), int(kind)]
            for i, kind in out[3 : 3 + 2 * n].reshape(-1, 2)
        ]
        return {"v": int(out[0]), "base": int(out[1]), "red": int(out[2]), "fires": sorted(fires)}

    return run


def loop(path: str) -> Timed:
    """Judge every print of a file whose columns are in memory already."""
    return _run(path, ends_only=False)


def at_second_ends(path: str) -> Answer:
    """Return sums of V and base over the last print of each second of a symbol."""
    answer = _run(path, ends_only=True)()
    return {"v": answer["v"], "base": answer["base"]}
