"""The quote before the print (detectors.md section 3)."""

from __future__ import annotations

from operators.nbbo import Nbbo, Prints
from operators.ticks import GAP, TRADE
from tests.make import Tape, quote, stored, trade
from tests.reference_cases import ns
from tests.reference_tape import Gap


def books(chunk: Prints) -> list[tuple[str, float, float, int]]:
    """Symbol, bid, ask and whether a quote was seen, of each print."""
    return [
        (chunk.names[r["symbol"]], r["bid"] / 1e6, r["ask"] / 1e6, int(r["quoted"]))
        for r in chunk.rows
    ]


def test_a_print_leaves_with_the_last_quote_before_it() -> None:
    chunk = Tape().ticks(
        trade(0), quote(1), trade(1), quote(2, 9.0, 9.5), quote(3, 9.1, 9.5), trade(4), quote(5)
    )
    assert books(Nbbo()(chunk)) == [("X", 0, 0, 0), ("X", 10.0, 10.1, 1), ("X", 9.1, 9.5, 1)]


def test_an_unusable_quote_replaces_the_one_before_it() -> None:
    chunk = Tape().ticks(quote(0), quote(1, 0.0, 10.1), trade(2), quote(3, 10.1, 10.0), trade(4))
    assert books(Nbbo()(chunk)) == [("X", 0, 10.1, 1), ("X", 10.1, 10.0, 1)]


def test_the_quote_of_another_symbol_is_not_taken() -> None:
    chunk = Tape().ticks(quote(0, symbol="Y"), trade(1), trade(2, symbol="Y"))
    assert books(Nbbo()(chunk)) == [("X", 0, 0, 0), ("Y", 10.0, 10.1, 1)]


def test_quotes_are_remembered_from_chunk_to_chunk_and_over_a_restart() -> None:
    tape, before = Tape(), Nbbo()
    before(tape.ticks(quote(0), quote(0, 5.0, 5.1, symbol="Y"), quote(0, 7.0, 7.1, symbol="Z")))
    assert books(before(tape.ticks(trade(1)))) == [("X", 10.0, 10.1, 1)]
    after = Nbbo(stored(before.snapshot()))
    chunk = Tape(["Z", "X"]).ticks(trade(2), trade(3, symbol="Y"))
    assert books(after(chunk)) == [("X", 10.0, 10.1, 1), ("Y", 5.0, 5.1, 1)]


def test_all_that_is_known_of_a_print_goes_with_it() -> None:
    one = trade(
        3.25,
        10.5,
        0.037,
        conditions=(14, 12),
        exchange=4,
        trf=202,
        trade_id="71",
        participant_ns=ns(1),
    )
    ticks = Tape().ticks(quote(2.5), one)
    ticks.details["stale"] = 1
    (row,) = Nbbo()(ticks).rows
    said = {
        "ts_ns": ns(3.25), "price": 10_500_000, "size": 37_000, "quote_ns": ns(2.5),
        "trade_id": 71, "exchange": 4, "trf": 202, "sale_class": 9, "sweep": 1, "id_kind": 2,
        "lateness_ms": 2, "stated_side": 0, "kind": TRADE, "stale": 1,
    }  # fmt: skip
    assert {name: int(row[name]) for name in said} == said


def test_a_gap_mark_goes_on_among_the_prints_and_quotes_stop_here() -> None:
    chunk = Nbbo()(Tape().ticks(trade(0), Gap("X"), quote(1), trade(2)))
    assert chunk.rows["kind"].tolist() == [TRADE, GAP, TRADE]
    assert len(Nbbo()(Tape().ticks(quote(0)))) == 0
