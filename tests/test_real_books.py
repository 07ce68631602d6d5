"""Real order books: the operators and the slow reference agree, and known sellers are found.

Needs the folder of the private tapes in ORDER_FLOW_REAL_DATA.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pytest

from flows.feeds.tape import TapeFeed
from flows.feeds.tape_files import expand, open_tapes
from flows.warm_up import warm_up
from operators.resting_orders import RestingOrders, RestingRules
from operators.sessions import parse_sessions
from operators.ticks import MICRO, TRADE, Ticks
from tests.operators.engine import Engine, assert_agree
from tests.reference import read_tape, run
from tests.reference_rules import Rules

pytestmark = pytest.mark.real_data

MOST_BOOKS = 25_000
"""The reference takes its time: of each tape the first hours are compared."""

AMZN = "lobster_AMZN_20120621"
CASES = (
    (AMZN, Rules(large_order_size=1_000)),
    ("xnas_SOUN_20250502", Rules(large_order_size=5_000, book_levels=10)),
    ("crypto_WIFUSDT_20260412", Rules(large_order_size=200_000, sessions="all")),
)


@pytest.fixture(scope="module", autouse=True)
def _kernels() -> None:
    warm_up(lambda _: None)


def chunks(*paths: str | Path) -> Iterator[Ticks]:
    part = TapeFeed(open_tapes(expand(map(str, paths)))).build_part("feed", "tape", None)
    try:
        while True:
            yield from part.next_batch()
    except StopIteration:
        return
    finally:
        part.close()


def before(stream: Iterator[Ticks], until_ns: int) -> Iterator[Ticks]:
    """Cut a feed at a time."""
    for chunk in stream:
        chunk.ticks = chunk.ticks[chunk.ticks["ts_ns"] < until_ns]
        chunk.details = chunk.details[: np.count_nonzero(chunk.ticks["kind"] == TRADE)]
        chunk.books = chunk.books[chunk.books["ts_ns"] < until_ns]
        yield chunk


@pytest.mark.parametrize(("tape", "rules"), CASES, ids=[tape for tape, _ in CASES])
def test_operators_and_reference_agree(real_data: Path, tape: str, rules: Rules) -> None:
    kinds = ("trades", "quotes", "book")
    trades, quotes, books = (real_data / f"{tape}.{kind}.parquet" for kind in kinds)
    with duckdb.connect() as db:
        end_ns = db.execute(
            "SELECT ts_ns FROM read_parquet(?) ORDER BY ts_ns LIMIT 1 OFFSET ?",
            [str(books), MOST_BOOKS],
        ).fetchall()[0][0]
    engine = Engine(rules)
    for chunk in before(chunks(trades, quotes, books), end_ns):
        engine.feed_ticks(chunk)
    assert_agree(engine, run(read_tape([trades], [quotes], [books], end_ns), rules))
    found = [alert for alert in engine.alerts if alert.alert_type == "large_resting_seller"]
    assert len(found) > 10


def test_the_largest_resting_sellers_of_a_day_are_found_before_they_trade(real_data: Path) -> None:
    """Twenty orders of AMZN, rebuilt from messages: size, price, and when each was first hit.

    A book shows a level, not its orders: what must hold is that by its first fill the level had
    fired for a threshold of the order's own size, and had not been below half of it since.
    """
    with duckdb.connect() as db:
        orders = db.execute(
            "SELECT round(shares * 1e6)::BIGINT, round(px * 1e6)::BIGINT, first_ns"
            " FROM read_csv(?) WHERE symbol = 'AMZN'",
            [str(real_data / "reference" / "lobster_largest_resting_sell_orders.csv")],
        ).fetchall()
    tape = list(chunks(real_data / f"{AMZN}.book.parquet"))
    fired = {shares: levels(tape, shares) for shares, _, _ in orders}
    assert len(orders) == 20
    for shares, price, first_ns in orders:
        known = [ns for ns, px in fired[shares] if px == price and ns <= first_ns]
        assert known, (shares, price)
        least, most = displayed(real_data, price, known[-1], first_ns)
        assert most >= shares / MICRO
        assert least >= shares / MICRO / 2
    assert levels(tape, 5_701 * MICRO) == []  # 5,700 is the most that is ever shown
    assert len(levels(tape, 5_700 * MICRO)) == 1


def levels(tape: list[Ticks], threshold: int) -> list[tuple[int, int]]:
    """Return (ns, price) of the first alert of each level that reaches `threshold`."""
    step = RestingOrders(RestingRules(parse_sessions("regular"), 5, threshold, 0.0, 60_000))
    found: list[tuple[int, int]] = []
    for chunk in tape:
        events = step(Ticks(chunk.names, chunk.ticks, chunk.details, books=chunk.books)).resting
        found += [(e["ts_ns"], e["price"]) for e in events if not e["escalates"]]
    return found


def displayed(folder: Path, price: int, from_ns: int, to_ns: int) -> tuple[float, float]:
    """Return the least and the most shown at a price between two moments, by plain SQL.

    Where the price is not among the five levels and above them, nothing is known.
    """
    at = " ".join(f"WHEN round(ask_px_{k} * 1e6) = {price} THEN ask_sz_{k}" for k in range(1, 6))
    with duckdb.connect() as db:
        least, most = db.execute(
            f"SELECT min(size), max(size) FROM (SELECT CASE {at}"
            f" WHEN round(ask_px_5 * 1e6) > {price} THEN 0 END AS size"
            f" FROM read_parquet('{folder / f'{AMZN}.book.parquet'}')"
            f" WHERE ts_ns >= {from_ns} AND ts_ns < {to_ns})"
        ).fetchall()[0]
    return least, most
