"""A run at a glance: who was alerted, and the price of the most alerted symbol with its alerts.

Pure functions from alerts (objects as in `alerts.jsonl`) and prices to text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flows.braille import binned, line_chart
from flows.terminal import Paint
from sinks.iso import ns_of

Alert = Mapping[str, Any]
Prices = Sequence[tuple[int, float]]

NEW_YORK = ZoneInfo("America/New_York")
MOST_SYMBOLS = 12
CHART_ROWS = 7
LABEL = 15  # room for the name of an alert type
LONGEST = 110  # columns; a wider strip is harder to read, not easier
CLOCK_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720)  # minutes between clock times

KINDS = {
    "large_seller": ("large seller", "▼"),
    "large_resting_seller": ("resting seller", "▽"),
    "red_burst": ("red burst", "■"),
    "exit_signal": ("exit signal", "✖"),
}
"""Alert types in the order they fire, as people say them, and their marker."""

SOLID, LIGHT = "█", "░"
_STYLES = {"warning": ("yellow",), "critical": ("red", "bold")}


def picture(alerts: Sequence[Alert], prices: Prices, width: int, colour: bool) -> str:
    """Return the table of alerts and, below it, the strip of the most alerted symbol.

    Args:
        alerts: The run's alerts in order.
        prices: (ns since epoch, price) of `most_alerted(alerts)`, sorted by time.
        width: Columns there are.
        colour: Whether escape codes may be used.
    """
    symbol = most_alerted(alerts)
    if symbol is None:
        return "No alerts: nothing on this tape was large enough."
    parts = [alert_table(alerts, width, colour)]
    if prices:
        mine = [alert for alert in alerts if alert["symbol"] == symbol]
        parts.append(price_strip(symbol, mine, prices, width, colour))
    return "\n\n".join(parts)


def most_alerted(alerts: Sequence[Alert]) -> str | None:
    """Return the symbol with the most alerts, of equals the one with more exit signals."""
    alerted = Counter(alert["symbol"] for alert in alerts)
    exits = Counter(a["symbol"] for a in alerts if a["alert_type"] == "exit_signal")
    return min(alerted, key=lambda s: (-alerted[s], -exits[s], s), default=None)


def event_ns(alert: Alert) -> int:
    """Return the event time of an alert line in ns since epoch."""
    return ns_of(alert["timestamp_utc"])


def alert_table(alerts: Sequence[Alert], width: int, colour: bool) -> str:
    """Return one row a symbol, most alerted first, a column a type, and a bar of severities."""
    paint = Paint(colour)
    counts = Counter((a["symbol"], a["alert_type"]) for a in alerts)
    totals = Counter(a["symbol"] for a in alerts)
    critical = Counter(a["symbol"] for a in alerts if a["severity"] == "critical")
    kinds = [kind for kind in KINDS if any(a["alert_type"] == kind for a in alerts)]
    ranked = sorted(totals, key=lambda symbol: (-totals[symbol], symbol))
    shown = ranked[:MOST_SYMBOLS]
    left = max(len(symbol) for symbol in [*shown, "symbol"])

    head = f"{'symbol':<{left}}" + "".join(f"{KINDS[kind][0]:>{LABEL}}" for kind in kinds)
    room = max(width - len(head) - 2, 0)
    legend = f"  {SOLID} critical {LIGHT} warning" if room >= 22 else ""
    lines = [paint(head + legend, "dim")]
    for symbol in shown:
        cells = "".join(f"{counts[symbol, kind] or '·':>{LABEL}}" for kind in kinds)
        bar = _bar(totals[symbol], critical[symbol], totals[ranked[0]], room, paint)
        lines.append(f"{paint(f'{symbol:<{left}}', 'bold')}{cells}  {bar}".rstrip())
    sums = "".join(f"{sum(counts[s, kind] for s in ranked):>{LABEL}}" for kind in kinds)
    more = f"  and {len(ranked) - len(shown)} symbols more" if len(ranked) > len(shown) else ""
    lines.append(paint(f"{'all':<{left}}{sums}{more}", "dim"))
    return "\n".join(lines)


def _bar(total: int, critical: int, most: int, room: int, paint: Paint) -> str:
    """Return a bar of `total` blocks, scaled to fit; critical ones are solid and stand first."""
    unit = min(1.0, room / most)
    blocks = max(round(total * unit), 1) if room else 0
    solid = min(round(critical * unit) or int(critical > 0), blocks)
    return paint(SOLID * solid, *_STYLES["critical"]) + paint(
        LIGHT * (blocks - solid), *_STYLES["warning"]
    )


def price_strip(
    symbol: str, alerts: Sequence[Alert], prices: Prices, width: int, colour: bool
) -> str:
    """Return the price of one symbol over its day, and under it a line of markers a type."""
    paint = Paint(colour)
    start, end = prices[0][0], prices[-1][0]
    columns = max(min(width, LONGEST) - LABEL, 20)
    values = binned(prices, start, end, columns * 2)
    known = [value for value in values if value is not None]
    labels = {0: f"{max(known):.2f}", CHART_ROWS - 1: f"{min(known):.2f}"}

    lines = [_headline(symbol, alerts, prices, paint)]
    for row, text in enumerate(line_chart(values, CHART_ROWS)):
        label = f"{labels.get(row, ''):>{LABEL - 2}} "
        lines.append(paint(f"{label}│", "dim") + paint(text, "cyan"))
    lines.append(paint(" " * (LABEL - 1) + "└" + _clock_axis(start, end, columns), "dim"))
    for kind, (name, mark) in KINDS.items():
        mine = [alert for alert in alerts if alert["alert_type"] == kind]
        if mine:
            lines.append(f"{name:>{LABEL - 1}} " + _marks(mine, mark, start, end, columns, paint))
    return "\n".join(lines)


def _headline(symbol: str, alerts: Sequence[Alert], prices: Prices, paint: Paint) -> str:
    first, last = prices[0][1], prices[-1][1]
    change = (last - first) / first * 100 if first else 0.0
    move = paint(f"{change:+.1f} %", "red" if change < 0 else "green")
    plural = "" if len(alerts) == 1 else "s"
    count = f"{len(alerts)} alert{plural}"
    return f"{paint(symbol, 'bold')}  {first:.2f} to {last:.2f}  {move}  {count}"


def _column(at: int, start: int, end: int, columns: int) -> int:
    return max(0, min((at - start) * columns // max(end - start, 1), columns - 1))


def _marks(
    alerts: Sequence[Alert], mark: str, start: int, end: int, columns: int, paint: Paint
) -> str:
    """Return the markers of one type; where several share a column the critical one shows."""
    worst: dict[int, str] = {}
    for alert in alerts:
        column = _column(event_ns(alert), start, end, columns)
        if worst.get(column) != "critical":
            worst[column] = alert["severity"]
    cells = [
        paint(mark, *_STYLES.get(worst[column], ())) if column in worst else " "
        for column in range(max(worst) + 1)
    ]
    return "".join(cells)


def _clock_axis(start: int, end: int, columns: int) -> str:
    """Return the axis with round New York clock times, as many as there is room for."""
    axis = ["─"] * columns
    minute = 60 * 1_000_000_000
    fit = (end - start) / minute * 10 / columns  # minutes that ten columns stand for
    step = next((s for s in CLOCK_STEPS if s >= fit), CLOCK_STEPS[-1]) * minute
    at = -(-start // step) * step
    while at <= end:
        clock = f"{datetime.fromtimestamp(at // 1_000_000_000, NEW_YORK):%H:%M}"
        column = _column(at, start, end, columns)
        if column + len(clock) < columns:
            axis[column : column + len(clock) + 1] = "┬" + clock
        at += step
    return "".join(axis)
