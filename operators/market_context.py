"""What the whole market was doing at a print: order flow, returns and breadth of the last minute.

The one place where symbols meet, so it stands before they are split by shard and takes every
tick in arrival order. A symbol's windows follow its own event time, in buckets of one second that
saw a quote (or a print, where a symbol has no quotes); the breadth follows the newest print of
all. Nothing here can fire or hold back an alert.

"""

from __future__ import annotations

from dataclasses import dataclass, replace

import bytewax.operators as op
import numpy as np
from bytewax.dataflow import Stream, operator

from operators.columns import columns
from operators.context_window import (
    BUCKET,
    NOT_YET,
    PLACES,
    WINDOW_S,
    advance,
    forget,
    note,
    pack,
    unpack,
)
from operators.kernels import kernel, step
from operators.market_breadth import (
    CLOCK,
    ENTRY,
    HEAD,
    SELLING,
    SHARED,
    SHED,
    TAIL,
    TRADING,
    count_side,
    room_for,
)
from operators.market_return import STALE_S, beta_of, market_prices, price_of, turn_minute
from operators.market_wide import CONTEXT, MARKET, UNKNOWN_OFI
from operators.nbbo import EVERY
from operators.order_flow import take_quote
from operators.state import Snapshot, SymbolRows, blank
from operators.ticks import GAP, LATENESS_UNKNOWN, LIVE, MS, QUOTE, TRADE, Array, Row, Ticks
from operators.verdicts import REGULAR

SECOND = 1_000_000_000
VERSION = 2
NOBODY = -1

STATE = np.dtype(
    [
        ("second", np.int64),  # newest event; what every quote touches stands together
        ("minute", np.int64),  # the minute beta is looking at, and below the prices at its start
        ("since", np.int64),  # second of the first quote the windows know of, or NOT_YET
        ("bid", np.int64),  # of the last quote; 0: absent
        ("ask", np.int64),
        ("bid_size", np.int64),
        ("ask_size", np.int64),
        ("quote_ns", np.int64),
        ("price", np.int64),  # twice the mid, or twice the last print; 0: unknown
        ("price_second", np.int64),
        ("flow", np.int64),  # order-flow imbalance, summed up since ever
        ("noted", np.int64),  # second of the newest bucket, or NOT_YET
        ("end", np.int64),  # place behind the newest bucket, counted since ever
        ("oldest", np.int64),  # place of the oldest
        ("quoted", np.uint8),  # has had a quote of any quality
        ("sized", np.uint8),  # has had a quote that says a size
        ("flow_then", np.int64),  # `flow` and `price` as they left the window, and when
        ("then", np.int64),
        ("then_second", np.int64),
        ("net", np.int64),  # buying less selling in the breadth's window
        ("entry", np.int64),  # newest place in the queue
        ("minute_price", np.int64),
        ("minute_market", np.int64),
        ("day", np.int64),
        ("sxy", np.float64),  # of one-minute returns: symbol times market, market squared; bps
        ("sxx", np.float64),
    ],
    align=True,
)


@step
def _side(tick: Row, mine: Row, max_age_ms: int) -> int:
    """Return +1 at the ask, -1 at the bid, 0 between; without any quotes by the tick rule."""
    price = tick["price"]
    if mine["quoted"] == 0:
        before = mine["price"] if mine["price"] > 0 else 2 * price
        return int(2 * price > before) - int(2 * price < before)
    bid, ask = mine["bid"], mine["ask"]
    if bid <= 0 or bid >= ask or tick["ts_ns"] // MS - mine["quote_ns"] // MS > max_age_ms:
        return 0
    return int(price >= ask) - int(price <= bid)


