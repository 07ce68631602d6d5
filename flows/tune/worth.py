"""What followed each print that could fire: a fall, and how often one comes anyway.

A fall and its base rate are the scorecard's. The base is drawn once for each half hour of a
symbol's day, so that all settings are compared with the same random instants.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from flows.scorecard.falls import deepest
from flows.scorecard.judge import Terms
from flows.scorecard.recorded import SymbolDay
from flows.scorecard.study import BUCKET_NS, at_least, events_of, mean_known
from flows.tune.condense import Condensed
from operators.ticks import MS, Array

DRAWS_A_CONTROL = 10  # a half hour has many alerts to share its instants


class Shard(NamedTuple):
    """A condensed shard, and a value for each of its rows.

    `fall`: 1 where the mid fell as far as asked within five minutes from the moment one could
    have acted, else 0; nan where the day ends before. `base`: the share of random instants of
    the half hour of which that is true. `day`: the proleptic ordinal of the date, 0 outside.
    """

    condensed: Condensed
    fall: Array
    base: Array
    day: Array


def shard_of(condensed: Condensed, days: Iterable[SymbolDay], terms: Terms) -> Shard:
    """Look up what followed each row of a shard."""
    rows = condensed.rows["print"]
    shard = Shard(
        condensed,
        np.full(len(rows), np.nan),
        np.full(len(rows), np.nan),
        np.zeros(len(rows), np.int64),
    )
    codes = {name: code for code, name in enumerate(condensed.names)}
    for day in days:
        code = codes.get(day.symbol, -1)
        inside = (rows["ts_ns"] >= day.from_ns) & (rows["ts_ns"] <= day.until_ns)
        at = np.flatnonzero((rows["symbol"] == code) & inside)
        if len(at):
            shard.day[at] = day.day.toordinal()
            _look_up(shard, at, day, terms)
    return shard


def _look_up(shard: Shard, at: Array, day: SymbolDay, terms: Terms) -> None:
    ns = shard.condensed.rows["print"]["ts_ns"][at] + int(terms.delay_ms * MS)
    deep = deepest(day, ns)
    known = np.isfinite(deep)
    shard.fall[at] = np.where(known, at_least(deep, terms.fall_bp), np.nan)
    # Every half hour, so that what is drawn does not depend on what was kept.
    half_hours = np.arange(day.from_ns // BUCKET_NS, day.until_ns // BUCKET_NS + 1)
    ends = np.minimum(half_hours * BUCKET_NS + BUCKET_NS - 1, day.until_ns)
    draws = terms.controls * DRAWS_A_CONTROL
    controls = events_of("tune", day, None, ends, 0.0, draws, terms.seed).controls
    found = deepest(day, controls)
    share = mean_known(np.where(np.isfinite(found), at_least(found, terms.fall_bp), np.nan))
    shard.base[at] = np.where(
        known, share[np.where(known, ns // BUCKET_NS - half_hours[0], 0)], np.nan
    )
