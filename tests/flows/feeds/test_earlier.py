"""A run that was killed before it saved anything, as the next one finds it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flows.feeds.earlier import Earlier, earlier_run
from sinks.iso import iso_utc

S = 10**9
TEN = 1_795_187_000 * S


def noted(
    root: Path,
    *records: tuple[str, int, int, int],
    written_s: int | None = None,
    symbols: str = "*",
) -> None:
    """Cause, from and to (event seconds) and emission (wall seconds) of each gap."""
    lines = [
        json.dumps(
            {
                "event": "coverage",
                "symbol": symbol,
                "cause": cause,
                "from_utc": iso_utc(TEN + from_s * S),
                "to_utc": iso_utc(TEN + to_s * S),
                "refilled": True,
                "emitted_utc": iso_utc(TEN + emitted_s * S),
            }
        )
        for cause, from_s, to_s, emitted_s in records
        for symbol in symbols
    ]
    (root / "coverage.jsonl").write_text("".join(f"{line}\n" for line in lines) + '{"event":"cov')
    if written_s is not None:
        status = {"written_utc": iso_utc(TEN + written_s * S)}
        (root / "status.json").write_text(json.dumps(status))


@pytest.mark.parametrize("written_s", [None, 9, 59])
def test_a_short_run_is_known_by_its_start(tmp_path: Path, written_s: int | None) -> None:
    noted(tmp_path, ("disconnect", -90, -80, -80), ("start", -420, 0, 1), written_s=written_s)
    assert earlier_run(tmp_path) == Earlier(TEN - 420 * S, TEN)


def test_so_is_one_that_made_good_for_another(tmp_path: Path) -> None:
    noted(tmp_path, ("start", -420, 0, 1), ("restart", 0, 900, 901), written_s=905)
    assert earlier_run(tmp_path) == Earlier(TEN - 420 * S, TEN)


def test_a_long_run_had_saved_its_state_which_somebody_has_deleted(tmp_path: Path) -> None:
    noted(tmp_path, ("start", -420, 0, 1), written_s=62)
    assert earlier_run(tmp_path) is None


def test_where_no_run_ever_saw_the_feed_there_is_none(tmp_path: Path) -> None:
    assert earlier_run(tmp_path) is None
    noted(tmp_path, ("disconnect", 0, 5, 5), written_s=9)
    assert earlier_run(tmp_path) is None


def test_a_start_half_of_which_could_not_be_had_is_one_and_a_new_symbol_is_none(
    tmp_path: Path,
) -> None:
    noted(tmp_path, ("start", -420, 0, 1), symbols="AB", written_s=5)
    assert earlier_run(tmp_path) == Earlier(TEN - 420 * S, TEN)
    noted(tmp_path, ("start", -420, 0, 1), symbols="A", written_s=5)
    assert earlier_run(tmp_path) is None
