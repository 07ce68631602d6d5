"""Alerts told apart by what surrounded them: did a market-wide fall, or the order flow, matter?

Splits are looked at after the fact and are many, so their tests are a family of their own, with
q-values within it, and none of them belongs to the scorecard's hypotheses. A group is compared
with its controls, not with the other group.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import date

import msgspec
import numpy as np

from flows.scorecard.inference import benjamini_hochberg, estimate
from flows.scorecard.measures import Measures, column
from flows.scorecard.scores import blocks_of, mean, ratio
from operators.records import Alert
from operators.ticks import MS, Array

FEWEST_VPIN = 10  # buckets of the day before one can say what is high
Vpins = Mapping[tuple[str, date], tuple[Array, Array]]


class Split(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of alert, all symbols, where `by` had this `value`; moves as in `Score`, 5 minutes.

    `unknown` alerts of the kind are in no group: nobody could tell.
    """

    alert_type: str
    by: str
    value: str
    alerts: int
    unknown: int
    measured: int
    block: str
    blocks: int
    abnormal_bp: float | None
    low_bp: float | None
    high_bp: float | None
    p: float | None
    q: float | None = None
    fall_share: float | None
    base_share: float | None
    lift: float | None


def _sign(value: float | None) -> str | None:
    if value is None or value == 0:
        return None
    return "selling" if value < 0 else "buying"


def _wide(alert: Alert) -> str | None:
    wide = alert.market_wide.is_market_wide if alert.market_wide is not None else None
    return None if wide is None else "yes" if wide else "no"


BY: dict[str, tuple[tuple[str, str], Callable[[Alert], str | None]]] = {
    "market-wide": (("yes", "no"), _wide),
    "order flow, 60 s": (("selling", "buying"), lambda alert: _sign(alert.ofi_60s)),
    "volume delta": (("selling", "buying"), lambda alert: _sign(alert.cvd)),
}
VPIN = "vpin"


def splits_of(
    kinds: Sequence[str],
    alerts: Sequence[Alert],
    measured: Sequence[Measures],
    vpins: Vpins,
    delay_ms: float,
    seed: int,
) -> list[Split]:
    """Return a row a kind, split and value.

    Args:
        kinds: Alert types.
        alerts: All of them, in the order they were raised.
        measured: What was measured of them, a kind and symbol-day.
        vpins: Times and values of VPIN by symbol and day.
        delay_ms: From the print to the moment one could have acted, as measured.
        seed: Of the resampling.
    """
    told: dict[tuple[str, str], list[Alert]] = defaultdict(list)
    for alert in alerts:
        if alert.escalates is None:
            told[alert.alert_type, alert.symbol].append(alert)
    rows = []
    for kind in kinds:
        group = [m for m in measured if m.events.kind == kind]
        mine = [a for m in group for a in _events(m, told[kind, m.events.day.symbol], delay_ms)]
        values = {by: [told_by(a) for a in mine] for by, (_, told_by) in BY.items()}
        values[VPIN] = [v for m in group for v in _vpin_values(m, vpins)]
        names = {**{by: named for by, (named, _) in BY.items()}, VPIN: ("high", "low")}
        rows += [
            _split(kind, by, value, np.array(values[by], object), group, seed)
            for by, named in names.items()
            for value in named
        ]
    return _with_q(rows)


def _events(m: Measures, alerts: Sequence[Alert], delay_ms: float) -> list[Alert]:
    """Return the alerts behind the events, in their order."""
    day, delay = m.events.day, int(delay_ms * MS)
    return [a for a in alerts if day.from_ns <= a.ts_ns + delay <= day.until_ns]


def _vpin_values(m: Measures, vpins: Vpins) -> list[str | None]:
    """Say of each event whether VPIN was above its median of the day so far."""
    ns, value = vpins.get((m.events.day.symbol, m.events.day.day), (np.empty(0), np.empty(0)))
    out: list[str | None] = []
    for at in np.searchsorted(ns, m.events.ns, side="right").tolist():
        before = value[: at - 1] if at else value[:0]
        known = len(before) >= FEWEST_VPIN
        out.append(("high" if value[at - 1] > np.median(before) else "low") if known else None)
    return out


def _split(
    kind: str, by: str, value: str, values: Array, group: Sequence[Measures], seed: int
) -> Split:
    chosen = np.array([found == value for found in values], bool)
    block, blocks = blocks_of(group)
    moves, fall, base = (column(group, name)[chosen] for name in ("abnormal_300", "fall", "base"))
    found = estimate(moves, blocks[chosen], seed)
    return Split(
        alert_type=kind,
        by=by,
        value=value,
        alerts=int(chosen.sum()),
        unknown=sum(v is None for v in values),
        measured=found.n,
        block=block,
        blocks=found.blocks,
        abnormal_bp=found.mean,
        low_bp=found.low,
        high_bp=found.high,
        p=found.p,
        fall_share=mean(fall),
        base_share=mean(base),
        lift=ratio(mean(fall), mean(base)),
    )


def _with_q(rows: Sequence[Split]) -> list[Split]:
    q = iter(benjamini_hochberg(np.array([r.p for r in rows if r.p is not None])).tolist())
    return [msgspec.structs.replace(r, q=next(q)) if r.p is not None else r for r in rows]
