"""Figures of the scorecard as words: shared by the table of the terminal and the report's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from flows.picture import KINDS
from flows.scorecard.judge import Scorecard
from flows.scorecard.log import ALL, Score
from flows.scorecard.splits import Split
from flows.scorecard.study import HORIZONS_S
from flows.terminal import columns

NOTHING = "·"
FOCUS_S = 300
MOST_SYMBOLS = 30


def name(kind: str) -> str:
    """Return an alert type or rival as people say it."""
    return KINDS[kind][0] if kind in KINDS else kind.replace("_", " ")


def number(value: float | None, digits: int = 1, sign: bool = False) -> str:
    """Return a figure, or a dot where there is none."""
    if value is None:
        return NOTHING
    value = round(value, digits) + 0.0  # no minus before a nought
    return f"{value:{'+' if sign else ''},.{digits}f}"


def percent(value: float | None) -> str:
    """Return a share as whole percents."""
    return NOTHING if value is None else f"{100 * value:.0f}%"


def interval(row: Score | Split) -> str:
    """Return `[low, high]` of the abnormal move."""
    if row.low_bp is None or row.high_bp is None:
        return NOTHING
    return f"[{row.low_bp:+.1f}, {row.high_bp:+.1f}]"


def probability(value: float | None) -> str:
    """Return a p- or q-value."""
    return NOTHING if value is None else f"{value:.3f}"


def some(symbols: Sequence[str]) -> str:
    """Return symbols as a list that stays short."""
    more = f" and {len(symbols) - 20:,} more" if len(symbols) > 20 else ""
    return ", ".join(symbols[:20]) + more


COLUMNS = (
    "alert",
    "symbol",
    "alerts",
    "a day",
    "5 min bp",
    "95 %",
    "q",
    "fall",
    "base",
    "lift",
    "recall",
    "chance",
    "lead s",
    "profit",
    "base",
    "over hold",
    "base",
    "over stop",
)


def cells(row: Score) -> tuple[str, ...]:
    """Return one row of the table."""
    return (
        name(row.alert_type),
        "all" if row.symbol == ALL else row.symbol,
        f"{row.alerts:,}",
        number(row.alerts_a_day),
        number(row.abnormal_bp, sign=True),
        interval(row),
        probability(row.q),
        percent(row.fall_share),
        percent(row.base_share),
        number(row.lift, 2),
        percent(row.recall),
        percent(row.covered),
        number(row.lead_s, 0),
        percent(row.profitable),
        percent(row.profitable_base),
        number(row.over_hold_bp, sign=True),
        number(row.over_hold_base_bp, sign=True),
        number(row.over_stop_bp, sign=True),
    )


HORIZON_COLUMNS = (
    "alert",
    "symbol",
    *(
        column
        for text in ("10 s", "1 min", "5 min", "15 min")
        for column in (text, "net", "abnormal", "95 %", "q")
    ),
)


def horizon_cells(rows: Sequence[Score]) -> tuple[str, ...]:
    """Return the moves of one kind and symbol at every horizon, in one row."""
    by_horizon = {row.horizon_s: row for row in rows}
    out = list(cells(rows[0])[:2])
    for horizon in HORIZONS_S:
        row = by_horizon[horizon]
        out += [
            number(row.move_bp, sign=True),
            number(row.net_bp, sign=True),
            number(row.abnormal_bp, sign=True),
            interval(row),
            probability(row.q),
        ]
    return tuple(out)


SPLIT_COLUMNS = (
    "alert",
    "split by",
    "value",
    "alerts",
    "5 min bp",
    "95 %",
    "q",
    "fall",
    "base",
    "lift",
)


def split_cells(row: Split) -> tuple[str, ...]:
    """Return one row of the table of splits."""
    return (
        name(row.alert_type),
        row.by,
        row.value,
        f"{row.alerts:,}",
        number(row.abnormal_bp, sign=True),
        interval(row),
        probability(row.q),
        percent(row.fall_share),
        percent(row.base_share),
        number(row.lift, 2),
    )


def split_reading(card: Scorecard) -> str:
    """Return what has to be known to read the splits."""
    tested = [row for row in card.splits if row.p is not None]
    low = sum(row.p < 0.05 for row in tested if row.p is not None)
    found = sum(row.q is not None and row.q < 0.05 for row in tested)
    return (
        "Splits of all symbols' alerts by what surrounded them, looked at after the fact: "
        f"{len(tested)} tests of their own, {low} with p < 0.05 where chance gives "
        f"{0.05 * len(tested):.0f}, {found} with q < 0.05. Groups are compared with their "
        "controls, not with each other; alerts of which nothing was known are in no group."
    )


def most_alerted(card: Scorecard) -> list[str]:
    """Return the symbols there is room for: those with the most alerts of ours."""
    alerts = Counter[str]()
    for row in card.scores:
        if not row.rival and row.symbol != ALL:
            alerts[row.symbol] += row.alerts
    return sorted(sorted(card.symbols, key=lambda s: (-alerts[s], s))[:MOST_SYMBOLS])


def shown(card: Scorecard) -> list[Score]:
    """Return the rows worth a look at five minutes: ours by symbol, the rivals' in all."""
    several, symbols = len(card.symbols) > 1, {*most_alerted(card)}
    return [
        row
        for row in card.scores
        if row.horizon_s == FOCUS_S
        and (
            row.symbol == ALL
            or not several
            or (row.alerts and not row.rival and row.symbol in symbols)
        )
    ]


