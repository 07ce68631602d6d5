"""The query of thresholds agrees with what adaptive mode makes of a session."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from flows.answers import SQL
from flows.history import history_file
from flows.learned_lines import LearnedLines
from flows.settings import Settings
from operators.learned import EPOCH, SizeDay
from operators.size_sketch import BINS, SKETCH, begin_day
from operators.ticks import MICRO
from sinks.appendlog import AppendLog
from tests.sinks.shelf import ask

HOUR_MS = 3_600_000
DAY = 19_724


def part(counts: dict[int, int], span_ms: int, symbol: str = "AAPL", since_ns: int = 1) -> SizeDay:
    bins, numbers = (np.array([*column], np.int32) for column in (counts, counts.values()))
    return SizeDay(symbol, DAY, since_ns, span_ms, bins, numbers)


@pytest.mark.parametrize(
    "parts",
    [
        [part({0: 995, 3: 2, 80: 3}, HOUR_MS)],
        [part({0: 9_000, 3: 8, 80: 3}, HOUR_MS)],
        [part({0: 9_000, 3: 8, 80: 3}, 6 * HOUR_MS)],
        [part({0: 4_000, 3: 4}, HOUR_MS), part({0: 4_000, 80: 5}, 2 * HOUR_MS, since_ns=2)],
        [part({0: 5_000}, HOUR_MS)],
    ],
)
def test_own_sizes(tmp_path: Path, parts: list[SizeDay]) -> None:
    log = AppendLog(
        tmp_path / "learned.jsonl", LearnedLines.of(Settings(detection_mode="adaptive")).line
    )
    log.write(parts)
    log.close()
    history = history_file(tmp_path)
    history.catch_up()
    rows, counts = np.zeros(1, np.dtype(SKETCH)), np.zeros((1, BINS), np.int32)
    begin_day(rows[0], counts, 0, parts, 0)
    threshold = round(rows[0]["threshold"] / MICRO)
    ((day, symbol, parents, hours, shares),) = ask(
        history.path, (SQL / "own_sizes.sql").read_text()
    )
    assert (day, symbol) == (EPOCH + timedelta(days=DAY), "AAPL")
    assert parents == sum(int(p.counts.sum()) for p in parts)
    assert hours == sum(p.span_ms for p in parts) / HOUR_MS
    assert shares == (None if threshold == 1_000 else threshold)
