"""Frames of the vendor's feed to ticks, and what is wrong with them (detectors.md section 8)."""

from __future__ import annotations

from typing import Any

import bytewax.operators as op
import pytest
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSink, TestingSource, run_main

from operators.decode import Reader, decode
from operators.frames import Decoder
from operators.freshness import LagRules
from operators.records import SUSPENDED, Coverage, Reject, UnknownCondition
from operators.ticks import (
    GAP,
    ID_MOCK_ROW,
    ID_NUMBER,
    ID_ROW,
    ID_TEXT,
    LATENESS_UNKNOWN,
    QUOTE,
    TRADE,
    Frames,
    Ticks,
)
from tests.make import frame, frames, wire_quote, wire_trade
from tests.reference_cases import OPEN_MS, ns

GOOD = wire_trade(7, sym="GOOD")


def decoded(*contents: bytes) -> Ticks:
    return Decoder()(frames(*contents))


def shown(ticks: Ticks) -> list[tuple[str, int, int, int]]:
    """Symbol, kind, price (or bid) and size (or ask) of each tick."""
    return [(ticks.names[t["symbol"]], *t[["kind", "price", "size"]].tolist()) for t in ticks.ticks]


def rejected(item: object) -> dict[tuple[str, str], int]:
    """What is rejected of a frame in which a good trade stands before and after `item`."""
    ticks = decoded(frame(GOOD, item, GOOD))
    assert [name for name, *_ in shown(ticks)] == ["GOOD", "GOOD"]
    assert [(r.symbol, r.code) for r in ticks.rejects] == list(ticks.rejected)
    return ticks.rejected


# What is understood.


def test_a_trade_and_a_quote_become_ticks_in_arrival_order() -> None:
    ticks = decoded(frame(wire_trade(3, p=10.5, s=7), wire_quote(2, sym="Y")), frame(wire_trade(1)))
    assert shown(ticks) == [
        ("X", TRADE, 10_500_000, 7_000_000),
        ("Y", QUOTE, 10_000_000, 10_100_000),
        ("X", TRADE, 10_000_000, 100_000_000),
    ]
    assert ticks.ticks["ts_ns"].tolist() == [ns(3), ns(2), ns(1)]


def test_every_field_of_a_trade_finds_its_column() -> None:
    one = wire_trade(831, x=4, z=3, s=0, ds="0.037000", c=[12, 14], pt=OPEN_MS + 814, q=9, trfi=202)
    ticks = Decoder()(Frames([5], [frame(one | {"i": "71675222901845"})]))
    said = {
        "trade_id": 71675222901845, "received_ns": 5, "lateness_ms": 17, "exchange": 4,
        "trf": 202, "sale_class": 9, "sweep": 1, "id_kind": ID_NUMBER, "stated_side": 0,
    }  # fmt: skip
    assert {name: int(ticks.details[0][name]) for name in said} == said
    assert ticks.ticks["size"].tolist() == [37_000]


def test_what_is_left_out_is_unknown() -> None:
    ticks = decoded(frame(wire_trade(x=None, i=None)))
    said = ticks.details[0]
    assert (said["exchange"], said["trf"], said["sale_class"]) == (0, 0, 0)
    assert said["lateness_ms"] == LATENESS_UNKNOWN


@pytest.mark.parametrize(
    ("given", "kind", "number"),
    [
        ("71", ID_NUMBER, 71),
        (71, ID_NUMBER, 71),
        ("#17", ID_MOCK_ROW, 17),
        ("", ID_ROW, 1),
    ],
)
def test_an_id_is_a_number_or_a_row(given: object, kind: int, number: int) -> None:
    detail = decoded(frame(wire_trade() | {"i": given})).details[0]
    assert (detail["id_kind"], detail["trade_id"]) == (kind, number)


def test_an_id_that_is_no_number_keeps_its_text() -> None:
    ticks = decoded(frame(wire_trade(i="x-1")))
    assert ticks.details["id_kind"].tolist() == [ID_TEXT]
    assert ticks.texts == {int(ticks.details["trade_id"][0]): "x-1"}


def test_a_trade_without_an_id_is_the_next_row_of_its_symbol_rejected_ones_included() -> None:
    nameless: list[dict[str, Any]] = [
        wire_trade(i=None),
        wire_trade(i=None, sym="Y"),
        wire_trade(i=None, p=-1.0),
        wire_trade(i=None),
    ]
    assert decoded(frame(*nameless)).details["trade_id"].tolist() == [1, 1, 3]


def test_one_sided_quotes_are_ticks() -> None:
    one = wire_quote(ap=None)
    assert shown(decoded(frame(one, wire_quote(bp=0, ap=10)))) == [
        ("X", QUOTE, 10_000_000, 0),
        ("X", QUOTE, 0, 10_000_000),
    ]


