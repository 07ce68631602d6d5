"""When a silent connection is given up."""

from __future__ import annotations

from datetime import datetime

import pytest

from flows.feeds.silence import LONGEST, Silence, market_clock
from flows.settings import Settings
from operators.sessions import NEW_YORK, is_open, parse_sessions


def silent(watch: Silence, seconds: range, frames: int = 0) -> list[int]:
    """Return the seconds at which it gives up, a new connection being made each time."""
    given_up = []
    for second in seconds:
        if watch.too_long(frames, second):
            given_up.append(second)
            watch.begin(frames, second)
    return given_up


def begun(limit_s: float = 30, **more: float) -> Silence:
    watch = Silence(limit_s, **more)  # type: ignore[arg-type]
    watch.begin(0, 0)
    return watch


def test_a_silence_is_too_long_when_it_is_longer_than_the_limit() -> None:
    watch = begun()
    assert not watch.too_long(0, 30)
    assert watch.too_long(0, 30.1)


def test_any_frame_ends_a_silence() -> None:
    watch = begun()
    assert [watch.too_long(n, 29 * n) for n in range(10)] == [False] * 10
    assert not watch.too_long(9, 9 * 29 + 30)
    assert watch.too_long(9, 9 * 29 + 31)


def test_connecting_again_to_a_feed_that_stays_silent_is_done_ever_more_rarely() -> None:
    given_up = silent(begun(), range(1, 3000))
    pauses = [b - a for a, b in zip([0, *given_up], given_up, strict=False)]
    assert pauses == [31, 61, 121, 241, 481, 481, 481, 481, 481]
    assert pauses[-1] - 1 == 30 * LONGEST


def test_a_lively_feed_is_judged_by_the_limit_again_and_a_thin_one_is_not() -> None:
    thin, lively = begun(lively_s=60), begun(lively_s=60)
    for watch in (thin, lively):
        assert silent(watch, range(1, 100)) == [31, 92]
        assert watch.patience_s == 120
    assert not any(thin.too_long(second // 40, second) for second in range(93, 500))
    assert not any(lively.too_long(second // 5, second) for second in range(93, 500))
    assert (thin.patience_s, lively.patience_s) == (120, 30)


def test_silence_is_counted_from_the_open() -> None:
    is_open_now = False
    watch = Silence(30, lambda: is_open_now)
    watch.begin(0, 0)
    assert silent(watch, range(1, 5000)) == []
    is_open_now = True
    assert silent(watch, range(5000, 5100)) == [5030, 5091]
    is_open_now = False
    assert silent(watch, range(5100, 5101)) == []
    assert watch.patience_s == 30


@pytest.mark.parametrize(
    ("sessions", "moment", "expected"),
    [
        ("regular", "2026-11-20 09:29:59", False),
        ("regular", "2026-11-20 09:30:00", True),
        ("regular", "2026-11-20 15:59:59", True),
        ("regular", "2026-11-20 16:00:00", False),
        ("pre,regular,post", "2026-11-20 19:59:00", True),
        ("regular", "2026-11-22 12:00:00", False),  # a Sunday
        ("regular", "2026-11-26 12:00:00", False),  # Thanksgiving
        ("regular", "2026-11-27 12:59:00", True),  # closes at 13:00
        ("regular", "2026-11-27 13:00:00", False),
        ("07:00-10:00", "2026-11-20 07:00:00", True),
        ("07:00-10:00", "2026-11-20 10:00:00", False),
        ("all", "2026-11-22 03:00:00", True),
    ],
)
def test_the_market_is_open_in_the_phases_admitted(
    sessions: str, moment: str, expected: bool
) -> None:
    ms = int(datetime.fromisoformat(moment).replace(tzinfo=NEW_YORK).timestamp() * 1000)
    assert is_open(parse_sessions(sessions), ms) is expected


def test_a_delayed_feed_opens_later() -> None:
    at_open = int(datetime(2026, 11, 20, 9, 30, tzinfo=NEW_YORK).timestamp())
    now_s = at_open
    live, delayed = (
        market_clock(Settings(feed_delay_seconds=s), lambda: now_s * 10**9) for s in (0, 900)
    )
    assert (live(), delayed()) == (True, False)
    now_s += 900
    assert (live(), delayed()) == (True, True)
    now_s = at_open + 23_400
    assert (live(), delayed()) == (False, True)
