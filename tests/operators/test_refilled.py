"""What was fetched afterwards, from the decoder to the alert."""

from __future__ import annotations

from typing import Any

import bytewax.operators as op
import pytest
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSink, TestingSource, run_main

from operators.aggressor import CLNV, SideRules, aggressor
from operators.decode import decode
from operators.eligibility import EligibilityRules, eligibility
from operators.exit_signal import AlertRules, alerts
from operators.firings import fired
from operators.frames import REFILL_FRAMES, Decoder
from operators.large_orders import ParentRules, large_orders
from operators.nbbo import Prints, nbbo
from operators.records import Alert, Coverage
from operators.red_burst import BurstRules, red_burst
from operators.rolling_volume import rolling_volume
from operators.sessions import parse_sessions
from operators.shards import by_shard
from operators.ticks import (
    GAP,
    LATE,
    LIVE,
    MICRO,
    SEEN,
    TRADE,
    WARMING,
    Frames,
    Refill,
    Ticks,
)
from tests.make import frame, wire_quote, wire_trade
from tests.reference_cases import ns

MINUTE = 60_000


def refill(origin: int, *events: dict[str, Any], from_ms: float = 0, symbol: str = "X") -> Refill:
    return Refill(symbol, origin, ns(from_ms), ns(10**6), 77, [frame(*events)])


def live(*events: dict[str, Any]) -> Frames:
    return Frames([99], [frame(*events)])


def sale(ms: int, size: int = 100, **more: Any) -> dict[str, Any]:
    """A print at the bid, its id its time."""
    return wire_trade(ms, i=str(ms), s=size, **more)


class Flow:
    """Items through the operators: the prints with their volume, and the alerts."""

    def __init__(self, *items: Any) -> None:
        self.ticks: list[Ticks] = []
        prints: list[tuple[str, Prints]] = []
        said: list[tuple[str, Alert]] = []
        sessions = parse_sessions("regular")
        flow = Dataflow("test")
        tape = decode("decode", op.input("in", flow, TestingSource(items))).ticks
        op.output("ticks", tape, TestingSink(self.ticks))
        chunks = by_shard("s", nbbo("n", tape))
        judged = eligibility("e", chunks, EligibilityRules(sessions, 1000))
        rolled = rolling_volume("r", aggressor("a", judged, SideRules(CLNV, MINUTE)))
        orders = large_orders("l", rolled, ParentRules(10, 1_000 * MICRO))
        bursts = red_burst("b", orders, BurstRules(3.0, 4.0, 0.6, 500 * MICRO, 30_000))
        op.output("prints", bursts, TestingSink(prints))
        rules = AlertRules("live", "fixed", 1_000.0, 3.0, 4.0, 3, 120_000)
        op.output("out", alerts("x", fired("f", bursts, sessions), rules), TestingSink(said))
        run_main(flow)
        self.alerts = [alert for _, alert in said]
        self.origins = [chunk.origin for _, chunk in prints]
        self.warm = [
            int(warm)
            for _, chunk in prints
            for warm, kind in zip(chunk.volume["warm"], chunk.rows["kind"], strict=True)
            if kind == TRADE
        ]


def test_a_refill_has_chunks_of_its_own_that_know_how_they_came() -> None:
    flow = Flow(live(sale(1)), refill(LATE, sale(2), sale(3)), live(sale(4)))
    assert [(chunk.origin, len(chunk)) for chunk in flow.ticks] == [(LIVE, 1), (LATE, 2), (LIVE, 1)]
    assert flow.origins[:3] == [LIVE, LATE, LIVE]  # then the ledger
    assert [c.details["received_ns"].tolist() for c in flow.ticks] == [[99], [77, 77], [99]]


def test_a_large_refill_is_cut_into_chunks() -> None:
    one = refill(LATE, sale(1))._replace(frames=[frame(sale(i)) for i in range(REFILL_FRAMES + 5)])
    assert [len(chunk) for chunk in Decoder().refill(one)] == [REFILL_FRAMES, 5]


