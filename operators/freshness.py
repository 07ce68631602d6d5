"""Freshness: a symbol whose events come too late raises no alerts until they are on time again.

The lag of an event is its receipt minus its own time, above the smallest such difference of its
connection. A clock that is wrong and a feed that is sold with a delay shift every event alike
and so cancel out: they are warned about elsewhere, and suspend nothing. Decided by receipt times
that travel with the frames alone, so that a capture replays as the day went.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from operators.kernels import kernel
from operators.records import SUSPENDED, Coverage, Lagging
from operators.ticks import DEPTH, GAP, QUOTE, TICK, TRADE, Array, Row, Ticks

EPISODE_NS = 60_000_000_000
"""An episode of lag is over when so long, by receipt, no event was as late."""

SYMBOL = np.dtype(
    [
        ("newest_ns", np.int64, (2,)),  # event time of the newest trade, and of the newest quote
        ("since_ns", np.int64),  # of the last event before the suspension; 0: none is on
        ("late", np.uint8, (2,)),  # what it is suspended for: its trades, its quotes
    ],
    align=True,
)
"""One symbol. Trades and quotes come by different ways: one may lag without the other."""

LAGS, SUSPENDS, RESUMES = 0, 1, 2
CHANGE = np.dtype(
    [
        ("from_ns", np.int64),  # event time of the last event that was on time; the lag of LAGS
        ("to_ns", np.int64),  # event time of the event that made the change
        ("symbol", np.int32),
        ("row", np.int32),
        ("kind", np.uint8),
    ],
    align=True,
)
"""What an event (`row` among the ticks) changed."""

# What is known of the connection: the smallest lag, whether the last event was far ahead of it,
# and the receipt of the last event that was late enough for a warning.
LEAST, AHEAD, LAGGED = 0, 1, 2
UNKNOWN, NEVER = 2**62, -(2**62)


@kernel
def _over(feed: Array, lag_ns: int, limit_ns: int) -> int:
    """Return by how much an event is later than the least late one; -1: that cannot be told.

    One event with a wrong clock must not make all others late: being ahead of everything so far
    by more than the limit is believed when the next event is, too.
    """
    if feed[LEAST] != UNKNOWN and feed[LEAST] - lag_ns > limit_ns and feed[AHEAD] == 0:
        feed[AHEAD] = 1
        return -1
    feed[AHEAD] = 0
    feed[LEAST] = min(feed[LEAST], lag_ns)
    return int(lag_ns - feed[LEAST])


@kernel
def _note(change: Row, kind: int, from_ns: int, tick: Row, row: int) -> None:
    change["kind"] = kind
    change["from_ns"] = from_ns
    change["to_ns"] = tick["ts_ns"]
    change["symbol"] = tick["symbol"]
    change["row"] = row


@kernel
def _judge(
    ticks: Array,
    details: Array,
    received_ns: Array,
    symbols: Array,
    feed: Array,
    warn_ns: int,
    suspend_ns: int,
    changes: Array,
) -> int:
    """Mark the trades of suspended symbols as stale; return how many changes there are.

    An event older than the symbol's newest of its kind is out of order: it tells nothing of
    the feed. Suspended are symbols of which either kind is late.
    """
    n = trade = 0
    for i in range(len(ticks)):
        tick = ticks[i]
        mine = symbols[tick["symbol"]]
        kind = tick["kind"]
        if tick["ts_ns"] >= mine["newest_ns"][kind]:
            over = _over(feed, received_ns[i] - tick["ts_ns"], suspend_ns)
            if over > warn_ns:
                if received_ns[i] - feed[LAGGED] > EPISODE_NS:
                    _note(changes[n], LAGS, over, tick, i)
                    n += 1
                feed[LAGGED] = received_ns[i]
            if over > suspend_ns:
                mine["late"][kind] = 1
                if mine["since_ns"] == 0:
                    mine["since_ns"] = mine["newest_ns"][kind] or tick["ts_ns"]
                    _note(changes[n], SUSPENDS, mine["since_ns"], tick, i)
                    n += 1
            elif mine["late"][kind] and 0 <= 2 * over <= suspend_ns:  # or it would go to and fro
                mine["late"][kind] = 0
                if mine["late"][TRADE] == 0 and mine["late"][QUOTE] == 0:
                    _note(changes[n], RESUMES, mine["since_ns"], tick, i)
                    mine["since_ns"] = 0
                    n += 1
            if over >= 0:
                mine["newest_ns"][kind] = tick["ts_ns"]
        if kind == TRADE:
            if mine["since_ns"]:
                details[trade]["stale"] = 1
            trade += 1
    return n


@dataclass(frozen=True, slots=True)
class LagRules:
    """Lag above which an episode is warned about, and above which a symbol is suspended."""

    warn_ns: int
    suspend_ns: int


class Freshness:
    """Judge the events of one connection after the other.

    Suspended from a lag above the limit until one of at most half of it. Memory: 32 bytes a
    symbol.
    """

    def __init__(self, rules: LagRules) -> None:
        self._rules = rules
        self._symbols = np.zeros(0, SYMBOL)
        self._feed = np.array([UNKNOWN, 0, NEVER])

    def new_connection(self) -> None:
        """Forget how late the events of the connection before were at least."""
        self._feed[LEAST] = UNKNOWN

    def __call__(self, chunk: Ticks, received_ns: Array) -> None:
        """Mark what is stale, and where a suspension ends; say so beside the ticks.

        Args:
            chunk: Ticks of all symbols as decoded; changed in place.
            received_ns: Receipt of the frame of each tick.
        """
        if len(chunk.names) > len(self._symbols):
            grown = np.zeros(2 * len(chunk.names), SYMBOL)
            grown[: len(self._symbols)] = self._symbols
            self._symbols = grown
        changes = np.empty(2 * len(chunk), CHANGE)
        n = _judge(
            chunk.ticks,
            chunk.details,
            received_ns,
            self._symbols,
            self._feed,
            self._rules.warn_ns,
            self._rules.suspend_ns,
            changes,
        )
        if n:
            _tell(chunk, changes[:n])


def _tell(chunk: Ticks, changes: Array) -> None:
    """Put a gap mark before each event that ends a suspension, and note what changed."""
    resumed = changes[changes["kind"] == RESUMES]
    marks = np.zeros(len(resumed), TICK)
    marks["kind"] = GAP
    marks["symbol"] = resumed["symbol"]
    marks["ts_ns"] = resumed["to_ns"]
    chunk.ticks = np.insert(chunk.ticks, resumed["row"], marks)
    if len(chunk.depths):
        chunk.depths = np.insert(chunk.depths, resumed["row"], np.zeros(len(marks), DEPTH))
    for from_ns, to_ns, code, _, kind in changes.tolist():
        symbol = chunk.names[code]
        if kind == LAGS:
            chunk.notices.append(Lagging(symbol, to_ns, from_ns))
            continue
        chunk.suspended[symbol] = chunk.suspended.get(symbol, 0) + (1 if kind == SUSPENDS else -1)
        if kind == SUSPENDS:
            chunk.since_ns[symbol] = from_ns
        if kind == RESUMES:
            chunk.coverage.append(Coverage(symbol, from_ns, to_ns, SUSPENDED, refilled=False))
