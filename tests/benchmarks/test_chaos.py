"""Twenty live runs under random faults and kills: nothing lost, nothing twice.

The whole proof is `python -m benchmarks.chaos --runs 200`; these are the same runs on a shorter
tape. A seed that fails here fails there: `--runs 1 --seed N --length 700 --speed 60 --record`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.chaos.crew import Crew, expected_of
from benchmarks.chaos.plan import FEWEST, MOST, names_of, plan_of
from benchmarks.chaos.reader import reader_text
from benchmarks.chaos.tape import tape
from benchmarks.chaos.verdict import Known, Unseen, touched
from flows import places

LENGTH_S, SPEED = 860.0, 60.0
SEEDS = range(1, 21)
CACHE = places.cache_folder()  # before the fixture changes it: compiled kernels are there


@pytest.fixture(autouse=True)
def _kernels_from_the_cache(
    _inputs_in_the_test_folder: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "cache_folder", lambda: CACHE)


@pytest.mark.slow
def test_nothing_is_lost_and_nothing_comes_twice_whatever_breaks(tmp_path: Path) -> None:
    expected = expected_of(tape(LENGTH_S), tmp_path / "replay")
    assert len(expected) >= 60
    crew = Crew(5, LENGTH_S, SPEED, expected, tmp_path)
    verdicts = list(crew.play(SEEDS))
    assert {v["seed"]: v["wrong"] for v in verdicts if v["wrong"]} == {}
    # All are judged whole, but one whose first login is refused before it has begun.
    refused = {s for s in SEEDS if "AuthFailed" in names_of(plan_of(s, LENGTH_S, SPEED))}
    assert {v["seed"] for v in verdicts if v["expected"] < len(expected)} <= refused
    assert len(refused) == 5
    assert sum(v["late"] for v in verdicts) > 100  # there was something to refill
    assert sum(v["starts"] for v in verdicts) > 2 * len(SEEDS) - 1  # and to kill


def test_a_plan_is_what_its_seed_says() -> None:
    plans = [plan_of(seed, 1230.0, 60.0) for seed in range(200)]
    assert plans == [plan_of(seed, 1230.0, 60.0) for seed in range(200)]
    kinds = {type(fault).__name__ for plan in plans for fault in plan.faults}
    assert {"Disconnect", "Outage", "Silence", "HalfOpen", "SlowConsumer", "RestHang"} <= kinds
    assert all(FEWEST <= len(plan.faults) <= 2 * MOST + 2 for plan in plans)
    assert all({act.kind for act in plan.acts} & {"kill", "torn"} for plan in plans)


def test_a_gap_touches_what_it_may_have_changed_and_no_more() -> None:
    gap = Unseen("A", 100.0, 110.0, "disconnect", 111.0)
    alerts = [
        Known(at_s, symbol, kind, str(n))
        for n, (at_s, symbol, kind) in enumerate(
            [
                (90.0, "A", "large_seller"),
                (105.0, "A", "large_seller"),
                (105.0, "B", "large_seller"),
                (200.0, "A", "large_seller"),
                (450.0, "A", "red_burst"),
                (560.0, "A", "exit_signal"),
                (900.0, "A", "red_burst"),
            ]
        )
    ]
    assert [alert.alert_id for alert in touched(gap, alerts)] == ["1", "4", "5"]


def test_the_readme_ships_one_reader() -> None:
    text = reader_text()
    compile(text, "README.md", "exec")
    assert len(text.splitlines()) < 30
