"""The operators and the slow reference say the same of random tapes (detectors.md, all of it)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from hypothesis import HealthCheck, given, settings, target
from hypothesis import strategies as st

from tests.operators.engine import Engine, assert_agree, said
from tests.operators.random_tapes import SYMBOLS, long_tapes, rules, selling, tapes
from tests.reference import run
from tests.reference_rules import Rules
from tests.reference_tape import Event

BURSTY = Rules(
    large_order_size=1_000,
    min_burst_volume=500,
    alert_window_seconds=30,
    volume_spike_threshold="1.5",
    red_burst_threshold="3.0",
)
repeatable = settings(
    max_examples=60, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck)
)


def fed(tape: Sequence[Event], tape_rules: Rules, sizes: Sequence[int]) -> Engine:
    """Feed a tape in chunks of the sizes given, in turn."""
    engine, at, turn = Engine(tape_rules), 0, 0
    while at < len(tape):
        size = sizes[turn % len(sizes)]
        engine.feed(*tape[at : at + size])
        at, turn = at + size, turn + 1
    return engine


chunk_sizes = st.lists(st.integers(1, 50), min_size=1, max_size=5)


@settings(repeatable, max_examples=250)
@given(tapes, rules, chunk_sizes)
def test_a_short_tape_of_anything(tape: list[Event], tape_rules: Rules, sizes: list[int]) -> None:
    engine = fed(tape, tape_rules, sizes)
    target(float(len(engine.alerts)), label="alerts")
    assert_agree(engine, run(tape, tape_rules))


@settings(repeatable)
@given(long_tapes, rules, chunk_sizes)
def test_a_long_tape_of_anything(tape: list[Event], tape_rules: Rules, sizes: list[int]) -> None:
    assert_agree(fed(tape, tape_rules, sizes), run(tape, tape_rules))


@settings(repeatable, max_examples=40)
@given(st.integers(0, 2**32), chunk_sizes, st.sampled_from(("1.5", "2.4", "3.0")))
def test_a_tape_of_waves_of_selling(seed: int, sizes: list[int], spike: str) -> None:
    tape_rules = Rules(**{**vars(BURSTY), "volume_spike_threshold": spike})
    tape = selling(seed)
    assert_agree(fed(tape, tape_rules, sizes), run(tape, tape_rules))


def test_such_tapes_reach_every_alert_and_escalation() -> None:
    seen: Counter[tuple[str, str, bool, int]] = Counter()
    for seed in range(20):
        for alert in fed(selling(seed), BURSTY, [64]).alerts:
            escalates = alert.escalates is not None
            seen[alert.alert_type, alert.severity, escalates, len(alert.reasons)] += 1
    assert set(seen) == {
        ("large_seller", "warning", False, 0),
        ("large_seller", "critical", False, 0),
        ("large_seller", "critical", True, 0),
        ("red_burst", "warning", False, 0),
        ("red_burst", "critical", False, 0),
        ("red_burst", "critical", True, 0),
        ("exit_signal", "critical", False, 1),
        ("exit_signal", "critical", False, 2),
        ("exit_signal", "critical", True, 1),
    }


@settings(repeatable)
@given(long_tapes, rules, st.integers(0, 600), st.permutations(SYMBOLS), chunk_sizes)
def test_a_run_that_is_saved_and_restored_goes_on_as_if_nothing_had_been(
    tape: list[Event], tape_rules: Rules, cut: int, names: list[str], sizes: list[int]
) -> None:
    """After the restore the feed names its symbols in another order."""
    whole = Engine(tape_rules)
    whole.feed(*tape)
    first = fed(tape[:cut], tape_rules, sizes)
    rest = Engine(tape_rules, first.snapshot(), names)
    again = Engine(tape_rules, rest.snapshot(), names[::-1])  # nothing seen in between
    again.feed(*tape[cut:])
    parts = [*first.alerts, *again.alerts]
    assert {s: [said(a) for a in alerts] for s, alerts in whole.by_symbol().items()} == {
        s: [said(a) for a in parts if a.symbol == s] for s in {a.symbol for a in parts}
    }
    assert first.verdicts + again.verdicts == whole.verdicts
