"""The reference's rolling volume and red burst, by hand (detectors.md, section 6).

The book stands at 10.00 / 10.10 before every print, so 10.00 is a certain sell and 10.10 a
certain buy. Times are ms after 09:30:00 New York on Tuesday 2024-01-02.
"""

from __future__ import annotations

import pytest

from tests.reference import Gap, Rules, Trade, run
from tests.reference_cases import OPEN_MS, WARM, burst, buy, exit_at, fired, mid, ns, quoted, sell
from tests.reference_tape import Event


@pytest.mark.parametrize(
    ("prints", "expected"),
    [
        ([sell(WARM, 5_399)], []),
        ([sell(WARM, 5_400)], [burst(WARM)]),  # ratio exactly 3.0
        ([sell(WARM, 7_199)], [burst(WARM)]),
        ([sell(WARM, 7_200)], [burst(WARM, "critical"), exit_at(WARM)]),  # exactly 4.0
        ([buy(WARM, 2_400), sell(WARM, 3_600)], []),  # sell share exactly 0.60
        ([buy(WARM, 2_400), sell(WARM, 3_600), sell(WARM, 1)], [burst(WARM)]),
        ([mid(WARM, 3_000), sell(WARM, 3_000)], [burst(WARM)]),  # exactly half is signed
        ([mid(WARM, 3_001), sell(WARM, 3_000)], []),
    ],
)
def test_a_burst_needs_its_ratio_and_its_sellers(
    prints: list[Trade], expected: list[tuple[int, str, str]]
) -> None:
    """5,400 against 9,000 / 5 = 1,800 a minute is 3.0; the rule `quote` leaves 10.05 unsigned."""
    tape = quoted(buy(0, 1), buy(10_000, 9_000), *prints)
    assert fired(run(tape, Rules(side_rule="quote"))) == expected


@pytest.mark.parametrize(("size", "count"), [(4_999, 0), (5_000, 1)])
def test_a_burst_needs_the_least_volume(size: int, count: int) -> None:
    result = run(quoted(buy(0, 1), buy(10_000, 1_000), sell(WARM, size)))
    assert [a["alert_type"] for a in result.alerts].count("red_burst") == count


def test_a_burst_says_its_volumes() -> None:
    alert = run(quoted(buy(0, 1), buy(10_000, 9_000), buy(WARM, 600), sell(WARM, 5_400))).alerts[0]
    assert (alert["volume_1m"], alert["avg_volume_1m"]) == (6_000.0, 1_800.0)
    assert alert["ratio"] == pytest.approx(10 / 3)
    assert (alert["sell_share"], alert["threshold"], alert["first_ns"]) == (0.9, 3.0, ns(WARM))


@pytest.mark.parametrize(("ms", "expected"), [(WARM - 1, []), (WARM, [burst(WARM)])])
def test_the_windows_are_warm_after_exactly_six_minutes(
    ms: int, expected: list[tuple[int, str, str]]
) -> None:
    assert fired(run(quoted(buy(0, 1), buy(10_000, 9_000), sell(ms, 5_400)))) == expected


def test_after_a_gap_the_next_counted_print_starts_the_six_minutes_and_volumes_stay() -> None:
    """The print at 120 s, the first after the gap, is warm from 480 s; its 9,000 still count."""
    tape: list[Event] = [buy(0, 1), Gap("X"), buy(120_000, 0.5), buy(150_000, 9_000)]
    assert fired(run(quoted(*tape, sell(479_999, 6_000)))) == []
    assert fired(run(quoted(*tape, sell(480_000, 6_000)))) == [burst(480_000)]
    everywhere: list[Event] = [buy(0, 1), Gap("*"), *tape[2:], sell(479_999, 6_000)]
    assert fired(run(quoted(*everywhere))) == []
    kept: list[Event] = [
        buy(0, 1),
        buy(150_000, 9_000),
        Gap("X"),
        sell(151_000, 1),
        sell(509_000, 6_000),
    ]
    assert run(quoted(*kept), rows=True).rows[-1].before == 9_001_000_000


