"""The operators of the dataflow called one after the other, for who has no use for Bytewax."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from flows.orderflow import Rules
from operators.aggressor import Aggressor
from operators.eligibility import Eligibility
from operators.exit_signal import Alerts, SymbolAlerts
from operators.firings import firings
from operators.large_orders import LargeOrders
from operators.market_context import MarketContext
from operators.nbbo import Nbbo, Prints
from operators.own_sizes import OwnLargeOrders
from operators.records import Alert
from operators.red_burst import RedBurst
from operators.resting_orders import RestingOrders
from operators.rolling_volume import RollingVolume
from operators.shards import Splitter
from operators.state import Snapshot
from operators.ticks import Ticks
from operators.usual_volume import UsualVolume
from operators.volume_delta import VolumeDelta

Watch = Callable[[Prints], None]


def parent_operators(
    rules: Rules, saved: Sequence[Snapshot | None] = (None, None)
) -> list[Callable[[Prints], Prints]]:
    """Return what finds large parents, and in adaptive mode the usual volume: of one shard."""
    if rules.adaptive is None:
        return [LargeOrders(rules.parents, saved[0])]
    learned = rules.adaptive.learned
    return [
        OwnLargeOrders(rules.adaptive.parents, learned.sizes, saved[0]),
        UsualVolume(rules.sessions, learned.volumes, saved[1]),
    ]


class Pipeline:
    """Ticks in, alerts out: the flow without its feed, its outputs and its recovery.

    Args:
        rules: Of every operator.
        watch: Shown each chunk of prints with all its columns.
    """

    def __init__(self, rules: Rules, watch: Watch | None = None) -> None:
        self._rules, self._watch = rules, watch
        self._resting = RestingOrders(rules.resting)
        self._nbbo, self._splitter = Nbbo(), Splitter()
        self._context = MarketContext(rules.context) if rules.context is not None else None
        self._shards: dict[str, list[Callable[[Any], Any]]] = {}
        self._alerts: dict[str, Alerts] = {}

    def _operators(self, shard: str) -> list[Callable[[Any], Any]]:
        rules = self._rules
        if shard not in self._shards:
            self._shards[shard] = [
                Eligibility(rules.eligibility),
                Aggressor(rules.side),
                RollingVolume(),
                *parent_operators(rules),
                RedBurst(rules.bursts),
                *([VolumeDelta()] if rules.context is not None else []),
            ]
        return self._shards[shard]

    def __call__(self, ticks: Ticks) -> list[Alert]:
        """Return the alerts of a chunk."""
        out: list[Alert] = []
        ticks = self._resting(ticks)
        if self._context is not None:
            ticks = self._context(ticks)
        for shard, part in self._splitter.split(self._nbbo(ticks)):
            chunk: Any = part
            for operator in self._operators(shard):
                chunk = operator(chunk)
            if self._watch is not None:
                self._watch(chunk)
            for symbol, firing in firings(chunk, self._rules.sessions):
                if symbol not in self._alerts:
                    self._alerts[symbol] = Alerts(self._rules.alerts, SymbolAlerts())
                out += self._alerts[symbol].on_print(firing)
        return out
