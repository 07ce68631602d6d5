"""Gaps: where they begin and end, in event time."""

from __future__ import annotations

import time

from flows.feeds.gaps import START, WARM_UP_NS, Gaps
from operators.records import Coverage

OPEN_MS = 1_795_185_000_000
SECOND = 1_000_000_000


def frame(*seconds: int) -> bytes:
    events = (f'{{"ev":"T","sym":"A","t":{OPEN_MS + 1000 * second}}}' for second in seconds)
    return f"[{','.join(events)}]".encode()


def second_ns(second: int) -> int:
    return OPEN_MS * 1_000_000 + second * SECOND


def test_a_gap_runs_from_the_last_event_before_it_to_the_first_one_after() -> None:
    gaps = Gaps()
    gaps.saw(1, frame(0))
    gaps.saw(2, frame(1, 2))
    gaps.begin("disconnect")
    assert gaps.end(3, frame(7, 8)) == Coverage(
        "*", second_ns(2), second_ns(7), "disconnect", refilled=False
    )
    assert not gaps.open


def test_a_connection_lost_again_before_any_data_leaves_the_gap_as_it_was() -> None:
    gaps = Gaps()
    gaps.saw(1, frame(0))
    gaps.begin("max_connections")
    gaps.begin("disconnect")
    assert gaps.end(2, frame(5)).cause == "max_connections"


def test_a_gap_before_any_event_is_as_long_as_the_wall_clock_says() -> None:
    gaps = Gaps()
    gaps.begin("disconnect")
    gap = gaps.end(time.time_ns() + 3 * SECOND, frame(9))
    assert gap.to_ns == second_ns(9)
    assert 3 * SECOND <= gap.to_ns - gap.from_ns < 20 * SECOND


def test_a_gap_never_ends_before_it_begins() -> None:
    gaps = Gaps()
    gaps.saw(1, frame(5))
    gaps.begin("disconnect")
    gap = gaps.end(2, frame(3))  # a late print comes first
    assert (gap.from_ns, gap.to_ns) == (second_ns(5), second_ns(5))


def test_frames_without_a_time_count_by_their_receipt() -> None:
    gaps = Gaps()
    gaps.saw(second_ns(1), b"[{broken")
    gaps.begin("disconnect")
    gap = gaps.end(second_ns(2), b"[]")
    assert (gap.from_ns, gap.to_ns) == (second_ns(1), second_ns(2))


def test_a_symbol_that_is_watched_again_was_not_seen_in_between() -> None:
    gaps = Gaps()
    assert gaps.watch("A") is None
    gaps.saw(time.time_ns(), frame(1))
    gaps.unwatch("A")
    gaps.saw(time.time_ns(), frame(4))
    gap = gaps.watch("A")
    assert gap is not None
    assert (gap.symbol, gap.cause, gap.refilled) == ("A", "unsubscribed", False)
    assert second_ns(1) <= gap.from_ns < second_ns(2)  # the feed's clock, at the time
    assert second_ns(4) <= gap.to_ns < second_ns(14)
    assert gaps.watch("A") is None


def test_a_symbol_that_is_watched_for_the_first_time_in_mid_run_was_not_seen_before() -> None:
    gaps = Gaps()
    assert gaps.watch("A") is None  # before any event: the start of the run is its own
    gaps.saw(time.time_ns(), frame(1))
    assert gaps.watch("A") is None  # subscribed to anew
    start = gaps.watch("B")
    assert start is not None
    assert (start.symbol, start.cause, start.refilled) == ("B", START, False)
    assert start.to_ns - start.from_ns == WARM_UP_NS
    assert second_ns(1) <= start.to_ns < second_ns(11)
    assert gaps.watch("B") is None