def test_a_crossed_quote_is_kept_and_only_counted() -> None:
    ticks = decoded(frame(wire_quote(bp=10.2)))
    assert (len(ticks), ticks.rejects) == (1, [])
    assert ticks.rejected == {("X", "crossed_quote"): 1}


@pytest.mark.parametrize(("c", "side"), [([1], -1), ([2], 1), ([], 0), ([1, 2], 0), ([3], 0)])
def test_a_crypto_trade_states_its_taker(c: list[int], side: int) -> None:
    one = {
        "ev": "XT",
        "pair": "BTC-USD",
        "p": 1.5,
        "s": 0.25,
        "t": OPEN_MS,
        "c": c,
        "i": 55,
        "x": 1,
    }
    ticks = decoded(frame(one))
    assert shown(ticks) == [("BTC-USD", TRADE, 1_500_000, 250_000)]
    detail = ticks.details[0]
    assert (detail["stated_side"], detail["sale_class"], detail["trade_id"]) == (side, 0, 55)


def test_a_crypto_quote_is_a_quote() -> None:
    one = {"ev": "XQ", "pair": "BTC-USD", "bp": 1.5, "ap": 1.6, "t": OPEN_MS, "x": 1}
    assert shown(decoded(frame(one))) == [("BTC-USD", QUOTE, 1_500_000, 1_600_000)]


@pytest.mark.parametrize("event", ["status", "A", "AM", "LULD", "NOI", "FMV", "XA"])
def test_events_of_no_use_here_are_passed_over(event: str) -> None:
    assert rejected({"ev": event, "status": "success", "message": "subscribed to: T.X"}) == {}


def test_whole_floats_stand_for_integers() -> None:
    one = wire_trade(x=4.0, c=[12.0], t=float(OPEN_MS), trfi=202.0, s=100.0)
    ticks = decoded(frame(one))
    assert ticks.rejected == {}
    detail = ticks.details[0]
    assert (detail["exchange"], detail["trf"], detail["sale_class"]) == (4, 202, 9)
    assert ticks.ticks["ts_ns"].tolist() == [ns(0)]


def test_fields_we_do_not_know_and_a_list_of_quote_conditions_do_no_harm() -> None:
    ticks = decoded(frame(wire_trade(new={"a": [1]}), wire_quote(c=[1], i=[604], bs=100)))
    assert (len(ticks), ticks.rejected) == (2, {})


@pytest.mark.parametrize(
    "symbol", ["BRK.B", "BApA", "NE.WS.A", "X:BTC-USD", "O:SPY", "A" * 32, "7"]
)
def test_odd_symbols_are_symbols(symbol: str) -> None:
    assert [name for name, *_ in shown(decoded(frame(wire_trade(sym=symbol))))] == [symbol]


# What is not.


