"""Tuning on all real stock tapes: what the README says of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.scorecard.judge import Terms
from flows.settings import Settings
from flows.tune.grid import grid_of
from flows.tune.run import Wanted, tune
from flows.tune.show import text

pytestmark = pytest.mark.real_data

README = Path(__file__).parents[3] / "README.md"


def test_the_readme_shows_what_was_found(real_data: Path) -> None:
    settings = Settings()
    wanted = Wanted((str(real_data),), grid_of(settings), 10.0, Terms())
    shown = README.read_text(encoding="utf-8")
    missing = [line for line in text(tune(settings, wanted)[0]).splitlines() if line not in shown]
    assert missing == []
