"""The scorecard of all real stock tapes: as fast as promised, and what the README says of it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from flows.scorecard.figures import FOCUS_S, cells
from flows.scorecard.judge import Judged, Terms
from flows.scorecard.log import ALL, Score
from flows.scorecard.report import report
from flows.scorecard.run import score_tapes
from flows.settings import Settings

pytestmark = pytest.mark.real_data

README = Path(__file__).parents[3] / "README.md"
MOST_SECONDS = 60.0


@pytest.fixture(scope="module")
def judged(real_data: Path) -> tuple[Judged, float]:
    """Judge every tape; return what came out, and the processor's seconds with the report."""
    started = time.process_time()
    found = score_tapes(Settings(), (str(real_data),), Terms())
    report(found)
    return found, time.process_time() - started


def test_all_tapes_take_less_than_a_minute(judged: tuple[Judged, float]) -> None:
    found, seconds = judged
    assert found.card.trades > 750_000
    assert seconds < MOST_SECONDS


def test_the_readme_tells_what_was_found(judged: tuple[Judged, float]) -> None:
    card, text = judged[0].card, README.read_text(encoding="utf-8")
    rows = [r for r in card.scores if r.symbol == ALL and r.horizon_s == FOCUS_S]
    missing = [line for row in rows if (line := f"| {' | '.join(readme_cells(row))} |") not in text]
    assert missing == []
    assert (
        f"{card.hypotheses} moves were tested, {card.below_5_percent} have p < 0.05 "
        f"(chance gives {card.chance_below_5_percent:.0f}) and {card.discoveries} remain"
    ) in text


def readme_cells(row: Score) -> tuple[str, ...]:
    """Return a row as the README has it: without the stop-loss and the symbol."""
    name, _, alerts, a_day, move, interval, q, fall, base, lift, recall, chance, *rest = cells(row)
    lead, profit, profit_base, over_hold, over_hold_base, _ = rest
    return (
        name, alerts, a_day, f"{move} {interval}", q, f"{fall} / {base}", lift,
        f"{recall} / {chance}", lead, f"{profit} / {profit_base}",
        f"{over_hold} / {over_hold_base}",
    )  # fmt: skip
