"""A small market in which a lot is sold: one tape for every way through the flow."""

from __future__ import annotations

import random

from flows.settings import Settings
from tests.operators.random_tapes import BOOKS, CONDITIONS
from tests.reference import run
from tests.reference_cases import ns
from tests.reference_rules import Rules
from tests.reference_tape import Event, Quote, Trade

SYMBOLS = ("AAPL", "BRK.B", "IBM", "MSFT", "X")
RULES = Rules(
    large_order_size=1_000,
    min_burst_volume=500,
    alert_window_seconds=30,
    volume_spike_threshold="1.5",
    red_burst_threshold="3.0",
)
SETTINGS = Settings(
    large_order_size=1_000,
    min_burst_volume=500,
    alert_window_seconds=30,
    volume_spike_threshold=1.5,
    red_burst_threshold=3.0,
)
ENVIRONMENT = {
    "ORDER_FLOW_LARGE_ORDER_SIZE": "1000",
    "ORDER_FLOW_MIN_BURST_VOLUME": "500",
    "ORDER_FLOW_ALERT_WINDOW_SECONDS": "30",
    "ORDER_FLOW_VOLUME_SPIKE_THRESHOLD": "1.5",
    "ORDER_FLOW_RED_BURST_THRESHOLD": "3.0",
}


def _day(symbol: str, rng: random.Random) -> list[Event]:
    """Quiet trading, then waves of selling with quiet between them; 17 minutes."""
    out: list[Event] = []
    ms, number = float(rng.randrange(2_000)), 10**12 * (1 + SYMBOLS.index(symbol))
    while ms < 1_000_000:
        wave = ms > 380_000 and int(ms / 100_000) % 3 == 0
        ms += (
            rng.choice((2, 4_000))
            if rng.random() < 0.1
            else rng.expovariate(wave / 250 or 1 / 3_000)
        )
        if rng.random() < 0.4:
            bid, ask = rng.choice(BOOKS)
            out.append(Quote(symbol, ns(ms), max(bid, 0.0), ask if ask < 1e7 else 0.0))
        if rng.random() < 0.05:
            number -= 1  # reported twice
        number += 1
        price = 10.1 if rng.random() < (0.2 if wave else 0.55) else 10.0
        size = rng.choice((1.0, 100.0, 250.5, 600.0, 1_200.0)) * (3 if wave else 1)
        out.append(
            Trade(
                symbol,
                ns(ms),
                price if rng.random() > 0.01 else 0.0,
                size,
                rng.choice(CONDITIONS) if rng.random() < 0.1 else (),
                rng.randint(1, 20),
                202 if rng.random() < 0.3 else 0,
                str(number),
                ns(ms) - rng.choice((0, 400, 1_700)) * 10**6,
            )
        )
    return out


def market(seed: int = 7) -> list[Event]:
    """Return the events of all symbols by time, trades first; the last one raises an alert."""
    rng = random.Random(seed)
    events = [event for symbol in SYMBOLS for event in _day(symbol, rng)]
    events.sort(key=lambda event: (event.ts_ns, isinstance(event, Quote)))  # type: ignore[union-attr]
    end: list[Event] = [
        Quote("X", ns(1_100_000), 10.0, 10.1),
        Trade("X", ns(1_100_001), 10.0, 5_000.0, (), 4, 0, "99", ns(1_100_001)),
    ]
    return [*events, *end]


def expected_ids(events: list[Event]) -> dict[str, list[str]]:
    """Return the alert ids of each symbol, in order, by the slow reference."""
    ids: dict[str, list[str]] = {}
    for alert in run(events, RULES).alerts:
        ids.setdefault(alert["symbol"], []).append(alert["alert_id"])
    return ids
