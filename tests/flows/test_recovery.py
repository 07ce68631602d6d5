"""The recovery store after a kill: nothing of an unfinished epoch comes back."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import bytewax.operators as op
import pytest
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSink, TestingSource, run_main

from flows.recovery import StoreError, forget_unfinished, recovery_config

EACH_ITEM = timedelta(0)  # an epoch


def total(folder: Path, *items: Any) -> list[tuple[str, int]]:
    """Add up, by key, what comes; go on from the store."""

    def add(state: int | None, value: int) -> tuple[int, int]:
        return (state or 0) + value, (state or 0) + value

    out: list[tuple[str, int]] = []
    flow = Dataflow("totals")
    came = op.input("in", flow, TestingSource([*items]))
    op.output("out", op.stateful_map("sum", came, add), TestingSink(out))
    run_main(flow, epoch_interval=EACH_ITEM, recovery_config=recovery_config(folder))
    return out


def store(folder: Path) -> sqlite3.Connection:
    return sqlite3.connect(folder / "part-0.sqlite3")


def leave_unfinished(folder: Path) -> None:
    """Leave what a kill leaves: the state of a new key, of the epoch the next run begins with."""
    with closing(store(folder)) as db, db:
        db.execute(
            "insert into snaps (step_id, state_key, snap_epoch, ser_change) "
            "select step_id, 'new', max(worker_frontier), ser_change from snaps, fronts "
            "where step_id like '%sum%'"
        )


def test_what_a_killed_run_saved_of_an_unfinished_epoch_never_comes_back(tmp_path: Path) -> None:
    items = [("a", 7), ("b", 1), ("new", 1)]
    assert total(tmp_path, items[0]) == [("a", 7)]
    leave_unfinished(tmp_path)
    assert total(tmp_path, *items[:2]) == [("b", 1)]  # passes the epoch without the new key
    assert total(tmp_path, *items) == [("new", 1)]


def test_what_was_finished_stays(tmp_path: Path) -> None:
    total(tmp_path, ("a", 7), ("b", 1))
    assert forget_unfinished(tmp_path / "part-0.sqlite3") == 0


def test_a_store_that_is_none_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "part-0.sqlite3").write_bytes(b"garbage" * 1000)
    with pytest.raises(StoreError, match="file is not a database"):
        recovery_config(tmp_path)
