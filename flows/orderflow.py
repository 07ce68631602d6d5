"""The dataflow, from the feed to the bot: `python -m bytewax.run flows.orderflow`.

It has two halves. The hot one moves columns, thousands of ticks an item, the prints keyed by symbol
shard: the market is a firehose, and a Python object a tick would cost more than all rules together.
The cool one moves records, a few a minute, keyed by symbol: there an item may be anything that
is easy to read. The seam is `fired`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import bytewax.operators as op
import numpy as np
from bytewax.dataflow import Dataflow, Stream, operator
from bytewax.inputs import Source
from bytewax.operators import KeyedStream
from bytewax.outputs import Sink

from flows.feeds.positions import shorts
from flows.settings import Settings
from operators.aggressor import SIDE_RULES, SideRules, aggressor
from operators.decode import decode
from operators.eligibility import EligibilityRules, eligibility
from operators.exit_signal import AlertRules, alerts
from operators.firings import fired
from operators.freshness import LagRules
from operators.large_orders import ParentRules, large_orders
from operators.learned import NOTHING, Learned
from operators.learning import learning
from operators.ledger import ledger
from operators.market_context import ContextRules, market_context
from operators.nbbo import Prints, nbbo
from operators.own_sizes import PICO, OwnRules, own_large_orders
from operators.parts import PartStore
from operators.records import Alert, Coverage, Notice
from operators.red_burst import BASELINE_MINUTES, BurstRules, red_burst
from operators.resting_orders import RestingRules, resting_orders
from operators.rolling_volume import rolling_volume
from operators.sessions import Sessions, parse_sessions
from operators.shards import by_shard
from operators.ticks import MICRO, Ticks
from operators.usual_volume import usual_volume
from operators.verdicts import VERDICTS
from operators.volume_delta import volume_delta
from sinks.opening import Opening

LIVE = "live"
ADAPTIVE = "adaptive"
LEAST_AVERAGE = 1_000 * MICRO  # of the five minutes before a burst, a minute, in adaptive mode
_ENDLESS_NS = 2**61  # longer than any time, and what 64 bits can add
Counts = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of every operator, as the settings have them.

    Without `lag` none is late; without `context` alerts say nothing of what surrounds them.
    """

    lag: LagRules | None
    sessions: Sessions
    eligibility: EligibilityRules
    side: SideRules
    parents: ParentRules
    bursts: BurstRules
    alerts: AlertRules
    resting: RestingRules
    adaptive: AdaptiveRules | None = None
    context: ContextRules | None = None


