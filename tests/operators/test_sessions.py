"""Trading phases by New York clock and exchange calendar (detectors.md section 2)."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import pytest

from operators.sessions import (
    NEW_YORK,
    SessionError,
    Sessions,
    is_trading_day,
    parse_sessions,
    phase_name,
    phase_start,
    phase_table,
    regular_close,
)
from tests import reference_sessions


def ms(day: date, clock: str) -> int:
    return int(datetime.combine(day, time.fromisoformat(clock), NEW_YORK).timestamp() * 1000)


def pieces(text: str, day: date) -> list[tuple[str, str, bool]]:
    """The admitted pieces that begin on a New York day, by its clock."""
    utc_day = (day - date(1970, 1, 1)).days
    shown = []
    for start, end, _, extended in phase_table(parse_sessions(text), np.array([utc_day])).tolist():
        a, b = (datetime.fromtimestamp(x / 1000, NEW_YORK) for x in (start, end))
        if a.date() == day:
            shown.append((f"{a:%H:%M}", f"{b:%H:%M}", bool(extended)))
    return shown


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("regular", Sessions(("regular",), None)),
        (" pre , post ", Sessions(("pre", "post"), None)),
        ("07:00-10:00", Sessions((), (time(7), time(10)))),
        ("all", Sessions((), None)),
    ],
)
def test_sessions_are_read(text: str, expected: Sessions) -> None:
    assert parse_sessions(text) == expected


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("regular,lunch", "`lunch` is no trading phase"),
        ("", "`` is no trading phase"),
        ("7-10", "`7` is not a time of day such as 07:00"),
        ("10:00-07:00", "the clock window `10:00-07:00` ends before it starts"),
        ("10:00-10:00", "ends before it starts"),
        ("10:00-25:00", "`25:00` is not a time of day"),
    ],
)
def test_anything_else_is_refused_in_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(SessionError, match=sentence):
        parse_sessions(text)


@pytest.mark.parametrize(
    ("text", "day", "expected"),
    [
        ("regular", date(2024, 1, 2), [("09:30", "16:00", False)]),
        ("pre", date(2024, 1, 2), [("04:00", "09:30", True)]),
        ("pre,post", date(2024, 7, 5), [("04:00", "09:30", True), ("16:00", "20:00", True)]),
        (
            "pre,regular,post",
            date(2024, 7, 3),  # half day
            [("04:00", "09:30", True), ("09:30", "13:00", False), ("13:00", "20:00", True)],
        ),
        ("regular", date(2024, 7, 4), []),  # holiday
        ("regular", date(2024, 7, 6), []),  # Saturday
        ("08:00-09:00", date(2024, 1, 2), [("08:00", "09:00", True)]),
        (
            "08:00-17:00",
            date(2024, 7, 3),
            [("08:00", "09:30", True), ("09:30", "13:00", False), ("13:00", "17:00", True)],
        ),
        ("10:00-11:00", date(2024, 1, 2), [("10:00", "11:00", False)]),
        ("10:00-11:00", date(2024, 7, 4), []),
    ],
)
def test_the_phases_of_a_day(text: str, day: date, expected: list[tuple[str, str, bool]]) -> None:
    assert pieces(text, day) == expected


def test_the_pieces_of_a_clock_window_are_one_phase() -> None:
    days = np.array([(date(2024, 1, 2) - date(1970, 1, 1)).days])
    phases = phase_table(parse_sessions("08:00-17:00"), days)
    assert len(set(phases["phase_ms"][-3:].tolist())) == 1


def test_the_calendar_is_that_of_the_exchange_day_by_day() -> None:
    """The reference reads its own way from the same list of holidays."""
    for k in range(2 * 366):
        day = date(2024, 1, 1) + timedelta(days=k)
        assert is_trading_day(day) == reference_sessions.is_trading_day(day)
        assert regular_close(day) == (reference_sessions.early_close(day) or time(16))


@pytest.mark.parametrize("day", [date(2024, 3, 11), date(2024, 11, 4), date(2024, 7, 3)])
def test_around_a_change_of_clocks_the_table_and_the_reference_agree(day: date) -> None:
    for text in ("regular", "pre,regular,post", "09:00-10:00", "all"):
        sessions, theirs = parse_sessions(text), reference_sessions.Sessions(text)
        start = int(datetime.combine(day, time(), UTC).timestamp()) * 1000
        phases = phase_table(sessions, np.array([start // 86_400_000]))
        for at in range(start, start + 86_400_000, 600_000):
            inside = phases[(phases["start_ms"] <= at) & (at < phases["end_ms"])]
            phase = theirs.phase(at)
            assert len(inside) == (phase is not None)
            if phase is not None:
                assert bool(inside["extended"][0]) == phase.extended_hours_count
                assert phase.name in ("all", "window") or inside["phase_ms"][0] == phase.start_ms


def test_the_evening_in_new_york_belongs_to_the_day_before_utc() -> None:
    """19:30 of a winter's day is 00:30 UTC of the next."""
    utc_day = (date(2024, 1, 3) - date(1970, 1, 1)).days
    phases = phase_table(parse_sessions("post"), np.array([utc_day]))
    at = ms(date(2024, 1, 2), "19:30")
    assert at // 86_400_000 == utc_day
    assert any(p["start_ms"] <= at < p["end_ms"] for p in phases)


@pytest.mark.parametrize(
    ("day", "clock", "name"),
    [
        (date(2024, 1, 2), "04:00", "pre"),
        (date(2024, 1, 2), "15:59", "regular"),
        (date(2024, 1, 2), "16:00", "post"),
        (date(2024, 7, 3), "13:00", "post"),
        (date(2024, 1, 2), "20:00", "closed"),
        (date(2024, 1, 2), "03:59", "closed"),
    ],
)
def test_an_alert_names_the_phase_of_the_clock(day: date, clock: str, name: str) -> None:
    assert phase_name(parse_sessions("pre,regular,post"), ms(day, clock)) == name


@pytest.mark.parametrize(
    ("text", "clock", "start"),
    [
        ("regular", "09:29", None),
        ("regular", "09:30", "09:30"),
        ("regular", "15:59", "09:30"),
        ("regular", "16:00", None),
        ("pre,regular", "09:30", "09:30"),
        ("pre,regular", "09:29", "04:00"),
        ("07:00-10:00", "09:45", "07:00"),
        ("all", "12:00", None),
    ],
)
def test_a_phase_began_at_its_start(text: str, clock: str, start: str | None) -> None:
    day = date(2024, 1, 2)
    expected = None if start is None else ms(day, start)
    assert phase_start(parse_sessions(text), ms(day, clock)) == expected
