"""Planted truth: what the rules must find, and what they are known to miss."""

from __future__ import annotations

import itertools
from datetime import date
from functools import partial
from pathlib import Path

import orjson
import pytest

from flows.cli import main
from flows.errors import OrderflowError
from flows.settings import Settings
from flows.simulate import Tape, simulate
from flows.simulate.catalogue import DETECTORS, TALES, chosen
from flows.simulate.days import raised, sessions_from
from flows.simulate.planting import Label
from flows.simulate.programme import Programme
from flows.simulate.verdict import Tally, Verdict, judge
from operators.records import Alert
from tests.flows.alerts import alert

SYMBOLS = ("ZORB", "QALT", "KRVO", "DRUQ", "TUVI", "NYQO")
SPLIT = ("print", "venues", "sweep")
drawn = partial(simulate, 11, symbols=SYMBOLS)


@pytest.fixture(scope="module")
def verdict(tmp_path_factory: pytest.TempPathFactory) -> Verdict:
    """One day of six symbols, with sellers, decoys and bursts of every difficulty."""
    folder = tmp_path_factory.mktemp("planted")
    kept = [tale for tale in TALES if tale.name not in ("patient", "iceberg")]  # minutes each
    tape = drawn(programme=Programme((*kept, *chosen(SPLIT), *chosen(SPLIT))))
    return judge(tape.labels, raised(Settings(), tape.write_ticks(folder, "planted")), "fixed")


def tally(verdict: Verdict, alert_type: str, difficulty: str) -> Tally:
    return next(
        row
        for row in verdict.tallies
        if (row.alert_type, row.difficulty) == (alert_type, difficulty)
    )


def fired(verdict: Verdict, story: str) -> tuple[int, int]:
    """Return in how many of the planted sellers (or decoys) a large seller was alerted."""
    row = next(row for row in verdict.stories if row.story == story)
    return row.fired["large_seller"], row.planted


# What holds.


def test_sellers_split_within_the_parent_gap_are_found_and_nothing_else_is(
    verdict: Verdict,
) -> None:
    found = tally(verdict, "large_seller", "easy")
    assert found.planted >= 40
    assert found.recall is not None
    assert found.recall >= 0.95
    assert found.precision is not None
    assert found.precision >= 0.98


def test_bursts_and_exits_that_are_easy_are_found(verdict: Verdict) -> None:
    for kind in ("red_burst", "exit_signal"):
        assert (tally(verdict, kind, "easy").recall or 0) >= 0.95


def test_the_background_raises_no_alert(verdict: Verdict) -> None:
    assert [tally(verdict, kind, "all").background for kind in DETECTORS] == [0, 0, 0]


def test_what_the_rules_miss_and_mistake_is_known(verdict: Verdict) -> None:
    """A change of these figures is a change of what the product can do: say so."""
    missed = ("locked", "fight", "inside", "slow")
    assert [fired(verdict, story)[0] for story in missed] == [0, 0, 0, 0]
    mistaken, planted = fired(verdict, "strangers")
    assert (mistaken, planted > 0) == (planted, True)


# The programme and its labels.


def test_a_drawn_tape_is_the_same_for_its_seed_and_another_for_another_day() -> None:
    asked = {"minutes": 60, "programme": Programme(TALES)}
    hashes = [
        drawn(**asked, day=day).row_hash()  # type: ignore[arg-type]
        for day in (date(2026, 11, 19), date(2026, 11, 19), date(2026, 11, 20))
    ]
    assert hashes[0] == hashes[1] != hashes[2]


def test_stories_of_a_symbol_are_eight_minutes_apart_and_say_what_is_true() -> None:
    tape: Tape = simulate(5, symbols=["ZORB"], programme=Programme(chosen(SPLIT)))
    labels = [label for label in tape.labels if label.kind in SPLIT]
    assert len(labels) > 30
    starts = [label.start_ns for label in labels]
    assert min(b - a for a, b in itertools.pairwise(starts)) >= 8 * 60 * 1_000_000_000
    assert {label.truth for label in labels} == {("large_seller",)}
    assert {label.difficulty for label in labels} == {"easy"}
    assert all(10_500 <= label.size <= 35_000 for label in labels)