@dataclass(frozen=True, slots=True)
class AdaptiveRules:
    """What adaptive mode has instead of fixed thresholds, and what it knows at the start."""

    parents: OwnRules
    learned: Learned


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where the streams end; each takes `(symbol, record)`, `status` counts, `notices` notices.

    `opening` opens the sinks of a quiet morning: they are built by their first item.
    """

    alerts: Sink[Any]
    history: Sink[Any]
    rejects: Sink[Any]
    coverage: Sink[Any]
    eligibility: Sink[Any]
    status: Sink[Any]
    notices: Sink[Any]
    learned: Sink[Any]
    opening: Source[Any] = field(default_factory=Opening)


def rules_of(settings: Settings, feed: str, learned: Learned = NOTHING) -> Rules:
    """Turn settings into the units the operators count in.

    Args:
        settings: Checked settings.
        feed: What alerts name as their feed: `live`, `replay` or `sample`. Only live are
            the positions of now, and so a short one, of interest.
        learned: What past sessions taught, for adaptive mode.

    Raises:
        PositionsError: live, and the positions file cannot be read.
    """
    sessions = parse_sessions(settings.sessions)
    window_ms = settings.alert_window_seconds * 1000
    parents = ParentRules(settings.parent_gap_ms, settings.large_order_size * MICRO)
    adaptive = None
    if settings.detection_mode == ADAPTIVE:
        least = int(Decimal(str(settings.min_notional)) * PICO)
        adaptive = AdaptiveRules(OwnRules(parents, least), learned)
    lag = LagRules(_ns(settings.lag_warn_seconds), _ns(settings.lag_suspend_seconds))
    return Rules(
        lag if settings.freshness else None,
        sessions,
        EligibilityRules(sessions, settings.late_print_ms, feed == LIVE),
        SideRules(SIDE_RULES[settings.side_rule], settings.quote_max_age_seconds * 1000),
        parents,
        BurstRules(
            settings.volume_spike_threshold,
            settings.red_burst_threshold,
            settings.sell_share,
            settings.min_burst_volume * MICRO,
            window_ms,
            LEAST_AVERAGE * BASELINE_MINUTES if adaptive else 0,
        ),
        AlertRules(
            feed,
            settings.detection_mode,
            float(settings.large_order_size),
            settings.volume_spike_threshold,
            settings.red_burst_threshold,
            settings.exit_sellers,
            window_ms,
            shorts(settings.positions_file if feed == LIVE else None),
        ),
        RestingRules(
            sessions,
            settings.book_levels,
            settings.large_order_size * MICRO,
            settings.min_notional if settings.detection_mode == "adaptive" else 0.0,
            settings.quote_max_age_seconds * 1000,
        ),
        adaptive,
        ContextRules(settings.late_print_ms, settings.quote_max_age_seconds * 1000)
        if settings.context
        else None,
    )


def _ns(seconds: float) -> int:
    return min(round(seconds * 1e9), _ENDLESS_NS)


def build(
    feed: Source[Any], rules: Rules, outputs: Outputs, store: PartStore | None = None
) -> Dataflow:
    """Wire a feed through the rules to the outputs.

    Args:
        feed: Frames of a socket or ticks of a tape, and what was not seen.
        rules: Of every operator.
        outputs: Where each stream ends.
        store: Keeps large state beside the recovery store; None: that holds all.

    Returns:
        The dataflow. Step ids are permanent: renaming one forgets its saved state.
    """
    graph = Dataflow("orderflow")

    tape = op.input("feed", graph, feed)
    with_context = rules.context is not None
    # Ticks of all symbols; what was rejected, missed
    seen = decode("decode", tape, rules.lag, with_context)

    ticks = resting_orders("resting_orders", seen.ticks, rules.resting)
    if rules.context is not None:
        ticks = market_context("context", ticks, rules.context)
    prints = nbbo("nbbo", ticks)  # ("every", Prints); quotes and books go no further
    chunks = by_shard("shards", prints)  # ("3", Prints)
    judged = eligibility("eligibility", chunks, rules.eligibility, store)
    signed = aggressor("aggressor", judged, rules.side)
    rolled = rolling_volume("rolling_volume", signed, store)
    if rules.adaptive is None:
        parents = large_orders("large_orders", rolled, rules.parents)
    else:
        parents = adapted("adaptive", rolled, rules.sessions, rules.adaptive)
        op.output("learned", learning("learning", parents), outputs.learned)
    bursts = red_burst("red_burst", parents, rules.bursts)
    if rules.context is not None:
        bursts = volume_delta("volume_delta", bursts)

    firings = fired("fired", bursts, rules.sessions)  # ("AAPL", Firing)
    said = alerts("exit_signal", firings, rules.alerts)  # ("AAPL", Alert)

    opening = op.input("opening", graph, outputs.opening)
    log = op.merge("log", opening, said)
    op.output("jsonl", log, outputs.alerts)
    op.output("history", log, outputs.history)
    op.output("rejects", seen.rejects, outputs.rejects)
    op.output("coverage", seen.coverage, outputs.coverage)
    op.output("notices", op.flat_map("news", seen.ticks, _notices), outputs.notices)
    op.output("prints", ledger("ledger", judged), outputs.eligibility)
    counts = op.merge("counts", opening, tally("tally", seen.ticks, seen.coverage, judged, said))
    op.output("status", counts, outputs.status)
    return graph


@operator
def adapted(
    step_id: str, rolled: KeyedStream[Prints], sessions: Sessions, rules: AdaptiveRules
) -> KeyedStream[Prints]:
    """Measure parents and volume by the symbol's own past.

    Args:
        step_id: Name of the step.
        rolled: `(shard, chunk)` with sides and volume.
        sessions: What is admitted.
        rules: Floors, and what is known at the start.

    Returns:
        `(shard, chunk)` with `parents`, `expected` and, where a day is over, `learned`.
    """
    parents = own_large_orders("own_sizes", rolled, rules.parents, rules.learned.sizes)
    return usual_volume("usual_volume", parents, sessions, rules.learned.volumes)


@operator
def tally(
    step_id: str,
    ticks: Stream[Ticks],
    coverage: KeyedStream[Coverage],
    judged: KeyedStream[Prints],
    said: KeyedStream[Alert],
) -> KeyedStream[Counts]:
    """Count what passes: ticks, rejects, gaps, verdicts and alerts.

    Args:
        step_id: Name of the step.
        ticks: Chunks as decoded.
        coverage: What was not seen.
        judged: Prints with verdicts.
        said: Alerts.

    Returns:
        `("", {group: {name: count}})`, to be added up.
    """
    return op.merge(
        "merge",
        op.map("ticks", ticks, _count_ticks),
        op.map("gaps", coverage, _count_gap),
        op.map("verdicts", judged, _count_verdicts),
        op.map("alerts", said, _count_alert),
    )


def _notices(chunk: Ticks) -> list[tuple[str, Notice]]:
    return [("", notice) for notice in chunk.notices]


def _count_ticks(chunk: Ticks) -> tuple[str, Counts]:
    trades = len(chunk.details)
    counts: dict[str, dict[str, int]] = {}
    quotes = len(chunk) - trades - chunk.count_marks()
    if trades or quotes:
        counts["ticks"] = {"trades": trades, "quotes": quotes}
    if len(chunk.books):
        counts.setdefault("ticks", {})["books"] = len(chunk.books)
    if trades:
        received_ns = int(chunk.details[-1]["received_ns"])
        counts["latest"] = {"event_ns": int(chunk.ticks[-1]["ts_ns"]), "received_ns": received_ns}
    if chunk.suspended:
        counts["suspended"] = chunk.suspended
    if chunk.rejected:
        rejects = counts["rejects"] = {}
        for (_, code), n in chunk.rejected.items():
            rejects[code] = rejects.get(code, 0) + n
    return "", counts


def _count_gap(keyed: tuple[str, Coverage]) -> tuple[str, Counts]:
    gap = keyed[1]
    return "", {"refills" if gap.refilled else "gaps": {gap.cause: 1}}


def _count_verdicts(keyed: tuple[str, Prints]) -> tuple[str, Counts]:
    counts = np.bincount(keyed[1].verdict, minlength=len(VERDICTS))
    return "", {"verdicts": {name: int(n) for name, n in zip(VERDICTS, counts, strict=False) if n}}


def _count_alert(keyed: tuple[str, Alert]) -> tuple[str, Counts]:
    alert = keyed[1]
    return "", {
        "alerts": {alert.alert_type: 1},
        "severities": {alert.severity: 1},
        "symbols": {alert.symbol: 1},
        "latest": {"alert_ns": alert.ts_ns},
    }


def flow() -> Dataflow:
    """Return the dataflow the environment asks for; `bytewax.run` calls this."""
    from flows.run import dataflow
    from flows.settings import from_process

    return dataflow(from_process())
