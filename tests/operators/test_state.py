"""Rows of state by symbol, saved and brought back."""

from __future__ import annotations

import numpy as np
import pytest

from operators.state import Snapshot, StateVersionError, SymbolRows, blank

CELL = np.dtype([("n", np.int64), ("m", np.int64)])
EMPTY = blank(CELL, n=-1)


def rows(saved: Snapshot | None = None) -> SymbolRows:
    return SymbolRows(EMPTY, saved, version=3)


def held(state: SymbolRows) -> dict[str, int]:
    return {name: int(state.rows[i]["n"]) for i, name in enumerate(state.names)}


def saved(**values: int) -> Snapshot:
    state = rows()
    state.bind(list(values))
    state.rows["n"][: len(values)] = list(values.values())
    return state.snapshot()


def test_a_new_symbol_starts_blank() -> None:
    state = rows()
    assert state.bind(["A", "B"]) == []
    assert state.rows[:2].tolist() == [(-1, 0), (-1, 0)]


def test_rows_stay_as_they_are_when_the_array_grows() -> None:
    state, names = rows(), ["S0"]
    state.bind(names)
    state.rows["n"][0] = 7
    names += [f"S{i}" for i in range(1, 100)]
    state.bind(names)
    assert state.rows["n"][:100].tolist() == [7] + [-1] * 99


def test_saved_rows_return_to_their_symbols_in_whatever_order_these_appear() -> None:
    state = rows(saved(A=1, B=2, C=3))
    assert state.bind(["C"]) == [(0, 2)]
    assert state.bind(["C", "NEW", "A"]) == [(2, 0)]
    assert held(state) == {"C": 3, "NEW": -1, "A": 1}


def test_a_row_that_waits_for_its_symbol_is_saved_again() -> None:
    state = rows(saved(A=1, B=2))
    state.bind(["B", "NEW"])
    state.rows["n"][0] = 20
    again = state.snapshot()
    assert (again.names, again.rows["n"].tolist()) == (("B", "NEW", "A"), [20, -1, 1])
    assert state.waiting() == [0]


def test_a_snapshot_is_a_copy_without_spare_rows() -> None:
    state = rows()
    state.bind(["A"])
    before = state.snapshot()
    state.rows["n"][0] = 9
    assert before.rows.tolist() == [(-1, 0)]


def test_state_of_another_version_is_refused_in_a_sentence() -> None:
    old = Snapshot(2, ("A",), saved(A=1).rows)
    with pytest.raises(
        StateVersionError, match="holds state of version 2, this program writes version 3"
    ):
        rows(old)
