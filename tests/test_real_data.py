"""Real market days: the operators and the slow reference agree, and sides come out right.

Needs the folder of the private tapes in ORDER_FLOW_REAL_DATA.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import duckdb
import numpy as np
import pytest

from flows.feeds.tape import TapeFeed
from flows.feeds.tape_files import expand, open_tapes
from flows.warm_up import warm_up
from operators.aggressor import AT_QUOTE
from operators.nbbo import Prints
from operators.ticks import TRADE, Ticks
from operators.verdicts import COUNTED
from tests.operators.engine import Engine, assert_agree
from tests.reference import read_tape, run
from tests.reference_rules import Rules

pytestmark = pytest.mark.real_data

TAPES = (
    "crypto_WIFUSDT_20260412",
    "lean_AIG_20131008",
    "lean_BAC_20131008",
    "lean_IBM_20131007",
    "lean_IBM_20131008",
    "lean_SPY_20131008",
    "lobster_AAPL_20120621",
    "lobster_AMZN_20120621",
    "taq_ETR_20190508",
    "xnas_SOUN_20250502",
)
MOST_TRADES = 60_000
"""The reference takes its time: of a longer day its first hours are compared."""


@pytest.fixture(scope="module", autouse=True)
def _kernels() -> None:
    warm_up(lambda _: None)


def files_of(folder: Path, tape: str) -> tuple[list[Path], list[Path]]:
    quotes = folder / f"{tape}.quotes.parquet"
    return [folder / f"{tape}.trades.parquet"], [quotes] if quotes.exists() else []


def chunks(folder: Path, tape: str) -> Iterator[Ticks]:
    trades, quotes = files_of(folder, tape)
    feed = TapeFeed(open_tapes(expand(str(path) for path in [*trades, *quotes])))
    part = feed.build_part("feed", "tape", None)
    try:
        while True:
            yield from part.next_batch()
    except StopIteration:
        return
    finally:
        part.close()


def first_trades(stream: Iterator[Ticks], most: int) -> Iterator[Ticks]:
    """Cut a feed behind so many trades."""
    for chunk in stream:
        ends = np.flatnonzero(chunk.ticks["kind"] == TRADE)
        if len(ends) > most:
            end = int(ends[most])
            yield Ticks(
                chunk.names, chunk.ticks[:end], chunk.details[:most], chunk.texts, chunk.venues
            )
            return
        most -= len(ends)
        yield chunk


STOCKS = tuple(tape for tape in TAPES if not tape.startswith("crypto"))
IN_ADAPTIVE_MODE = ("crypto_WIFUSDT_20260412", "lean_IBM_20131008", "lean_SPY_20131008")


@pytest.mark.parametrize(
    ("tape", "mode"),
    [*((tape, "fixed") for tape in TAPES), *((tape, "adaptive") for tape in IN_ADAPTIVE_MODE)],
)
def test_operators_and_reference_agree(real_data: Path, tape: str, mode: str) -> None:
    sessions = "all" if tape.startswith("crypto") else "regular"
    rules = Rules(sessions=sessions, detection_mode=mode)
    engine = Engine(rules)
    for chunk in first_trades(chunks(real_data, tape), MOST_TRADES):
        engine.feed_ticks(chunk)
        engine.tape.rejected.update(
            {key: n for key, n in chunk.rejected.items() if key[1] != "crossed_quote"}
        )
    events = read_tape(*files_of(real_data, tape))
    trade_rows = (i for i, event in enumerate(events) if hasattr(event, "price"))
    end = next(islice(trade_rows, MOST_TRADES, None), len(events))
    assert_agree(engine, run(events[:end], rules))


def test_fixed_mode_finds_the_large_sellers_of_a_day_of_bank_of_america(real_data: Path) -> None:
    engine = Engine(Rules())
    for chunk in chunks(real_data, "lean_BAC_20131008"):
        engine.feed_ticks(chunk)
    found = [alert.alert_type for alert in engine.alerts]
    assert found.count("large_seller") == 1_117


@pytest.mark.parametrize("tape", STOCKS)
def test_adaptive_mode_raises_2_to_30_alerts_a_day_on_market_trades(
    real_data: Path, tape: str
) -> None:
    """Without any history, settings as shipped; no alert stands on an auction or a late report."""
    engine, stands_on = Engine(Rules(detection_mode="adaptive")), set()

    def note(chunk: Prints) -> None:
        rows = [*chunk.parents["row"].tolist(), *chunk.bursts["row"].tolist()]
        stands_on.update(chunk.verdict[rows].tolist())

    engine.watch = note
    for chunk in chunks(real_data, tape):
        engine.feed_ticks(chunk)
    assert 2 <= len(engine.alerts) <= 30
    assert stands_on == {COUNTED}


@pytest.mark.parametrize("tape", ["lobster_AAPL_20120621", "lobster_AMZN_20120621"])
def test_certain_sides_are_right(real_data: Path, tape: str) -> None:
    """Against the true side: all executions of one venue, hidden ones left out as they are."""
    trades, _ = files_of(real_data, tape)
    with duckdb.connect() as db:
        truth = db.execute(
            "SELECT side FROM read_parquet(?, file_row_number = true)"
            " ORDER BY ts_ns, feed_seq, file_row_number",
            [str(trades[0])],
        ).fetchnumpy()["side"]
    engine, side, certain = Engine(Rules(sessions="all")), [], []

    def note(chunk: Prints) -> None:
        side.append(chunk.side)
        certain.append((chunk.evidence == AT_QUOTE) & (chunk.verdict == COUNTED))

    engine.watch = note
    for chunk in chunks(real_data, tape):
        engine.feed_ticks(chunk)
    sides, sure = np.concatenate(side), np.concatenate(certain)
    assert len(sides) == len(truth)
    right = sides[sure] == truth[sure]
    assert sure.mean() > 0.5
    assert right.mean() >= 0.999
