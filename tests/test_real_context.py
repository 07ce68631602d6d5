"""What surrounds a print, on real market days: against independent results and the reference.

Needs the folder of the private tapes in ORDER_FLOW_REAL_DATA.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from flows.feeds.tape import TapeFeed
from flows.feeds.tape_files import open_tapes
from flows.scorecard.recorded import chunks
from flows.warm_up import warm_up
from operators.market_context import ContextRules, MarketContext
from operators.market_wide import UNKNOWN_OFI
from operators.ticks import MICRO
from tests.make import Tape
from tests.operators.test_market_context import rows_of
from tests.reference import read_tape
from tests.reference_context import ContextReference
from tests.reference_tape import Quote

pytestmark = pytest.mark.real_data

BIN_NS = 10 * 10**9
RULES = ContextRules(late_ms=1_000, quote_max_age_ms=60_000)
BY_SYMBOL = {
    "AAPL": "lobster_AAPL_20120621",
    "AMZN": "lobster_AMZN_20120621",
    "SOUN": "xnas_SOUN_20250502",
}


@pytest.fixture(scope="module", autouse=True)
def _kernels() -> None:
    warm_up(lambda _: None)


def reference_bins(real_data: Path, symbol: str) -> dict[str, Any]:
    """Return the order-flow imbalance of others, every 10 s."""
    with duckdb.connect() as db:
        found: dict[str, Any] = db.execute(
            "select start_ns, ofi from read_parquet(?) where symbol = ? order by start_ns",
            [str(real_data / "reference" / "ofi_10s.parquet"), symbol],
        ).fetchnumpy()
    return found


@pytest.mark.parametrize("symbol", list(BY_SYMBOL))
def test_order_flow_of_a_minute_is_the_sum_of_six_bins_of_others(
    real_data: Path, tmp_path: Path, symbol: str
) -> None:
    """A print is put in at the very end of each bin, so that its minute is six whole bins."""
    bins = reference_bins(real_data, symbol)
    looks = tmp_path / "looks.trades.parquet"
    with duckdb.connect() as db:
        db.execute("create table ends as select unnest($e::bigint[]) as ts_ns", {
            "e": (bins["start_ns"] + BIN_NS - 1).tolist()
        })  # fmt: skip
        db.execute(
            f"copy (select '{symbol}' as symbol, ts_ns, 1.0 as price, 1.0 as size from ends)"
            f" to '{looks}' (format parquet)"
        )
    quotes = str(real_data / f"{BY_SYMBOL[symbol]}.quotes.parquet")
    context = MarketContext(RULES)
    feed = TapeFeed(open_tapes([str(looks), quotes]), depths=True)
    found = np.concatenate([context(chunk).context["ofi"] for chunk in chunks(feed)])
    expected = np.convolve(bins["ofi"], np.ones(6), "valid")
    assert len(found) == len(bins["ofi"])
    assert (found[:6] == UNKNOWN_OFI).all()  # a minute of quotes has not been seen yet
    np.testing.assert_array_equal(found[6:] / MICRO, expected[1:])


def test_a_day_of_several_symbols_is_as_the_reference_has_it(real_data: Path) -> None:
    """Two stocks and SPY, a minute and a bit: the reference takes its time."""
    names = ("lean_SPY_20131008", "lean_AIG_20131008", "lean_BAC_20131008")
    trades = [real_data / f"{name}.trades.parquet" for name in names]
    quotes = [real_data / f"{name}.quotes.parquet" for name in names[1:]]
    from_ns = 1_381_240_800 * 10**9  # 10:00 New York
    events = [
        event
        for event in read_tape(trades, quotes)
        if from_ns <= event.ts_ns < from_ns + 80 * 10**9  # type: ignore[union-attr]
    ]
    assert sum(isinstance(event, Quote) for event in events) > 500
    tape, context = Tape(), MarketContext(RULES)
    parts = [events[i : i + 5_000] for i in range(0, len(events), 5_000)]
    found = rows_of([context(tape.ticks(*part)) for part in parts])
    assert found == ContextReference().run(events)
    assert any(row.market_then and row.then and row.market_now for row in found)
