"""Exit signals, and the alerts they stand on (detectors.md sections 4, 6, 7 and 9).

From here on one record at a time: a few a minute. This is the only place with a cooldown, and
the only one that remembers alert ids.
"""

from __future__ import annotations

import base64
import hashlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import bytewax.operators as op
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream, StatefulLogic

from operators.records import (
    BURST_CRITICAL,
    LARGE_BUYER,
    SELLER_CRITICAL,
    Alert,
    Firing,
    Parent,
    Resting,
)
from operators.state import check_version
from operators.ticks import MS

VERSION = 1  # of SymbolAlerts as saved
WARNING, CRITICAL = "warning", "critical"
RESTING_SELLER = "large_resting_seller"
LARGE_SELLERS, RED_BURST = "large_sellers", "red_burst"

_ID_LETTERS = 26  # 130 bits, of which a digest of 128 leaves the first two empty
_CROCKFORD = bytes.maketrans(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", b"0123456789ABCDEFGHJKMNPQRSTVWXYZ"
)


def never_short(_: str) -> bool:
    """Return that a symbol is not held short: what a replay takes for granted."""
    return False


@dataclass(frozen=True, slots=True)
class AlertRules:
    """What alerts say and when they become an exit signal.

    Sizes in shares, `spike` and `critical` are ratios, `window_ms` is the alert window.
    `is_short` says whether a symbol is held short now: selling is no reason to leave that.
    """

    feed: str
    mode: str
    large_order_size: float
    spike: float
    critical: float
    exit_sellers: int
    window_ms: int
    is_short: Callable[[str], bool] = never_short


@dataclass(slots=True)
class SymbolAlerts:
    """What is remembered of one symbol; never reset. Bounded by the alert window.

    `parents`: fired parents of the window, oldest first, as (ms, alert id; empty for a buyer).
    `seller`: number and first alert id of the newest fired seller. `signal_*`: the cooldown.
    """

    parents: deque[tuple[int, str]] = field(default_factory=deque)
    seller: tuple[int, str] = (0, "")
    burst_id: str = ""
    signal_ms: int | None = None
    signal_id: str = ""
    signal_reasons: frozenset[str] = frozenset()


def alert_id(
    symbol: str, alert_type: str, severity: str, ms: int, trade_key: str, mode: str
) -> str:
    """Return the 26-character id of an alert: the same wherever its print came from."""
    text = f"{symbol}|{alert_type}|{severity}|{ms}|{trade_key}|{mode}"
    digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
    letters = base64.b32encode(digest.rjust(20, b"\0")).translate(_CROCKFORD)
    return letters[-_ID_LETTERS:].decode()


def money(price: float) -> str:
    """Return a price with at least two decimals, and no more than it needs."""
    text = f"{price:.6f}".rstrip("0")
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals:0<2}"


def shares(size: float) -> str:
    """Return a size with thousands separators, and decimals only where it has them."""
    return f"{size:,.6f}".rstrip("0").rstrip(".")


