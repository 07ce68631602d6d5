"""The operators without Bytewax: what they cost when nothing has to be read or moved."""

from __future__ import annotations

import contextlib
import time

from benchmarks.sides import Answer, Timed
from flows.feeds.tape import TapeFeed
from flows.feeds.tape_files import open_tapes
from flows.orderflow import Rules
from operators.aggressor import Aggressor
from operators.eligibility import Eligibility
from operators.exit_signal import Alerts, SymbolAlerts
from operators.firings import firings
from operators.large_orders import LargeOrders
from operators.nbbo import Nbbo, Prints
from operators.records import Alert
from operators.red_burst import RedBurst
from operators.rolling_volume import RollingVolume
from operators.ticks import Splitter, Ticks


class Pipeline:
    """All operators of the flow, called one after the other."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._splitter = Splitter()
        self._shards: dict[str, list[object]] = {}
        self._alerts: dict[str, Alerts] = {}

    def _operators(self, shard: str) -> list[object]:
        rules = self._rules
        if shard not in self._shards:
            self._shards[shard] = [
                Nbbo(),
                Eligibility(rules.eligibility),
                Aggressor(rules.side),
                RollingVolume(),
                LargeOrders(rules.parents),
                RedBurst(rules.bursts),
            ]
        return self._shards[shard]

    def __call__(self, ticks: Ticks) -> list[Alert]:
        """Return the alerts of a chunk."""
        out: list[Alert] = []
        for shard, part in self._splitter.split(ticks):
            chunk: object = part
            for operator in self._operators(shard):
                chunk = operator(chunk)  # type: ignore[operator]
            assert isinstance(chunk, Prints)
            for symbol, firing in firings(chunk, self._rules.sessions):
                if symbol not in self._alerts:
                    self._alerts[symbol] = Alerts(self._rules.alerts, SymbolAlerts())
                out += self._alerts[symbol].on_print(firing)
        return out


def columns(trades: str, quotes: str) -> list[Ticks]:
    """Read a tape into memory, in the chunks the flow would get."""
    part = TapeFeed(open_tapes([trades, quotes])).build_part("bare", "tape", None)
    held: list[Ticks] = []
    with contextlib.suppress(StopIteration):  # how a source ends
        while True:
            held += part.next_batch()
    part.close()
    return held


def kernel_pass(trades: str, quotes: str, rules: Rules) -> Timed:
    """Return a pass of all operators over a tape held in memory."""
    held = columns(trades, quotes)

    def run() -> Answer:
        pipeline = Pipeline(rules)
        started = time.perf_counter()
        alerts = sum(len(pipeline(ticks)) for ticks in held)
        return {"seconds": time.perf_counter() - started, "alerts": alerts}

    return run