def reading(card: Scorecard) -> list[str]:
    """Return what has to be known to read the figures."""
    terms = card.terms
    blocks = sorted({row.block for row in card.scores if row.low_bp is not None})
    days = len(card.days)
    lines = [
        f"Judged from {terms.delay_ms:g} ms after the print; mode {card.mode}, sessions "
        f"{card.sessions}; {card.trades:,} trades and {card.quotes:,} quotes of {days} "
        f"day{'s' if days != 1 else ''}.",
        f"Moves in basis points of the mid, less the market's where SPY is on the tapes and less "
        f"{terms.controls} random instants of the same symbol, day and half hour. "
        "Below zero: the price fell, as the alert says.",
        f"A fall is {terms.fall_bp:g} bp within 5 minutes; chance is the recall of blind alarms "
        "that cover as much time. Exits are judged after 15 minutes; the stop-loss stands "
        f"{terms.fall_bp:g} bp below.",
    ]
    if card.days_with_books:
        lines.append(
            f"Resting sellers are judged on the {card.days_with_books:,} of {card.symbol_days:,} "
            "symbol-days that have order books."
        )
    else:
        lines.append("Resting sellers are not judged: these tapes have no order books.")
    if blocks:
        lines.append(
            f"Intervals: 95 %, block bootstrap by {' or '.join(blocks)}"
            + (": too few days to draw days." if "hour" in blocks else ".")
        )
    lines.append(
        f"{card.hypotheses} hypotheses: {card.below_5_percent} have p < 0.05, where chance alone "
        f"gives {card.chance_below_5_percent:.0f}; {card.discoveries} remain after "
        "Benjamini and Hochberg (q < 0.05)."
    )
    if card.held_out:
        lines.append(
            "Nothing was fitted to these days. Symbols with several days are shown earlier half "
            "against later half in the JSON and the report."
        )
    else:
        lines.append("Nothing was fitted to these days; no symbol has a second day to hold out.")
    if len(card.symbols) > MOST_SYMBOLS:
        lines.append(
            f"The {MOST_SYMBOLS} most alerted of {len(card.symbols):,} symbols are shown; the "
            "JSON and the history have all."
        )
    if card.unjudged:
        lines.append(f"Without a counted print, not judged: {some(card.unjudged)}.")
    return lines


def table(card: Scorecard) -> str:
    """Return the scorecard for a terminal."""
    scores = columns(COLUMNS, [cells(row) for row in shown(card)], left=2)
    split = [split_cells(row) for row in card.splits if row.alerts]
    splits = columns(SPLIT_COLUMNS, split, left=3)
    return "\n".join([scores, "", *reading(card), "", splits, "", split_reading(card)])
