"""A feed that is gone for a second, and for a minute: every trade of the gap, and every alert."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from flows.feeds.capture_files import read_capture
from flows.feeds.capture_lines import item_of
from flows.feeds.recorder import RecordedFeed, Recorder
from flows.mock import MockPolygon
from flows.mock.faults import Outage
from flows.warm_up import warm_up
from operators.ticks import LATE, MS, Refill
from tests.flows.files import write_parquet
from tests.flows.market import expected_ids, market
from tests.flows.test_refill import SPEED, Run, feed_of, stop_after
from tests.reference_cases import OPEN_MS
from tests.reference_tape import Event, Trade

AT_S = 655.0  # in the middle of a wave of selling

Named = tuple[str, int, str]  # symbol, event time (ms), id


@pytest.fixture(scope="module")
def events() -> list[Event]:
    warm_up(lambda _: None)
    return market()


@pytest.fixture(scope="module")
def ids(events: list[Event]) -> dict[str, list[str]]:
    return expected_ids(events)


def trades_in(frames: list[bytes]) -> set[Named]:
    said = [event for frame in frames for event in msgspec.json.decode(frame)]
    return {(e["sym"], e["t"], e["i"]) for e in said if e["ev"] == "T"}


@pytest.mark.parametrize("away_s", [1.0, 60.0])
def test_every_trade_of_a_gap_is_refilled_and_every_alert_is_there(
    events: list[Event], ids: dict[str, list[str]], tmp_path: Path, away_s: float
) -> None:
    write_parquet(tmp_path / "tape", events)
    recorder = Recorder(tmp_path / "recorded", lambda _: None)
    away = Outage(at_s=AT_S, for_tape_s=away_s)
    with MockPolygon([tmp_path / "tape"], speed=SPEED, hold=False, faults=[away]) as mock:
        feed = feed_of(mock)
        run = Run(RecordedFeed(feed, recorder), stop_after(feed, sum(map(len, ids.values())))).go()
        assert mock.strikes == [1]
    assert run.ids() == ids
    start, gap = run.coverage
    assert (start.cause, gap.cause, gap.refilled) == ("start", "disconnect", True)
    assert gap.from_ns // MS <= OPEN_MS + (AT_S + 3) * 1000  # the tape begins within 2 s
    assert gap.to_ns - gap.from_ns >= (away_s - 1) * 1e9
    lines = [item_of(line) for path in recorder.files for line in read_capture(str(path))]
    refilled = trades_in([f for i in lines if isinstance(i, Refill) for f in i.frames])
    late = [i for i in lines if isinstance(i, Refill) and i.origin == LATE]
    live = trades_in([line for line in lines if isinstance(line, bytes)])
    printed = {(e.symbol, e.ts_ns // MS, e.trade_id) for e in events if isinstance(e, Trade)}
    assert printed - live <= refilled  # all of them: 100 %
    assert refilled | live == printed
    inside = {t for t in printed - live if gap.from_ns < t[1] * MS < gap.to_ns}
    assert inside <= trades_in([frame for refill in late for frame in refill.frames])
    assert len(inside) > 10 or away_s == 1.0
