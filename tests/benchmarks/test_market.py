from __future__ import annotations

import duckdb
import numpy as np

from benchmarks import inputs, prints
from benchmarks.market import Shape, make_market

SHAPE = Shape(symbols=20, ticks=5_000, ticks_a_plant=500)


def test_equal_shapes_give_equal_markets() -> None:
    one, other = make_market(SHAPE), make_market(SHAPE)
    for side in ("trades", "quotes"):
        columns = getattr(one, side)
        assert all(np.array_equal(column, getattr(other, side)[c]) for c, column in columns.items())


def test_a_tape_is_in_time_order_and_a_fifth_of_it_trades() -> None:
    tape = inputs.tape(SHAPE)
    for path in (tape.trades, tape.quotes):
        with duckdb.connect() as db:
            times = db.execute(f"SELECT ts_ns FROM '{path}'").fetchnumpy()["ts_ns"]
        assert bool((np.diff(times) >= 0).all())
    trades = inputs.rows_in(tape.trades)
    assert trades + inputs.rows_in(tape.quotes) == SHAPE.ticks
    assert 0.18 < trades / SHAPE.ticks < 0.22


def test_the_beginning_of_a_tape_holds_its_first_ticks() -> None:
    assert inputs.beginning(inputs.tape(SHAPE), 1_000).ticks == 1_000


def test_no_symbol_prints_twice_in_one_nanosecond() -> None:
    columns = prints.columns(20_000)
    assert len(np.unique(columns["ts_ns"])) == 20_000
