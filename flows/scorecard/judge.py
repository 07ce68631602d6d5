"""From recorded tapes to a scorecard: every kind of alert, every symbol, and what it all says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import msgspec
import numpy as np

from flows.errors import OrderflowError
from flows.scorecard.log import ALL, Score
from flows.scorecard.measures import Measures, column, day_of, measure
from flows.scorecard.recorded import Recorded, SymbolDay
from flows.scorecard.rivals import RIVALS, rivals, vpin_of
from flows.scorecard.scores import mean, scores_of, with_q
from flows.scorecard.splits import Split, splits_of
from flows.scorecard.study import events_of
from flows.scorecard.surface import Surface
from flows.settings import Settings
from operators.market_wide import MARKET
from operators.ticks import Array

RESTING = "large_resting_seller"
ALERT_TYPES = ("large_seller", RESTING, "red_burst", "exit_signal")


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked: how fast one acts, what a fall is, how many controls, and the seed."""

    delay_ms: float = 50.0
    fall_bp: float = 20.0
    controls: int = 20
    seed: int = 1


class HeldOut(msgspec.Struct, frozen=True, kw_only=True):
    """What the earlier half of a symbol's days promised of a kind, and the later half kept.

    Mean abnormal five-minute moves in basis points.
    """

    alert_type: str
    symbol: str
    earlier_days: int
    earlier_alerts: int
    earlier_bp: float | None
    later_days: int
    later_alerts: int
    later_bp: float | None


class Scorecard(msgspec.Struct, frozen=True, kw_only=True):
    """All rows, and how to read them: how many hypotheses, and how many by chance alone.

    `unjudged` symbols had no counted print with something to measure by. Resting sellers are
    judged on the `days_with_books` of the `symbol_days`, and have no rows where there are none.
    `below_5_percent` p-values stand beside how many chance would give; `discoveries` have a
    q-value below 5 %.
    """

    terms: Terms
    mode: str
    sessions: str
    days: tuple[str, ...]
    symbols: tuple[str, ...]
    unjudged: tuple[str, ...]
    trades: int
    quotes: int
    symbol_days: int
    days_with_books: int
    hypotheses: int
    below_5_percent: int
    chance_below_5_percent: float
    discoveries: int
    scores: list[Score]
    held_out: list[HeldOut]
    splits: list[Split]


@dataclass(frozen=True, slots=True)
class Judged:
    """A scorecard and the events behind it, one `Measures` a kind and symbol-day.

    `surfaces`: what other thresholds would have given on the same days.
    """

    card: Scorecard
    measured: list[Measures]
    days: list[SymbolDay]
    surfaces: tuple[Surface, ...] = ()


def judge(recorded: Recorded, settings: Settings, terms: Terms) -> Judged:
    """Judge all alerts of recorded tapes, and the rivals' beside them.

    Raises:
        OrderflowError: no print counted, so that there is no day to judge.
    """
    if not recorded.days:
        raise OrderflowError(
            f"no print on these tapes counts in the sessions `{settings.sessions}`: "
            "a market that never closes needs --sessions all."
        )
    market = {day.day: day for day in recorded.days if day.symbol == MARKET}
    fired = _fired(recorded)
    measured: list[Measures] = []
    before: dict[str, list[SymbolDay]] = defaultdict(list)
    vpins: dict[tuple[str, date], tuple[Array, Array]] = {}
    for day in recorded.days:
        own = {kind: fired.get((kind, day.symbol), np.empty(0)) for kind in kinds_on(day)}
        about = day_of(day, terms.fall_bp)
        times = own | rivals(day, before[day.symbol], settings)
        vpins[day.symbol, day.day] = vpin_of(day, before[day.symbol])
        other = market.get(day.day) if day.symbol != MARKET else None
        for kind, ns in times.items():
            events = events_of(kind, day, other, ns, terms.delay_ms, terms.controls, terms.seed)
            measured.append(measure(events, about, terms.fall_bp, terms.delay_ms))
        before[day.symbol].append(day)
    kinds = [kind for kind in ALERT_TYPES if any(m.events.kind == kind for m in measured)]
    splits = splits_of(kinds, recorded.alerts, measured, vpins, terms.delay_ms, terms.seed)
    return Judged(_card(recorded, settings, terms, measured, splits), measured, recorded.days)


def kinds_on(day: SymbolDay) -> tuple[str, ...]:
    """Return the alert types a symbol-day could have raised."""
    return tuple(kind for kind in ALERT_TYPES if kind != RESTING or day.has_books)


def _fired(recorded: Recorded) -> Mapping[tuple[str, str], Array]:
    """Return when each kind fired on each symbol; what escalates an alert is not a new one."""
    times: dict[tuple[str, str], list[int]] = defaultdict(list)
    for alert in recorded.alerts:
        if alert.escalates is None:
            times[alert.alert_type, alert.symbol].append(alert.ts_ns)
    return {key: np.array(ns, np.int64) for key, ns in times.items()}


def _card(
    recorded: Recorded,
    settings: Settings,
    terms: Terms,
    measured: Sequence[Measures],
    splits: list[Split],
) -> Scorecard:
    symbols = sorted({day.symbol for day in recorded.days})
    groups = {
        (kind, symbol): [
            m for m in measured if m.events.kind == kind and symbol in (ALL, m.events.day.symbol)
        ]
        for kind in (*ALERT_TYPES, *RIVALS)
        for symbol in ([ALL, *symbols] if len(symbols) > 1 else symbols)
    }
    rows = with_q(
        [
            row
            for (kind, symbol), group in groups.items()
            if group  # none: its days have no order books
            for row in scores_of(kind, symbol, kind in RIVALS, group, terms.fall_bp, terms.seed)
        ]
    )
    p = np.array([row.p for row in rows if row.p is not None])
    return Scorecard(
        terms=terms,
        mode=settings.detection_mode,
        sessions=settings.sessions,
        days=tuple(sorted({day.day.isoformat() for day in recorded.days})),
        symbols=tuple(symbols),
        unjudged=tuple(sorted(recorded.symbols - set(symbols))),
        trades=recorded.trades,
        quotes=recorded.quotes,
        symbol_days=len(recorded.days),
        days_with_books=sum(day.has_books for day in recorded.days),
        hypotheses=len(p),
        below_5_percent=int((p < 0.05).sum()),
        chance_below_5_percent=0.05 * len(p),
        discoveries=sum(row.q is not None and row.q < 0.05 for row in rows),
        scores=rows,
        held_out=[
            held
            for (kind, symbol), group in groups.items()
            if symbol != ALL and (held := _held_out(kind, symbol, group)) is not None
        ],
        splits=splits,
    )


def _held_out(kind: str, symbol: str, group: Sequence[Measures]) -> HeldOut | None:
    """Return the earlier half of the days beside the later one; None with a single day."""
    days: list[date] = sorted({m.events.day.day for m in group})
    if len(days) < 2:
        return None
    cut = days[len(days) // 2]
    halves = [[m for m in group if (m.events.day.day < cut) == early] for early in (True, False)]
    moves = [column(half, "abnormal_300") for half in halves]
    return HeldOut(
        alert_type=kind,
        symbol=symbol,
        earlier_days=len(days) // 2,
        earlier_alerts=len(moves[0]),
        earlier_bp=mean(moves[0]),
        later_days=len(days) - len(days) // 2,
        later_alerts=len(moves[1]),
        later_bp=mean(moves[1]),
    )
