"""The feed's clock and ours."""

from __future__ import annotations

import pytest

from flows.feeds.clock_skew import ClockSkew

SECOND = 1_000_000_000
OPEN_MS = 1_795_185_000_000


def said(skew: ClockSkew, *lags_s: float) -> list[str]:
    """Return what is said of frames that came so much later than their newest event."""
    found: list[str] = []
    for lag_s in lags_s:
        frame = b'[{"t":%d},{"t":%d}]' % (OPEN_MS, OPEN_MS - 60_000)
        skew.look(OPEN_MS * 1_000_000 + int(lag_s * SECOND), frame, found.append)
    return found


@pytest.mark.parametrize(
    ("delay_s", "lags_s", "words"),
    [
        (0, [-1] * 20, ""),
        (0, [0, -2, -9], "2 s ahead of"),
        (0, [10] * 20, ""),
        (0, [900.4] * 9, ""),
        (0, [950] * 9 + [900.4], "900 s behind"),
        (0, [950] * 9 + [5], ""),  # late, but not the clock
        (900, [900.4] * 20, ""),
        (900, [0.2], "900 s ahead of"),
    ],
)
def test_clocks_far_apart_are_said_once(delay_s: float, lags_s: list[float], words: str) -> None:
    skew = ClockSkew(delay_s, 10)
    found = said(skew, *lags_s)
    assert [words in sentence for sentence in found] == ([True] if words else [])
    assert not words or said(skew, *lags_s) == []


def test_each_connection_is_looked_at_anew() -> None:
    skew = ClockSkew(0, 10)
    assert said(skew, *[60] * 9) == []
    skew.begin()
    assert said(skew, *[60] * 9) == []
    assert len(said(skew, 60)) == 1


def test_a_frame_without_times_tells_nothing() -> None:
    ClockSkew(0, 10).look(5, b"[{}]", pytest.fail)
