"""What a minute is held against in adaptive mode (detectors.md section 6, time of day)."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from operators.learned import EPOCH, VolumeDay
from operators.nbbo import Prints
from operators.rolling_volume import RollingVolume
from operators.sessions import parse_sessions
from operators.usual_volume import UsualVolume
from operators.volume_curve import UNKNOWN, day_bounds, span_of, usual_volumes
from tests.make import P, behind, gap, prints, stored

MICRO = 1_000_000
REGULAR = parse_sessions("regular")
DAY = 19_724  # 2024-01-02
MINUTE_MS = 60_000


def at(minutes: float, size: float, **more: object) -> P:
    """A print so many minutes after the open."""
    return P(minutes * MINUTE_MS, size, **more)  # type: ignore[arg-type]


def curve(*volumes: float, day: int = DAY - 1, first: int = 114) -> VolumeDay:
    """A session with these volumes, in shares, from the open on."""
    return VolumeDay("X", day, 0, first, np.array([round(v * MICRO) for v in volumes]))


def expected(*rows: P, known: tuple[VolumeDay, ...] = (), chunks: int = 1) -> float | None:
    """Shares in five minutes the last print is held against; None: nothing can be said."""
    rolling, usual = RollingVolume(), UsualVolume(REGULAR, {"X": known})
    step = -(-len(rows) // chunks)
    chunk: Prints | None = None
    for start in range(0, len(rows), step):
        chunk = usual(rolling(prints(*rows[start : start + step])))
    assert chunk is not None
    last = chunk.expected[-1]
    return float(last["baseline"] / MICRO) if last["warm"] and last["baseline"] else None


@pytest.mark.parametrize("chunks", [1, 2, 4])
def test_without_a_curve_the_mean_minute_of_the_day_stands_for_the_usual(chunks: int) -> None:
    """61,000 shares in the 341 s from 09:40:00 to 09:45:41, five minutes' worth of it."""
    rows = [at(10, 60_000), at(10 + 100 / 60, 1_000), at(10 + 400 / 60, 5_000)]
    assert expected(*rows, chunks=chunks) == pytest.approx(61_000 * 300 / 341, abs=1e-6)


def test_the_five_minutes_before_count_where_they_are_more() -> None:
    assert expected(at(10, 10), at(15, 9_000), at(17, 10)) == 9_000


@pytest.mark.parametrize(
    ("minute", "said"), [(6, True), (384.99, True), (385, False), (389.9, False)]
)
def test_without_a_curve_nothing_is_said_of_the_first_and_last_minutes(
    minute: float, said: bool
) -> None:
    rows = [at(minute - 6, 10), at(minute - 3, 10), at(minute, 10)]
    assert (expected(*rows) is not None) is said


def test_a_gap_begins_the_days_mean_anew() -> None:
    rows = [at(10, 90_000), gap(), at(20, 600), at(24, 600), at(27, 100)]
    assert expected(*rows) == pytest.approx(max(600, 1_200 * 300 / 361), abs=1e-6)


def test_volume_out_of_order_counts_toward_the_mean() -> None:
    rows = [at(10, 600), at(13, 100), behind(12.9 * MINUTE_MS, 500), at(16.5, 100)]
    assert expected(*rows) == pytest.approx(1_200 * 300 / 331, abs=1e-6)


FLAT = (3_000.0,) * 12
RISING = (*FLAT, 12_000.0, *FLAT)  # four times as much from 10:30 to 10:35
WEEK = tuple(curve(*RISING, day=DAY - n) for n in (1, 4, 5, 6, 7))


def test_the_minutes_before_are_carried_on_along_the_curve() -> None:
    """At 10:32:00 the usual minute has 2,400; usually 4,830 in the five minutes before it."""
    rows = [at(50, 10), at(58, 10_000), at(62, 10)]
    assert expected(*rows, known=WEEK) == pytest.approx(10_000 * 5 * 2_400 / 4_830, abs=1e-5)


def test_the_usual_minute_counts_where_the_recent_ones_were_a_lull() -> None:
    assert expected(at(50, 10), at(58, 100), at(62, 10), known=WEEK) == 12_000


def test_a_falling_curve_makes_nothing_of_a_burst() -> None:
    """From 10:35 on volume falls to a quarter; the five minutes before count as they are."""
    assert expected(at(50, 10), at(63, 20_000), at(67, 10), known=WEEK) == 20_000


