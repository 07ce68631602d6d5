"""The reference's session filter, phases and resets, by hand (detectors.md, section 2).

Times are ms after 09:30:00 New York on Tuesday 2024-01-02, or New York clock times.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from tests.reference import Rules, run
from tests.reference_cases import DAY, at, clock, rows, verdicts
from tests.reference_rules import UNKNOWN


@pytest.mark.parametrize(
    ("sessions", "text", "conditions", "verdict"),
    [
        ("regular", "09:29:59", (), "out_of_session"),
        ("regular", "09:30:00", (), "counted"),
        ("regular", "15:59:59", (), "counted"),
        ("regular", "16:00:00", (), "out_of_session"),
        ("regular", "12:00:00", (12,), "extended_hours"),
        ("regular", "08:00:00", (12,), "extended_hours"),
        ("pre", "03:59:59", (12,), "extended_hours"),
        ("pre", "04:00:00", (12,), "counted"),
        ("pre", "04:00:00", (), "counted"),
        ("pre,post", "12:00:00", (), "out_of_session"),
        ("pre,post", "16:00:00", (12,), "counted"),
        ("regular, post", "19:59:59", (), "counted"),
        ("regular, post", "20:00:00", (), "out_of_session"),
        ("07:00-10:00", "06:59:59", (), "out_of_session"),
        ("07:00-10:00", "07:00:00", (12,), "counted"),
        ("07:00-10:00", "09:30:00", (12,), "extended_hours"),
        ("07:00-10:00", "09:59:59", (), "counted"),
        ("07:00-10:00", "10:00:00", (), "out_of_session"),
        ("all", "02:00:00", (), "counted"),
        ("all", "08:00:00", (12,), "extended_hours"),
    ],
)
def test_the_session_filter(
    sessions: str, text: str, conditions: tuple[int, ...], verdict: str
) -> None:
    assert verdicts(clock(text, conditions=conditions), sessions=sessions) == [verdict]


@pytest.mark.parametrize(
    ("day", "text", "sessions", "verdict"),
    [
        (date(2024, 7, 3), "12:59:59", "regular", "counted"),  # half day
        (date(2024, 7, 3), "13:00:00", "regular", "out_of_session"),
        (date(2024, 7, 3), "12:59:59", "post", "out_of_session"),
        (date(2024, 7, 3), "13:00:00", "post", "counted"),  # from the early close on
        (date(2024, 7, 3), "20:00:00", "post", "out_of_session"),
        (date(2024, 7, 4), "12:00:00", "regular", "out_of_session"),  # holiday
        (date(2024, 7, 6), "12:00:00", "11:00-13:00", "out_of_session"),  # Saturday
        (date(2024, 7, 6), "12:00:00", "all", "counted"),
        (date(2024, 7, 5), "09:30:00", "regular", "counted"),  # summer time
    ],
)
def test_the_exchange_calendar(day: date, text: str, sessions: str, verdict: str) -> None:
    assert verdicts(clock(text, day), sessions=sessions) == [verdict]


def test_a_half_day_lets_late_class_12_into_a_clock_window() -> None:
    day = date(2024, 7, 3)
    tape = [clock(text, day, conditions=(12,)) for text in ("12:59:59", "13:00:00")]
    assert verdicts(*tape, sessions="12:00-14:00") == ["extended_hours", "counted"]


def test_verdicts_are_counted_by_symbol_and_new_york_day() -> None:
    tape = [clock("19:59:59"), clock("20:30:00"), at(0)]
    result = run(tape, Rules(sessions="post"))
    assert dict(result.verdicts) == {
        ("X", DAY, "counted"): 1,
        ("X", DAY, "out_of_session"): 2,
    }
    assert list(run(tape[1:2], Rules(sessions="all")).verdicts) == [
        ("X", date(2024, 1, 3), "counted")
    ]


@pytest.mark.parametrize("first", [{}, {"participant_ns": 1}])
def test_a_new_phase_resets_at_its_first_print_that_passes_the_filter(
    first: dict[str, Any],
) -> None:
    """Counted or only late, the 09:30 print closes the pre market for whatever comes after."""
    pre, straggler = clock("09:29:59"), clock("09:29:59")
    got = rows(pre, at(0, 10.5, **first), straggler, at(1, 10.5), sessions="pre,regular")
    assert got[2].verdict == "too_late"
    assert (got[3].side, got[3].volume) == (UNKNOWN, 100_000_000 if first else 200_000_000)


def test_a_print_that_does_not_pass_the_filter_starts_no_phase() -> None:
    auction = at(0, conditions=(17,))
    assert verdicts(clock("09:29:59"), auction, clock("09:29:59"), sessions="pre,regular") == [
        "counted",
        "auction_open",
        "counted",
    ]


@pytest.mark.parametrize("condition", [18, 28])
def test_a_reopening_print_resets_the_symbol(condition: int) -> None:
    tape = [at(0, 9.0), at(1_000, 9.5), at(2_000, conditions=(condition,)), at(2_001, 10.0)]
    got = rows(*tape, at(1_999, 10.0), at(2_000, 10.0))
    assert (got[3].side, got[3].volume) == (UNKNOWN, 100_000_000)
    assert [row.verdict for row in got[4:]] == ["too_late", "out_of_order"]


def test_of_two_reopening_prints_the_later_one_bounds_what_is_too_late() -> None:
    """However they arrive, what lies before 2,000 ms has lost its window."""
    tape = [at(0), at(2_000, conditions=(18,)), at(1_000, conditions=(18,)), at(1_999), at(2_000)]
    assert verdicts(*tape)[3:] == ["too_late", "counted"]
