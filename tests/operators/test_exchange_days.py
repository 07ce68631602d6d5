"""The days the exchanges stay closed, against the library they come from."""

from __future__ import annotations

from datetime import date

import holidays
import pytest

from operators.exchange_days import closed, half_days


@pytest.mark.parametrize("year", range(2000, 2101))
def test_each_year_is_what_the_library_has(year: int) -> None:
    for kind, ours in (("public", closed), ("half_day", half_days)):
        found = holidays.financial_holidays("XNYS", years=year, categories=(kind,))
        assert ours(year) == {day for day in found if day.year == year}


def test_the_days_of_a_storm_and_of_a_mourning_are_closed() -> None:
    assert {date(2012, 10, 29), date(2025, 1, 9)} <= closed(2012) | closed(2025)


def test_no_day_is_known_outside_the_times_a_feed_may_say() -> None:
    assert not closed(1999)
    assert not half_days(2101)
