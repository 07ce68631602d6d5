"""Adaptive mode of the operators and of the slow reference say the same, session after session."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.operators.engine import Engine, assert_agree, said
from tests.operators.random_tapes import sessions_of
from tests.operators.test_against_reference import fed
from tests.reference import run
from tests.reference_rules import Rules
from tests.reference_tape import Event

RULES = Rules(
    detection_mode="adaptive",
    large_order_size=20_000,
    min_notional="150000.000001",
    min_burst_volume=500,
)


@pytest.fixture(scope="module", params=[1, 2])
def tape(request: pytest.FixtureRequest) -> list[Event]:
    return sessions_of(request.param, 7, 300)


def test_a_week_of_sessions(tape: list[Event]) -> None:
    engine = fed(tape, RULES, [1, 7, 500])
    assert_agree(engine, run(tape, RULES))
    found = Counter((a.alert_type, a.severity, a.percentile is None) for a in engine.alerts)
    assert {kind for kind, _, _ in found} == {"large_seller", "red_burst", "exit_signal"}
    assert found["large_seller", "warning", True] > 0  # while little was known
    assert found["large_seller", "warning", False] > 0


@pytest.mark.parametrize("cut", [500, 2_000, 4_000])
def test_a_run_saved_in_mid_session_goes_on_as_if_it_were_one(tape: list[Event], cut: int) -> None:
    whole = fed(tape, RULES, [3_000])
    first = fed(tape[:cut], RULES, [400])
    rest = Engine(RULES, first.snapshot(), ["Y"], known=first.learned())
    again = Engine(RULES, rest.snapshot(), ["Z", "X"], known=first.learned())
    again.feed(*tape[cut:])
    assert [said(a) for a in [*first.alerts, *again.alerts]] == [said(a) for a in whole.alerts]


def test_a_loaded_history_is_as_good_as_its_sessions(tape: list[Event]) -> None:
    whole = Engine(RULES)
    whole.feed(*tape)
    last = max(a.ts_ns // 86_400_000_000_000 for a in whole.alerts)
    cut = next(i for i, e in enumerate(tape) if e.ts_ns // 86_400_000_000_000 == last)
    before = Engine(RULES)
    before.feed(*tape[:cut])
    after = Engine(RULES, known=before.learned())
    after.feed(*tape[cut:])
    theirs = [a for a in whole.alerts if a.ts_ns // 86_400_000_000_000 == last]
    assert [a.alert_type for a in after.alerts] == [a.alert_type for a in theirs]
    shown = [(a.ts_ns, a.threshold, a.percentile, a.baseline) for a in after.alerts]
    assert shown == [(a.ts_ns, a.threshold, a.percentile, a.baseline) for a in theirs]
    assert any(a.baseline for a in theirs)


def test_a_day_is_never_measured_by_itself_or_by_what_came_after(tape: list[Event]) -> None:
    """A history that holds this day and later ones changes nothing."""
    half = len(tape) // 2
    plain, knowing = Engine(RULES), Engine(RULES)
    plain.feed(*tape)
    later = Engine(RULES, known=plain.learned())
    for engine in (knowing, later):
        engine.feed(*tape[:half])
    assert [said(a) for a in later.alerts] == [said(a) for a in knowing.alerts]
