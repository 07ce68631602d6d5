from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pytest

from flows.scorecard.vpin import bars, buckets, bulk_bought, vpin
from tests.flows.scorecard.days import day, seconds


def test_a_trade_that_fills_a_bucket_goes_on_in_the_next() -> None:
    """30 bought and 50 sold; of the sold 20 fill the first bucket of 50 and 30 stay."""
    signed, filled = buckets(np.array([30.0, 50, 20, 10]), np.array([30.0, 0, 20, 0]), 50.0)
    assert (signed.tolist(), filled.tolist()) == ([10.0, -10.0], [1, 2])


def test_a_trade_larger_than_buckets_fills_several() -> None:
    signed, filled = buckets(np.array([125.0]), np.array([125.0]), 50.0)
    assert (signed.tolist(), filled.tolist()) == ([50.0, 50.0], [0, 0])


def test_vpin_is_the_mean_imbalance_of_the_last_buckets() -> None:
    found = vpin(np.array([10.0, -30, 50, -50]), 50.0, window=2)
    assert np.isnan(found[0])
    assert found[1:].tolist() == [0.4, 0.8, 1.0]
    assert np.isnan(vpin(np.array([1.0]), 50.0, window=2)).all()


def test_bulk_classification_halves_what_does_not_move_the_price() -> None:
    """Changes 0, 1, 0: the scale is known only from what came before."""
    bought = bulk_bought(np.array([10.0, 11.0, 11.0]), np.array([100.0, 100.0, 100.0]))
    assert bought.round(2).tolist() == [50.0, 92.14, 50.0]  # Z(sqrt 2) = 0.9214


def test_bars_are_minutes_that_traded() -> None:
    prints = [(0, 10.0, 5), (59, 10.1, 6), (60, 10.2, 7), (200, 10.3, 8)]
    ns, price, volume = bars(day([(0, 9.9, 10.1)], prints).prints)
    assert (seconds(ns), price.tolist()) == ([59, 60, 200], [10.1, 10.2, 10.3])
    assert volume.tolist() == [11, 7, 8]


@pytest.mark.real_data
@pytest.mark.parametrize("tape", ["lobster_AAPL_20120621", "lobster_AMZN_20120621"])
def test_vpin_of_true_sides_is_that_of_others(real_data: Path, tape: str) -> None:
    symbol = tape.split("_")[1]
    with duckdb.connect() as db:
        trades = db.execute(
            "select size, side from read_parquet(?, file_row_number = true)"
            " order by ts_ns, feed_seq, file_row_number",
            [str(real_data / f"{tape}.trades.parquet")],
        ).fetchnumpy()
        theirs = db.execute(
            "select * from read_parquet(?) where symbol = ? order by bucket",
            [str(real_data / "reference" / "vpin_250buckets.parquet"), symbol],
        ).fetchnumpy()
    bucket = float(theirs["bucket_size"][0])
    signed, _ = buckets(trades["size"], trades["size"] * (trades["side"] > 0), bucket)
    assert len(signed) == len(theirs["bucket"]) == 250
    np.testing.assert_allclose(signed, theirs["signed_volume_true"], atol=1e-6 * bucket)
    known = theirs["vpin50_true"]
    ours = vpin(signed, bucket)
    np.testing.assert_allclose(ours[49:], np.ma.filled(known.astype(float), np.nan)[49:], rtol=1e-9)
