"""Holes in the live feed: what is fetched for them, what waits, and what is put on record."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import msgspec
import pytest

from flows.feeds.earlier import Earlier
from flows.feeds.feed_state import FeedState
from flows.feeds.gaps import START, UNSUBSCRIBED, WARM_UP_NS
from flows.feeds.holes import RESTART, RefillLimits
from flows.feeds.refill import FeedPosition, Item, Refiller
from flows.feeds.rest import Rest, RestTiming
from flows.mock.tape import Tape
from operators.records import SHED, Coverage
from operators.ticks import LATE, WARMING, Frames, Refill
from tests.flows.http import KEY, Heard, HttpServer, Reply, TapeReplies
from tests.flows.mock.tapes import NINE_THIRTY_NS, small_tape

QUICK = RestTiming(30, 30, 60, (0.01, 0.01, 0.01), 1e6)  # a slow machine is no fault
SYMBOLS = ("AAPL", "MSFT")
MS = 10**6
OPEN_MS = NINE_THIRTY_NS // MS
Answering = Callable[[int, Heard], Reply]


@pytest.fixture
def replies(tmp_path: Path) -> Iterator[TapeReplies]:
    """The listings of a tape: a trade a millisecond, AAPL's on the even ones, MSFT's between."""
    tape = Tape([small_tape(tmp_path)])
    yield TapeReplies(tape)
    tape.close()


def trade(ms: int) -> dict[str, Any]:
    """The tape's trade of that millisecond, as it was sent."""
    number = f"#{ms // 2 + 1}"
    return {"ev": "T", "sym": SYMBOLS[ms % 2], "t": OPEN_MS + ms, "i": number, "p": 100 + ms / 100}


def quote(ms: int) -> dict[str, Any]:
    return {"ev": "Q", "sym": SYMBOLS[ms % 2], "t": OPEN_MS + ms}


def frames(*events: dict[str, Any]) -> Frames:
    """One frame an event, received now."""
    return Frames([time.time_ns()] * len(events), [msgspec.json.encode([e]) for e in events])


def gap(from_ms: int, to_ms: int, cause: str = "disconnect", **changes: Any) -> Coverage:
    at = [NINE_THIRTY_NS + ms * MS for ms in (from_ms, to_ms)]
    return msgspec.structs.replace(Coverage("*", *at, cause, refilled=False), **changes)


