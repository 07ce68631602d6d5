from __future__ import annotations

from dataclasses import replace

import numpy as np

from flows.scorecard.rivals import BIG_PRINT, DROP, RAW_VOLUME, RIVALS, VPIN, episodes, rivals
from flows.settings import Settings
from operators.ticks import Array
from tests.flows.scorecard.days import day, ns, path, seconds

SETTINGS = Settings()
CALM = [(float(s), 100.0 + 0.01 * (s // 60 % 2)) for s in range(0, 2400, 60)]


def times(found: dict[str, Array], kind: str) -> list[float]:
    return seconds(found[kind])


def test_an_episode_begins_once_and_ends_calm_and_not_before_its_time() -> None:
    looks = ns(*range(10))
    fires = np.array([0, 1, 1, 0, 0, 1, 0, 0, 1, 1], bool)
    calm = np.array([1, 0, 0, 1, 0, 0, 1, 0, 0, 0], bool)
    assert seconds(episodes(looks, fires, calm, 0)) == [1, 5, 8]
    assert seconds(episodes(looks, fires, calm, 3_000_000_000)) == [1, 8]
    assert seconds(episodes(looks, fires, ~fires & False, 0)) == [1]
    assert seconds(episodes(looks, ~fires & False, calm, 0)) == []


def test_every_rival_is_there_and_silent_on_a_quiet_day() -> None:
    quiet = path(*CALM, until=2400)
    found = rivals(replace(quiet, prints=day([(0, 1, 1)], [(0, 100.0, 1)]).prints), [], SETTINGS)
    assert list(found) == list(RIVALS)
    assert [times(found, kind) for kind in RIVALS] == [[], [], [], []]


def test_a_big_print_has_the_size_of_the_rules_and_no_side() -> None:
    one = day([(0, 10, 10.02)], [(1, 10.0, 9_999), (2, 10.0, 10_000), (3, 10.02, 10_001)], 60)
    assert times(rivals(one, [], SETTINGS), BIG_PRINT) == [2, 3]


def test_raw_volume_has_the_thresholds_of_the_burst_and_no_side() -> None:
    one = day([(0, 10, 10.02)], [(s, 10.0, 1) for s in range(6)], 60)
    one.prints["volume"] = [9_000, 4_999, 8_999, 9_000, 30_000, 6_000]
    one.prints["average"] = [np.nan, 1_000, 3_000, 3_000, 3_000, 3_000]
    assert times(rivals(one, [], SETTINGS), RAW_VOLUME) == [3]


def test_a_minute_drop_is_measured_by_the_minutes_before_it() -> None:
    """Minutes alternate by 1 bp; at 2,000 s it falls by 2.5 bp, then on another day by 3.5."""
    small, large = ([*CALM, (2000.0, 100.0 - x)] for x in (0.01, 0.04))
    prints = day([(0, 1, 1)], [(0, 100.0, 1)]).prints

    def dropped(marks: list[tuple[float, float]]) -> list[float]:
        one = replace(path(*sorted(marks), until=2400), prints=prints)
        return times(rivals(one, [], SETTINGS), DROP)

    assert dropped(small) == []
    assert dropped(large) == [2000]


def test_a_drop_in_the_first_quarter_of_an_hour_has_no_scale_yet() -> None:
    one = path((0, 100.0), (500, 95.0), until=2400)
    quiet = replace(one, prints=day([(0, 1, 1)], [(0, 100.0, 1)]).prints)
    assert times(rivals(quiet, [], SETTINGS), DROP) == []


def test_vpin_takes_its_bucket_from_earlier_days_or_the_opening_and_never_looks_ahead() -> None:
    """Sided minutes late in the day fire; cutting the day behind them changes nothing."""
    random = np.random.default_rng(5)
    walk = np.cumsum(np.append(random.choice([-0.01, 0.01], 300), np.full(60, -0.05)))
    prints = [(60.0 * i, 100.0 + x, 1_000.0) for i, x in enumerate(walk)]
    marks = [(0, 99.99, 100.01)]
    whole = rivals(day(marks, prints, 21_600), [], SETTINGS)[VPIN]
    assert max(seconds(whole)) > 300 * 60
    first = int(np.searchsorted([s for s, _, _ in prints], seconds(whole)[0], side="right"))
    cut = rivals(day(marks, prints[: first + 1], 21_600), [], SETTINGS)[VPIN]
    assert cut.tolist() == whole[: len(cut)].tolist()
    assert len(cut) == 1

    before = day(marks, [(0, 100.0, 250_000.0)])
    assert rivals(day(marks, prints, 21_600), [before], SETTINGS)[VPIN].tolist() != whole.tolist()
    huge = day(marks, [(0, 100.0, 250_000_000.0)])
    assert rivals(day(marks, prints, 21_600), [huge], SETTINGS)[VPIN].tolist() == []