@step
def _say(row: Row, mine: Row, shared: Array, market_now: int, market_then: int) -> None:
    """Write what surrounds a print."""
    row["now"] = price_of(mine)
    is_known = mine["then_second"] > mine["second"] - WINDOW_S - STALE_S
    row["then"] = mine["then"] if is_known else 0
    row["market_now"] = market_now
    row["market_then"] = market_then
    row["beta"] = beta_of(mine)
    row["selling"] = shared[SELLING]
    row["trading"] = shared[TRADING]
    is_whole = (
        mine["sized"]
        and mine["since"] != NOT_YET
        and mine["second"] - mine["since"] >= WINDOW_S
        and mine["second"] - shared[SHED] >= WINDOW_S
    )
    row["ofi"] = mine["flow"] - mine["flow_then"] if is_whole else UNKNOWN_OFI


@kernel
def _follow(
    ticks: Array,
    details: Array,
    depths: Array,
    is_live: bool,
    shed: bool,
    market: int,
    late_ms: int,
    max_age_ms: int,
    state: Array,
    waiting: Array,
    windows: Array,
    queue: Array,
    shared: Array,
    out: Array,
) -> None:
    t = 0
    for i in range(len(ticks)):
        tick = ticks[i]
        kind = tick["kind"]
        code = tick["symbol"]
        mine = state[code]
        if kind == GAP:
            forget(mine)
        if kind != TRADE and kind != QUOTE:
            continue
        second = tick["ts_ns"] // SECOND
        if shed:
            shared[SHED] = max(shared[SHED], second)
        if is_live and second < mine["second"] - STALE_S:  # the newer one was a false stamp
            forget(mine)
            mine["second"] = second
        mine["second"] = max(mine["second"], second)
        if mine["second"] // 60 != mine["minute"]:
            turn_minute(mine, market_prices(state, market, windows, mine["second"])[0])
        if kind == QUOTE:
            if len(depths):
                take_quote(mine, tick, depths[i]["bid"], depths[i]["ask"], windows[code])
            else:
                take_quote(mine, tick, 0, 0, windows[code])
            continue
        detail = details[t]
        late = detail["lateness_ms"] != LATENESS_UNKNOWN and detail["lateness_ms"] > late_ms
        if detail["sale_class"] == REGULAR and not late:
            side = _side(tick, mine, max_age_ms)
            signed = side * tick["size"]
            count_side(state, waiting, queue, shared, code, second, signed, is_live)
            if mine["quoted"] == 0:
                mine["price"] = 2 * tick["price"]
                mine["price_second"] = mine["second"]
                note(mine, windows[code])
        advance(mine, windows[code])
        now, then = market_prices(state, market, windows, mine["second"])
        _say(out[t], mine, shared, now, then)
        t += 1


@dataclass(frozen=True, slots=True)
class ContextRules:
    """What looks like a counted print at the touch, as eligibility and side rule have it."""

    late_ms: int
    quote_max_age_ms: int


def _recode(entries: Array, codes: dict[int, int]) -> None:
    """Give entries whose symbol waits in a saved row the code it has now, where `codes` has one."""
    if not codes:
        return
    now = np.full(max(codes) + 1, NOBODY, np.int32)
    now[list(codes)] = list(codes.values())
    rows = -1 - entries["symbol"]
    known = (rows >= 0) & (rows < len(now))
    found = now[rows[known]]
    entries["symbol"][known] = np.where(found == NOBODY, entries["symbol"][known], found)


