"""Prints worth saying something about, as records (detectors.md section 9, the alert contract)."""

from __future__ import annotations

from typing import Any

import pytest

from operators.aggressor import CLNV, Aggressor, SideRules
from operators.eligibility import Eligibility, EligibilityRules
from operators.firings import firings
from operators.large_orders import LargeOrders, ParentRules
from operators.nbbo import Nbbo
from operators.records import SELLER_WARNING, Firing, Parent
from operators.red_burst import BurstRules, RedBurst
from operators.rolling_volume import RollingVolume
from operators.sessions import parse_sessions
from tests.make import Tape, quote, trade
from tests.reference_cases import WARM, buy, clock, ns, quoted, sell
from tests.reference_tape import Event

MICRO = 1_000_000


def fired(
    *events: Event, sessions: str = "regular", stale: int | None = None
) -> list[tuple[str, Firing]]:
    """Return what leaves; `stale`: from this trade on the symbol is suspended."""
    chosen = parse_sessions(sessions)
    chunk: Any = Tape().ticks(*events)
    if stale is not None:
        chunk.details["stale"][stale:] = 1
    for step in (
        Nbbo(),
        Eligibility(EligibilityRules(chosen, 1_000)),
        Aggressor(SideRules(CLNV, 60_000)),
        RollingVolume(),
        LargeOrders(ParentRules(10, 1_000 * MICRO)),
        RedBurst(BurstRules(3.0, 4.0, 0.6, 5_000 * MICRO, 120_000)),
    ):
        chunk = step(chunk)
    return list(firings(chunk, chosen))


def test_a_print_on_which_nothing_fired_is_not_said() -> None:
    assert fired(quote(0), trade(1, 10.0, 999), trade(400, 10.0, 1)) == []


def test_a_large_seller_leaves_with_its_quote_and_its_parent() -> None:
    tape: list[Event] = [
        quote(0.9, 10.0, 10.1),
        trade(2, 10.0, 600.5),
        trade(3.5, 9.99, 400, trade_id="7"),
    ]
    assert fired(*tape) == [
        (
            "X",
            Firing(
                symbol="X",
                ts_ns=ns(3.5),
                received_ns=0,
                trade_key="0|0|7",
                price=9.99,
                bid=10.0,
                ask=10.1,
                quote_age_ms=3.0,
                side_evidence="at_bid",
                session="regular",
                parent=Parent(SELLER_WARNING, 1, 1_000.5, 10_001.0, 9.996002, 2, 1, ns(2)),
                burst=0,
                burst_escalates=False,
                burst_first_ns=0,
                volume_1m=1_000.5,
                avg_volume_1m=None,
                volume_ratio=None,
                sell_share=1.0,
            ),
        )
    ]


def test_a_burst_leaves_with_its_volumes() -> None:
    tape = quoted(buy(0, 1), buy(10_000, 900), buy(10_011, 900))
    tape += quoted(*[sell(WARM + 20 * i, 900) for i in range(6)])
    (one,) = [firing for _, firing in fired(*tape)]
    assert (one.burst, one.burst_escalates, one.burst_first_ns) == (2, False, ns(WARM + 100))
    assert (one.volume_1m, one.avg_volume_1m, one.volume_ratio) == (5_400.0, 360.0, 15.0)
    assert (one.parent, one.sell_share) == (None, 1.0)


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({}, "#2"),
        ({"trade_id": "71675222901845", "exchange": 12}, "12|0|71675222901845"),
        ({"trade_id": "71", "exchange": 4, "trf": 202}, "4|202|71"),
        ({"trade_id": "x-1", "exchange": 4}, "4|0|x-1"),
        ({"trade_id": "007", "exchange": 4}, "4|0|007"),
        ({"trade_id": "9" * 19, "exchange": 4}, "4|0|" + "9" * 19),
        ({"trade_id": "71", "exchange": "D"}, "D|0|71"),
        ({"trade_id": "#17", "exchange": 4, "trf": 202}, "#17"),
        ({"trade_id": "é", "exchange": 4}, "4|0|é"),
    ],
)
def test_the_trade_key_is_spelled_as_the_feed_spells_it(given: dict[str, Any], key: str) -> None:
    ((_, firing),) = fired(quote(0), trade(0, 10.0, 1), trade(50, 10.0, 1_000, **given))
    assert firing.trade_key == key


@pytest.mark.parametrize(
    ("events", "bid", "ask", "age", "evidence"),
    [
        ([quote(0, 10.0, 0.0)], 10.0, None, 100.0, "tick"),
        ([quote(0, 10.0, 10.0)], 10.0, 10.0, 100.0, "tick"),
        ([], None, None, None, "tick"),
        ([quote(100.7)], 10.0, 10.1, 0.0, "stated"),
    ],
)
def test_what_was_known_of_the_market_is_said(
    events: list[Event], bid: float | None, ask: float | None, age: float | None, evidence: str
) -> None:
    """Without a quote the tick rule is accepted; with one, only what the feed itself states."""
    stated = -1 if events else 0
    tape = [trade(0, 10.1, 1), *events, trade(100.8, 10.0, 1_000, stated_side=stated)]
    ((_, firing),) = fired(*tape)
    assert (firing.bid, firing.ask, firing.quote_age_ms) == (bid, ask, age)
    assert firing.side_evidence == ("stated" if events else evidence)


@pytest.mark.parametrize(
    ("sessions", "text", "name"),
    [
        ("regular", "09:30:00", "regular"),
        ("pre,regular", "09:29:59", "pre"),
        ("post", "16:00:00", "post"),
        ("07:00-10:00", "09:45:00", "07:00-10:00"),
        ("all", "02:00:00", "all"),
    ],
)
def test_an_alert_names_its_session(sessions: str, text: str, name: str) -> None:
    made = clock(text)
    one = trade(0, 10.0, 1_000, stated_side=-1)
    moved = type(one)("X", made.ts_ns, 10.0, 1_000, stated_side=-1)
    ((_, firing),) = fired(moved, sessions=sessions)
    assert firing.session == name


def test_firings_come_in_print_order_and_name_their_symbols() -> None:
    tape = [trade(i, 10.0, 1_000, stated_side=-1, symbol=s) for i, s in enumerate("YXY")]
    assert [(symbol, f.ts_ns) for symbol, f in fired(*tape)] == [
        ("Y", ns(0)),
        ("X", ns(1)),
        ("Y", ns(2)),
    ]


def test_a_burst_before_a_parent_leaves_before_it_and_a_buy_is_at_the_ask() -> None:
    """The print that lifts the minute over the threshold may be a buy; it is then `at_ask`."""
    tape = quoted(buy(0, 1), buy(10_000, 900), buy(10_011, 900))
    tape += quoted(*[sell(WARM + 20 * i, 900) for i in range(5)], buy(WARM + 100, 600))
    tape += quoted(sell(WARM + 200, 1_000))
    said = [(f.ts_ns, f.burst > 0, f.parent is not None, f.side_evidence) for _, f in fired(*tape)]
    assert said == [
        (ns(WARM + 100), True, False, "at_ask"),
        (ns(WARM + 200), False, True, "at_bid"),
    ]


def test_what_a_suspended_symbol_does_is_not_said() -> None:
    tape = [trade(100 * i, 10.0, 1_000, stated_side=-1) for i in range(3)]
    assert [f.ts_ns for _, f in fired(*tape, stale=1)] == [ns(0)]