class Rig:
    """A refiller on a server, fed by hand; it is subscribed."""

    def __init__(self, answering: Answering, symbols: tuple[str, ...] = SYMBOLS, **more: Any):
        self.server = HttpServer(answering)
        self.sentences: list[str] = []
        self.state = FeedState(subscribed_ns=1)
        self._symbols, self._more = symbols, more

    def __enter__(self) -> Self:
        self.server.__enter__()
        rest = Rest(self.server.url, KEY, QUICK)
        more = {"limits": RefillLimits(patience_s=30.0, settle_s=0), **self._more}
        self.refiller = Refiller(
            rest, lambda: self._symbols, self.state, self.sentences.append, **more
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.server.__exit__()
        assert not any(KEY in said for said in self.sentences)

    def feed(self, *items: Frames | Coverage) -> list[Item]:
        """Return what comes out until nothing is on its way any more."""
        out = self.refiller.through(items)
        deadline = time.monotonic() + 60
        while self.refiller.fetching or (more := self.refiller.through(())):
            assert time.monotonic() < deadline
            self.refiller.await_refill(0.05)
            out += self.refiller.through(()) if self.refiller.fetching else more
        return out

    def begun(self) -> Self:
        """Get over the start, with the prints of the first two milliseconds."""
        self.feed(frames(trade(0), trade(1)))
        self.server.heard.clear()
        self.sentences.clear()
        return self


def events_of(items: list[Item]) -> list[tuple[str, str, int]]:
    """Kind, symbol and millisecond of each event, in order."""
    found = []
    for item in items:
        for frame in item.frames if not isinstance(item, Coverage) else ():
            found += [(e["ev"], e["sym"], e["t"] - OPEN_MS) for e in msgspec.json.decode(frame)]
    return found


def trades_of(items: list[Item]) -> list[int]:
    return sorted(ms for kind, _, ms in events_of(items) if kind == "T")


def test_the_start_waits_for_a_print_and_for_the_minutes_before_it(replies: TapeReplies) -> None:
    with Rig(replies) as rig:
        early = frames(quote(99))
        assert rig.feed(early) == []
        live = frames(trade(100))
        record, first, second, *rest = rig.feed(live)
    to_ns = NINE_THIRTY_NS + 99 * MS
    from_ns = to_ns + MS - WARM_UP_NS
    assert record == Coverage("*", from_ns, to_ns, START, refilled=True)
    assert isinstance(first, Refill)
    assert isinstance(second, Refill)
    assert (first.symbol, second.symbol) == SYMBOLS
    assert {(r.origin, r.from_ns, r.to_ns) for r in (first, second)} == {
        (WARMING, record.from_ns, record.to_ns)
    }
    assert trades_of([first, second]) == list(range(100))
    assert rest == [early, live]
    assert rig.sentences == []


def test_a_gap_is_filled_with_every_trade_and_quote_before_the_live_tail(
    replies: TapeReplies,
) -> None:
    with Rig(replies) as rig:
        rig.begun()
        before, after = frames(trade(10), trade(11)), frames(quote(60), trade(61), trade(62))
        out = rig.feed(before, gap(11, 60), after)
    assert out[0] is before
    assert out[1] == gap(11, 60, refilled=True)
    assert out[-1] is after
    refills = out[2:-1]
    assert {(r.symbol, r.origin) for r in refills if isinstance(r, Refill)} == {
        (symbol, LATE) for symbol in SYMBOLS
    }
    assert set(range(12, 61)) <= set(trades_of(refills)) <= set(range(61))
    for symbol in SYMBOLS:
        times = [ms for _, name, ms in events_of(refills) if name == symbol]
        assert times == sorted(times)
        assert len([1 for k, name, _ in events_of(refills) if (k, name) == ("Q", symbol)]) > 40


def test_a_print_that_came_before_the_last_topic_was_granted_proves_nothing(
    replies: TapeReplies,
) -> None:
    with Rig(replies) as rig:
        rig.begun()
        rig.state.subscribed_ns = 0
        of_aapl = range(60, 70, 2)
        early = frames(quote(60), *map(trade, of_aapl))
        assert rig.feed(gap(1, 60), early) == []
        rig.state.subscribed_ns = time.time_ns()
        out = rig.feed(late := frames(trade(70)))
    assert set(range(2, 70)) - set(trades_of(out[1:-2])) == {*of_aapl}  # of it all has come since
    assert out[-2:] == [early, late]


def test_an_outage_before_the_first_print_is_one_with_it(replies: TapeReplies) -> None:
    with Rig(replies) as rig:
        rig.begun()
        assert rig.feed(gap(1, 40), frames(quote(40))) == []
        out = rig.feed(gap(41, 60), frames(trade(61)))
    assert [item for item in out if isinstance(item, Coverage)] == [gap(1, 60, refilled=True)]
    assert set(range(2, 61)) <= set(trades_of(out))


def test_what_came_between_two_outages_does_not_bring_back_its_quotes(
    replies: TapeReplies,
) -> None:
    between = [{"ev": "AM"}, quote(40), quote(41)]
    with Rig(replies) as rig:
        rig.begun()
        assert rig.feed(gap(1, 40), Frames([5], [msgspec.json.encode(between)])) == []
        *_, relived, live = rig.feed(gap(41, 60), after := frames(trade(61)))
    assert relived == Frames([5], [b'[{"ev":"AM"}]'])
    assert live is after


def test_what_came_between_two_outages_stays_where_it_cannot_be_fetched() -> None:
    with Rig(lambda n, heard: Reply({}, 403)) as rig:
        rig.begun()
        rig.feed(gap(1, 40), between := frames(quote(40)))
        assert rig.feed(gap(41, 60), live := frames(trade(61))) == [gap(1, 60), between, live]


def early(
    rig: Rig, *items: Frames | Coverage, until: Callable[[list[Item]], object] = lambda _: True
) -> list[Item]:
    """Return what comes out within a moment, or later for `until`, though no print has come."""
    out = rig.refiller.through(items)
    began = time.monotonic()
    while time.monotonic() < began + 0.7 or not until(out):
        out += rig.refiller.through(())
        assert not rig.refiller.fetching
        assert time.monotonic() < began + 60
        time.sleep(0.01)
    return out


SOON = RefillLimits(patience_s=30.0, quiet_s=0.05, settle_s=0)


def test_a_symbol_nobody_has_heard_of_is_named_at_the_start(replies: TapeReplies) -> None:
    with Rig(replies, (*SYMBOLS, "APPL")) as rig:
        rig.feed(frames(trade(40), trade(41)))
        assert rig.sentences == [
            "No trade and no quote of APPL in the minutes before the start: check the spelling if "
            "it should be active."
        ]


def test_no_symbol_is_named_where_it_is_early_and_none_has_traded(tmp_path: Path) -> None:
    with Rig(lambda number, heard: Reply(b'{"results": []}')) as rig:
        rig.feed(frames(trade(0), trade(1)))
        assert not any("spelling" in said for said in rig.sentences)


@pytest.mark.parametrize("on_record", [True, False], ids=["quotes come", "nothing comes"])
def test_a_gap_with_no_print_behind_it_goes_on_early_and_not_twice(
    replies: TapeReplies, on_record: bool
) -> None:
    with Rig(replies, limits=SOON) as rig:
        rig.begun()
        rig.feed(frames(trade(10), trade(11)))
        rig.state.unseen_ns = None if on_record else (gap(11, 60).from_ns, gap(11, 60).to_ns)
        known = [gap(11, 60), frames(quote(60))] if on_record else []
        out = early(rig, *known, until=lambda out: len(out) > 1)
        assert {(r.symbol, r.origin) for r in out if isinstance(r, Refill)} == {
            (symbol, LATE) for symbol in SYMBOLS
        }
        assert len(out) == 2  # and no record: nothing shows yet that it is whole
        assert set(range(12, 60)) <= set(trades_of(out)) <= set(range(60))  # the rest is sent
        assert rig.state.unseen_ns is None or early(rig) == []
        rig.state.unseen_ns = None
        record, *refills, live = rig.feed(
            *([] if on_record else [gap(11, 60), frames(quote(60))]), frames(trade(60))
        )[:4]
    assert record == gap(11, 60, refilled=True)
    assert len(refills) == 2
    assert trades_of(refills) == []
    assert events_of([live]) == [("Q", "AAPL", 60)]


def test_while_a_gap_is_unseen_each_further_outage_is_fetched_early_too(
    replies: TapeReplies,
) -> None:
    with Rig(replies, limits=SOON) as rig:
        rig.begun()
        rig.feed(frames(trade(10), trade(11)))
        rig.server.reply = lambda n, heard: Reply({"results": []})
        rig.state.unseen_ns = gap(11, 40).from_ns, gap(11, 40).to_ns
        assert early(rig, until=lambda _: len(rig.server.heard) > 3) == []
        asked = len(rig.server.heard)
        assert asked == 2 * len(SYMBOLS)
        rig.server.reply = replies
        rig.state.unseen_ns = gap(11, 60).from_ns, gap(11, 60).to_ns
        missed = set(range(12, 60))
        early(rig, until=lambda out: missed <= set(trades_of(out)))
        assert len(rig.server.heard) == 2 * asked


def test_the_first_print_ends_what_is_being_fetched_early(replies: TapeReplies) -> None:
    with Rig(replies, limits=SOON) as rig:
        rig.begun()
        rig.server.reply = lambda n, heard: Reply(pause_s=5)
        asked = early(rig, gap(1, 60), frames(quote(60)), until=lambda _: rig.server.heard)
        assert asked == []
        rig.server.reply = replies
        out = rig.feed(frames(trade(60)))
    assert out[0] == gap(1, 60, refilled=True)
    assert set(range(2, 60)) <= set(trades_of(out))


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_leaves_the_gap_and_the_live_feed_goes_on(
    replies: TapeReplies, status: int
) -> None:
    with Rig(replies) as rig:
        rig.begun()
        rig.server.reply = lambda n, heard: Reply({"status": "NOT_AUTHORIZED"}, status)
        live = frames(trade(61))
        assert rig.feed(gap(1, 61), live) == [gap(1, 61), live]
        assert len(rig.server.heard) == 1
    (said,) = rig.sentences
    assert said.startswith("The gap is not refilled (disconnect): REST at 127.0.0.1 ")
    assert said.endswith("; missing is AAPL, MSFT. Its windows begin anew.")


def test_quotes_that_the_socket_refuses_are_not_asked_for(replies: TapeReplies) -> None:
    with Rig(replies) as rig:
        rig.state.topics_refused = ["Q.AAPL", "Q.MSFT"]
        rig.begun()
        out = rig.feed(gap(1, 61), frames(trade(61)))
    assert out[0] == gap(1, 61, refilled=True)
    assert {kind for kind, _, _ in events_of(out)} == {"T"}


def test_a_listing_that_lags_is_asked_for_again(replies: TapeReplies) -> None:
    behind = {"results": [{"id": "#1", "sip_timestamp": NINE_THIRTY_NS, "price": 100.0}]}
    with Rig(lambda n, heard: Reply(behind) if n in (5, 6) else replies(n, heard)) as rig:
        rig.feed(frames(trade(0), trade(1)))
        assert len(rig.server.heard) == 4
        out = rig.feed(gap(1, 60), frames(trade(60)))
    assert out[0] == gap(1, 60, refilled=True)
    assert set(range(2, 60)) <= set(trades_of(out))
    assert len(rig.server.heard) == 4 + 2 + 4


def test_a_listing_that_lags_for_ever_is_given_up(replies: TapeReplies) -> None:
    with Rig(replies, limits=RefillLimits(patience_s=1.5, settle_s=0)) as rig:
        rig.begun()
        unlisted = frames({**trade(60), "i": "999"})
        assert rig.feed(gap(1, 60), unlisted) == [gap(1, 60), unlisted]
    assert "does not list the first live print yet" in rig.sentences[0]


def test_what_comes_slowly_symbol_by_symbol_is_waited_for(replies: TapeReplies) -> None:
    def slowly(n: int, heard: Heard) -> Reply:
        return replies(n, heard)._replace(pause_s=0.2)

    symbols = (*SYMBOLS, *(f"QUIET{n}" for n in range(30)))
    limits = RefillLimits(patience_s=1.5, longest_s=30.0, settle_s=0)
    with Rig(replies, symbols, limits=limits) as rig:
        rig.begun()
        rig.server.reply = slowly
        out = rig.feed(gap(1, 60), frames(trade(60)))
    assert out[0] == gap(1, 60, refilled=True)
    assert rig.sentences == []


def test_of_symbols_that_fail_alone_each_has_its_record(replies: TapeReplies) -> None:
    def answer(n: int, heard: Heard) -> Reply:
        return Reply(status=500) if "/MSFT" in heard.target else replies(n, heard)

    with Rig(answer) as rig:
        out = rig.feed(frames(trade(60)))
    records = [item for item in out if isinstance(item, Coverage)]
    assert [(r.symbol, r.refilled) for r in records] == [("AAPL", True), ("MSFT", False)]
    assert [r.symbol for r in out if isinstance(r, Refill)] == ["AAPL"]
    assert rig.sentences == [
        "The time before it was watched is not refilled (start): REST at 127.0.0.1 answers 500; "
        "missing is MSFT. Its windows begin anew."
    ]


def test_what_would_be_too_much_is_only_put_on_record(replies: TapeReplies) -> None:
    with Rig(replies, limits=RefillLimits(symbol_minutes=13.9, settle_s=0)) as rig:
        live = frames(trade(0))
        (record, same) = rig.feed(live)
    assert isinstance(record, Coverage)
    assert (record.cause, record.refilled, same) == (START, False, live)
    assert (len(rig.server.heard), len(rig.sentences)) == (0, 1)


def test_of_the_whole_market_nothing_is_refilled(replies: TapeReplies) -> None:
    with Rig(replies, symbols=("*",)) as rig:
        live = frames(quote(60))
        record, same = rig.feed(live)
        assert isinstance(record, Coverage)
        assert (record.cause, record.refilled, same) == (START, False, live)
        assert rig.feed(gap(61, 70), live) == [gap(61, 70), live]
    assert (rig.server.heard, rig.sentences) == ([], [])


def test_other_records_are_passed_on_as_they_are(replies: TapeReplies) -> None:
    with Rig(replies) as rig:
        rig.begun()
        records = gap(1, 2, SHED), gap(1, 2, "suspended", symbol="AAPL")
        assert rig.feed(*records) == [*records]
    assert rig.server.heard == []


@pytest.mark.parametrize("cause", [START, UNSUBSCRIBED])
def test_a_newly_watched_symbol_is_warmed_up_once_it_prints(
    replies: TapeReplies, cause: str
) -> None:
    record = gap(0, 40, cause, symbol="MSFT")
    with Rig(replies) as rig:
        rig.begun()
        quiet = frames(trade(40), quote(41), trade(42))
        assert rig.feed(record, quiet) == [quiet]
        assert rig.server.heard == []
        both = frames(trade(60), trade(61), trade(62))
        before, covered, refill, after = rig.feed(both)
        assert rig.feed(more := frames(trade(63))) == [more]
    assert events_of([before]) == [("T", "AAPL", 60)]
    assert covered == msgspec.structs.replace(record, refilled=True)
    assert isinstance(refill, Refill)
    assert (refill.symbol, refill.origin) == ("MSFT", WARMING)
    assert refill.from_ns == NINE_THIRTY_NS + 61 * MS - WARM_UP_NS
    assert trades_of([refill]) == list(range(1, 61, 2))
    assert events_of([after]) == [("T", "MSFT", 61), ("T", "AAPL", 62)]


def test_a_newly_watched_symbol_that_cannot_be_warmed_up_begins_cold(
    replies: TapeReplies,
) -> None:
    record = gap(0, 40, START, symbol="MSFT")
    limits = RefillLimits(symbol_patience_s=0.2, settle_s=0)
    with Rig(replies, limits=limits) as rig:
        rig.begun()
        rig.server.reply = lambda n, heard: Reply(pause_s=5)
        live = frames(trade(61))
        began = time.monotonic()
        assert rig.feed(record, live) == [record, live]
        assert time.monotonic() - began < 1
        assert rig.feed(record) == []
        assert rig.refiller.through((), ended=True) == [record]


def test_a_symbol_watched_while_the_start_is_awaited_is_part_of_it(replies: TapeReplies) -> None:
    with Rig(replies) as rig:
        out = rig.feed(frames(quote(0)), gap(0, 40, START, symbol="MSFT"), frames(trade(60)))
    assert [item.symbol for item in out if isinstance(item, Coverage)] == ["*"]
    assert {item.symbol for item in out if isinstance(item, Refill)} == set(SYMBOLS)


def test_an_outage_leaves_a_newly_watched_symbol_to_its_own_first_print(
    replies: TapeReplies,
) -> None:
    with Rig(replies) as rig:
        rig.begun()
        assert rig.feed(gap(0, 40, START, symbol="MSFT")) == []
        out = rig.feed(gap(41, 60), frames(trade(60)), frames(trade(61)))
    refills = [(item.symbol, item.origin) for item in out if isinstance(item, Refill)]
    assert refills == [("AAPL", LATE), ("MSFT", WARMING)]


def test_an_outage_right_behind_the_first_print_of_a_newly_watched_symbol_is_kept(
    replies: TapeReplies,
) -> None:
    with Rig(replies, limits=RefillLimits(patience_s=30.0, settle_s=30.0)) as rig:
        rig.refiller.through([frames(*map(trade, range(10)))])
        rig.feed()
        new = gap(0, 40, START, symbol="MSFT")
        out = rig.feed(new, frames(trade(41)), gap(41, 60), frames(*map(trade, range(60, 70))))
    assert [item for item in out if isinstance(item, Coverage)] == [
        msgspec.structs.replace(new, refilled=True),
        gap(41, 60, refilled=True),
    ]


def test_nothing_waits_for_a_server_that_hangs_and_the_end_lets_all_go(
    replies: TapeReplies,
) -> None:
    with Rig(lambda n, heard: Reply(pause_s=5)) as rig:
        live = frames(trade(60))
        began = time.monotonic()
        assert rig.refiller.through([live]) == []
        assert rig.refiller.fetching
        assert rig.refiller.through(()) == []
        record, same = rig.refiller.through((), ended=True)
        assert time.monotonic() - began < 0.4
    assert isinstance(record, Coverage)
    assert (record.refilled, same, rig.sentences) == (False, live, [])


def test_quotes_without_end_are_not_held_for_ever(replies: TapeReplies) -> None:
    with Rig(replies, limits=RefillLimits(waiting_bytes=1000, settle_s=0)) as rig:
        live = frames(*[quote(ms) for ms in range(0, 100, 2)])
        record, same = rig.feed(live)
    assert isinstance(record, Coverage)
    assert (record.refilled, same) == (False, live)


def test_a_resumed_run_fetches_what_came_since(replies: TapeReplies) -> None:
    with Rig(replies) as rig:
        assert rig.refiller.position() is None
        rig.begun()
        rig.feed(frames(trade(20), trade(21)))
        left = rig.refiller.position()
    assert left == FeedPosition(1, NINE_THIRTY_NS + 21 * MS)
    with Rig(replies, resumed_ns=left.event_ns) as rig:
        assert rig.refiller.position() == left  # also if nothing comes
        out = rig.feed(frames(trade(60)))
    assert out[0] == gap(21, 60, RESTART, refilled=True)
    assert {r.origin for r in out if isinstance(r, Refill)} == {LATE}
    assert set(range(22, 60)) <= set(trades_of(out))


def test_a_run_after_one_that_saved_nothing_warms_up_as_that_did_and_makes_news_of_the_rest(
    replies: TapeReplies,
) -> None:
    seen_ns = NINE_THIRTY_NS + 40 * MS
    earlier = Earlier(seen_ns - WARM_UP_NS, seen_ns)
    with Rig(replies, earlier=earlier) as rig:
        record, *refills, live = rig.feed(frames(trade(60)))
    assert record == gap(40, 60, RESTART, refilled=True)
    by_origin = {
        origin: trades_of([r for r in refills if isinstance(r, Refill) and r.origin == origin])
        for origin in (WARMING, LATE)
    }
    assert by_origin == {WARMING: [*range(40)], LATE: [*range(40, 60)]}
    for symbol in SYMBOLS:
        origins = [r.origin for r in refills if isinstance(r, Refill) and r.symbol == symbol]
        assert origins == [WARMING, LATE]
    assert events_of([live]) == [("T", "AAPL", 60)]


def test_what_is_open_in_the_end_is_left_to_the_run_that_goes_on(replies: TapeReplies) -> None:
    with Rig(replies, goes_on=True) as rig:
        rig.begun()
        rig.feed(frames(trade(10), trade(11)))
        rig.server.reply = lambda n, heard: Reply(pause_s=5)
        assert rig.refiller.through([gap(11, 60), frames(trade(60))]) == []
        assert rig.refiller.through([gap(60, 70)], ended=True) == []
        position = rig.refiller.position()
    assert position is not None
    assert position.event_ns == NINE_THIRTY_NS + 11 * MS


def test_a_position_is_none_until_all_of_a_start_has_been_handed_on(replies: TapeReplies) -> None:
    """Half of the symbols would be resumed cold."""
    with Rig(replies) as rig:
        out = rig.refiller.through([frames(trade(0), trade(60))])
        while not any(isinstance(item, Refill) for item in out):
            rig.refiller.await_refill(0.05)
            out += rig.refiller.through(())
        assert sum(isinstance(item, Refill) for item in out) == 1
        assert rig.refiller.position() is None
        rig.feed()
        assert rig.refiller.position() is not None


def test_a_run_resumed_after_too_long_begins_anew(replies: TapeReplies) -> None:
    long_ago = NINE_THIRTY_NS - 1500 * 60 * 10**9
    with Rig(replies, resumed_ns=long_ago) as rig:
        away, start, *refills, _ = rig.feed(frames(trade(60)))
    from_ns = NINE_THIRTY_NS + 60 * MS - WARM_UP_NS
    assert away == Coverage("*", long_ago, from_ns, RESTART, refilled=False)
    assert start == Coverage("*", from_ns, from_ns + WARM_UP_NS, RESTART, refilled=True)
    assert {r.origin for r in refills if isinstance(r, Refill)} == {WARMING}
