"""Prints of one feed, split by symbol shard."""

from __future__ import annotations

import bytewax.operators as op
import numpy as np
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSink, TestingSource, run_main

from operators.nbbo import Nbbo, Prints, nbbo
from operators.shards import SHARDS, Splitter, by_shard, shard_of
from operators.ticks import GAP, TRADE
from tests.make import Event, Gap, Tape, quote, trade

# Their shards: A 3, B 1, GE 2, MSFT 3.
A, B, GE, MSFT = "A", "B", "GE", "MSFT"


def prints(tape: Tape, *events: Event) -> Prints:
    return Nbbo()(tape.ticks(*events))


def shown(chunk: Prints) -> list[tuple[str, int, int]]:
    """Symbol, kind and price of each row."""
    return [(chunk.names[row["symbol"]], int(row["kind"]), int(row["price"])) for row in chunk.rows]


def test_a_symbol_has_the_same_shard_on_every_machine() -> None:
    assert [shard_of(s) for s in (A, B, GE, MSFT)] == [3, 1, 2, 3]
    assert {shard_of(f"S{i}") for i in range(200)} == set(range(SHARDS))


def test_prints_and_marks_go_to_the_shard_of_their_symbol_in_order() -> None:
    chunk = prints(
        Tape(),
        trade(0, 1.0, symbol=A),
        trade(1, 2.0, symbol=B),
        quote(2, 3.0, 4.0, A),
        Gap(A),
        trade(3, 5.0, symbol=MSFT),
    )
    assert [(shard, shown(part)) for shard, part in Splitter().split(chunk)] == [
        ("1", [(B, TRADE, 2_000_000)]),
        ("3", [(A, TRADE, 1_000_000), (A, GAP, 0), (MSFT, TRADE, 5_000_000)]),
    ]


def test_a_part_keeps_the_columns_and_what_the_chunk_says_of_itself() -> None:
    chunk = prints(
        Tape(),
        quote(0, 9.0, 9.1, symbol=B),
        trade(1, exchange=2, symbol=B),
        trade(2, exchange=3, symbol=MSFT),
    )
    chunk.quotes_shed, chunk.origin, chunk.texts = True, 2, {7: "x"}
    parts = Splitter().split(chunk)
    assert [(shard, part.rows[["exchange", "bid"]].tolist()) for shard, part in parts] == [
        ("1", [(2, 9_000_000)]),
        ("3", [(3, 0)]),
    ]
    assert all((p.quotes_shed, p.origin, p.texts) == (True, 2, {7: "x"}) for _, p in parts)


def test_a_symbol_keeps_its_place_in_its_shard_when_others_appear_later() -> None:
    tape, splitter = Tape(), Splitter()
    ((_, first),) = splitter.split(prints(tape, trade(0, symbol=MSFT)))
    parts = dict(splitter.split(prints(tape, trade(1, symbol=A), trade(2, symbol=MSFT))))
    assert first.rows["symbol"].tolist() == [0]
    assert parts["3"].rows["symbol"].tolist() == [1, 0]
    assert parts["3"].names == [MSFT, A]
    assert first.names is parts["3"].names


def test_a_shard_without_prints_gets_no_chunk() -> None:
    tape, splitter = Tape([A, B, GE]), Splitter()
    assert [shard for shard, _ in splitter.split(prints(tape, trade(0, symbol=GE)))] == ["2"]
    assert splitter.split(prints(tape, quote(1, symbol=GE))) == []


def test_any_number_of_symbols_comes_back_whole() -> None:
    names = [f"S{i}" for i in range(500)]
    order = np.random.default_rng(1).permutation(np.repeat(names, 3))
    chunk = prints(Tape(), *[trade(i, 1 + i, symbol=str(name)) for i, name in enumerate(order)])
    seen = [row for _, part in Splitter().split(chunk) for row in shown(part)]
    assert sorted(seen, key=lambda row: row[2]) == shown(chunk)


def test_the_step_keys_chunks_by_shard() -> None:
    tape = Tape()
    items = [tape.ticks(trade(0, symbol=A), trade(1, symbol=B)), tape.ticks(trade(2, symbol=A))]
    out: list[tuple[str, Prints]] = []
    flow = Dataflow("test")
    keyed = by_shard("shards", nbbo("nbbo", op.input("in", flow, TestingSource(items))))
    op.output("out", keyed, TestingSink(out))
    run_main(flow)
    assert [(shard, len(chunk)) for shard, chunk in out] == [("1", 1), ("3", 1), ("3", 1)]
