"""The verdict on planted truth as text and as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from flows.simulate.catalogue import DETECTORS, TALES
from flows.simulate.verdict import Tally, Told, Verdict
from flows.terminal import columns

NOTHING = "·"
_TALLY = (
    "mode",
    "alert",
    "difficulty",
    "planted",
    "found",
    "recall",
    "right",
    "wrong",
    "background",
    "precision",
)


def _share(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.3f}"


def verdict_text(verdicts: Sequence[Verdict]) -> str:
    """Return the tables: detectors by difficulty, then story by story."""
    rows = [_cells(tally) for verdict in verdicts for tally in verdict.tallies]
    parts = [columns(_TALLY, rows, left=3)]
    for verdict in verdicts:
        rows = [_story_cells(told) for told in verdict.stories]
        table = columns(
            ("story", "difficulty", "what is true", "planted", *DETECTORS), rows, left=3
        )
        parts.append(f"Stories with an alert, mode {verdict.mode}\n{table}")
    return "\n\n".join(parts)


def _story_cells(told: Told) -> tuple[str, ...]:
    return (
        told.story,
        told.difficulty,
        " ".join(told.truth) or "nothing",
        f"{told.planted:,}",
        *(f"{told.fired[kind]:,}" for kind in DETECTORS),
    )


def _cells(tally: Tally) -> tuple[str, ...]:
    return (
        tally.mode,
        tally.alert_type,
        tally.difficulty,
        f"{tally.planted:,}",
        f"{tally.found:,}",
        _share(tally.recall),
        f"{tally.right:,}",
        f"{tally.wrong:,}",
        f"{tally.background:,}",
        _share(tally.precision),
    )


def plain(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict as JSON can hold it, recall and precision worked out."""
    return {
        "mode": verdict.mode,
        "tallies": [
            msgspec.to_builtins(tally) | {"recall": tally.recall, "precision": tally.precision}
            for tally in verdict.tallies
        ],
        "stories": msgspec.to_builtins(verdict.stories),
    }


def catalogue_text() -> str:
    """Return every story with its difficulty, what is true of it, and what happens."""
    rows = [
        (tale.name, tale.difficulty, " ".join(tale.truth) or "decoy", tale.about) for tale in TALES
    ]
    return columns(("story", "difficulty", "what is true", "what happens"), rows, left=4)
