"""The operators in a row, without Bytewax, and what they say in the words of the reference."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import pytest

from flows.orderflow import Rules as OperatorRules
from flows.orderflow import rules_of
from flows.settings import Settings
from operators.aggressor import Aggressor
from operators.eligibility import Eligibility
from operators.exit_signal import Alerts, SymbolAlerts
from operators.firings import firings
from operators.large_orders import LargeOrders
from operators.nbbo import EVERY, Nbbo, Prints
from operators.records import Alert
from operators.red_burst import RedBurst
from operators.resting_orders import RestingOrders
from operators.rolling_volume import RollingVolume
from operators.sessions import NEW_YORK
from operators.shards import Splitter
from operators.state import Snapshot
from operators.ticks import MS, Ticks
from operators.verdicts import GAP_MARK, VERDICTS
from tests.make import Tape
from tests.reference import Result
from tests.reference_rules import Rules
from tests.reference_tape import Event, Gap

Saved = tuple[dict[str, list[Snapshot]], dict[str, SymbolAlerts], Counter[str]]


def operator_rules(rules: Rules) -> OperatorRules:
    """Return the operators' rules for the reference's, through the settings."""
    settings = Settings(
        large_order_size=int(str(rules.large_order_size)),
        parent_gap_ms=rules.parent_gap_ms,
        volume_spike_threshold=float(rules.volume_spike_threshold),
        red_burst_threshold=float(rules.red_burst_threshold),
        sell_share=float(rules.sell_share),
        min_burst_volume=int(str(rules.min_burst_volume)),
        alert_window_seconds=int(str(rules.alert_window_seconds)),
        exit_sellers=rules.exit_sellers,
        side_rule=rules.side_rule,
        quote_max_age_seconds=int(str(rules.quote_max_age_seconds)),
        late_print_ms=rules.late_print_ms,
        sessions=rules.sessions,
        book_levels=rules.book_levels,
    )
    return rules_of(settings, "replay")


class _Shard:
    def __init__(self, rules: OperatorRules, saved: Sequence[Snapshot | None]) -> None:
        judge, signer, volume, parents, bursts = saved
        self.steps: list[Any] = [
            Eligibility(rules.eligibility, judge),
            Aggressor(rules.side, signer),
            RollingVolume(volume),
            LargeOrders(rules.parents, parents),
            RedBurst(rules.bursts, bursts),
        ]

    def __call__(self, chunk: Prints) -> Prints:
        out: Any = chunk
        for step in self.steps:
            out = step(out)
        assert isinstance(out, Prints)
        return out


@dataclass
class Engine:
    """Operators of every shard and the cool half, fed chunk by chunk.

    Args:
        rules: The reference's rules.
        saved: What `snapshot` returned, to go on from.
        names: Symbols in the order the feed names them.
        watch: Is shown every chunk of prints behind the operators.
    """

    rules: Rules
    saved: Saved = field(default_factory=lambda: ({}, {}, Counter()))
    names: Iterable[str] = ()
    alerts: list[Alert] = field(default_factory=list)
    verdicts: Counter[tuple[str, date, str]] = field(default_factory=Counter)
    watch: Callable[[Prints], None] = lambda _: None

    def __post_init__(self) -> None:
        self._rules = operator_rules(self.rules)
        self._saved_shards, self._symbols, rows = self.saved
        self.tape = Tape(self.names, rows)
        resting, quotes = self._saved_shards.pop(EVERY, [None, None])
        self._resting = RestingOrders(self._rules.resting, resting)
        self._nbbo = Nbbo(quotes)
        self._splitter = Splitter()
        self._shards: dict[str, _Shard] = {}
        self._zone = UTC if self.rules.sessions == "all" else NEW_YORK

    def feed(self, *events: Event) -> None:
        """Process events as one chunk."""
        marks: list[Event] = []
        for event in events:
            if isinstance(event, Gap) and event.symbol == "*":
                marks += [Gap(name, event.from_ns, event.to_ns) for name in self.tape.names]
            else:
                self.tape.code(event.symbol)
                marks.append(event)
        self.feed_ticks(self.tape.ticks(*marks))

    def feed_ticks(self, ticks: Ticks) -> None:
        """Process one chunk of a feed."""
        for shard, chunk in self._splitter.split(self._nbbo(self._resting(ticks))):
            if shard not in self._shards:
                saved = self._saved_shards.pop(shard, [None] * 5)
                self._shards[shard] = _Shard(self._rules, saved)
            out = self._shards[shard](chunk)
            self.watch(out)
            self._count(out)
            for symbol, firing in firings(out, self._rules.sessions):
                state = self._symbols.setdefault(symbol, SymbolAlerts())
                self.alerts += Alerts(self._rules.alerts, state).on_print(firing)

    def _count(self, chunk: Prints) -> None:
        days = {
            second: datetime.fromtimestamp(second, self._zone).date()
            for second in set((chunk.rows["ts_ns"] // (3_600_000 * MS) * 3_600).tolist())
        }
        rows = chunk.rows
        hours = (rows["ts_ns"] // (3_600_000 * MS) * 3_600).tolist()
        for code, hour, verdict in zip(
            rows["symbol"].tolist(), hours, chunk.verdict.tolist(), strict=True
        ):
            if verdict != GAP_MARK:
                self.verdicts[chunk.names[code], days[hour], VERDICTS[verdict]] += 1

    def snapshot(self) -> Saved:
        """Return the whole state, as pickling leaves it."""
        shards = {k: [step.snapshot() for step in s.steps] for k, s in self._shards.items()}
        quotes = {EVERY: [self._resting.snapshot(), self._nbbo.snapshot()]}
        state = ({**self._saved_shards, **quotes, **shards}, self._symbols, self.tape.rows)
        copied: Saved = pickle.loads(pickle.dumps(state))  # noqa: S301 (our own bytes)
        return copied

    def by_symbol(self) -> dict[str, list[Alert]]:
        """Return the alerts of each symbol, in order."""
        return grouped(self.alerts, lambda alert: alert.symbol)


def grouped(alerts: Iterable[Any], key: Any) -> dict[str, list[Any]]:
    """Return alerts by symbol; only within a symbol is there an order."""
    out: dict[str, list[Any]] = {}
    for alert in alerts:
        out.setdefault(key(alert), []).append(alert)
    return out


def said(alert: Alert) -> dict[str, Any]:
    """Return an alert in the fields of the reference."""
    return {
        "alert_id": alert.alert_id,
        "symbol": alert.symbol,
        "alert_type": alert.alert_type,
        "severity": alert.severity,
        "ts_ms": alert.ts_ns // MS,
        "mode": alert.mode,
        "order_size": alert.order_size,
        "price": alert.price_level,
        "vwap": alert.vwap,
        "notional": alert.notional,
        "prints": alert.prints,
        "venues": alert.venues,
        "side_evidence": alert.side_evidence,
        "volume_1m": alert.volume_1m,
        "avg_volume_1m": alert.avg_volume_1m,
        "ratio": alert.volume_ratio,
        "sell_share": alert.sell_share,
        "large_sells": alert.large_sells,
        "large_buys": alert.large_buys,
        "threshold": alert.threshold,
        "reasons": list(alert.reasons),
        "evidence": list(alert.evidence),
        "escalates": alert.escalates,
        "valid_until_ms": None if alert.valid_until_ns is None else alert.valid_until_ns // MS,
        "first_ns": alert.first_ns,
        "book_imbalance": alert.book_imbalance,
    }


def expected(alert: dict[str, Any]) -> dict[str, Any]:
    """Return an alert of the reference; money that is only shown is rounded by the operators."""
    shown = {"vwap": 2e-6, "notional": 0.006, "avg_volume_1m": 1e-9}
    return alert | {
        name: pytest.approx(alert[name], rel=1e-9, abs=tolerance)
        for name, tolerance in shown.items()
        if alert[name] is not None
    }


def assert_agree(engine: Engine, result: Result) -> None:
    """Compare alerts, in order per symbol, verdicts by day and rejects by code."""
    theirs = grouped([expected(alert) for alert in result.alerts], lambda alert: alert["symbol"])
    assert {s: [said(a) for a in alerts] for s, alerts in engine.by_symbol().items()} == theirs
    counted = {k: n for k, n in result.verdicts.items() if k[2] != "rejected"}
    assert dict(engine.verdicts) == counted
    assert engine.tape.rejected == result.rejects
