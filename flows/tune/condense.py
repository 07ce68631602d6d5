"""A tape without what no setting of the grid could fire on.

Kept are sells of runs that reach the smallest size at the longest parent gap (a shorter gap only
splits them), minutes that reach the lowest thresholds of a burst, and of the calm prints between
two such minutes the last below each level that ends an episode. Marks say where a run or a phase
begins, so that the rules, run over what is left, do just what they would do over all of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from flows.tune.grid import Lowest
from operators.aggressor import AT_QUOTE, INSIDE, SELL, STATED, TICK, UNKNOWN
from operators.nbbo import PRINT, Prints
from operators.red_burst import BASELINE_MINUTES
from operators.rolling_volume import VOLUME
from operators.ticks import ID_TEXT, MS, Array
from operators.verdicts import COUNTED

KEPT = np.dtype(
    [
        ("print", PRINT),
        ("volume", VOLUME),
        ("run", np.int64),  # of its symbol, at the longest gap; -1: joins no kept run
        ("phase", np.int64),  # resets of its symbol so far
        ("side", np.int8),
        ("evidence", np.uint8),
    ]
)
"""A counted print that could fire, or that says that an episode is over."""

NO_RUN, ALONE = -1, -2  # ALONE: a parent by itself, which breaks no run


@dataclass(slots=True)
class Condensed:
    """What is kept of one shard, in arrival order; `texts` of the kept trade ids only."""

    names: list[str]
    rows: Array
    texts: dict[int, str] = field(default_factory=dict)
    venues: list[str] = field(default_factory=list)

    def prints(self, *, runs: bool) -> Prints:
        """Return the rows as the rules take them.

        Args:
            runs: As `LargeOrders` shall see them: marks at the begin of runs, and nothing that
                joins but what belongs to one. Else as `RedBurst` shall: marks at new phases.
        """
        rows = self.rows
        joins = rows["run"] != NO_RUN
        mark = _marks(rows["print"]["symbol"], rows["run" if runs else "phase"], joins | (not runs))
        return Prints(
            self.names,
            rows["print"].copy(),
            self.texts,
            self.venues,
            verdict=np.full(len(rows), COUNTED, np.uint8),
            resets=mark.astype(np.uint8),
            side=rows["side"].copy(),
            evidence=np.where(joins | (not runs), rows["evidence"], INSIDE).astype(np.uint8),
            volume=rows["volume"].copy(),
        )


def _marks(symbol: Array, number: Array, counts: Array) -> Array:
    """Return where the number of a symbol's row is not that of its row before, of those that count.

    A print that is a parent by itself breaks no run, so it has the number of none.
    """
    out = np.zeros(len(symbol), bool)
    at = np.flatnonzero(counts & (number >= 0))
    at = at[np.argsort(symbol[at], kind="stable")]
    s, n = symbol[at], number[at]
    out[at[1:]] = (s[1:] != s[:-1]) | (n[1:] != n[:-1])
    out[at[:1]] = True
    return out


class Condenser:
    """Shown every chunk of a replay, keeps what could fire; see `condensed` at its end."""

    def __init__(self, lowest: Lowest) -> None:
        self._lowest = lowest
        self._shards: dict[int, _Shard] = {}

    def __call__(self, chunk: Prints) -> None:
        """Keep what is worth keeping of a chunk."""
        key = id(chunk.names)  # one list a shard, for as long as the replay lasts
        if key not in self._shards:
            self._shards[key] = _Shard(chunk.names, self._lowest)
        self._shards[key].add(chunk)

    def condensed(self) -> Iterator[Condensed]:
        """Yield what was kept, shard by shard."""
        for shard in self._shards.values():
            yield shard.condensed()


_OPEN = np.dtype(
    [
        ("number", np.int64),
        ("run_phase", np.int64),
        ("ms", np.int64),
        ("phase", np.int64),
        ("side", np.int8),
        ("hot", np.bool_),
    ]
)
"""Of a symbol, across chunks: the run it is in, its resets, and whether a burst was ever near."""


class _Shard:
    def __init__(self, names: list[str], lowest: Lowest) -> None:
        self._names, self._lowest = names, lowest
        self._open = np.zeros(0, _OPEN)
        self._parts: list[Array] = [np.empty(0, KEPT)]
        self._texts: dict[int, str] = {}
        self._venues: list[str] = []

    def condensed(self) -> Condensed:
        return Condensed(
            list(self._names), np.concatenate(self._parts), self._texts, list(self._venues)
        )

    def add(self, chunk: Prints) -> None:
        if len(self._names) > len(self._open):
            more = np.zeros(len(self._names) - len(self._open), _OPEN)
            self._open = np.concatenate([self._open, more])
        phase = self._phases(chunk)
        run = self._runs(chunk, phase)
        keep = (run != NO_RUN) | self._bursts(chunk, phase)
        alone = (chunk.verdict == COUNTED) & (chunk.evidence == TICK) & (chunk.side == SELL)
        alone &= (chunk.rows["quoted"] == 0) & (chunk.rows["size"] >= self._lowest.size)
        at = np.flatnonzero(keep | alone)
        if not len(at):
            return
        kept = np.empty(len(at), KEPT)
        kept["print"], kept["volume"] = chunk.rows[at], chunk.volume[at]
        kept["run"], kept["phase"] = np.where(alone, ALONE, run)[at], phase[at]
        kept["side"], kept["evidence"] = chunk.side[at], chunk.evidence[at]
        self._parts.append(kept)
        self._venues = chunk.venues
        spelled = kept["print"]["trade_id"][kept["print"]["id_kind"] == ID_TEXT]
        self._texts |= {number: chunk.texts[number] for number in spelled.tolist()}

    def _phases(self, chunk: Prints) -> Array:
        """Return how many resets each row's symbol has had, its own included."""
        symbol = chunk.rows["symbol"]
        order = np.argsort(symbol, kind="stable")
        resets = np.cumsum(chunk.resets[order].astype(np.int64))
        first = np.flatnonzero(np.diff(symbol[order], prepend=-1))
        counts = np.diff(first, append=len(order))
        before = resets[first] - chunk.resets[order][first]
        phase = np.empty(len(order), np.int64)
        base = self._open["phase"][symbol[order][first]] - before
        phase[order] = resets + np.repeat(base, counts)
        last = order[first + counts - 1]
        self._open["phase"][symbol[last]] = phase[last]
        return phase

    def _runs(self, chunk: Prints, phase: Array) -> Array:
        """Return the number of the run each row belongs to, if it is one of sells worth keeping."""
        out = np.full(len(chunk), NO_RUN)
        certain = (chunk.evidence == AT_QUOTE) | (chunk.evidence == STATED)
        at = np.flatnonzero((chunk.verdict == COUNTED) & certain & (chunk.side != UNKNOWN))
        if not len(at):
            return out
        at = at[np.argsort(chunk.rows["symbol"][at], kind="stable")]
        symbol, side, at_phase = chunk.rows["symbol"][at], chunk.side[at], phase[at]
        ms, size = chunk.rows["ts_ns"][at] // MS, chunk.rows["size"][at]
        first = np.diff(symbol, prepend=-1) != 0
        before, gap = self._open[symbol], self._lowest.gap_ms
        begun = side != _previous(side, first, before["side"])
        begun |= at_phase != _previous(at_phase, first, before["run_phase"])
        begun |= ms - _previous(ms, first, before["ms"]) > (gap or -1)
        number = before["number"] + _counted_within(begun, first)
        last = np.append(first[1:], True)
        starts = np.flatnonzero(begun | first)
        open_ns = int(chunk.rows["ts_ns"].max()) // MS - gap
        keeps = np.add.reduceat(size, starts) >= self._lowest.size
        keeps |= ~begun[starts] | np.logical_or.reduceat(last & (ms >= open_ns), starts)
        keeps &= side[starts] == SELL
        out[at] = np.where(np.repeat(keeps, np.diff(starts, append=len(at))), number, NO_RUN)
        mine = self._open[symbol[last]]
        mine["number"], mine["side"], mine["ms"] = number[last], side[last], ms[last]
        mine["run_phase"] = at_phase[last]
        self._open[symbol[last]] = mine
        return out

    def _bursts(self, chunk: Prints, phase: Array) -> Array:
        """Return which rows a burst could fire on, or that end the episode of one."""
        out = np.zeros(len(chunk), bool)
        volume, lowest = chunk.volume, self._lowest
        known = (chunk.verdict == COUNTED) & (volume["warm"] == 1) & (volume["baseline"] > 0)
        at = np.flatnonzero(known)
        if not len(at):
            return out
        at = at[np.argsort(chunk.rows["symbol"][at], kind="stable")]
        symbol, rolled = chunk.rows["symbol"][at], volume[at]
        ratio = BASELINE_MINUTES * rolled["current"] / rolled["baseline"]
        hot = (ratio >= lowest.spike) & _is_red(rolled, lowest.volume, lowest.sell_share)
        self._open["hot"][symbol[hot]] = True
        first = np.diff(symbol, prepend=-1) != 0
        starts = first | (np.diff(phase[at], prepend=-1) != 0) | np.append(False, hot[:-1])
        near = self._open["hot"][symbol] & ~hot
        out[at[hot]] = True
        for level in lowest.calm:
            place = np.where(near & (ratio < level), np.arange(len(at)), -1)
            ends = np.maximum.reduceat(place, np.flatnonzero(starts))
            out[at[ends[ends >= 0]]] = True
        return out


def _is_red(volume: Array, least: int, sell_share: float) -> Array:
    """Return which minutes are large, classified and sold enough, as the rule asks."""
    classified = volume["sells"] + volume["buys"]
    share = volume["sells"] / np.maximum(classified, 1)
    enough = (classified > 0) & (2 * classified >= volume["current"])
    red: Array = enough & (volume["current"] >= least) & (share > sell_share)
    return red


def _previous(values: Array, first: Array, before: Array) -> Array:
    """Return the value of each symbol's row before, that of an earlier chunk for its first."""
    shifted = np.append(values[:1], values[:-1])
    previous: Array = np.where(first, before, shifted)
    return previous


def _counted_within(begun: Array, first: Array) -> Array:
    """Return how many of a symbol's rows, up to each, begin something."""
    total = np.cumsum(begun)
    starts = np.flatnonzero(first)
    before = total[starts] - begun[starts]
    within: Array = total - np.repeat(before, np.diff(starts, append=len(begun)))
    return within
