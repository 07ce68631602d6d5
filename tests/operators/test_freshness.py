"""Symbols whose events come too late (detectors.md section 8)."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from operators.frames import Decoder
from operators.freshness import LagRules
from operators.records import (
    SHED,
    STARTED,
    SUSPENDED,
    UNSUBSCRIBED,
    Coverage,
    Lagging,
    Notice,
)
from operators.ticks import GAP, QUOTE, TRADE, Frames, Ticks
from tests.make import frame, wire_quote, wire_trade
from tests.reference_cases import ns

SECOND = 1_000_000_000
RULES = LagRules(warn_ns=10 * SECOND, suspend_ns=30 * SECOND)
Event = tuple[str, float, float]  # symbol, second, and how many seconds later it is received


def frames_of(*events: Event, one: Any = wire_trade, live: bool = True) -> Frames:
    """One frame an event."""
    received = [ns(at * 1000) + round(lag * SECOND) for _, at, lag in events]
    said = [frame(one(round(at * 1000), sym=symbol)) for symbol, at, _ in events]
    return Frames(received, said, live)


class Feed:
    """What becomes of frames."""

    def __init__(self, *events: Event, rules: LagRules | None = RULES, one: Any = wire_trade):
        self.decoder = Decoder(rules)
        self.chunks: list[Ticks] = []
        self.send(*events, one=one)

    def send(self, *events: Event, one: Any = wire_trade) -> None:
        self.chunks.append(self.decoder(frames_of(*events, one=one)))

    def gap(self, cause: str, refilled: bool = False) -> None:
        self.decoder.note(Coverage("*", 1, 2, cause, refilled))

    @property
    def stale(self) -> list[int]:
        """Whether each trade is."""
        return [one for chunk in self.chunks for one in chunk.details["stale"].tolist()]

    @property
    def kinds(self) -> list[int]:
        return [kind for chunk in self.chunks for kind in chunk.ticks["kind"].tolist()]

    @property
    def coverage(self) -> list[Coverage]:
        return [one for chunk in self.chunks for one in chunk.coverage]

    @property
    def notices(self) -> list[Notice]:
        return [one for chunk in self.chunks for one in chunk.notices]


def suspended(symbol: str, from_s: float, to_s: float) -> Coverage:
    return Coverage(symbol, ns(from_s * 1000), ns(to_s * 1000), SUSPENDED, refilled=False)


# From when, until when.


@pytest.mark.parametrize(("lag", "stale"), [(30, 0), (30.001, 1)])
def test_a_symbol_is_suspended_from_a_lag_above_the_limit(lag: float, stale: int) -> None:
    assert Feed(("X", 0, 0), ("X", 1, lag)).stale == [0, stale]


@pytest.mark.parametrize(("lag", "stale"), [(15.001, 1), (15, 0)])
def test_it_is_so_until_an_event_is_at_most_half_as_late(lag: float, stale: int) -> None:
    assert Feed(("X", 0, 0), ("X", 1, 31), ("X", 2, 29), ("X", 3, lag)).stale == [0, 1, 1, stale]


def test_the_limit_is_a_setting() -> None:
    rules = LagRules(10 * SECOND, 2 * SECOND)
    assert Feed(("X", 0, 0), ("X", 1, 2), ("X", 2, 2.1), rules=rules).stale == [0, 0, 1]


def test_a_suspension_is_of_one_symbol() -> None:
    feed = Feed(("X", 0, 0), ("Y", 1, 0), ("X", 2, 31), ("Y", 3, 0), ("X", 4, 30))
    assert feed.stale == [0, 0, 1, 0, 1]
    assert feed.chunks[0].suspended == {"X": 1}


def test_its_end_is_a_gap_before_the_event_that_is_on_time_again() -> None:
    feed = Feed(("X", 0, 0), ("X", 5, 40), ("X", 6, 39), ("Y", 40, 0), ("X", 50, 0))
    assert feed.kinds == [TRADE, TRADE, TRADE, TRADE, GAP, TRADE]
    mark = feed.chunks[0].ticks[4]
    assert (mark["ts_ns"], feed.chunks[0].names[mark["symbol"]]) == (ns(50_000), "X")
    assert feed.coverage == [suspended("X", 0, 50)]
    assert feed.chunks[0].suspended == {"X": 0}


def test_quotes_suspend_and_resume_as_trades_do() -> None:
    feed = Feed(("X", 0, 0), ("X", 5, 31), one=wire_quote)
    feed.send(("X", 6, 31))
    feed.send(("X", 40, 0))
    feed.send(("X", 41, 0), one=wire_quote)
    feed.send(("X", 42, 0))
    assert (feed.kinds, feed.stale) == ([QUOTE, QUOTE, TRADE, TRADE, GAP, QUOTE, TRADE], [1, 1, 0])
    assert [chunk.suspended for chunk in feed.chunks] == [{"X": 1}, {}, {}, {"X": -1}, {}]


@pytest.mark.parametrize(("late", "on_time"), [(wire_trade, wire_quote), (wire_quote, wire_trade)])
def test_one_kind_may_lag_without_the_other(late: Any, on_time: Any) -> None:
    """Quotes that come at once make late trades no better, nor prints out of order of them."""
    feed = Feed(("X", 0, 0), one=late)
    for second in range(50, 55):
        feed.send(("X", second, 0), one=on_time)
        feed.send(("X", second - 40, 40), one=late)
    assert [chunk.suspended for chunk in feed.chunks if chunk.suspended] == [{"X": 1}]
    feed.send(("X", 60, 0), one=late)
    assert feed.coverage == [suspended("X", 0, 60)]


def test_a_symbol_first_met_too_late_was_not_seen_from_then_on() -> None:
    feed = Feed(("Y", 0, 0), ("X", 5, 40), ("X", 6, 39), ("X", 50, 0))
    assert feed.coverage == [suspended("X", 5, 50)]


def test_a_symbol_is_suspended_as_often_as_it_is_late() -> None:
    feed = Feed(("X", 0, 0), ("X", 1, 31), ("X", 40, 0), ("X", 41, 31), ("X", 80, 0))
    assert feed.coverage == [suspended("X", 0, 40), suspended("X", 40, 80)]
    assert feed.kinds == [TRADE, TRADE, GAP, TRADE, TRADE, GAP, TRADE]


def test_an_event_out_of_order_neither_suspends_nor_resumes() -> None:
    """A print of the minute before comes late by itself; the feed does not."""
    assert Feed(("X", 100, 0), ("X", 40, 60), ("X", 101, 0)).stale == [0, 0, 0]
    late = Feed(("X", 0, 0), ("X", 50, 40), ("X", 49, 0), ("X", 50, 14))
    assert late.stale == [0, 1, 1, 0]  # the last one is in order: not older than the newest


# Whose lag.


@pytest.mark.parametrize("lag", [-500, 900])
def test_a_clock_that_is_wrong_or_a_delayed_feed_suspends_nothing(lag: float) -> None:
    feed = Feed(*[("X", at, lag + at % 2) for at in range(50)], ("X", 60, lag + 31))
    assert feed.stale == [0] * 50 + [1]


def test_lag_counts_from_the_least_late_event_of_any_symbol() -> None:
    assert Feed(("X", 0, 5), ("Y", 1, 3), ("X", 2, 33), ("X", 3, 33.1)).stale == [0, 0, 0, 1]


@pytest.mark.parametrize("cause", ["disconnect", "silence", "slow_consumer"])
@pytest.mark.parametrize("refilled", [False, True])
def test_a_new_connection_is_judged_anew(cause: str, refilled: bool) -> None:
    feed = Feed(("X", 0, 0), ("X", 1, 31))
    feed.gap(cause, refilled)
    feed.send(("X", 2, 600), ("X", 3, 630), ("X", 4, 630.1))
    assert feed.stale == [0, 1, 0, 0, 1]


@pytest.mark.parametrize("cause", [SHED, UNSUBSCRIBED, SUSPENDED, STARTED])
def test_a_gap_within_a_connection_makes_no_new_one(cause: str) -> None:
    feed = Feed(("X", 0, 0))
    feed.gap(cause)
    feed.send(("X", 3, 31))
    assert feed.stale == [0, 1]


def test_one_event_with_a_clock_far_ahead_makes_nobody_late() -> None:
    feed = Feed(("X", 0, 0), ("Y", 3600, -3600), ("X", 1, 0), ("Y", 2, 0), ("Y", 3, 31))
    assert feed.stale == [0, 0, 0, 0, 1]


def test_a_feed_that_catches_up_at_once_is_believed_at_the_second_event() -> None:
    feed = Feed(("X", 0, 90), ("X", 90, 0), ("X", 91, 0), ("X", 92, 31))
    assert feed.stale == [0, 0, 0, 1]


@pytest.mark.parametrize(("ahead", "stale"), [(30, 1), (30.001, 0)])
def test_far_ahead_is_more_than_the_limit(ahead: float, stale: int) -> None:
    assert Feed(("X", 0, 0), ("X", 1, -ahead), ("X", 2, 0.5)).stale == [0, 0, stale]


# What is said.


def test_a_lag_is_warned_about_above_its_limit() -> None:
    assert Feed(("X", 0, 0), ("X", 1, 10)).notices == []
    feed = Feed(("X", 0, 0), ("X", 1, 10.001))
    assert feed.notices == [Lagging("X", ns(1000), 10_001_000_000)]
    assert feed.stale == [0, 0]


def test_an_episode_is_warned_about_once() -> None:
    feed = Feed(("X", 0, 0), *[(symbol, at, 12) for at in range(1, 50) for symbol in "XYZ"])
    assert [one.symbol for one in feed.notices if isinstance(one, Lagging)] == ["X"]


@pytest.mark.parametrize(("at", "times"), [(61, 1), (61.001, 2)])
def test_an_episode_is_over_a_minute_after_its_last_late_event(at: float, times: int) -> None:
    feed = Feed(("X", 0, 0), ("X", 1, 12), ("X", 50, 0), ("X", at, 12))
    assert len(feed.notices) == times


def test_while_nothing_changes_nothing_is_said() -> None:
    """However many symbols are suspended: the whole market, when the feed as a whole lags."""
    symbols = [f"S{i}" for i in range(12_000)]
    feed = Feed(*[(symbol, 0, 0) for symbol in symbols], *[(symbol, 1, 40) for symbol in symbols])
    assert feed.chunks[0].suspended == dict.fromkeys(symbols, 1)
    feed.send(*[(symbol, 2, 41) for symbol in symbols])
    assert int(feed.chunks[1].details["stale"].sum(dtype=int)) == 12_000
    assert (feed.chunks[1].suspended, feed.coverage) == ({}, [])
    feed.send(*[(symbol, 60, 0) for symbol in symbols])
    assert len(feed.coverage) == 12_000
    assert feed.chunks[2].ticks["kind"].tolist() == [GAP, TRADE] * 12_000


# The same whatever the batch, by whichever path, and from a capture.


def noisy(rng: random.Random, n: int) -> list[Event]:
    lag, out = 0.0, list[Event]()
    for i in range(n):
        lag = rng.choice((0.0, 14.0, 16.0, 29.0, 31.0)) if rng.random() < 0.3 else lag
        out.append((rng.choice("XYZ"), float(i - rng.choice((0, 0, 5))), lag))
    return out


@pytest.mark.parametrize("size", [1, 3, 50])
def test_however_the_frames_are_batched(size: int) -> None:
    events = noisy(random.Random(size), 300)
    whole, parts = Feed(*events), Feed()
    for i in range(0, len(events), size):
        parts.send(*events[i : i + size])
    assert (parts.stale, parts.kinds) == (whole.stale, whole.kinds)
    assert (parts.coverage, parts.notices) == (whole.coverage, whole.notices)
    assert 0 < sum(whole.stale) < len(events)
    assert len(whole.coverage) > 3


def test_a_frame_that_takes_the_slow_path_keeps_its_receipt() -> None:
    events = noisy(random.Random(9), 200)
    batch = frames_of(*events)
    slow = list(batch.frames)
    for i in range(0, len(slow), 3):
        slow[i] = slow[i].replace(b'"p":10.0', b'"p":1e1')
    assert slow != batch.frames
    mixed, plain = Decoder(RULES)(Frames(batch.received_ns, slow)), Decoder(RULES)(batch)
    assert np.array_equal(mixed.ticks, plain.ticks)
    assert np.array_equal(mixed.details["stale"], plain.details["stale"])


def test_a_frame_with_a_reject_keeps_the_receipts_of_the_others() -> None:
    batch = frames_of(("X", 0, 0), ("X", 1, 31), ("X", 40, 0))
    bad = frame(wire_trade(0, p=-1.0), wire_trade(39_000), wire_trade(39_000, p=-1.0))
    batch.received_ns.insert(2, ns(39_000) + 31 * SECOND)
    batch.frames.insert(2, bad)
    assert Decoder(RULES)(batch).details["stale"].tolist() == [0, 1, 1, 0]


def test_a_capture_is_judged_as_the_day_was() -> None:
    events = noisy(random.Random(4), 200)
    live, old = (Decoder(RULES)(frames_of(*events, live=live)) for live in (True, False))
    assert live.details["stale"].tolist() == old.details["stale"].tolist()
    assert live.coverage == old.coverage != []


@pytest.mark.parametrize("seed", range(5))
def test_without_lag_nothing_changes(seed: int) -> None:
    """Times may jump and go back, as long as each event is received at once."""
    rng = random.Random(seed)
    times = [100.0 + i - rng.randrange(90) * (i % 7 == 0) for i in range(300)]
    events = [(rng.choice("XYZ"), at, 0.0) for at in times]
    judged, plain = Feed(*events), Feed(*events, rules=None)
    for name in ("ticks", "details"):
        mine, theirs = (getattr(feed.chunks[0], name) for feed in (judged, plain))
        assert np.array_equal(mine, theirs)
    assert (judged.notices, judged.coverage, judged.chunks[0].suspended) == ([], [], {})
