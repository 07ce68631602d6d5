"""What tuning found, in words and as a table, and as a config file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from flows.errors import OrderflowError
from flows.scorecard.figures import number, percent, some
from flows.settings import TABLE, Settings, plain
from flows.terminal import columns
from flows.tune.choose import Setting, Tuned
from flows.tune.grid import FIELDS

MOST_ROWS = 12
_COLUMNS = (
    "",
    "a day",
    "sellers",
    "bursts",
    "exits",
    "fall",
    "base",
    "lift",
    "shrunk",
    "size",
    "gap ms",
    "spike",
    "critical",
    "share",
    "volume",
    "exit at",
    "window s",
)


def text(found: Tuned) -> str:
    """Return the answer for a terminal."""
    front = found.front
    if len(front) > MOST_ROWS:  # evenly, with both ends
        last = len(front) - 1
        front = [front[round(i * last / (MOST_ROWS - 1))] for i in range(MOST_ROWS)]
    rows = [_cells("front", setting) for setting in front]
    rows.append(_cells("now", found.current))
    rows.append(_cells("chosen", found.recommended))
    return "\n".join([columns(_COLUMNS, rows, left=1), "", *reading(found)])


def _cells(name: str, setting: Setting) -> tuple[str, ...]:
    tuned, point = setting.tuned, setting.point
    return (
        name,
        number(tuned.alerts_a_day),
        number(tuned.large_sellers_a_day),
        number(tuned.red_bursts_a_day),
        number(tuned.exit_signals_a_day),
        percent(tuned.fall_share),
        percent(tuned.base_share),
        number(tuned.lift, 2),
        number(tuned.shrunk_lift, 2),
        *(f"{getattr(point, field):,g}" for field in FIELDS),
    )


def reading(found: Tuned) -> list[str]:
    """Return what has to be known to read the figures."""
    lines = [
        f"{found.tried:,} settings were tried on {_span(found.tuned_on)} "
        f"({_count(len(found.tuned_on), 'day')}, {_count(len(found.symbols), 'symbol')}: "
        f"{some(found.symbols)}). The table shows those days: with so many tried, its best lifts "
        "are partly luck.",
        "Alerts a day are of all symbols together, resting sellers not among them. "
        f"A fall is {found.fall_bp:g} bp within 5 "
        f"minutes from {found.delay_ms:g} ms after the print, base that of random instants of "
        "the same half hours. Ranked by the lift with 5 more falls on either side (shrunk).",
    ]
    if not found.reported_on:
        return [
            *lines,
            "There is one day only: no day is left to report on, so the lift of the choice is "
            "in-sample and nothing is claimed for it. Give it more days.",
        ]
    days, symbols = len(found.reported_on), found.reported_symbols
    lines.append(
        f"On the later days, {_span(found.reported_on)} ({_count(days, 'day')}, "
        f"{_count(len(symbols), 'symbol')}: {some(symbols)}), which had no part in the choice:"
    )
    if not {*symbols} & {*found.symbols}:
        lines.append("  (no symbol of the days that were tuned on is among them)")
    lines += [_report("chosen", found.recommended), _report("now", found.current)]
    return lines


def _span(days: Sequence[str]) -> str:
    return days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def _report(name: str, setting: Setting) -> str:
    later = setting.later
    if later is None or not later.alerts:
        return f"  {name:<7} no alert"
    interval = "no interval: too few alerts or hours"
    if later.lift_low is not None and later.lift_high is not None:
        interval = f"95 % {later.lift_low:.2f} to {later.lift_high:.2f}"
        if later.lift_low <= 1 <= later.lift_high:
            interval += ", so it may be 1: not shown to be worth anything"
    lift = number(later.lift, 2)
    return f"  {name:<7} {later.alerts_a_day:.1f} alerts a day with lift {lift} ({interval})"


def config_text(found: Tuned, settings: Settings) -> str:
    """Return the recommended settings as a config file, with what a config file said before.

    Args:
        found: What tuning found.
        settings: Those in force; what they have from a config file goes along.
    """
    point = msgspec.structs.asdict(found.recommended.point)
    kept = {
        setting.field: plain(getattr(settings, setting.field))
        for setting in TABLE
        if _from_file(settings.sources.get(setting.field, "default")) and not setting.rule.secret
    }
    head = [
        f"# By orderflow tune: for {found.alerts_a_day:g} alerts a day, {found.tried:,} settings",
        f"# tried on {_span(found.tuned_on)} ({len(found.symbols)} symbols).",
        "# Name this file in ORDER_FLOW_CONFIG and start again to use it.",
    ]
    return "\n".join([*head, *_toml(kept | point)]) + "\n"


def _from_file(source: str) -> bool:
    """Whether a source is a config file: it is named by its file, unlike all others."""
    return bool(Path(source).suffix) and not source.startswith((".env", "--"))


def _toml(values: Mapping[str, Any]) -> list[str]:
    # A JSON text, number, boolean or array of texts is also one of TOML.
    lines = [f"{name} = {msgspec.json.encode(value).decode()}" for name, value in values.items()]
    assert tomllib.loads("\n".join(lines)) == dict(values)  # noqa: S101 - what was just written
    return lines


def check_new(path: Path) -> None:
    """Refuse a config file that is there already, or whose suffix says it is JSON.

    Raises:
        OrderflowError: so it is.
    """
    if path.suffix == ".json":
        raise OrderflowError(f"--write {path}: the file is TOML; give it another suffix.")
    if path.exists():
        raise OrderflowError(f"{path} is there already: name a new file.")


def write_config(path: Path, text: str) -> None:
    """Write a config file that is not there yet.

    Raises:
        OrderflowError: there is such a file, or it cannot be written. A run in progress has read
            its own; this one never writes over it.
    """
    check_new(path)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise OrderflowError(f"{path} is there already: name a new file.") from None
    except OSError as error:
        raise OrderflowError(f"{path} cannot be written: {error.strerror}.") from None
