"""Sudden volume that is mostly selling, once an episode (detectors.md section 6)."""

from __future__ import annotations

import numpy as np
import pytest

from operators.nbbo import Prints
from operators.records import BURST_CRITICAL, BURST_WARNING
from operators.red_burst import BurstRules, RedBurst
from operators.rolling_volume import VOLUME
from operators.verdicts import BLOCK
from tests.make import P, prints, stored
from tests.reference_cases import ns

MICRO = 1_000_000
RULES = BurstRules(3.0, 4.0, 0.6, 5_000 * MICRO, 120_000)
CALM = (1_000, 5_000, 1_000, 0)
WARNING = (6_000, 9_000, 6_000, 0)  # 6,000 against 9,000 / 5: 3.33
CRITICAL = (9_000, 9_000, 9_000, 0)


def minute(
    ms: float, v: tuple[float, float, float, float], *, cold: bool = False, **more: object
) -> tuple[P, tuple[int, ...]]:
    """A print at which V, 5 A, the sells and the buys of V, in shares, are those given."""
    row = P(ms, **more)  # type: ignore[arg-type]
    return row, (*(round(x * MICRO) for x in v), 0 if cold else 1)


def chunk(*minutes: tuple[P, tuple[int, ...]]) -> Prints:
    made = prints(*[row for row, _ in minutes])
    made.volume = np.array([volume for _, volume in minutes], VOLUME)
    return made


def bursts(
    *minutes: tuple[P, tuple[int, ...]], rules: BurstRules = RULES
) -> list[tuple[int, int, int, int]]:
    """Print, kind, whether it escalates, and the first print of the episode."""
    return [
        (int(b["row"]), int(b["kind"]), int(b["escalates"]), int(b["first_ns"]))
        for b in RedBurst(rules)(chunk(*minutes)).bursts
    ]


@pytest.mark.parametrize(
    ("v", "kind"),
    [
        ((5_399.999999, 9_000, 5_399.999999, 0), 0),
        ((5_400, 9_000, 5_400, 0), BURST_WARNING),  # ratio exactly 3.0
        ((7_199.999999, 9_000, 7_199.999999, 0), BURST_WARNING),
        ((7_200, 9_000, 7_200, 0), BURST_CRITICAL),  # exactly 4.0
        ((4_999.999999, 1_000, 4_999.999999, 0), 0),
        ((5_000, 1_000, 5_000, 0), BURST_CRITICAL),  # the least volume, inclusive
        ((6_000, 9_000, 3_600, 2_400), 0),  # sell share exactly 0.60
        ((6_000, 9_000, 3_600.000001, 2_399.999999), BURST_WARNING),
        ((6_000, 9_000, 3_000, 0), BURST_WARNING),  # exactly half is signed
        ((6_000, 9_000, 2_999.999999, 0), 0),
        ((6_000, 9_000, 0, 0), 0),
        ((6_000, 0, 6_000, 0), 0),  # nothing traded before: no ratio
    ],
)
def test_a_burst_needs_ratio_volume_signed_prints_and_sellers(
    v: tuple[float, float, float, float], kind: int
) -> None:
    assert [found for _, found, _, _ in bursts(minute(0, v))] == [kind] * bool(kind)


def test_windows_that_are_not_warm_say_nothing() -> None:
    assert bursts(minute(0, CRITICAL, cold=True)) == []


def test_a_print_that_does_not_count_fires_nothing() -> None:
    assert bursts(minute(0, CRITICAL, verdict=BLOCK)) == []


def test_an_episode_fires_once_and_once_more_when_it_turns_critical() -> None:
    tape = [minute(i, v) for i, v in enumerate((WARNING, WARNING, CRITICAL, CRITICAL, WARNING))]
    assert bursts(*tape) == [(0, BURST_WARNING, 0, ns(0)), (2, BURST_CRITICAL, 1, ns(0))]


@pytest.mark.parametrize(("calm_ms", "fires"), [(119_999.9, 1), (120_000, 2)])
def test_an_episode_lasts_at_least_the_alert_window(calm_ms: float, fires: int) -> None:
    tape = [minute(0, WARNING), minute(calm_ms, CALM), minute(150_000, WARNING)]
    assert len(bursts(*tape)) == fires


def test_the_alert_window_counts_from_the_first_alert_of_the_episode() -> None:
    tape = [minute(0, WARNING), minute(100_000, CRITICAL), minute(120_000, CALM)]
    assert bursts(*tape, minute(130_000, WARNING))[2:] == [(3, BURST_WARNING, 0, ns(130_000))]


@pytest.mark.parametrize(
    ("spike", "current", "ended"),
    [
        (3.0, 2_000, False),  # exactly 2.0
        (3.0, 1_999.999999, True),
        (6.0, 2_000, False),  # two thirds of 6 would be more than 2
        (1.5, 1_000, False),  # exactly two thirds of 1.5
        (1.5, 999.999999, True),
        (2.1, 1_400, False),  # exactly two thirds of 2.1, which no binary float is
        (2.1, 1_399.999999, True),
    ],
)
def test_an_episode_ends_below_two_or_two_thirds_of_the_spike_threshold(
    spike: float, current: float, ended: bool
) -> None:
    rules = BurstRules(spike, 20.0, 0.6, 0, 120_000)
    high, quiet = (9_000.0, 5_000.0, 9_000.0, 0.0), (current, 5_000.0, 0.0, 0.0)
    tape = [minute(0, high), minute(120_000, quiet), minute(120_001, high)]
    assert len(bursts(*tape, rules=rules)) == 1 + ended


def test_a_ratio_that_is_not_defined_ends_no_episode() -> None:
    tape = [minute(0, WARNING), minute(200_000, (1_000, 0, 0, 0)), minute(200_001, CALM, cold=True)]
    assert len(bursts(*tape, minute(200_002, WARNING))) == 1


def test_an_episode_can_end_and_begin_at_one_print() -> None:
    """With a spike threshold of 1.5 and a share of 0.5 the end comes first: 1.0 is its bound."""
    rules = BurstRules(1.5, 4.0, 0.5, 0, 1_000)
    tape = [minute(0, (2_000, 5_000, 2_000, 0)), minute(1_000, (999, 5_000, 999, 0))]
    again = bursts(*tape, minute(1_001, (1_500, 5_000, 1_500, 0)), rules=rules)
    assert [row for row, *_ in again] == [0, 2]


def test_a_reset_ends_the_episode_of_its_symbol_alone() -> None:
    tape = [minute(0, WARNING), minute(0, WARNING, symbol="Y"), minute(1, WARNING, resets=True)]
    assert [row for row, *_ in bursts(*tape, minute(2, WARNING, symbol="Y"))] == [0, 1, 2]


def test_an_episode_outlives_a_restart() -> None:
    before = RedBurst(RULES)
    before(chunk(minute(0, WARNING), minute(0, CRITICAL, symbol="Y")))
    after = RedBurst(RULES, stored(before.snapshot()))
    found = after(chunk(minute(1, CRITICAL, symbol="Y"), minute(1, CRITICAL))).bursts
    assert [(int(b["row"]), int(b["escalates"]), int(b["first_ns"])) for b in found] == [
        (1, 1, ns(0))
    ]
