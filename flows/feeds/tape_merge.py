"""Rows of several files to ticks, in the order in which the market printed them.

By event time, then by `feed_seq` where every file of a symbol has it, then trades before quotes,
then file and row (detectors.md section 1). The quote a print meets is thus the one that stood
before it. The columns of the files are never joined: each row is written once, to its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from flows.feeds.tape_columns import Columns
from operators.kernels import kernel, step
from operators.ticks import DEPTH, DETAIL, ID_ROW, MICRO, QUOTE, TICK, TRADE, Array
from operators.values import GOOD, MAX_SIZE, fill_value

FAR = 2**63 - 1


@kernel
def places(
    heads: Array,
    ends: Array,
    trade_files: int,
    ts_ns: Array,
    sequence: Array,
    place: Array,
    trade_place: Array,
) -> None:
    """Find each row's place in the merge of sorted runs, which go from `heads` to `ends`.

    On ties the earlier run goes first. `trade_place` counts trades alone, whose runs are the
    first `trade_files`. Runs are taken in stretches: as long as no other is due.
    """
    k, t = 0, 0
    while k < len(place):
        best = -1
        limit = FAR
        for run in range(len(ends)):
            i = heads[run]
            if i == ends[run]:
                continue
            b = heads[best]
            if (
                best < 0
                or ts_ns[i] < ts_ns[b]
                or (ts_ns[i] == ts_ns[b] and sequence[i] < sequence[b])
            ):
                if best >= 0:
                    limit = min(limit, ts_ns[b])
                best = run
            else:
                limit = min(limit, ts_ns[i])
        i = heads[best]
        end = ends[best]
        while True:
            place[i] = k
            k += 1
            if best < trade_files:
                trade_place[i] = t
                t += 1
            i += 1
            if i == end or ts_ns[i] >= limit:
                break
        heads[best] = i


@kernel
def put_trades(
    code: Array,
    ts_ns: Array,
    price: Array,
    size: Array,
    details: Array,
    place: Array,
    trade_place: Array,
    ticks: Array,
    details_out: Array,
    problem: Array,
) -> int:
    """Write trades to their places; return how many have a problem."""
    noted = 0
    for i in range(len(code)):
        k = place[i]
        tick = ticks[k]
        tick["ts_ns"] = ts_ns[i]
        tick["symbol"] = code[i]
        tick["kind"] = TRADE
        details_out[trade_place[i]] = details[i]
        problem[k] = fill_value(tick, price[i], size[i])
        if problem[k] != GOOD:
            noted += 1
    return noted


@kernel
def put_quotes(
    code: Array,
    ts_ns: Array,
    bid: Array,
    ask: Array,
    place: Array,
    ticks: Array,
    problem: Array,
) -> int:
    """Write quotes to their places; return how many have a problem.

    NaN is how tapes spell an absent side. Not asked of DuckDB: it takes a column whose Parquet
    statistics tell of no NaN for one that has none.
    """
    noted = 0
    for i in range(len(code)):
        k = place[i]
        tick = ticks[k]
        tick["ts_ns"] = ts_ns[i]
        tick["symbol"] = code[i]
        tick["kind"] = QUOTE
        first = 0.0 if np.isnan(bid[i]) else bid[i]
        second = 0.0 if np.isnan(ask[i]) else ask[i]
        problem[k] = fill_value(tick, first, second)
        if problem[k] != GOOD:
            noted += 1
    return noted


@step
def _whole_size(shares: float) -> int:
    """Return a size in 1e-6 shares; what is no size (NaN, negative, too large) is none."""
    return int(np.rint(shares * MICRO)) if 0 <= shares <= MAX_SIZE else 0


@kernel
def put_depths(bid_size: Array, ask_size: Array, place: Array, out: Array) -> None:
    """Write sizes of quotes to their places."""
    for i in range(len(place)):
        row = out[place[i]]
        row["bid"] = _whole_size(bid_size[i])
        row["ask"] = _whole_size(ask_size[i])


@kernel
def number_trades(ticks: Array, details: Array, rows: Array) -> None:
    """Count each symbol's trades on in `rows`, and number those without an id by it."""
    t = 0
    for k in range(len(ticks)):
        if ticks[k]["kind"] == TRADE:
            symbol = ticks[k]["symbol"]
            rows[symbol] += 1
            if details[t]["id_kind"] == ID_ROW:
                details[t]["trade_id"] = rows[symbol]
            t += 1


class Run(NamedTuple):
    """Rows of one file, in one or more parts that follow each other."""

    is_trades: bool
    parts: list[Columns]

    def __len__(self) -> int:
        return sum(map(len, self.parts))


class Merged(NamedTuple):
    """Ticks and details in order, and a problem (of `operators.values`) a tick.

    `problem` is None where all are good. `place`: where each row of the runs went.
    """

    ticks: Array
    details: Array
    problem: Array | None
    place: Array
    texts: dict[int, str]


def merged(runs: Sequence[Run], rows: Array) -> Merged:
    """Merge runs, those of trades first.

    Args:
        runs: Each in time order.
        rows: By code (the last place for no symbol): trades so far; counted on.
    """
    parts = [part for run in runs for part in run.parts]
    n = sum(map(len, runs))
    trades = sum(len(run) for run in runs if run.is_trades)
    place, trade_place = np.empty(n, np.int32), np.empty(trades, np.int32)
    ends = np.cumsum([len(run) for run in runs])
    places(
        np.concatenate([[0], ends[:-1]]),
        ends,
        sum(run.is_trades for run in runs),
        np.concatenate([part.ts_ns for part in parts]),
        _sequences(parts, n),
        place,
        trade_place,
    )
    ticks, details = np.empty(n, TICK), np.empty(trades, DETAIL)
    problem = np.empty(n, np.uint8)
    start, noted = 0, 0
    for part in parts:
        end = start + len(part)
        columns = (part.code, part.ts_ns, part.first, part.second)
        if start < trades:
            to, trade_to = place[start:end], trade_place[start:end]
            noted += put_trades(*columns, part.details, to, trade_to, ticks, details, problem)
        else:
            noted += put_quotes(*columns, place[start:end], ticks, problem)
        start = end
    number_trades(ticks, details, rows)
    texts = {number: text for part in parts for number, text in part.texts.items()}
    return Merged(ticks, details, problem if noted else None, place, texts)


def sequences(runs: Sequence[Run], place: Array) -> Array:
    """Return the sequence of each row in the order of the merge; zeros where none counts."""
    out = np.empty(len(place), np.int64)
    out[place] = _sequences([part for run in runs for part in run.parts], len(place))
    return out


def _sequences(parts: Sequence[Columns], n: int) -> Array:
    if not any(len(part.sequence) for part in parts):
        return np.zeros(n, np.int64)
    none = np.zeros(max(map(len, parts)), np.int64)
    return np.concatenate(
        [part.sequence if len(part.sequence) else none[: len(part)] for part in parts]
    )


def in_places(runs: Sequence[Run], place: Array, name: str) -> Array:
    """Return a column of the runs' rows, `first` or `second`, in the order of the merge."""
    out = np.empty(len(place))
    out[place] = np.concatenate([getattr(part, name) for run in runs for part in run.parts])
    return out


def depths_in_places(runs: Sequence[Run], place: Array) -> Array:
    """Return the sizes of quotes in the order of the merge: rows of DEPTH, zeros at trades."""
    out = np.zeros(len(place), DEPTH)
    start = 0
    for run in runs:
        for part in run.parts:
            end = start + len(part)
            if len(part.bid_size):
                put_depths(part.bid_size, part.ask_size, place[start:end], out)
            start = end
    return out
