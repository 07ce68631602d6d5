"""What a person is told once."""

from __future__ import annotations

from typing import Any

import bytewax.operators as op
import pytest
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSource, run_main

from flows.notices import NoticeSink
from operators.records import Lagging, Notice, UnknownCondition


def told(sink: NoticeSink, *notices: Notice) -> None:
    flow = Dataflow("test")
    items = [("", notice) for notice in notices]
    op.output("out", op.input("in", flow, TestingSource(items)), sink)
    run_main(flow)


def test_a_notice_is_a_sentence_and_a_lag_an_event_as_well() -> None:
    said: list[str] = []
    lags: list[Any] = []
    lag = Lagging("AAPL", 5, 12_400_000_000)
    told(NoticeSink(said.append, lags.append), UnknownCondition(99), lag)
    assert said == [
        "Sale condition 99 is none we know: prints that carry it do not count, and the summary "
        "shows them as unknown_condition.",
        "The feed lags: AAPL came 12 s later than it should. From ORDER_FLOW_LAG_SUSPEND_SECONDS "
        "on, a symbol raises no alerts until it has caught up.",
    ]
    assert lags == [lag]


def test_it_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    told(NoticeSink(), UnknownCondition(7), Lagging("X", 1, 1))
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 2)
    assert err.startswith("Sale condition 7 ")
