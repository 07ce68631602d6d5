"""Statements in a thread of their own, broken off by Ctrl-C."""

from __future__ import annotations

import os
import signal
import threading
import time

import duckdb
import pytest

from flows.importing.sorting import run

LONG = "SELECT sum(sin(a.range * b.range)) FROM range(1_000_000_000) a, range(1_000) b"


def never() -> None:
    return None


@pytest.mark.parametrize("after_s", [0.0, 0.05, 0.25])
def test_ctrl_c_ends_the_statement_before_it_is_passed_on(after_s: float) -> None:
    """The statement may not have begun, and the wait for it may be the thing broken off."""
    threads = threading.active_count()
    db = duckdb.connect()

    def press() -> None:
        time.sleep(after_s)
        os.kill(os.getpid(), signal.SIGINT)

    finger = threading.Thread(target=press)
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012 - it may come at once
        finger.start()
        run(db, LONG, never)
        pytest.fail("the statement takes hours")
    finger.join()
    assert db.execute("SELECT 1").fetchall() == [(1,)]
    db.close()
    until = time.monotonic() + 5  # a thread that has done its work may still be ending
    while threading.active_count() > threads and time.monotonic() < until:
        time.sleep(0.01)
    assert threading.active_count() <= threads


def test_a_failure_is_the_statements_own() -> None:
    with pytest.raises(duckdb.CatalogException):
        run(duckdb.connect(), "SELECT * FROM nothing", never)


def test_work_that_goes_wrong_while_it_waits_ends_the_statement() -> None:
    db = duckdb.connect()

    def wrong() -> None:
        raise OSError("no bar")

    with pytest.raises(OSError, match="no bar"):
        run(db, LONG, wrong)
    assert db.execute("SELECT 1").fetchall() == [(1,)]