@pytest.mark.parametrize(
    ("item", "symbol", "code"),
    [
        (wire_trade(p=0), "X", "bad_price"),
        (wire_trade(p=-1.5), "X", "bad_price"),
        (wire_trade(p=1e300), "X", "bad_price"),
        (wire_trade(p=10_000_000.01), "X", "bad_price"),
        (wire_quote(bp=-0.01), "X", "bad_price"),
        (wire_quote(ap=-1), "X", "bad_price"),
        (wire_trade(s=0), "X", "bad_size"),
        (wire_trade(s=-1), "X", "bad_size"),
        (wire_trade(s=-5), "X", "bad_size"),
        (wire_trade(s=1e300), "X", "bad_size"),
        (wire_trade(ds="0"), "X", "bad_size"),
        (wire_trade(ds="-1"), "X", "bad_size"),
        (wire_trade(t=None) | {"t": 0}, "X", "bad_time"),
        (wire_trade() | {"t": -5}, "X", "bad_time"),
        (wire_trade() | {"t": OPEN_MS // 1000}, "X", "bad_time"),  # seconds
        (wire_trade() | {"t": OPEN_MS * 1_000}, "X", "bad_time"),  # microseconds
        (wire_trade() | {"t": ns(0)}, "X", "bad_time"),
        (wire_quote() | {"t": ns(0)}, "X", "bad_time"),
        (wire_trade(sym=""), "", "bad_symbol"),
        (wire_trade(sym="A|B"), "", "bad_symbol"),
        (wire_trade(sym="A B"), "", "bad_symbol"),
        (wire_trade(sym="../etc"), "", "bad_symbol"),
        (wire_trade(sym="Ä"), "", "bad_symbol"),
        (wire_trade(sym="A" * 33), "", "bad_symbol"),
        (wire_quote(sym="\n"), "", "bad_symbol"),
        (wire_trade(t=None), "X", "missing_field"),
        (wire_trade(p=None), "X", "missing_field"),
        (wire_trade(s=None), "X", "missing_field"),
        (wire_trade(sym=None), "", "missing_field"),
        ({"sym": "X"}, "X", "missing_field"),
        ({}, "", "missing_field"),
        ({"ev": "T"}, "", "missing_field"),
        ({"ev": "ZZ", "sym": "X"}, "X", "unknown_event"),
        ({"ev": 5}, "", "unknown_event"),
        (wire_trade(p="10"), "X", "bad_type"),
        (wire_trade(s=True), "X", "bad_type"),
        (wire_trade(t="now"), "X", "bad_type"),
        (wire_trade(t=OPEN_MS + 0.5), "X", "bad_type"),
        (wire_trade(t=1e30), "X", "bad_type"),
        (wire_trade(x=40_000), "X", "bad_type"),
        (wire_trade(c=7), "X", "bad_type"),
        (wire_trade(c=["a"]), "X", "bad_type"),
        (wire_trade(ds=5), "X", "bad_type"),
        (wire_trade(ds="nan"), "X", "bad_type"),
        (wire_trade(ds="1_000"), "X", "bad_type"),
        (wire_trade(ds="much"), "X", "bad_type"),
        (wire_trade(ds=""), "X", "bad_type"),
        (wire_trade(sym=5), "", "bad_type"),
        (5, "", "bad_type"),
        (None, "", "bad_type"),
        ("T", "", "bad_type"),
        ([wire_trade()], "", "bad_type"),
    ],
)
def test_a_bad_item_is_rejected_with_its_code_and_the_others_are_kept(
    item: object, symbol: str, code: str
) -> None:
    assert rejected(item) == {(symbol, code): 1}


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[",
        b"[1,",
        b"null",
        b"{}",
        b"5",
        b"\xff\xfe",
        b"[" * 100_000,
        b'[{"ev":"T"]',
        b"[] []",
    ],
)
def test_a_frame_that_is_no_list_in_json_is_one_reject(text: bytes) -> None:
    ticks = decoded(frame(GOOD), text, frame(GOOD))
    assert (len(ticks), ticks.rejected) == (2, {("", "malformed_json"): 1})


def test_an_empty_frame_list_is_nothing() -> None:
    assert (len(decoded(b"[]")), decoded(b"[]").rejected) == (0, {})


@pytest.mark.parametrize("text", [b'"\\ud800"', b'"\xff"', b"1e400", b"9" * 5_000])
def test_a_value_no_type_holds_costs_its_item_only(text: bytes) -> None:
    """Half a surrogate pair, a broken byte, a number beyond double and one beyond everything."""
    item = b'{"ev":"T","sym":"X","p":' + text + b',"s":1,"t":1}'
    ticks = decoded(b"[" + frame(GOOD)[1:-1] + b"," + item + b"]")
    assert (len(ticks), sum(ticks.rejected.values())) == (1, 1)


def test_a_frame_of_a_megabyte_is_decoded_whole() -> None:
    one = frame(*[wire_trade(i, i=str(i)) for i in range(15_000)])
    assert 900_000 < len(one) < 2_000_000
    assert len(decoded(one)) == 15_000
    bad = decoded(one[:-1] + b",{}]")
    assert (len(bad), bad.rejected) == (15_000, {("", "missing_field"): 1})


def test_a_record_holds_the_fragment_and_the_receipt_time() -> None:
    ticks = Decoder()(Frames([3, 9], [frame(GOOD), frame({"ev": "ZZ", "sym": "X"})]))
    assert ticks.rejects == [Reject("X", "unknown_event", '{"ev":"ZZ","sym":"X"}', 9)]


def test_the_frames_of_a_capture_have_no_latency() -> None:
    live = Decoder()(Frames([5], [frame(GOOD)]))
    old = Decoder()(Frames([5], [frame(GOOD)], live=False))
    assert (live.details["received_ns"].tolist(), old.details["received_ns"].tolist()) == ([5], [0])


# What was not seen.


def test_a_gap_marks_the_symbols_it_concerns() -> None:
    decoder = Decoder()
    decoder(frames(frame(wire_trade(), wire_trade(sym="Y"))))
    one = decoder.gap(Coverage("Y", 1, 2, "drop", refilled=False))
    assert shown(one) == [("Y", GAP, 0, 0)]
    every = decoder.gap(Coverage("*", 1, 2, "drop", refilled=False))
    assert shown(every) == [("X", GAP, 0, 0), ("Y", GAP, 0, 0)]
    assert every.ticks["ts_ns"].tolist() == [2, 2]


def test_a_symbol_first_met_after_a_gap_of_all_is_marked_too() -> None:
    """A run before this one may have left windows of it that have the gap in them."""
    gap = Coverage("*", 1, 2, "started", refilled=False)
    good = frames(frame(GOOD))
    reader = Reader()
    chunks = [chunk for item in (gap, good, good) for chunk in reader(item) if len(chunk)]
    assert [chunk.ticks["kind"].tolist() for chunk in chunks] == [[GAP], [TRADE], [TRADE]]
    assert (shown(chunks[0])[0][0], int(chunks[0].ticks["ts_ns"][0])) == ("GOOD", 2)


@pytest.mark.parametrize("gaps", [[], [Coverage("X", 1, 2, "drop", refilled=False)]])
def test_without_a_gap_of_all_it_is_not(gaps: list[Coverage]) -> None:
    reader = Reader()
    for gap in gaps:
        assert [chunk.ticks["kind"].tolist() for chunk in reader(gap)] == [[GAP]]
    chunks = [*reader(frames(frame(GOOD)))]
    assert [chunk.ticks["kind"].tolist() for chunk in chunks] == [[TRADE]]


def test_the_step_hands_on_ticks_rejects_and_coverage() -> None:
    tape = decoded(frame(wire_quote()))
    gap, refilled = (Coverage("X", 1, 2, "drop", refilled=r) for r in (False, True))
    items: list[Any] = [frames(frame(GOOD, 5)), gap, tape, refilled]
    flow = Dataflow("test")
    seen = decode("decode", op.input("in", flow, TestingSource(items)))
    ticks: list[Ticks] = []
    rejects: list[tuple[str, Reject]] = []
    coverage: list[tuple[str, Coverage]] = []
    op.output("ticks", seen.ticks, TestingSink(ticks))
    op.output("rejects", seen.rejects, TestingSink(rejects))
    op.output("coverage", seen.coverage, TestingSink(coverage))
    run_main(flow)
    assert [t.ticks["kind"].tolist() for t in ticks] == [[TRADE], [GAP], [QUOTE]]
    assert rejects == [("", Reject("", "bad_type", "5", 1))]
    assert coverage == [("X", gap), ("X", refilled)]


def test_the_step_records_suspensions_and_judges_each_connection_anew() -> None:
    def at(second: int, lag: int) -> Frames:
        return Frames([ns(second * 1000) + lag * 10**9], [frame(wire_trade(second * 1000))])

    refilled = Coverage("*", 1, 2, "disconnect", refilled=True)
    items: list[Any] = [at(0, 0), at(1, 31), at(40, 0), refilled, at(41, 99)]
    flow = Dataflow("test")
    up = op.input("in", flow, TestingSource(items))
    seen = decode("decode", up, LagRules(10 * 10**9, 30 * 10**9))
    ticks: list[Ticks] = []
    coverage: list[tuple[str, Coverage]] = []
    op.output("ticks", seen.ticks, TestingSink(ticks))
    op.output("coverage", seen.coverage, TestingSink(coverage))
    run_main(flow)
    assert [one for chunk in ticks for one in chunk.details["stale"].tolist()] == [0, 1, 0, 0]
    suspended = Coverage("X", ns(0), ns(40_000), SUSPENDED, refilled=False)
    assert sorted(coverage) == [("*", refilled), ("X", suspended)]


# Sale conditions nobody has told us of.


def test_an_unknown_condition_is_news_once() -> None:
    decoder = Decoder()
    odd = frame(wire_trade(c=[99, 14, 61, 300]))
    first, again = decoder(frames(odd, odd)), decoder(frames(odd, frame(wire_trade(c=[61]))))
    assert first.notices == [UnknownCondition(61), UnknownCondition(99), UnknownCondition(300)]
    assert again.notices == []
    assert {*first.details["sale_class"].tolist(), *again.details["sale_class"].tolist()} == {2}


def test_the_sides_of_crypto_are_no_sale_conditions() -> None:
    one = {"ev": "XT", "pair": "X:BTC-USD", "p": 1.0, "s": 1.0, "t": OPEN_MS, "c": [99], "i": "1"}
    ticks = decoded(frame(one))
    assert (ticks.notices, ticks.details["sale_class"].tolist()) == ([], [0])


def test_a_condition_that_was_met_is_read_the_fast_way() -> None:
    decoder, odd = Decoder(), frame(wire_trade(c=[99]))
    assert decoder._scan([odd], [1]).left == 1
    decoder(frames(odd))
    assert decoder._scan([odd], [1]).left == 0
