"""The detectors of the reference: parents, rolling volume, red bursts, exit signals.

Section numbers are those of detectors.md; the letters are the readings listed in reference.py.
One `Detectors` a symbol. It is told the side of every counted print, in order.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from tests.reference_rules import BUY, SELL, UNKNOWN, Print, Rules, alert_id, exact
from tests.reference_tape import MICRO

WARM_UP_MS = 360_000


@dataclass
class Run:
    """A parent order so far (section 4). `fired` is the severity reached."""

    first_ns: int
    last_ms: int
    size: int = 0
    notional: int = 0
    prints: int = 0
    venues: set[int | str] = field(default_factory=set)
    fired: str | None = None
    alert_id: str | None = None

    def add(self, p: Print) -> None:
        self.last_ms = p.ms
        self.size += p.size
        self.notional += p.price * p.size
        self.prints += 1
        self.venues.add(p.trade.exchange)


@dataclass
class Episode:
    """An open red burst: when it first fired, as what, and under which id."""

    first_ms: int
    first_ns: int
    severity: str
    alert_id: str


@dataclass
class Cooldown:
    """The first exit signal of a cooldown and the reasons given since."""

    first_ms: int
    alert_id: str
    reasons: set[str]


@dataclass
class Since:
    """All that a reset throws away (section 2): what is known since the phase began."""

    buckets: dict[int, Counter[int]] = field(default_factory=dict)  # second -> side -> volume
    before: tuple[int, int] | None = None  # newest second and its 5 x A, once it is summed
    warm_from_ms: int | None = None
    seller: Run | None = None
    buyer: Run | None = None
    episode: Episode | None = None


class Detectors:
    """One symbol, counted print after counted print. `alerts` is shared by all symbols."""

    def __init__(self, name: str, rules: Rules, alerts: list[dict[str, Any]]) -> None:
        self.name, self.rules, self.alerts = name, rules, alerts
        self.since = Since()
        self.sellers: list[tuple[int, str]] = []  # (ms, alert id) of each first firing
        self.buyers: list[int] = []
        self.cooldown: Cooldown | None = None
        self.evidence: str | None = None  # of the side of the print at hand
        self.imbalance: float | None = None  # of the book before that print

    def reset(self) -> None:
        """Section 2: a new phase or a reopening. Fired sellers and the cooldown stay."""
        self.since = Since()

    def gap(self) -> None:
        """Section 6: the warm-up starts again at the first counted print after the gap."""
        self.since.warm_from_ms = None

    def out_of_order(self, p: Print) -> None:
        """Section 1: its volume goes to its own second, side unknown."""
        self._add_volume(p, UNKNOWN)
        self.since.before = None  # that second may lie in the five minutes: sum them again

    def counted(
        self, p: Print, side: int, certain: bool, evidence: str | None, quoted: bool
    ) -> tuple[Counter[int], int]:
        """Apply every rule to a counted print; return V by side and 5 x A, itself included.

        `quoted`: the symbol has had a quote in this run, so tick evidence is not accepted.
        """
        self.evidence = evidence
        if self.since.warm_from_ms is None:
            self.since.warm_from_ms = p.ms
        self._add_volume(p, side)
        volume, before = self._window(p.second)
        new_seller = self._large_orders(p, side, certain, quoted)
        critical_burst = self._red_burst(p, volume, before)
        if new_seller or critical_burst:
            self._exit_signal(p, critical_burst, _volumes(volume, before) if critical_burst else {})
        return volume, before

    # Section 4: large sellers.

    def _large_orders(self, p: Print, side: int, certain: bool, quoted: bool) -> bool:
        """Follow the runs; return whether a seller fired for the first time."""
        if certain and side == SELL:
            self.since.buyer = None
            self.since.seller = self._join(self.since.seller, p)
            return self._fire_seller(p, self.since.seller)
        if certain and side == BUY:
            self.since.seller = None
            self.since.buyer = self._join(self.since.buyer, p)
            self._count_buyer(p, self.since.buyer)
        elif side == SELL and self.evidence == "tick" and not quoted:
            return self._fire_seller(p, self._join(None, p))
        return False

    def _join(self, run: Run | None, p: Print) -> Run:
        gap = self.rules.parent_gap_ms
        if run is None or gap == 0 or p.ms - run.last_ms > gap:
            run = Run(first_ns=p.trade.ts_ns, last_ms=p.ms)
        run.add(p)
        return run

    def _reaches(self, run: Run, times: int) -> bool:
        """The size reaches `times` the threshold; adaptive asks for money too."""
        if self.rules.adaptive and run.notional < exact(self.rules.min_notional) * MICRO**2:
            return False
        return run.size >= times * self.rules.parent_threshold(self.name)

    def _count_buyer(self, p: Print, run: Run) -> None:
        if run.fired is None and self._reaches(run, 1):
            run.fired = "counted"
            self.buyers.append(p.ms)

    def _fire_seller(self, p: Print, run: Run) -> bool:
        first = run.fired is None
        if run.fired != "critical" and self._reaches(run, 2):
            severity = "critical"
        elif first and self._reaches(run, 1):
            severity = "warning"
        else:
            return False
        escalates, run.fired = run.alert_id, severity
        run.alert_id = self._id(p, "large_seller", severity)
        if first:
            self.sellers.append((p.ms, run.alert_id))
        self._alert(
            p,
            "large_seller",
            severity,
            self.rules.parent_threshold(self.name) / MICRO,
            order_size=run.size / MICRO,
            notional=float(Fraction(run.notional, MICRO**2)),
            vwap=float(Fraction(run.notional, run.size * MICRO)),
            prints=run.prints,
            venues=len(run.venues),
            escalates=escalates,
            first_ns=run.first_ns,
        )
        return first

    # Section 6: rolling volume and red burst.

    def _add_volume(self, p: Print, side: int) -> None:
        self.since.buckets.setdefault(p.second, Counter())[side] += p.size

    def _window(self, s: int) -> tuple[Counter[int], int]:
        """Return V by side (buckets s-59 .. s) and 5 x A (buckets s-359 .. s-60)."""
        volume: Counter[int] = Counter()
        for second in range(s - 59, s + 1):
            for side, size in self.since.buckets.get(second, {}).items():
                volume[side] += size
        if self.since.before is None or self.since.before[0] != s:
            self._forget_seconds_before(s - 359)
            buckets = self.since.buckets
            before = sum(buckets[old].total() for old in buckets if old <= s - 60)
            self.since.before = s, before
        return volume, self.since.before[1]

    def _forget_seconds_before(self, oldest: int) -> None:
        for second in [old for old in self.since.buckets if old < oldest]:
            del self.since.buckets[second]

    def _red_burst(self, p: Print, volume: Counter[int], before: int) -> str | None:
        """Return the id of the alert by which a burst turned critical on this print, if any."""
        warm_from = self.since.warm_from_ms
        if before == 0 or warm_from is None or p.ms - warm_from < WARM_UP_MS:
            return None
        ratio = Fraction(5 * volume.total(), before)
        self._end_episode(p, ratio)
        if not self._is_red(volume, before, ratio):
            return None
        episode = self.since.episode
        critical = ratio >= exact(self.rules.red_burst_threshold)
        if episode and not (critical and episode.severity == "warning"):
            return None
        return self._fire_burst(p, "critical" if critical else "warning", volume, before)

    def _end_episode(self, p: Print, ratio: Fraction) -> None:
        episode = self.since.episode
        calm = min(Fraction(2), exact(self.rules.volume_spike_threshold) * Fraction(2, 3))
        if episode and ratio < calm and p.ms - episode.first_ms >= self.rules.alert_window_ms:
            self.since.episode = None

    def _is_red(self, volume: Counter[int], before: int, ratio: Fraction) -> bool:
        rules, signed = self.rules, volume[SELL] + volume[BUY]
        return (
            ratio >= exact(rules.volume_spike_threshold)
            and volume.total() >= exact(rules.min_burst_volume) * MICRO
            and 2 * signed >= volume.total()
            and volume[SELL] > exact(rules.sell_share) * signed
            and not (rules.adaptive and before < 5 * 1_000 * MICRO)
        )

    def _fire_burst(self, p: Print, severity: str, volume: Counter[int], before: int) -> str | None:
        episode = self.since.episode
        fired = self._id(p, "red_burst", severity)
        first_ns = episode.first_ns if episode else p.trade.ts_ns
        self._alert(
            p,
            "red_burst",
            severity,
            exact(self.rules.volume_spike_threshold),
            **_volumes(volume, before),
            escalates=episode.alert_id if episode else None,
            first_ns=first_ns,
        )
        first_ms = episode.first_ms if episode else p.ms
        self.since.episode = Episode(first_ms, first_ns, severity, fired)
        return fired if severity == "critical" else None

    # Section 7: the exit signal.

    def _exit_signal(self, p: Print, critical_burst: str | None, volumes: dict[str, float]) -> None:
        recent = [fired for ms, fired in self.sellers if self._in_window(p, ms)]
        evidence: dict[str, list[str]] = {}
        if len(recent) >= self.rules.exit_sellers:
            evidence["large_sellers"] = recent
        if critical_burst:
            evidence["red_burst"] = [critical_burst]
        if self.cooldown and not self._in_window(p, self.cooldown.first_ms):
            self.cooldown = None
        given = self.cooldown.reasons if self.cooldown else set()
        reasons = sorted(set(evidence) - given)
        if not reasons:
            return
        sellers = self.rules.exit_sellers
        self._alert(
            p,
            "exit_signal",
            "critical",
            exact(sellers if "large_sellers" in reasons else self.rules.red_burst_threshold),
            **(volumes if "red_burst" in reasons else {}),
            reasons=reasons,
            evidence=[fired for reason in reasons for fired in evidence[reason]],
            escalates=self.cooldown.alert_id if self.cooldown else None,
            valid_until_ms=int(p.ms + self.rules.alert_window_ms),
        )
        if self.cooldown is None:
            self.cooldown = Cooldown(p.ms, self._id(p, "exit_signal", "critical"), set())
        self.cooldown.reasons |= set(reasons)

    def _in_window(self, p: Print, ms: int) -> bool:
        return p.ms - ms <= self.rules.alert_window_ms

    def resting(self, said: dict[str, Any]) -> None:
        """Append the alert of a level of the book (section 5); it counts toward nothing."""
        window = self.rules.alert_window_ms
        self.alerts.append(
            {
                "symbol": self.name,
                "alert_type": "large_resting_seller",
                "mode": self.rules.detection_mode,
                "vwap": None,
                "prints": None,
                "venues": None,
                "side_evidence": None,
                "volume_1m": None,
                "avg_volume_1m": None,
                "ratio": None,
                "sell_share": None,
                "large_sells": sum(said["ts_ms"] - ms <= window for ms, _ in self.sellers),
                "large_buys": sum(said["ts_ms"] - ms <= window for ms in self.buyers),
                "threshold": float(exact(self.rules.large_order_size)),
                "reasons": [],
                "evidence": [],
                "valid_until_ms": None,
                **said,
            }
        )

    # Alerts.

    def _id(self, p: Print, alert_type: str, severity: str) -> str:
        mode = self.rules.detection_mode
        return alert_id(self.name, alert_type, severity, p.ms, p.key, mode)

    def _alert(
        self, p: Print, alert_type: str, severity: str, threshold: Fraction, **said: Any
    ) -> None:
        """Append an alert; a field its type does not speak of is None, or empty for a list."""
        alert: dict[str, Any] = {
            "alert_id": self._id(p, alert_type, severity),
            "symbol": self.name,
            "alert_type": alert_type,
            "severity": severity,
            "ts_ms": p.ms,
            "mode": self.rules.detection_mode,
            "order_size": None,
            "price": p.price / MICRO,
            "vwap": None,
            "notional": None,
            "prints": None,
            "venues": None,
            "side_evidence": self.evidence,
            "volume_1m": None,
            "avg_volume_1m": None,
            "ratio": None,
            "sell_share": None,
            "large_sells": sum(self._in_window(p, ms) for ms, _ in self.sellers),
            "large_buys": sum(self._in_window(p, ms) for ms in self.buyers),
            "threshold": float(threshold),
            "reasons": [],
            "evidence": [],
            "escalates": None,
            "valid_until_ms": None,
            "first_ns": p.trade.ts_ns,
            "book_imbalance": self.imbalance,
        }
        self.alerts.append({**alert, **said})


def _volumes(volume: Counter[int], before: int) -> dict[str, float]:
    """Return what an alert says of V and A at a print where the ratio is defined."""
    return {
        "volume_1m": volume.total() / MICRO,
        "avg_volume_1m": float(Fraction(before, 5 * MICRO)),
        "ratio": float(Fraction(5 * volume.total(), before)),
        "sell_share": float(Fraction(volume[SELL], volume[SELL] + volume[BUY])),
    }