@pytest.mark.parametrize(
    ("ms", "volume", "before"),
    [
        (40_000, 8, 0),
        (41_999, 8, 0),
        (100_999, 8, 0),  # second 41 is s - 59
        (101_000, 1, 7),  # and now s - 60
        (400_999, 1, 7),  # and now s - 359
        (401_000, 1, 0),  # and gone
    ],
)
def test_a_print_is_in_the_minute_of_its_second_then_in_the_five_before(
    ms: int, volume: int, before: int
) -> None:
    first = min(ms, 41500)
    row = run(quoted(buy(first, 7), buy(ms, 1)), rows=True).rows[-1]
    assert (row.volume, row.before) == (volume * 1_000_000, before * 1_000_000)


def test_no_volume_before_means_no_ratio() -> None:
    assert fired(run(quoted(buy(0, 1), sell(WARM, 9_000)))) == []


def test_an_episode_fires_once_and_once_more_when_it_turns_critical() -> None:
    tape = [buy(0, 1), buy(10_000, 9_000), sell(WARM, 5_400), sell(WARM + 20, 600)]
    turned = [sell(WARM + 40, 1_200), sell(WARM + 60, 2_000)]
    result = run(quoted(*tape, *turned))
    assert fired(result) == [burst(WARM), burst(WARM + 40, "critical"), exit_at(WARM + 40)]
    warning, critical, signal = result.alerts
    assert (critical["escalates"], critical["first_ns"]) == (warning["alert_id"], ns(WARM))
    assert (signal["reasons"], signal["evidence"]) == (["red_burst"], [critical["alert_id"]])


EPISODE = [buy(0, 1), buy(10_000, 9_000), buy(200_000, 7_600), sell(WARM, 9_999)]
"""9,999 against 16,600 / 5 fires; two minutes later the five before hold 17,599: 3,519.8 each."""


def bursts(tape: list[Trade], rules: Rules) -> list[int]:
    alerts = run(quoted(*tape), rules).alerts
    return [a["ts_ms"] - OPEN_MS for a in alerts if a["alert_type"] == "red_burst"]


@pytest.mark.parametrize(
    ("quiet_ms", "expected"),
    [
        (WARM + 119_999, [WARM]),  # calm, but within the alert window
        (WARM + 120_000, [WARM, WARM + 130_020]),
    ],
)
def test_an_episode_ends_when_the_alert_window_has_passed(
    quiet_ms: int, expected: list[int]
) -> None:
    """9,001 is 2.56, neither calm nor a burst; 11,601 is 3.30."""
    again = [buy(quiet_ms, 1), sell(WARM + 130_000, 9_000), sell(WARM + 130_020, 2_600)]
    assert bursts([*EPISODE, *again], Rules()) == expected


@pytest.mark.parametrize(
    ("spike", "size", "ended"),
    [
        ("3.0", 7_039.6, False),  # exactly 2.0
        ("3.0", 7_039.599999, True),
        ("3.01", 7_039.6, False),  # two thirds of it would be more than 2.0
        ("1.5", 3_519.8, False),  # exactly two thirds of the spike threshold
        ("1.5", 3_519.799999, True),
    ],
)
def test_an_episode_ends_below_two_or_two_thirds_of_the_spike_threshold(
    spike: str, size: float, ended: bool
) -> None:
    tape = [*EPISODE, sell(WARM + 120_000, size), sell(WARM + 130_000, 6_500)]
    expected = [WARM] + [WARM + 130_000] * ended
    assert bursts(tape, Rules(volume_spike_threshold=spike)) == expected


@pytest.mark.parametrize(("before", "count"), [(4_999, 0), (5_000, 1)])
def test_an_adaptive_burst_needs_a_thousand_shares_a_minute_before(before: int, count: int) -> None:
    rules = Rules(detection_mode="adaptive", own_percentile={"X": 90_000})
    result = run(quoted(buy(0, 1), buy(10_000, before), sell(WARM, 9_000)), rules)
    assert [a["alert_type"] for a in result.alerts].count("red_burst") == count
