from __future__ import annotations

import pytest

from sinks.iso import iso_utc, ns_of


def test_a_time_is_iso_with_microseconds_and_z() -> None:
    assert iso_utc(1_795_187_045_123_000_999) == "2026-11-20T15:04:05.123000Z"
    assert iso_utc(0) == "1970-01-01T00:00:00.000000Z"


def test_reading_a_time_gives_back_its_microseconds() -> None:
    assert ns_of(iso_utc(1_795_187_045_123_456_789)) == 1_795_187_045_123_456_000


def test_a_time_that_is_not_utc_is_refused() -> None:
    with pytest.raises(ValueError, match="ends in Z"):
        ns_of("2026-11-20T15:04:05.123000+01:00")
