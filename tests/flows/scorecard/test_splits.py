"""A market in which one side of a split falls: the split finds it, and counts its tests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest

from flows.scorecard.figures import split_reading, table
from flows.scorecard.judge import Judged, Terms, judge
from flows.scorecard.recorded import Recorded
from flows.scorecard.report import report
from flows.scorecard.splits import Split, _vpin_values
from flows.settings import Settings
from operators.records import Alert, MarketWide
from tests.flows.scorecard.days import day, ns
from tests.flows.scorecard.test_judge import market


def told(alert: Alert, i: int, falls: bool) -> Alert:
    """Return an alert with its surroundings; every fifth is of a time nobody knows of."""
    wide = MarketWide(None, None, None, None, None, 0, None, not falls)
    flow = None if i % 5 == 0 else -100.0 if falls else 100.0
    fields: dict[str, Any] = {"market_wide": wide, "ofi_60s": flow, "cvd": -7.0}
    return msgspec.structs.replace(alert, **fields)


@pytest.fixture(scope="module")
def judged() -> Judged:
    """After alerts of the days that fall nothing is market-wide; after the others it is."""
    falling, flat = market(1, fall_bp=40.0), market(2, fall_bp=0.0, days=4)
    days = [*falling.days, *(d for d in flat.days if d.day > falling.days[-1].day)]
    last = falling.days[-1].until_ns
    alerts = [told(a, i, True) for i, a in enumerate(falling.alerts)]
    alerts += [told(a, i, False) for i, a in enumerate(flat.alerts) if a.ts_ns > last]
    return judge(Recorded(days, alerts), Settings(), Terms())


def split(judged: Judged, by: str, value: str) -> Split:
    (found,) = [
        row
        for row in judged.card.splits
        if (row.alert_type, row.by, row.value) == ("large_seller", by, value)
    ]
    return found


def test_each_group_is_measured_by_itself(judged: Judged) -> None:
    own, wide = split(judged, "market-wide", "no"), split(judged, "market-wide", "yes")
    assert (own.alerts, wide.alerts, own.unknown) == (84, 84, 0)
    assert own.abnormal_bp is not None
    assert wide.abnormal_bp is not None
    assert own.abnormal_bp < -20 < -8 < wide.abnormal_bp < 8
    assert own.q is not None
    assert own.q < 0.05
    assert (own.fall_share, wide.fall_share) == (1.0, 0.0)


def test_what_nobody_knew_is_in_no_group_and_is_counted(judged: Judged) -> None:
    selling, buying = (split(judged, "order flow, 60 s", v) for v in ("selling", "buying"))
    assert selling.alerts + buying.alerts + selling.unknown == 168
    assert selling.unknown == buying.unknown == 34
    delta = split(judged, "volume delta", "buying")
    assert (delta.alerts, delta.abnormal_bp, delta.p, delta.q) == (0, None, None, None)


def test_the_tests_are_a_family_of_their_own(judged: Judged) -> None:
    scores = [row for row in judged.card.scores if row.p is not None]
    tested = [row for row in judged.card.splits if row.p is not None]
    assert judged.card.hypotheses == len(scores)
    assert f"{len(tested)} tests of their own" in split_reading(judged.card)
    assert all(row.q is not None and row.p is not None and row.q >= row.p for row in tested)


def test_table_and_report_show_them(judged: Judged) -> None:
    for text in (table(judged.card), report(judged)):
        assert "order flow, 60 s" in text
        assert "tests of their own" in text


def test_vpin_is_high_above_its_median_of_the_day_so_far(judged: Judged) -> None:
    times, value = ns(*range(0, 200, 10)), np.arange(20.0)
    value[15] = 2.0
    on = day([(0, 1, 1), (300, 1, 1)])
    (some, *_) = [m for m in judged.measured if len(m.events)]
    fired = replace(some.events, day=on, ns=ns(95, 105, 145, 155))
    about = {(on.symbol, on.day): (times, value)}
    found = _vpin_values(replace(some, events=fired), about)
    assert found == [None, "high", "high", "low"]  # nine values before the tenth are too few