def test_a_longer_pause_plants_less() -> None:
    long = simulate(5, symbols=["ZORB"], programme=Programme(chosen(SPLIT), 60))
    assert 3 <= sum(label.kind in SPLIT for label in long.labels) <= 7


def test_days_are_full_sessions() -> None:
    found = list(sessions_from(date(2026, 11, 25), 3))  # Thanksgiving, then a half day
    assert found == [date(2026, 11, 25), date(2026, 11, 30), date(2026, 12, 1)]


def test_a_story_or_difficulty_nobody_knows_is_refused() -> None:
    with pytest.raises(OrderflowError, match="'prnt' is no story"):
        chosen(["prnt"])
    with pytest.raises(OrderflowError, match="'mild' is no difficulty"):
        chosen([], ["mild"])
    with pytest.raises(OrderflowError, match="no story has both"):
        chosen(["print"], ["hard"])


# Matching, by hand: one story from second 100 to 101, whose alerts may come until 250.


def label(*truth: str, symbol: str = "AAPL", aside: tuple[str, ...] = ()) -> Label:
    second = 1_000_000_000
    return Label("told", symbol, 100 * second, 101 * second, 250 * second, 1.0, (), "",
                 "easy", truth, aside)  # fmt: skip


def at(second: float, alert_type: str = "large_seller", **changes: str) -> Alert:
    fields = {"escalates": None, "symbol": "AAPL", **changes}
    ts_ns = int(second * 1_000_000_000)
    return alert(f"{alert_type}{second}", ts_ns=ts_ns, alert_type=alert_type, **fields)


def counted(labels: list[Label], *alerts: Alert, kind: str = "large_seller") -> tuple[int, ...]:
    row = tally(judge(labels, alerts, "fixed"), kind, "easy")
    return row.planted, row.found, row.right, row.wrong, row.background


def test_an_alert_on_the_sellers_own_prints_finds_him_once() -> None:
    seller = [label("large_seller")]
    assert counted(seller) == (1, 0, 0, 0, 0)
    assert counted(seller, at(100), at(101)) == (1, 1, 2, 0, 0)
    assert counted(seller, at(100, escalates="first")) == (1, 0, 0, 0, 0)


def test_an_alert_after_the_seller_or_of_another_symbol_or_time_is_wrong() -> None:
    seller = [label("large_seller")]
    assert counted(seller, at(101.5)) == (1, 0, 0, 1, 0)
    assert counted(seller, at(99), at(251), at(100.5, symbol="MSFT")) == (1, 0, 0, 0, 3)


def test_a_burst_may_come_until_its_echo_ends_and_a_decoy_has_none() -> None:
    late = at(249, "red_burst")
    assert counted([label("red_burst")], late, kind="red_burst") == (1, 1, 1, 0, 0)
    assert counted([label()], late, kind="red_burst") == (0, 0, 0, 1, 0)


def test_what_is_set_aside_counts_for_nothing() -> None:
    aside = [label("large_seller", aside=("red_burst",))]
    assert counted(aside, at(101, "red_burst"), kind="red_burst") == (0, 0, 0, 0, 0)


def test_labels_of_the_sample_say_nothing_of_truth_and_are_left_out() -> None:
    plain = [Label("large_seller", "AAPL", 100, 200, 300, 1.0, (), "")]
    assert counted(plain) == (0, 0, 0, 0, 0)


# The command.


def test_the_command_judges_what_it_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = ["--symbols", "ZORB", "--minutes", "60", "--stories", "print,buyer", "--seed", "2"]
    assert main(["simulate", *asked, "--judge", "--json"]) == 0
    (found,) = orjson.loads(capsys.readouterr().out)
    row = next(row for row in found["tallies"] if row["alert_type"] == "large_seller")
    assert (row["mode"], row["difficulty"], row["recall"], row["precision"]) == (
        "fixed", "easy", 1.0, 1.0)  # fmt: skip
    assert row["planted"] >= 2
    assert main(["simulate", "--out", "twice", *asked, "--judge"]) == 0
    assert "print          easy        large_seller" in capsys.readouterr().out


def test_the_command_lists_the_stories(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--list"]) == 0
    out = capsys.readouterr().out
    assert [tale.name for tale in TALES if f"\n{tale.name} " not in out] == []
