"""What surrounds an alert is the same whatever way the market takes through the flow."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import TestingSource, cluster_main, run_main

from flows.feeds.capture import CaptureFeed
from flows.feeds.tape import TapeFeed
from flows.feeds.tape_files import open_tapes
from flows.orderflow import rules_of
from flows.pipeline import Pipeline
from flows.warm_up import warm_up
from operators.records import Alert
from operators.ticks import Frames
from tests.flows import market as small
from tests.flows import test_orderflow
from tests.flows.files import wire_frames, write_capture, write_parquet
from tests.flows.test_orderflow import Said
from tests.make import Tape
from tests.reference_cases import ns
from tests.reference_tape import Event, Quote

SETTINGS = msgspec.structs.replace(small.SETTINGS, context=True)
Around = dict[str, tuple[Any, ...]]


def around(alerts: list[Alert]) -> Around:
    """Return what surrounds each alert, by its id."""
    return {a.alert_id: (a.cvd, a.ofi_60s, a.market_wide) for a in alerts}


@pytest.fixture(scope="module")
def events() -> list[Event]:
    """The small market with SPY's quotes and without IBM's; sizes of quotes are drawn anew."""
    warm_up(lambda _: None)
    rng, price, out = random.Random(3), 400.0, list[Event]()
    for event in small.market():
        if isinstance(event, Quote):
            if event.symbol == "IBM":
                continue
            sizes = float(rng.randrange(1, 900)), rng.choice((0.5, 100.0, 300.0))
            out.append(replace(event, bid_size=sizes[0], ask_size=sizes[1]))
        else:
            out.append(event)
    for ms in range(0, 1_100_000, 700):
        price = round(price + rng.choice((-0.5, -0.4, 0.0, 0.8)), 2)
        out.append(Quote("SPY", ns(ms), price, round(price + 0.01, 2), 500.0, 400.0))
    return sorted(out, key=lambda e: (e.ts_ns, isinstance(e, Quote)))  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def expected(events: list[Event]) -> Around:
    """All at once, without Bytewax and without a file."""
    return around(Pipeline(rules_of(SETTINGS, "replay"))(Tape().ticks(*events)))


@pytest.fixture(scope="module")
def tape(events: list[Event], tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return write_parquet(tmp_path_factory.mktemp("market"), events, group=2_048)


def found(said: Said) -> Around:
    return around([alert for _, alert in said])


def flow_of(feed: Any, said: Said) -> Any:
    return test_orderflow.flow_of(feed, said, settings=SETTINGS)


def feed_of(tape: list[str], batch: int) -> TapeFeed:
    return TapeFeed(open_tapes(tape), batch=batch, depths=True)


def test_the_market_shows_all_there_is_to_say(expected: Around) -> None:
    wide = [market_wide for _, _, market_wide in expected.values()]
    assert {w.source for w in wide} >= {"SPY"}
    assert {w.is_market_wide for w in wide} >= {True, False}
    assert any(w.net_selling_share is not None for w in wide)
    assert len({w.beta for w in wide}) > 5
    assert len({cvd for cvd, _, _ in expected.values()}) > 50
    assert len({ofi for _, ofi, _ in expected.values()}) > 50


@pytest.mark.parametrize("batch", [7, 8_192])
def test_whatever_the_batch(tape: list[str], expected: Around, batch: int) -> None:
    said = Said()
    run_main(flow_of(feed_of(tape, batch), said))
    assert found(said) == expected


def test_whatever_the_number_of_workers(tape: list[str], expected: Around) -> None:
    said = Said()
    cluster_main(flow_of(feed_of(tape, 500), said), [], 0, worker_count_per_proc=3)
    assert found(said) == expected


def test_frames_of_the_wire_and_a_capture_of_them(
    events: list[Event], expected: Around, tmp_path: Path
) -> None:
    """Scanned or decoded one by one: a frame with an odd event in it takes the slow way."""
    odd = b'[{"ev":"status","message":"\\u00e9"}]'
    frames = [f for frame in wire_frames(events, 8) for f in (frame, odd)]
    slow = [
        frame[:-1] + b',{"ev":"NOI"}]' if i % 3 == 0 else frame for i, frame in enumerate(frames)
    ]
    said, again = Said(), Said()
    items = [Frames([5] * 50, slow[i : i + 50]) for i in range(0, len(slow), 50)]
    items = [Frames([5] * len(item.frames), item.frames) for item in items]
    run_main(flow_of(TestingSource(items, batch_size=3), said))
    assert found(said) == expected
    capture = write_capture(tmp_path / "day.jsonl.gz", events)
    run_main(flow_of(CaptureFeed(open_tapes([capture])), again))
    assert found(again) == expected


def test_a_replay_stopped_and_resumed(tape: list[str], expected: Around, tmp_path: Path) -> None:
    init_db_dir(tmp_path, 1)
    kept = RecoveryConfig(str(tmp_path))
    feed = feed_of(tape, 97)
    before, after = Said(feed, 40), Said()
    run_main(flow_of(feed, before), epoch_interval=None, recovery_config=kept)
    run_main(flow_of(feed_of(tape, 41), after), recovery_config=kept)
    assert len(before) >= 40
    assert found(before) | found(after) == expected
    assert len(found(before)) < len(expected)


def test_off_it_says_nothing_and_finds_the_same(tape: list[str], expected: Around) -> None:
    off = msgspec.structs.replace(SETTINGS, context=False)
    pipeline, alerts = Pipeline(rules_of(off, "replay")), list[Alert]()
    part = TapeFeed(open_tapes(tape)).build_part("feed", "tape", None)
    try:
        while True:
            for chunk in part.next_batch():
                alerts += pipeline(chunk)
    except StopIteration:
        part.close()
    assert set(around(alerts)) == set(expected)
    assert set(around(alerts).values()) == {(None, None, None)}
