"""Compile every kernel before the feed is opened, once a version: machine code is kept."""

from __future__ import annotations

import atexit
import gc
import sys
import time
from collections.abc import Callable

import numpy as np

from flows.compiler_pages import give_back
from flows.feeds import tape_details
from flows.feeds.tape_books import BookColumns, among
from flows.feeds.tape_columns import Columns, read_only
from flows.feeds.tape_merge import Run, depths_in_places, merged
from flows.feeds.tape_symbols import SymbolHashes
from flows.heap import keep_freed
from flows.places import cache_folder
from operators import kernels, volume_journal
from operators.aggressor import CLNV, Aggressor, SideRules
from operators.books import Level, fill_books
from operators.duplicates import TradeKeys
from operators.eligibility import Eligibility, EligibilityRules
from operators.freshness import Freshness, LagRules
from operators.large_orders import LargeOrders, ParentRules
from operators.market_context import ContextRules, MarketContext
from operators.nbbo import Nbbo
from operators.own_sizes import OwnLargeOrders, OwnRules
from operators.red_burst import BurstRules, RedBurst
from operators.resting_orders import RestingOrders, RestingRules
from operators.rolling_volume import RollingVolume
from operators.scan import Scanner
from operators.sessions import PHASES, Sessions, phase_name
from operators.shards import Splitter
from operators.ticks import (
    DEPTH,
    DETAIL,
    GAP,
    ID_NUMBER,
    MS,
    QUOTE,
    TICK,
    TRADE,
    Array,
    Ticks,
)
from operators.usual_volume import UsualVolume
from operators.values import fill_values
from operators.volume_delta import VolumeDelta


def warm_up(
    say: Callable[[str], object] = sys.stderr.write, live: bool = False, adaptive: bool = False
) -> None:
    """Compile the kernels, or load them where they were compiled before.

    Whatever else would be slow the first time (the exchange calendar) is done here, too.

    Args:
        say: Told when this will take a while.
        live: Small chunks, and alerts that must not wait; no order books.
        adaptive: The kernels of adaptive mode, too.
    """
    if not live:
        keep_freed()
    if not kernels.use_cache(cache_folder() / "kernels", parallel=not live):
        say("compiling kernels, first run only\n")
    ticks = np.zeros(3, TICK)
    ticks["kind"] = QUOTE, TRADE, GAP
    ticks["ts_ns"] = 10**18
    details = np.zeros(1, DETAIL)
    details["id_kind"] = ID_NUMBER
    ones = np.ones(3)
    fill_values(ticks, ones, ones.copy())
    longs = np.ones(1, np.int64)
    shared = [read_only(a.copy()) for a in (longs.astype(np.int32), longs, ones[:1], details)]
    code, times, values, of_trades = shared
    row = Columns(code, times, values, values, longs[:0], of_trades)
    merged([Run(True, [row]), Run(False, [row])], np.zeros(2, np.int64))
    row.bid_size = row.ask_size = values
    depths_in_places([Run(False, [row])], np.zeros(1, np.int32))
    tape_details.warm_up()
    hashes = SymbolHashes()
    hashes.learn([(1, 0)])
    hashes.codes(read_only(np.ones(1, np.uint64)))
    Freshness(LagRules(0, 0))(Ticks(["A"], ticks[:2], details.copy()), np.zeros(2, np.int64))
    Scanner([f"A{n}" for n in range(300)])([b'[{"ev":"Q","sym":"A","t":1}]'], [0])
    chunk = Ticks(["A"], ticks, details, depths=np.zeros(3, DEPTH))
    around = MarketContext(ContextRules(0, 0))
    surrounded = around(chunk)
    MarketContext(ContextRules(0, 0), around.snapshot())(chunk)
    prints = Splitter().split(Nbbo()(surrounded))[0][1]
    judge = Eligibility(EligibilityRules(Sessions((), None), 1000))
    signer = Aggressor(SideRules(CLNV, 60_000))
    volume = RollingVolume()
    orders = LargeOrders(ParentRules(10, 1))
    bursts = RedBurst(BurstRules(3.0, 4.0, 0.6, 1, 1))
    printed = VolumeDelta()(bursts(orders(volume(signer(judge(prints))))))
    if adaptive:
        own = OwnLargeOrders(OwnRules(ParentRules(10, 1), 0), {})
        UsualVolume(Sessions((), None), {})(own(printed))
    # State that was saved is unpacked by kernels of its own.
    Eligibility(EligibilityRules(Sessions((), None), 1000, True), judge.snapshot())(printed)
    RollingVolume(volume.snapshot())(printed)
    volume_journal.warm_up()
    TradeKeys().make_ready(1 << 10, longs)  # more than its first table holds
    if not live:
        _warm_books(ticks, details)
    phase_name(Sessions(PHASES, None), time.time_ns() // MS)


def _warm_books(ticks: Array, details: Array) -> None:
    one, long = read_only(np.ones(1)), np.full(1, 10**18)
    books, _ = fill_books(
        np.zeros(1, np.int32), long, [Level(one, one, one, one)], np.zeros(1, np.int64)
    )
    columns = BookColumns(books, long, long, np.zeros(1, np.uint8))
    chunk = Ticks(
        ["A"], ticks, details, books=among(columns, ticks["ts_ns"], np.zeros(3, np.int64))
    )
    RestingOrders(RestingRules(Sessions((), None), 1, 1, 0.0, 0))(chunk)


def settle(*, live: bool) -> None:
    """Take all that is there by now out of the collector's sight: it stays.

    Without this each full collection walks all of it, a twentieth of a second at a time.

    Args:
        live: Rubbish is cleared first, which takes as long once. A replay gives the compiler's
            pages back; a live run does not risk to wait for one of them.
    """
    if live:
        gc.collect()
    gc.freeze()
    if not live:
        give_back()
    atexit.register(gc.unfreeze)  # or DuckDB complains of leaks as the program ends