class Alerts:
    """Turn the firings of one symbol into alerts and exit signals."""

    def __init__(self, rules: AlertRules, state: SymbolAlerts) -> None:
        self._rules = rules
        self.state = state

    def on_print(self, firing: Firing) -> list[Alert]:
        """Return the alerts of one print, in the order large seller, red burst, exit signal."""
        ms = firing.ts_ns // MS
        state = self.state
        while state.parents and ms - state.parents[0][0] > self._rules.window_ms:
            state.parents.popleft()
        if firing.resting is not None:
            return [self._on_resting(firing, firing.resting)]
        out: list[Alert] = []
        fired_first = False
        if firing.parent is not None:
            fired_first = self._on_parent(firing, firing.parent, ms, out)
        if firing.burst:
            self._on_burst(firing, out)
        if fired_first or firing.burst == BURST_CRITICAL:
            self._on_exit(firing, ms, out)
        return out

    def _alert(self, firing: Firing, alert_type: str, severity: str, **said: object) -> Alert:
        mode = self._rules.mode
        ms = firing.ts_ns // MS
        fields: dict[str, object] = {
            "alert_id": alert_id(firing.symbol, alert_type, severity, ms, firing.trade_key, mode),
            "symbol": firing.symbol,
            "alert_type": alert_type,
            "severity": severity,
            "ts_ns": firing.ts_ns,
            "received_ns": firing.received_ns,
            "feed": self._rules.feed,
            "mode": mode,
            "session": firing.session,
            "price_level": firing.price,
            "bid": firing.bid,
            "ask": firing.ask,
            "quote_age_ms": firing.quote_age_ms,
            "side_evidence": firing.side_evidence,
            "late": firing.late,
            "cvd": firing.cvd,
            "ofi_60s": firing.ofi_60s,
            "market_wide": firing.market_wide,
            "book_imbalance": firing.imbalance,
            "large_sells": sum(1 for _, seller in self.state.parents if seller),
            "large_buys": sum(1 for _, seller in self.state.parents if not seller),
        }
        return Alert(**{**fields, **said})  # type: ignore[arg-type]

    def _on_resting(self, firing: Firing, resting: Resting) -> Alert:
        """Alert on a level of the book; it may be withdrawn, so it counts toward nothing."""
        first = (firing.symbol, RESTING_SELLER, WARNING, resting.first_ns // MS)
        escalates = alert_id(*first, firing.trade_key, self._rules.mode)
        return self._alert(
            firing,
            RESTING_SELLER,
            CRITICAL if resting.kind == SELLER_CRITICAL else WARNING,
            order_size=resting.size,
            notional=round(resting.size * firing.price, 2),
            threshold=self._rules.large_order_size,
            escalates=escalates if resting.escalates else None,
            first_ns=resting.first_ns,
            message=f"Large seller detected: {firing.symbol} {shares(resting.size)} resting @ "
            f"{money(firing.price)}",
        )

    def _on_parent(self, firing: Firing, parent: Parent, ms: int, out: list[Alert]) -> bool:
        """Note a large parent; alert on a seller. Return whether a seller fired first here."""
        state = self.state
        if parent.kind == LARGE_BUYER:
            state.parents.append((ms, ""))
            return False
        severity = CRITICAL if parent.kind == SELLER_CRITICAL else WARNING
        escalates = None
        if parent.kind == SELLER_CRITICAL and state.seller[0] == parent.number:
            escalates = state.seller[1]
        else:
            new_id = alert_id(
                firing.symbol, "large_seller", severity, ms, firing.trade_key, self._rules.mode
            )
            if parent.number > 0:
                state.seller = (parent.number, new_id)
            state.parents.append((ms, new_id))
        plural = "print" if parent.prints == 1 else "prints"
        venues = "venue" if parent.venues == 1 else "venues"
        out.append(
            self._alert(
                firing,
                "large_seller",
                severity,
                order_size=parent.size,
                notional=parent.notional,
                vwap=parent.vwap,
                prints=parent.prints,
                venues=parent.venues,
                threshold=(
                    self._rules.large_order_size if parent.threshold is None else parent.threshold
                ),
                percentile=parent.percentile,
                escalates=escalates,
                first_ns=parent.first_ns,
                message=f"Large seller detected: {firing.symbol} {shares(parent.size)} @ "
                f"{money(firing.price)} ({parent.prints} {plural}, {parent.venues} {venues})",
            )
        )
        return escalates is None

    def _volume_facts(self, firing: Firing) -> dict[str, object]:
        return {
            "volume_ratio": firing.volume_ratio,
            "volume_1m": firing.volume_1m,
            "avg_volume_1m": firing.avg_volume_1m,
            "sell_share": firing.sell_share,
            "baseline": firing.baseline,
        }

    def _burst_text(self, firing: Firing) -> str:
        if firing.baseline is None:
            ratio = f"{firing.volume_ratio:.1f}x the 5-minute average"
        else:
            ratio = f"{(firing.volume_1m or 0) / firing.baseline:.1f}x the usual volume"
        return f"{ratio}, {firing.sell_share:.0%} sells"

    def _on_burst(self, firing: Firing, out: list[Alert]) -> None:
        critical = firing.burst == BURST_CRITICAL
        alert = self._alert(
            firing,
            "red_burst",
            CRITICAL if critical else WARNING,
            **self._volume_facts(firing),
            threshold=self._rules.spike,
            escalates=self.state.burst_id if firing.burst_escalates else None,
            first_ns=firing.burst_first_ns,
            message=f"Red burst detected: {firing.symbol} {shares(firing.volume_1m or 0)} shares "
            f"in 60 s, {self._burst_text(firing)}",
        )
        self.state.burst_id = alert.alert_id
        out.append(alert)

    def _reasons(self, firing: Firing, ms: int) -> frozenset[str]:
        """Return the reasons for an exit that hold now and are new in this cooldown."""
        state = self.state
        reasons = set()
        if sum(1 for _, seller in state.parents if seller) >= self._rules.exit_sellers:
            reasons.add(LARGE_SELLERS)
        if firing.burst == BURST_CRITICAL:
            reasons.add(RED_BURST)
        if state.signal_ms is None or ms - state.signal_ms > self._rules.window_ms:
            state.signal_ms = None
            state.signal_reasons = frozenset()
        return frozenset(reasons) - state.signal_reasons

    def _on_exit(self, firing: Firing, ms: int, out: list[Alert]) -> None:
        state, rules = self.state, self._rules
        if rules.is_short(firing.symbol):
            return  # before the cooldown: it must not hold back a signal once the symbol is long
        reasons = self._reasons(firing, ms)
        if not reasons:
            return
        sellers = [seller for _, seller in state.parents if seller]
        because, evidence = [], []
        said: dict[str, object] = {"threshold": rules.critical}
        if LARGE_SELLERS in reasons:
            because.append(f"{len(sellers)} large sellers in {rules.window_ms // 1000} s")
            evidence += sellers
            said["threshold"] = float(rules.exit_sellers)
        if RED_BURST in reasons:
            because.append(f"red burst {self._burst_text(firing)}")
            evidence.append(state.burst_id)
            said |= self._volume_facts(firing)
        signal = self._alert(
            firing,
            "exit_signal",
            CRITICAL,
            **said,
            reasons=tuple(sorted(reasons)),
            evidence=tuple(evidence),
            escalates=state.signal_id if state.signal_ms is not None else None,
            valid_until_ns=(ms + rules.window_ms) * MS,
            first_ns=firing.ts_ns,
            message=f"Exit signal triggered: {firing.symbol} {' and '.join(because)}",
        )
        if state.signal_ms is None:
            state.signal_ms, state.signal_id = ms, signal.alert_id
        state.signal_reasons |= reasons
        out.append(signal)


class SavedAlerts(NamedTuple):
    """The state of one symbol as saved."""

    version: int
    state: SymbolAlerts


class _Symbol(StatefulLogic[Firing, Alert, SavedAlerts]):
    def __init__(self, rules: AlertRules, saved: SavedAlerts | None) -> None:
        if saved is not None:
            check_version(getattr(saved, "version", 0), VERSION)
        self._logic = Alerts(rules, saved.state if saved is not None else SymbolAlerts())

    def on_item(self, value: Firing) -> tuple[list[Alert], bool]:
        said = self._logic.on_print(value)
        return [] if value.warming else said, StatefulLogic.RETAIN

    def snapshot(self) -> SavedAlerts:
        state = self._logic.state
        return SavedAlerts(VERSION, replace(state, parents=deque(state.parents)))


@operator
def alerts(step_id: str, up: KeyedStream[Firing], rules: AlertRules) -> KeyedStream[Alert]:
    """Say what fired, and when it is time to leave.

    Args:
        step_id: Name of the step, and the key of its saved state.
        up: `(symbol, firing)` in event order per symbol.
        rules: Thresholds, and what each alert names.

    Returns:
        `(symbol, alert)`: the alerts of each print, its exit signal last; none of a print from
        before the run, which only feeds the state.

    Source:
        detectors.md sections 4, 6 and 7.
    """
    return op.stateful("alerts", up, lambda saved: _Symbol(rules, saved))
