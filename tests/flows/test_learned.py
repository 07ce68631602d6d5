"""What adaptive mode learns goes through the log and the history, and comes back the same."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest

from flows.errors import OrderflowError
from flows.history import history_file, rebuild_history
from flows.learned import learned_of
from flows.learned_lines import LearnedLines
from flows.run import TapeFiles, replay
from flows.settings import Settings
from operators.learned import EPOCH, DayPart, Learned, SizeDay, VolumeDay
from sinks.appendlog import AppendLog
from tests.sinks.shelf import ask, held

ADAPTIVE = Settings(detection_mode="adaptive")
DAY = 19_875  # 2024-06-01


def sizes(day: int = DAY, since_ns: int = 1, **more: object) -> SizeDay:
    bins, counts = np.array([0, 7], np.int32), np.array([990, 10], np.int32)
    return SizeDay("AAPL", day, since_ns, 3_600_000, bins, more.get("counts", counts))


def volumes(day: int = DAY) -> VolumeDay:
    return VolumeDay("AAPL", day, 1, 114, np.array([5, 0, 2**40]))


def write(root: Path, *parts: DayPart, settings: Settings = ADAPTIVE) -> None:
    root.mkdir(exist_ok=True)
    log = AppendLog(root / "learned.jsonl", LearnedLines.of(settings).line)
    log.write(parts)
    log.close()


def told(learned: Learned) -> list[tuple[object, ...]]:
    """Return what is known as plain values."""
    return [
        *((p.day, p.since_ns, p.span_ms, p.bins.tolist(), p.counts.tolist())
          for parts in learned.sizes.values() for p in parts),
        *((p.day, p.first, p.volumes.tolist())
          for parts in learned.volumes.values() for p in parts),
    ]  # fmt: skip


KNOWN = [(DAY, 1, 3_600_000, [0, 7], [990, 10]), (DAY, 114, [5, 0, 2**40])]


@pytest.mark.parametrize("lost", ["alerts.duckdb", "learned.jsonl", "nothing"])
def test_what_was_learnt_is_read_from_the_history_and_from_the_log(
    tmp_path: Path, lost: str
) -> None:
    write(tmp_path, sizes(), volumes())
    history_file(tmp_path).catch_up()
    (tmp_path / lost).unlink(missing_ok=True)
    assert told(learned_of(ADAPTIVE, tmp_path)) == KNOWN
    assert told(learned_of(Settings(), tmp_path)) == []


def test_the_last_line_of_a_part_counts_and_parts_stand_side_by_side(tmp_path: Path) -> None:
    more = np.array([1_990, 10], np.int32)
    write(tmp_path, sizes(), sizes(counts=more), sizes(since_ns=2))
    history = history_file(tmp_path)
    history.catch_up()
    expected = [(DAY, 1, 3_600_000, [0, 7], [1_990, 10]), (DAY, 2, 3_600_000, [0, 7], [990, 10])]
    assert sorted(told(learned_of(ADAPTIVE, tmp_path))) == expected
    (tmp_path / "learned.jsonl").unlink()
    assert sorted(told(learned_of(ADAPTIVE, tmp_path))) == expected
    rows = ask(history.path, "select symbol, day, parents from parent_sizes order by since_ns")
    assert [(symbol, (day - EPOCH).days, n) for symbol, day, n in rows] == [
        ("AAPL", DAY, 2_000),
        ("AAPL", DAY, 1_000),
    ]


@pytest.mark.parametrize(
    ("other", "left"),
    [(msgspec.structs.replace(ADAPTIVE, sessions="pre"), []),
     (msgspec.structs.replace(ADAPTIVE, parent_gap_ms=0), KNOWN[1:])],
)  # fmt: skip
def test_what_was_learnt_under_other_settings_is_left_alone(
    tmp_path: Path, other: Settings, left: list[object]
) -> None:
    write(tmp_path, sizes(), volumes())
    assert told(learned_of(other, tmp_path)) == left


def test_a_live_start_takes_the_newest_sessions_before_today(tmp_path: Path) -> None:
    write(tmp_path, *(sizes(DAY + n) for n in range(30)), sizes(60_000))
    history_file(tmp_path).catch_up()
    (tmp_path / "learned.jsonl").unlink()
    days = sorted(day for day, *_ in told(learned_of(ADAPTIVE, tmp_path, live=True)))
    assert days == list(range(DAY + 10, DAY + 30))


def test_a_held_history_costs_a_sentence_and_nothing_else(tmp_path: Path) -> None:
    write(tmp_path, sizes(), volumes())
    history = history_file(tmp_path)
    history.catch_up()
    said: list[str] = []
    with held(history.path, by="writer"):
        assert told(learned_of(ADAPTIVE, tmp_path, warn=said.append)) == KNOWN
    assert [sentence.partition(",")[0] for sentence in said] == [f"{history.path} cannot be read"]


def test_learning_from_nowhere_is_refused(tmp_path: Path) -> None:
    nowhere = msgspec.structs.replace(ADAPTIVE, learn_from=tmp_path / "none")
    with pytest.raises(OrderflowError, match="there is neither "):
        learned_of(nowhere)


def test_the_tables_are_rebuilt_from_the_log(tmp_path: Path) -> None:
    write(tmp_path, sizes(), volumes())
    write_again = history_file(tmp_path)
    write_again.catch_up()
    tables = ("parent_sizes", "volume_curve")
    before = [ask(write_again.path, f"select * from {table}") for table in tables]
    write_again.path.unlink()
    rebuilt = rebuild_history(tmp_path)
    assert (rebuilt.rows["parent_sizes"], rebuilt.rows["volume_curve"]) == (1, 1)
    assert [ask(rebuilt.path, f"select * from {table}") for table in tables] == before


def test_a_replay_in_adaptive_mode_teaches_the_next_one(tmp_path: Path) -> None:
    """The embedded tape: 20 symbols, one session."""
    from flows.run import sample_tape

    settings = msgspec.structs.replace(ADAPTIVE, data_dir=tmp_path)
    summary = replay(settings, TapeFiles(sample_tape().paths), tmp_path / "first")
    assert summary.alerts["red_burst"] > 0
    lines = [
        json.loads(line) for line in (tmp_path / "first/learned.jsonl").read_bytes().splitlines()
    ]
    assert {line["event"] for line in lines} == {"parent_sizes", "volume_curve"}
    rows = ask(tmp_path / "first/alerts.duckdb", "select count(*) from parent_sizes")
    assert rows == [(sum(line["event"] == "parent_sizes" for line in lines),)]
    again = msgspec.structs.replace(settings, learn_from=tmp_path / "first")
    replay(again, TapeFiles(sample_tape().paths), tmp_path / "second")
    ids = [
        [
            json.loads(line).get("alert_id")
            for line in (tmp_path / name / "alerts.jsonl").read_bytes().splitlines()
        ]
        for name in ("first", "second")
    ]
    assert ids[0] == ids[1]  # a day is not measured by itself
