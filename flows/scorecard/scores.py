"""Rows of the scorecard: what one kind of alert was worth on one symbol, at one horizon."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from flows.scorecard.inference import (
    FEWEST_BLOCKS,
    Estimate,
    benjamini_hochberg,
    estimate,
    ratio_interval,
)
from flows.scorecard.log import Score
from flows.scorecard.measures import Measures, column
from flows.scorecard.study import HORIZONS_S
from operators.ticks import Array

EXIT_MOVES = (
    "over_hold",
    "over_hold_base",
    "over_stop",
    "drawdown_hold",
    "drawdown_hold_base",
    "drawdown_stop",
)


def known(value: float) -> float | None:
    """Return a figure, or None for what is not a number or not finite."""
    return float(value) if math.isfinite(value) else None


def mean(values: Array) -> float | None:
    """Return the mean of what is known, None if nothing is."""
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else None


def blocks_of(measured: Sequence[Measures]) -> tuple[str, Array]:
    """Return `day` or `hour`, and the block of each event: days where there are enough."""
    days = [np.full(len(m.events), m.events.day.day.toordinal()) for m in measured]
    ordinals = np.concatenate([np.empty(0, np.int64), *days])
    if len(np.unique(ordinals)) >= FEWEST_BLOCKS:
        return "day", ordinals
    hours = [m.events.hours for m in measured]
    return "hour", np.concatenate([np.empty(0, np.int64), *hours])


def scores_of(
    kind: str, symbol: str, rival: bool, measured: Sequence[Measures], fall_bp: float, seed: int
) -> list[Score]:
    """Return a row a horizon, without q-values yet.

    Args:
        kind: Alert type or rival.
        symbol: Whose, or `ALL`.
        rival: Whether it is one of the rivals.
        measured: One a symbol-day, those without alerts too.
        fall_bp: The fall that was measured.
        seed: Of the resampling.
    """
    block, blocks = blocks_of(measured)
    shared = _shared(measured, blocks, seed)
    rows = []
    for horizon in HORIZONS_S:
        found: Estimate = estimate(column(measured, f"abnormal_{horizon}"), blocks, seed)
        with_market = [m for m in measured if m.events.market is not None]
        rows.append(
            Score(
                alert_type=kind,
                symbol=symbol,
                rival=rival,
                horizon_s=horizon,
                measured=found.n,
                block=block,
                blocks=found.blocks,
                move_bp=mean(column(measured, f"move_{horizon}")),
                net_bp=mean(column(with_market, f"net_{horizon}")),
                abnormal_bp=found.mean,
                low_bp=found.low,
                high_bp=found.high,
                p=found.p,
                fall_bp=fall_bp,
                **shared,
            )
        )
    return rows


def _shared(measured: Sequence[Measures], blocks: Array, seed: int) -> dict[str, Any]:
    """Return the columns that are the same for every horizon."""
    fall, base = column(measured, "fall"), column(measured, "base")
    low, high = ratio_interval(fall, base, blocks, seed)
    alerts = sum(len(m.events) for m in measured)
    found = sum(m.seen.falls for m in measured)
    leads = np.concatenate([np.empty(0), *(m.seen.lead_s for m in measured)])
    looked = sum(m.seen.looked_s for m in measured)
    return {
        "alerts": alerts,
        "alerts_a_day": alerts / len(measured),
        "days": len({m.events.day.day for m in measured}),
        "fall_share": mean(fall),
        "base_share": mean(base),
        "lift": ratio(mean(fall), mean(base)),
        "lift_low": known(low),
        "lift_high": known(high),
        "lift_sd": ratio(mean(column(measured, "fall_sd")), mean(column(measured, "base_sd"))),
        "falls": found,
        "recall": len(leads) / found if found else None,
        "covered": sum(m.seen.covered_s for m in measured) / looked if looked else None,
        "lead_s": float(np.median(leads)) if len(leads) else None,
        "profitable": mean(column(measured, "profitable")),
        "profitable_base": mean(column(measured, "profitable_base")),
        **{f"{name}_bp": mean(column(measured, name)) for name in EXIT_MOVES},
    }


def ratio(over: float | None, under: float | None) -> float | None:
    """Return a quotient, None where a part is not known or the divisor is nought."""
    return over / under if over is not None and under else None


def with_q(scores: Sequence[Score]) -> list[Score]:
    """Return the rows with their q-values: all p-values of a scorecard are one family."""
    p = np.array([row.p for row in scores if row.p is not None])
    q = iter(benjamini_hochberg(p).tolist())
    return [msgspec.structs.replace(s, q=next(q)) if s.p is not None else s for s in scores]
