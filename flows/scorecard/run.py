"""One scorecard from tapes to files: lines and rows of the history, and the report."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from flows.errors import OrderflowError
from flows.feeds.capture import CaptureFeed
from flows.history import catch_up
from flows.learned import is_adaptive
from flows.places import HISTORY, SCORES
from flows.progress import shown
from flows.run import TapeFiles, say, tape_feed
from flows.scorecard.judge import Judged, Scorecard, Terms, judge
from flows.scorecard.log import ScoreLine, score_line
from flows.scorecard.recorded import record
from flows.scorecard.report import report
from flows.settings import Settings
from flows.tune.condense import Condenser
from flows.tune.surface import grid_around, surfaces
from flows.warm_up import warm_up
from sinks.appendfile import LogError
from sinks.appendlog import AppendLog
from sinks.iso import iso_utc

REPORT = "scorecard.html"


class Written(NamedTuple):
    """Where a scorecard lies."""

    report: Path
    history: Path


def score_tapes(
    settings: Settings, tapes: tuple[str, ...], terms: Terms, progress: bool = False
) -> Judged:
    """Replay tapes and judge what they raise.

    Raises:
        TapeError: a file cannot be read.
        OrderflowError: captures, or nothing on the tapes counts.
    """
    settings = msgspec.structs.replace(settings, context=True)  # what it splits alerts by
    feed = tape_feed(settings, TapeFiles(tapes), "tape", None)
    if isinstance(feed, CaptureFeed):
        raise OrderflowError("the scorecard reads tapes of trades and quotes, not raw captures.")
    warm_up(say, adaptive=is_adaptive(settings))
    condenser = Condenser(grid_around(settings).lowest())
    with shown(feed.progress, progress):
        recorded = record(feed, settings, condenser)
    judged = judge(recorded, settings, terms)
    if settings.detection_mode != "fixed":  # the other mode has no thresholds to vary
        return judged
    found = surfaces(condenser.condensed(), recorded.days, settings, terms)
    return replace(judged, surfaces=found)


def lines_of(card: Scorecard, scorecard_id: str) -> list[ScoreLine]:
    """Return the rows of a scorecard as the log has them."""
    same: dict[str, Any] = {
        "scorecard_id": scorecard_id,
        "mode": card.mode,
        "sessions": card.sessions,
        "delay_ms": card.terms.delay_ms,
        "controls": card.terms.controls,
        "seed": card.terms.seed,
        "first_day": card.days[0],
        "last_day": card.days[-1],
        "hypotheses": card.hypotheses,
    }
    return [ScoreLine(**msgspec.structs.asdict(row), **same) for row in card.scores]


def write(judged: Judged, root: Path) -> Written:
    """Write report, lines and history below `root`, which may hold a history already.

    Raises:
        OrderflowError: it cannot be written, or the history is held by somebody.
    """
    now = iso_utc(time.time_ns()).replace(":", "").replace("-", "")
    try:
        root.mkdir(parents=True, exist_ok=True)
        beside = root / f".{REPORT}.{os.getpid()}"
        beside.write_text(report(judged), encoding="utf-8")
        beside.replace(root / REPORT)
        log = AppendLog(root / SCORES, score_line, sync_each_batch=False)
        log.write(lines_of(judged.card, f"{now}-{os.getpid()}"))
        log.close()
    except (OSError, LogError) as error:
        raise OrderflowError(f"{root} cannot be written: {error}") from None
    catch_up(root)
    return Written(root / REPORT, root / HISTORY)
