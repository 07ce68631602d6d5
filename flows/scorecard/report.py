"""The scorecard as one HTML file: nothing to fetch, and fit for paper."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path

import numpy as np

from flows.scorecard.curves import Curve, curve, paths
from flows.scorecard.figures import (
    COLUMNS,
    HORIZON_COLUMNS,
    SPLIT_COLUMNS,
    cells,
    horizon_cells,
    most_alerted,
    name,
    number,
    reading,
    shown,
    some,
    split_cells,
    split_reading,
)
from flows.scorecard.judge import ALERT_TYPES, Judged, Scorecard
from flows.scorecard.log import ALL, Score
from flows.scorecard.measures import Measures
from flows.scorecard.recorded import SymbolDay
from flows.scorecard.rivals import RIVALS
from flows.scorecard.surface import FEWEST, drawn
from flows.scorecard.svg import BOTTOM, TOP, Plot, ticks
from operators.sessions import ENDLESS, NEW_YORK
from operators.ticks import Array

FEWEST_DRAWN = 5
MOST_DAYS = 40
POINTS = 700
LANE = 13.0
MINUTES = ((-300, "-5 min"), (0, "alert"), (300, "+5"), (600, "+10"), (900, "+15"))


def report(judged: Judged) -> str:
    """Return the page."""
    card = judged.card
    days = f"{card.days[0]} to {card.days[-1]}" if len(card.days) > 1 else card.days[0]
    css = Path(__file__).with_name("report.css").read_text(encoding="utf-8")
    body = [
        f"<h1>What the alerts were worth</h1><p>{escape(some(card.symbols))} · {days}</p>",
        f'<p class="verdict">{escape(verdict(card))}</p>',
        "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in reading(card)) + "</ul>",
        "<h2>Five minutes after</h2>",
        _table(COLUMNS, shown(card), [cells(row) for row in shown(card)]),
        _rivals(),
        "<h2>The price around an alert</h2><p>Mean move since the moment one could have acted, "
        "less the market's and the controls', in basis points. The band is pointwise, 95 %; "
        "a curve without one has too few blocks.</p>",
        '<div class="charts">' + "".join(_curves(judged)) + "</div>",
        _surfaces(judged),
        "<h2>Every horizon</h2>",
        _horizons(card),
        _held_out(card),
        _splits(card),
        "<h2>Alerts over the price</h2>",
        *_days(judged),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="icon" href="data:,">'
        f"<title>Scorecard {escape(days)}</title><style>\n{css}</style></head>\n<body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def verdict(card: Scorecard) -> str:
    """Return what the figures allow to be said, in a sentence."""
    found = [row for row in card.scores if row.q is not None and row.q < 0.05]
    if not card.hypotheses:
        return "Too few alerts to say anything: no row has enough events and blocks for a test."
    if not found:
        return (
            f"None of {card.hypotheses} tested moves differs from its controls once so many are "
            "tested: on these days no kind of alert has been shown to be worth anything."
        )
    named = sorted({f"{name(row.alert_type)} on {_symbol(row)} ({_went(row)})" for row in found})
    return f"Moves that differ from their controls after correction: {'; '.join(named)}."


def _went(row: Score) -> str:
    return "fell" if (row.abnormal_bp or 0.0) < 0 else "rose"


def _symbol(row: Score) -> str:
    return "all symbols" if row.symbol == ALL else row.symbol


def _table(
    head: Sequence[str], rows: Sequence[Score], texts: Sequence[Sequence[str]], style: str = ""
) -> str:
    lines, before = [], ""
    for row, text in zip(rows, texts, strict=True):
        marks = ["all"] if row.symbol == ALL else []
        marks += ["first"] if row.alert_type != before else []
        before = row.alert_type
        lines.append(f'<tr class="{" ".join(marks)}">{_cells("td", text)}</tr>')
    return (
        f'<div class="wide"><table class="{style}"><thead><tr>{_cells("th", head)}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _cells(tag: str, texts: Iterable[str]) -> str:
    return "".join(f"<{tag}>{escape(text)}</{tag}>" for text in texts)


def _horizons(card: Scorecard) -> str:
    wanted = {(row.alert_type, row.symbol) for row in shown(card) if row.alerts}
    groups = [
        list(rows)
        for key, rows in itertools.groupby(card.scores, lambda row: (row.alert_type, row.symbol))
        if key in wanted
    ]
    texts = [horizon_cells(rows) for rows in groups]
    return _table(HORIZON_COLUMNS, [rows[0] for rows in groups], texts, "horizons")


def _held_out(card: Scorecard) -> str:
    if not card.held_out:
        return ""
    symbols = most_alerted(card)
    rows = [
        (
            name(held.alert_type),
            held.symbol,
            f"{held.earlier_days} ({held.earlier_alerts})",
            number(held.earlier_bp, sign=True),
            f"{held.later_days} ({held.later_alerts})",
            number(held.later_bp, sign=True),
        )
        for held in card.held_out
        if held.symbol in symbols
    ]
    head = ("alert", "symbol", "earlier days (alerts)", "5 min bp", "later days (alerts)", "bp")
    body = "".join(f"<tr>{_cells('td', row)}</tr>" for row in rows)
    return (
        "<h2>Earlier days against later days</h2><p>What the earlier half of a symbol's days "
        "would have promised, and what the later half kept.</p>"
        f'<div class="wide"><table><thead><tr>{_cells("th", head)}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _surfaces(judged: Judged) -> str:
    """Return a drawing a kind of alert, of what other thresholds would have given."""
    if not judged.surfaces:
        return ""
    tried = sum(len(one.xs) * len(one.ys) for one in judged.surfaces)
    figures = []
    for one in judged.surfaces:
        title = f"{name(one.kind)}: lift and alerts a symbol-day"
        figures.append(
            f"<figure><h3>{escape(name(one.kind))} <small>lift, alerts a symbol-day</small></h3>"
            f"{drawn(one, title)}</figure>"
        )
    return (
        '<section class="together"><h2>Other thresholds</h2>'
        "<p>What each kind would have given on these very days with two "
        "of its thresholds changed and all others as they are; outlined, what is in force. Red "
        "cells have a lift above 1, blue ones below; white ones fewer than "
        f"{FEWEST} alerts. {tried} settings side by side: the deepest red is partly luck, so "
        "this is a look, not a choice. <code>orderflow tune</code> chooses on earlier days and "
        f'reports on later ones.</p><div class="surfaces">{"".join(figures)}</div></section>'
    )


def _curves(judged: Judged) -> Iterable[str]:
    """Yield a chart for each of our kinds in all and by symbol, and for each rival in all."""
    card, several = judged.card, len(judged.card.symbols) > 1
    symbols = most_alerted(card)
    for kind in (*ALERT_TYPES, *RIVALS):
        mine = [m for m in judged.measured if m.events.kind == kind]
        found = [paths(m.events) for m in mine]
        by_symbol = kind in ALERT_TYPES or not several
        for symbol in [*([ALL] if several else []), *(symbols if by_symbol else ())]:
            chosen = [i for i, m in enumerate(mine) if symbol in (ALL, m.events.day.symbol)]
            if sum(len(found[i]) for i in chosen) >= FEWEST_DRAWN:
                title = f"{name(kind)}, {'all symbols' if symbol == ALL else symbol}"
                chart = curve(
                    [mine[i] for i in chosen], [found[i] for i in chosen], card.terms.seed
                )
                yield _curve(title, chart)


def _curve(title: str, found: Curve) -> str:
    drawn = np.concatenate([found.mean, found.low, found.high, [0.0]])
    drawn = drawn[np.isfinite(drawn)]
    low, high = float(drawn.min()), float(drawn.max())
    room = max(high - low, 1e-6) * 0.06
    plot = Plot(330, 170, (-300.0, 900.0), (low - room, high + room))
    plot.axes([(float(s), text) for s, text in MINUTES], ticks(low, high))
    seconds = found.offsets_s.tolist()
    plot.band(seconds, found.low.tolist(), found.high.tolist())
    plot.rule(y=0.0)
    plot.rule(x=0.0)
    plot.line(seconds, found.mean.tolist(), "mean")
    return (
        f"<figure><h3>{escape(title)} <small>{found.events:,} alerts</small></h3>"
        f"{plot.svg(f'{title}: mean abnormal move, basis points')}</figure>"
    )


def _days(judged: Judged) -> Iterable[str]:
    """Yield the timelines of the symbol-days with the most alerts, in order of time."""
    alerts = Counter[int]()
    for part in judged.measured:
        alerts[id(part.events.day)] += len(part.events) * (part.events.kind in ALERT_TYPES)
    ranked = sorted(judged.days, key=lambda day: -alerts[id(day)])
    drawn = {id(day) for day in ranked[:MOST_DAYS]}
    for day in judged.days:
        if id(day) in drawn:
            yield _day(day, judged.measured, judged.card.sessions)
    if len(ranked) > MOST_DAYS:
        yield f"<p>The {MOST_DAYS} of {len(ranked):,} symbol-days with the most alerts.</p>"


def _day(day: SymbolDay, measured: Sequence[Measures], sessions: str) -> str:
    """Return the price of a symbol-day with a lane of strokes for each kind below it."""
    lanes = [m for m in measured if m.events.day is day and len(m.events)]
    seconds, prices = _thin(day)
    if len(seconds) == 0:
        return ""
    low, high = min(prices), max(prices)
    height = TOP + 150 + LANE * len(lanes) + BOTTOM
    inner = Plot(1000, TOP + 150 + BOTTOM, (seconds[0], seconds[-1] or 1.0), (low, high))
    plot = Plot(1000, height, inner.x, (low, high))
    zone = UTC if sessions == ENDLESS else NEW_YORK
    inner.axes([], ticks(low, high, 4), ".2f")
    inner.line(seconds, prices, "price")
    for i, lane in enumerate(lanes):
        top = TOP + 150 + 8 + i * LANE
        style = "rival" if lane.events.kind in RIVALS else "ours"
        inner.strokes(_since(day, lane.events.ns).tolist(), top, 9, style)
        inner.text(44, top + 8, _short(lane.events.kind), "lane")
    plot.parts = inner.parts
    plot.axes(_clock(day, zone), [])
    counts = ", ".join(f"{len(m.events):,} {name(m.events.kind)}" for m in lanes)
    title = f"{day.symbol} {day.day.isoformat()}"
    return (
        f'<figure class="day"><h3>{escape(title)} <small>{escape(counts or "no alert")}'
        f"</small></h3>{plot.svg(f'{title}: price and alerts')}</figure>"
    )


def _short(kind: str) -> str:
    """Return the word of a name that tells it from the others."""
    words = [w for w in name(kind).split() if w not in ("large", "signal", "minute", "raw")]
    return " ".join(words)


def _since(day: SymbolDay, ns: Array) -> Array:
    seconds: Array = (ns - day.from_ns) / 1e9
    return seconds


def _thin(day: SymbolDay) -> tuple[list[float], list[float]]:
    """Return the mid at so many equal steps of the day, in seconds from its start."""
    looks = np.linspace(day.from_ns, day.until_ns, POINTS).astype(np.int64)
    mid = day.at(looks)
    known = np.isfinite(mid)
    return _since(day, looks[known]).tolist(), mid[known].tolist()


def _clock(day: SymbolDay, zone: object) -> list[tuple[float, str]]:
    """Return the full hours of a day, in seconds from its start."""
    hour = 3_600_000_000_000
    first = -(-day.from_ns // hour) * hour
    hours = range(first, day.until_ns + 1, hour)
    every = 3 if len(hours) > 12 else 1
    return [
        (
            (ns - day.from_ns) / 1e9,
            f"{datetime.fromtimestamp(ns // 1_000_000_000, zone):%H:%M}",  # type: ignore[arg-type]
        )
        for ns in hours[::every]
    ]


def _splits(card: Scorecard) -> str:
    lines = [f"<tr>{_cells('td', split_cells(row))}</tr>" for row in card.splits if row.alerts]
    return (
        f"<h2>What surrounded them</h2><p>{escape(split_reading(card))}</p>"
        f'<div class="wide"><table><thead><tr>{_cells("th", SPLIT_COLUMNS)}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _rivals() -> str:
    lines = "".join(
        f"<li>{escape(name(kind))}: {escape(what)}</li>" for kind, what in RIVALS.items()
    )
    return (
        "<p>The last rows are rivals: simple alarms on the same tape, none fitted. An alert that "
        f"does not beat them is not worth its code.</p><ul>{lines}</ul>"
    )
