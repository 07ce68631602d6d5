"""Where the live feed sets in, and what of a listing it has not sent."""

from __future__ import annotations

from typing import Any

import msgspec

from flows.feeds.seam import SETTLING_EVENTS, Print, Seam

MS = 1_000_000


def live_trade(ms: int, i: str = "", symbol: str = "A", price: float = 10.0) -> dict[str, Any]:
    return {"ev": "T", "sym": symbol, "t": ms, "i": i, "x": 4, "p": price}


def live_quote(ms: int, symbol: str = "A") -> dict[str, Any]:
    return {"ev": "Q", "sym": symbol, "t": ms}


def trade(ns: int, i: str | None, price: float = 10.0) -> dict[str, Any]:
    row = {"sip_timestamp": ns, "id": i, "exchange": 4, "price": price}
    return {name: value for name, value in row.items() if value is not None}


def quote(ns: int) -> dict[str, Any]:
    return {"sip_timestamp": ns}


def seam(*early: dict[str, Any], then: list[dict[str, Any]]) -> Seam:
    """A seam of what came before everything was subscribed, and after."""
    found = Seam()
    assert not found.add(msgspec.json.encode(early), False)
    assert found.add(msgspec.json.encode(then), True)
    return found


def kept(found: Seam, symbol: str, *rows: dict[str, Any], after_ms: int = 0) -> list[int]:
    trades, _ = found.missed(symbol, list(rows), [], after_ms)
    return [row["sip_timestamp"] for row in trades]


def kept_quotes(found: Seam, symbol: str, trades: list[dict[str, Any]], *ns: int) -> list[int]:
    _, quotes = found.missed(symbol, trades, [quote(n) for n in ns], 0)
    return [row["sip_timestamp"] for row in quotes]


def test_the_newest_of_the_first_prints_that_came_fully_subscribed_is_the_anchor() -> None:
    found = Seam()
    assert not found.add(b"[{broken", True)
    assert not found.add(msgspec.json.encode([{"ev": "T", "sym": 5}, {"ev": "AM", "t": 3}]), True)
    assert not found.add(msgspec.json.encode([live_trade(5, "1")]), False)
    assert not found.add(msgspec.json.encode([live_quote(6)]), True)
    assert found.add(msgspec.json.encode([live_trade(7, "2", "B")]), True)
    assert found.anchor == Print("B", 7, (4, 0, "2"))
    assert found.add(msgspec.json.encode([live_trade(8, "3"), live_trade(6, "4")]), True)
    assert found.anchor == Print("A", 8, (4, 0, "3"))
    assert found.first_ms == 5
    assert not found.settled
    assert found.add(msgspec.json.encode([live_quote(9)] * SETTLING_EVENTS), True)
    assert found.settled


def test_a_print_from_before_the_gap_is_no_anchor() -> None:
    found = Seam()
    assert not found.add(msgspec.json.encode([live_trade(7, "2")]), True, after_ms=8)
    assert found.add(msgspec.json.encode([live_trade(8, "3")]), True, after_ms=8)


def test_what_the_live_feed_has_sent_of_a_symbol_is_not_missed() -> None:
    found = seam(live_trade(5, "5"), then=[live_trade(9, "9", "B")])
    rows = [trade(ms * MS, str(ms)) for ms in (3, 4, 5, 6, 9)]
    assert kept(found, "A", *rows[:3]) == [3 * MS, 4 * MS]
    assert kept(found, "B", *rows) == [3 * MS, 4 * MS, 5 * MS, 6 * MS]
    assert kept(found, "C", *rows, trade(10 * MS, "10")) == [ms * MS for ms in (3, 4, 5, 6, 9)]


def test_a_print_that_was_sent_late_or_once_more_goes_on_in_its_place() -> None:
    found = seam(then=[live_trade(4, "4"), live_trade(9, "9", "B")])
    rows = [trade(ms * MS, str(ms)) for ms in (3, 4, 5)]
    assert kept(found, "A", *rows) == [3 * MS, 4 * MS, 5 * MS]
    assert kept_quotes(found, "A", rows, 3 * MS, 5 * MS, 8 * MS) == [3 * MS, 5 * MS, 8 * MS]
    assert kept(seam(then=[live_trade(4)]), "A", trade(4 * MS, None), trade(3 * MS, None)) == [
        3 * MS
    ]


def test_no_quote_is_put_before_a_print_that_it_did_not_stand_before() -> None:
    found = seam(live_trade(5, "5"), live_quote(6, "C"), then=[live_trade(9, "9", "B")])
    times = (4 * MS, 5 * MS + 10, 5 * MS + 30, 6 * MS, 7 * MS, 9 * MS, 10 * MS)
    assert kept_quotes(found, "A", [], *times) == [4 * MS, 5 * MS + 10, 5 * MS + 30]
    assert kept_quotes(found, "C", [], *times) == [*times[:4]]
    assert kept_quotes(found, "D", [], *times) == [*times[:6]]
    unnamed = seam(live_trade(5), then=[live_trade(9, "9", "B")])
    listed = [trade(5 * MS + 20, None)]  # its second copy would be counted, too
    assert kept_quotes(unnamed, "A", listed, *times) == [4 * MS, 5 * MS + 10]


def test_prints_sent_before_the_quotes_were_granted_go_on_between_the_quotes_not_sent() -> None:
    early = [live_trade(5, "5"), live_trade(7, "7"), live_quote(8)]
    found = seam(*early, then=[live_trade(9, "9")])
    trades = [trade(ms * MS, str(ms)) for ms in (4, 5, 7, 9)]
    quotes = [quote(ms * MS) for ms in (3, 6, 8)]
    rows = found.missed("A", trades, quotes, 0)
    assert [[row["sip_timestamp"] // MS for row in some] for some in rows] == [[4, 5], [3, 6]]


def test_quotes_sent_before_the_prints_were_granted_go_on_before_the_prints_not_sent() -> None:
    found = seam(live_quote(5), live_quote(6), then=[live_trade(9, "9")])
    trades, quotes = [trade(7 * MS, "7"), trade(9 * MS, "9")], [quote(5 * MS), quote(6 * MS)]
    rows = found.missed("A", trades, quotes, 0)
    assert [[row["sip_timestamp"] // MS for row in some] for some in rows] == [[7], [5, 6]]


def test_a_print_without_an_id_is_let_through_from_behind_the_gaps_beginning_only() -> None:
    found = seam(then=[live_trade(9)])
    rows = [trade(ms * MS, None) for ms in (1, 2, 3, 9)]
    assert kept(found, "A", *rows, trade(9 * MS, None, 11.0), after_ms=2) == [3 * MS]


def test_without_a_live_print_only_what_has_an_id_goes_on() -> None:
    """What has none would be counted a second time when the live feed sets in."""
    rows, quotes = [{"id": "7"}, {"id": ""}, {}], [{"bid_price": 1}]
    assert Seam().missed("A", rows, quotes, 0) == ([{"id": "7"}], quotes)