class MarketContext:
    """Follow every symbol, and put beside each trade what the market was doing."""

    def __init__(self, rules: ContextRules, saved: Snapshot | None = None) -> None:
        self._rules = rules
        self._state = SymbolRows(
            blank(
                STATE, since=NOT_YET, entry=-1, minute=NOT_YET,
                second=NOT_YET, then_second=NOT_YET, price_second=NOT_YET, day=NOT_YET,
                noted=NOT_YET,
            ),
            saved,
            VERSION,
        )  # fmt: skip
        self._market, self._named = -1, 0
        self._windows = np.empty((0, PLACES), BUCKET)
        self._queue = np.empty(1024, ENTRY)
        self._shared = np.zeros(SHARED, np.int64)
        self._shared[[CLOCK, SHED]] = NOT_YET
        self._saved, self._saved_ends = np.empty(0, BUCKET), np.empty(0, np.int64)
        if saved is not None:
            self._restore(saved)

    def _restore(self, saved: Snapshot) -> None:
        self._saved, counts, queue, shared = saved.parts
        self._saved_ends = counts.cumsum()
        self._shared[:] = shared
        self._shared[[HEAD, TAIL]] = 0
        self._queue = room_for(self._queue, self._shared, len(queue))
        self._shared[TAIL] = len(queue)
        self._queue[: len(queue)] = queue
        # Whose symbols have not appeared yet: their codes count down from -1.
        self._queue["symbol"][: len(queue)] = -1 - queue["symbol"]

    def __call__(self, chunk: Ticks) -> Ticks:
        """Return `chunk` with `context`, a row of CONTEXT a trade, and without its depths."""
        self._bind(chunk.names)
        if not len(chunk.ticks):
            return chunk
        self._queue = room_for(self._queue, self._shared, len(chunk.details))
        out = np.empty(len(chunk.details), CONTEXT)
        _follow(
            chunk.ticks,
            chunk.details,
            chunk.depths,
            chunk.origin == LIVE,
            chunk.quotes_shed,
            self._market,
            self._rules.late_ms,
            self._rules.quote_max_age_ms,
            self._state.rows,
            self._state.saved_rows,
            self._windows,
            self._queue,
            self._shared,
            out,
        )
        return replace(chunk, depths=chunk.depths[:0], context=out)

    def _bind(self, names: list[str]) -> None:
        restored = self._state.bind(names)
        if self._market < 0 and MARKET in names[self._named :]:
            self._market = names.index(MARKET, self._named)
        self._named = len(names)
        self._give_rings(len(self._state.rows))
        if not restored:
            return
        for row, saved_row in restored:
            unpack(self._state.rows[row], self._saved_buckets(saved_row), self._windows[row])
        _recode(self._entries(), {saved_row: row for row, saved_row in restored})

    def _entries(self) -> Array:
        """Return the breadth's queue, as a view."""
        return self._queue[int(self._shared[HEAD]) : int(self._shared[TAIL])]

    def _give_rings(self, rows: int) -> None:
        """Give each row of state a ring of its own."""
        if rows > len(self._windows):
            grown = np.empty((rows, PLACES), BUCKET)
            grown[: len(self._windows)] = self._windows
            self._windows = grown

    def _saved_buckets(self, saved_row: int) -> Array:
        end = self._saved_ends[saved_row]
        start = self._saved_ends[saved_row - 1] if saved_row else 0
        return self._saved[start:end]

    def finish(self) -> None:
        """Have nothing left to say at the end of the feed."""

    def snapshot(self) -> Snapshot:
        """Return the state to save: rows, the buckets of each, the breadth's queue, the shared."""
        waiting = self._state.waiting()
        counts = np.empty(len(self._state.names), np.int64)
        rows = self._state.rows[: len(counts)]
        packed = np.empty(int((rows["end"] - rows["oldest"]).sum()), BUCKET)
        pack(rows, self._windows, counts, packed)
        kept = [self._saved_buckets(row) for row in waiting]
        queue = self._entries().copy()
        _recode(queue, {row: place for place, row in enumerate(waiting, start=len(counts))})
        return self._state.snapshot(
            (
                np.concatenate([packed, *kept]),
                np.concatenate([counts, np.array([len(part) for part in kept], np.int64)]),
                queue,
                self._shared.copy(),
            )
        )


@operator
def market_context(step_id: str, up: Stream[Ticks], rules: ContextRules) -> Stream[Ticks]:
    """Put beside each trade what its symbol's quotes and the whole market did in the last minute.

    The step has one key, so that all symbols meet in one place whatever the number of workers.

    Args:
        step_id: Name of the step, and the key of its saved state.
        up: Chunks of one feed, in arrival order.
        rules: What counts in the breadth.

    Returns:
        The chunks, with `context`.

    Source:
        Cont, Kukanov and Stoikov 2014, for the order-flow imbalance.
    """
    keyed = op.key_on("every", up, lambda _: EVERY)
    followed = columns("columns", keyed, lambda saved: MarketContext(rules, saved))
    return op.key_rm("ticks", followed)
