"""The rules over a condensed tape: what one setting would have fired on."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from flows.orderflow import Rules
from flows.tune.condense import Condensed
from operators.exit_signal import Alerts, SymbolAlerts
from operators.firings import firings
from operators.large_orders import LargeOrders, ParentRules
from operators.nbbo import Prints
from operators.records import BURST_CRITICAL, LARGE_BUYER, Alert
from operators.red_burst import BurstRules, RedBurst
from operators.ticks import MS, Array


class Fired(NamedTuple):
    """Rows of a condensed shard, in print order: alerts that escalate none, and what exits see.

    `rows`: where a parent or an episode fired first. `critical`: where a burst turned critical
    (of parents: the same as `rows`).
    """

    rows: Array
    critical: Array


def parents(shard: Condensed, rules: ParentRules) -> Fired:
    """Return where parents fired for the first time."""
    found = _run_parents(shard, rules).parents
    found = found[found["kind"] != LARGE_BUYER]
    symbol = shard.rows["print"]["symbol"][found["row"]]
    # Numbers of prints judged alone are negative and never come twice.
    _, first = np.unique(np.stack([symbol, found["number"]]), axis=1, return_index=True)
    rows = np.sort(found["row"][first])
    return Fired(rows, rows)


def bursts(shard: Condensed, rules: BurstRules) -> Fired:
    """Return where episodes fired first, and where they turned critical."""
    found = _run_bursts(shard, rules).bursts
    rows, critical = found["row"][found["escalates"] == 0], found["kind"] == BURST_CRITICAL
    return Fired(rows, found["row"][critical])


def _run_parents(shard: Condensed, rules: ParentRules) -> Prints:
    return LargeOrders(rules)(shard.prints(runs=True))


def _run_bursts(shard: Condensed, rules: BurstRules) -> Prints:
    return RedBurst(rules)(shard.prints(runs=False))


class Events(NamedTuple):
    """What exits of one shard are made of, by symbol and then in print order."""

    row: list[int]
    symbol: list[int]
    ms: list[int]
    seller: list[bool]
    critical: list[bool]


def events(shard: Condensed, sold: Fired, burst: Fired) -> Events:
    """Return the prints on which an exit signal is looked for."""
    rows = np.union1d(sold.rows, burst.critical)
    symbol = shard.rows["print"]["symbol"][rows]
    order = np.argsort(symbol, kind="stable")
    rows, symbol = rows[order], symbol[order]
    ms = shard.rows["print"]["ts_ns"][rows] // MS
    return Events(
        rows.tolist(),
        symbol.tolist(),
        ms.tolist(),
        np.isin(rows, sold.rows).tolist(),
        np.isin(rows, burst.critical).tolist(),
    )


def exits(found: Events, least_sellers: int, window_ms: int) -> list[int]:
    """Return the rows of exit signals that escalate none (detectors.md section 7)."""
    out: list[int] = []
    symbol_before, since = -1, 0
    sellers: deque[int] = deque()
    signalled = False
    for row, symbol, ms, seller, critical in zip(*found, strict=True):
        if symbol != symbol_before:
            symbol_before, signalled = symbol, False
            sellers.clear()
        while sellers and ms - sellers[0] > window_ms:
            sellers.popleft()
        if seller:
            sellers.append(ms)
        if signalled and ms - since <= window_ms:
            continue  # what is new inside the cooldown escalates its signal
        if critical or len(sellers) >= least_sellers:
            out.append(row)
            signalled, since = True, ms
    return out


def alerts(shards: Sequence[Condensed], rules: Rules) -> Iterator[Alert]:
    """Yield the alerts in full, symbol by symbol in order: what a replay would have raised.

    Only large buyers are not counted: no setting alerts on them, so that they are not kept.
    """
    for shard in shards:
        chunk = _run_bursts(shard, rules.bursts)
        chunk.parents = _run_parents(shard, rules.parents).parents
        said: dict[str, Alerts] = {}
        for symbol, firing in firings(chunk, rules.sessions):
            if symbol not in said:
                said[symbol] = Alerts(rules.alerts, SymbolAlerts())
            yield from said[symbol].on_print(firing)
