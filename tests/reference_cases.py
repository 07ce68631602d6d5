"""Builders of the hand-worked cases: prints, quotes, and what came of them.

Times are ms after 09:30:00 New York on Tuesday 2024-01-02.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from tests.reference import Quote, Result, Row, Rules, Trade, run
from tests.reference_tape import Event

DAY = date(2024, 1, 2)
OPEN_MS = 1_704_205_800_000
WARM = 360_000  # the first ms at which a burst can fire after a first print at 0


def ns(ms: float) -> int:
    return OPEN_MS * 1_000_000 + round(ms * 1_000_000)


def sell(ms: float, size: float, **more: Any) -> Trade:
    return Trade("X", ns(ms), 10.00, size, **more)


def buy(ms: float, size: float) -> Trade:
    return Trade("X", ns(ms), 10.10, size)


def mid(ms: float, size: float) -> Trade:
    return Trade("X", ns(ms), 10.05, size)


def quoted(*events: Event) -> list[Event]:
    """Put the 10.00 / 10.10 book before every print."""
    out: list[Event] = []
    for event in events:
        if isinstance(event, Trade):
            out.append(Quote(event.symbol, event.ts_ns, 10.00, 10.10))
        out.append(event)
    return out


def fired(result: Result) -> list[tuple[int, str, str]]:
    return [(a["ts_ms"] - OPEN_MS, a["alert_type"], a["severity"]) for a in result.alerts]


def seller(ms: int, severity: str = "warning") -> tuple[int, str, str]:
    return ms, "large_seller", severity


def burst(ms: int, severity: str = "warning") -> tuple[int, str, str]:
    return ms, "red_burst", severity


def exit_at(ms: int) -> tuple[int, str, str]:
    return ms, "exit_signal", "critical"


def at(ms: float, price: float | None = 10.0, size: float | None = 100, **more: Any) -> Trade:
    return Trade("X", ns(ms), price, size, **more)


def clock(text: str, day: date = DAY, **more: Any) -> Trade:
    """A print at a New York clock time."""
    moment = datetime.combine(day, time.fromisoformat(text), ZoneInfo("America/New_York"))
    since_epoch = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return Trade("X", int(since_epoch.total_seconds()) * 10**9, 10.0, 100, **more)


def rows(*events: Event, **rules: Any) -> list[Row]:
    return run(events, Rules(**rules), rows=True).rows


def verdicts(*events: Event, **rules: Any) -> list[str]:
    return [row.verdict for row in rows(*events, **rules)]