def test_a_warm_up_begins_with_a_mark_even_if_nothing_traded() -> None:
    flow = Flow(refill(WARMING, from_ms=-5)._replace(frames=[]))
    (marks,) = flow.ticks
    assert [(t["kind"], t["ts_ns"]) for t in marks.ticks] == [(SEEN, ns(-5))]


def test_a_refill_is_replayed_without_receipt_times() -> None:
    (chunk,) = Decoder().refill(refill(LATE, sale(1))._replace(live=False))
    assert chunk.details["received_ns"].tolist() == [0]


@pytest.mark.parametrize(
    ("from_ms", "first", "warm_from"),
    [
        (MINUTE, 3 * MINUTE, 7 * MINUTE),  # the six minutes count from the mark
        (-MINUTE, 2 * MINUTE, 8 * MINUTE),  # before the open: from the first print, as ever
    ],
)
def test_windows_are_warm_six_minutes_after_the_start_of_a_warm_up(
    from_ms: int, first: int, warm_from: int
) -> None:
    fetched = refill(WARMING, sale(first), from_ms=from_ms)
    assert Flow(fetched, live(sale(warm_from - 1), sale(warm_from))).warm == [0, 0, 1]


def test_a_warm_up_starts_the_six_minutes_of_a_symbol_that_is_known_anew() -> None:
    known = live(sale(0), sale(6 * MINUTE))
    fetched = refill(WARMING, sale(20 * MINUTE), from_ms=20 * MINUTE)
    after = live(sale(26 * MINUTE - 1), sale(26 * MINUTE))
    assert Flow(known, fetched, after).warm == [0, 1, 0, 0, 1]


def test_a_refilled_gap_leaves_windows_warm_and_one_that_is_not_does_not() -> None:
    before, after = live(sale(0), sale(6 * MINUTE)), live(sale(7 * MINUTE))
    for refilled in (True, False):
        gap = Coverage("*", ns(6 * MINUTE), ns(7 * MINUTE), "disconnect", refilled)
        fetched = [refill(LATE, sale(6 * MINUTE + 5))] if refilled else []
        assert Flow(before, gap, *fetched, after).warm[-1] == refilled


def test_a_gap_of_all_symbols_is_one_of_those_that_are_named_later() -> None:
    gap = Coverage("*", ns(0), ns(5), "restart", refilled=False)
    flow = Flow(live(sale(1)), gap, live(sale(6, sym="Y"), sale(7)), live(sale(8, sym="Y")))
    marks = [
        [(chunk.names[t["symbol"]], int(t["kind"])) for t in chunk.ticks] for chunk in flow.ticks
    ]
    assert marks == [
        [("X", TRADE)],
        [("X", GAP)],
        [("Y", GAP)],
        [("Y", TRADE), ("X", TRADE)],
        [("Y", TRADE)],
    ]


def test_an_alert_that_only_a_refill_reveals_is_late_and_said_once() -> None:
    book, large = wire_quote(0), sale(5, 1_500)
    flow = Flow(live(book, sale(1)), refill(LATE, large), live(large, sale(900, 1_200)))
    assert [(a.ts_ns, a.late, a.received_ns) for a in flow.alerts] == [
        (ns(5), True, 77),
        (ns(900), False, 99),
    ]


def test_of_alerts_before_the_start_nothing_is_said_and_nothing_forgotten() -> None:
    early = [sale(ms, 1_500) for ms in (1_000, 2_000, 3_000)]
    then = live(wire_quote(3_500), sale(4_000, 1_500))
    flow = Flow(refill(WARMING, wire_quote(0), *early), then)
    (one,) = flow.alerts
    assert (one.alert_type, one.large_sells, one.late) == ("large_seller", 4, False)
    endless = Flow(live(wire_quote(0), *early), then)
    assert [a.alert_id for a in endless.alerts][-1] == one.alert_id
    assert [a.alert_type for a in endless.alerts].count("exit_signal") == 1  # its cooldown holds
