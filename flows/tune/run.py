"""One tuning from tapes to files: replay, count, choose, lines and rows of the history."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from flows.errors import OrderflowError
from flows.history import catch_up
from flows.places import HISTORY, TUNES
from flows.progress import bar
from flows.run import say
from flows.scorecard.judge import Terms
from flows.settings import Settings
from flows.tune.choose import Setting, Tuned, tuned
from flows.tune.days import observe
from flows.tune.grid import Grid, current
from flows.tune.log import TuneLine, tune_line
from flows.tune.study import Counted, count
from flows.warm_up import warm_up
from sinks.appendfile import LogError
from sinks.appendlog import AppendLog
from sinks.iso import iso_utc

if TYPE_CHECKING:  # it is loaded only when a bar is wanted
    from rich.progress import Task


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked: tapes, grid, target, and how alerts are judged."""

    tapes: tuple[str, ...]
    grid: Grid
    alerts_a_day: float
    terms: Terms


def tune(settings: Settings, wanted: Wanted, progress: bool = False) -> tuple[Tuned, Counted]:
    """Replay the tapes once, count every point, and choose.

    Raises:
        TapeError: a file cannot be read.
        OrderflowError: not fixed mode, captures, or nothing on the tapes counts.
    """
    if settings.detection_mode != "fixed":
        raise OrderflowError(
            "tune looks for the thresholds of fixed mode; in adaptive mode they follow the symbol."
        )
    warm_up(say)
    terms = wanted.terms
    observed = observe(settings, wanted.tapes, wanted.grid.lowest(), terms, progress)
    done = [0]

    def step() -> None:
        done[0] += 1

    def look(_: Task) -> dict[str, Any]:
        return {"completed": done[0]}

    points = sorted(wanted.grid.points())
    with bar("trying settings", "", look, progress, total=len(points)):
        counted = count(observed, points, step)
    about: dict[str, Any] = {
        "fall_bp": terms.fall_bp,
        "delay_ms": terms.delay_ms,
        "sessions": settings.sessions,
    }
    own = current(settings)
    found = tuned(observed, counted, wanted.grid, own, wanted.alerts_a_day, about, terms.seed)
    return found, counted


def lines_of(found: Tuned, counted: Counted, tune_id: str) -> Iterator[TuneLine]:
    """Yield every point that was tried, on the days that were tuned on."""
    days = [date.fromisoformat(day).toordinal() for day in found.tuned_on]
    same: dict[str, Any] = {
        "tune_id": tune_id,
        "target_a_day": found.alerts_a_day,
        "tried": found.tried,
        "symbols": len(found.symbols),
        "sessions": found.sessions,
        "delay_ms": found.delay_ms,
        "fall_bp": found.fall_bp,
        "first_day": found.tuned_on[0],
        "last_day": found.tuned_on[-1],
        "later_first_day": found.reported_on[0] if found.reported_on else None,
        "later_last_day": found.reported_on[-1] if found.reported_on else None,
    }
    best = {setting.point for setting in found.front}
    own, chosen = found.current, found.recommended
    for i, point in enumerate(counted.points):
        named = own if point == own.point else chosen if point == chosen.point else None
        yield TuneLine(
            **msgspec.structs.asdict(point),
            **msgspec.structs.asdict(counted.figures(i, days)),
            on_front=point in best,
            current=point == own.point,
            recommended=point == chosen.point,
            **_later(named),
            **same,
        )


def _later(setting: Setting | None) -> dict[str, Any]:
    later = setting.later if setting is not None else None
    names = ("alerts_a_day", "alerts", "lift", "lift_low", "lift_high")
    return {f"later_{name}": getattr(later, name) if later is not None else None for name in names}


def write(found: Tuned, counted: Counted, root: Path) -> Path:
    """Write lines and history below `root`, which may hold a history already; return the history.

    Raises:
        OrderflowError: it cannot be written, or the history is held by somebody.
    """
    now = iso_utc(time.time_ns()).replace(":", "").replace("-", "")
    try:
        root.mkdir(parents=True, exist_ok=True)
        log = AppendLog(root / TUNES, tune_line, sync_each_batch=False)
        log.write(list(lines_of(found, counted, f"{now}-{os.getpid()}")))
        log.close()
    except (OSError, LogError) as error:
        raise OrderflowError(f"{root} cannot be written: {error}") from None
    catch_up(root)
    return root / HISTORY