@pytest.mark.parametrize(("minute", "said"), [(204.9, True), (205, False)])
def test_a_curve_says_nothing_of_an_early_close(minute: float, said: bool) -> None:
    """On 2024-07-03, which closes at 13:00: 205 minutes after the open it is 12:55."""
    summer = (183 * 24 - 1) * 60
    known = tuple(curve(*[3_000.0] * 78, day=DAY + n) for n in range(5))
    rows = [at(summer + minute - before, 500) for before in (10, 3, 0)]
    assert (expected(*rows, known=known) is not None) is said


def test_four_sessions_are_no_curve() -> None:
    rows = [at(50, 10), at(58, 100), at(62, 10)]
    assert expected(*rows, known=WEEK[:4]) == expected(*rows)


def test_a_curve_is_the_mean_of_the_sessions_that_saw_the_bucket() -> None:
    halves = [curve(10, 20, day=n) for n in range(4)]
    late = [curve(40, day=5, first=115), curve(50, day=6, first=115)]
    mean = usual_volumes([*halves, *late], 114, 3)
    assert (mean / MICRO).tolist() == [UNKNOWN / MICRO, pytest.approx((80 + 90) / 6), -1e-6]


def test_parts_of_a_day_add_up() -> None:
    days = [part for n in range(5) for part in (curve(10, day=n), curve(5, 7, day=n))]
    assert (usual_volumes(days, 114, 2) / MICRO).tolist() == [15, 7]


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("regular", (114, 78)),
        ("pre,regular,post", (48, 192)),
        ("post", (156, 84)),
        ("09:32-10:01", (114, 7)),
        ("all", (0, 288)),
    ],
)
def test_the_curve_spans_what_the_sessions_can_touch(text: str, span: tuple[int, int]) -> None:
    assert span_of(parse_sessions(text)) == span


def test_a_half_day_closes_early_and_a_holiday_not_at_all() -> None:
    opened, closed = (
        [b - day_bounds(REGULAR, d)[0] for b in day_bounds(REGULAR, d)[1:3]]
        for d in (date(2024, 7, 3), date(2024, 1, 2))
    )
    assert opened == [34_200_000, 46_800_000]
    assert closed == [34_200_000, 57_600_000]
    assert day_bounds(REGULAR, date(2024, 7, 3))[3]
    assert day_bounds(REGULAR, date(2024, 7, 4))[1:] == (0, 0, False)
    assert day_bounds(parse_sessions("all"), date(2024, 1, 2))[1:] == (0, 0, False)


def test_a_session_is_said_when_the_next_one_begins_and_at_the_end() -> None:
    usual, rolling = UsualVolume(REGULAR, {}), RollingVolume()
    first = [at(4.99, 100), at(12, 200), behind(6 * MINUTE_MS, 50)]
    assert usual(rolling(prints(*first))).learned == ()
    (part,) = usual(rolling(prints(at(1_440, 7, resets=True)))).learned
    assert isinstance(part, VolumeDay)
    assert (part.date, part.first) == (EPOCH + timedelta(days=DAY), 114)
    assert (part.volumes / MICRO).tolist() == [100, 50, 200]
    last = usual.finish()
    assert last is not None
    assert [p.day for p in last.learned] == [DAY + 1]


def test_saved_and_restored_it_goes_on_under_another_order_of_names() -> None:
    usual, rolling = UsualVolume(REGULAR, {"X": WEEK}), RollingVolume()
    usual(rolling(prints(at(50, 10), at(58, 10_000), at(58, 1, symbol="Y"))))
    again = UsualVolume(REGULAR, {}, stored(usual.snapshot()))  # the curve is of the day already
    kept = UsualVolume(REGULAR, {}, stored(again.snapshot()))
    rows = [at(62, 10), at(1_440 + 62, 10, resets=True)]
    later, renamed = rolling(prints(*rows)), prints(*rows, names=["Y", "X"])
    renamed.volume = later.volume
    one, other = usual(later), kept(renamed)
    assert one.expected.tolist() == other.expected.tolist()
    assert one.expected["baseline"][0] > one.volume["baseline"][0] > 0
    assert [p.volumes.tolist() for p in one.learned] == [p.volumes.tolist() for p in other.learned]
