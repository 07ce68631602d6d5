"""Faults of the tape: odd events, equal for every client and in every play."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
import urllib3

from flows.mock import MockPolygon
from flows.mock.faults import (
    Duplicates,
    ExtraEvents,
    ExtraKeys,
    Fault,
    FloatKeys,
    LatePrints,
    MissingEvents,
    MissingKeys,
    OutOfOrder,
)
from flows.mock.oddities import Oddities
from flows.mock.tape import Tape
from flows.mock.wire import Topics
from tests.flows.mock import tapes
from tests.flows.mock.tapes import at, small_tape, subscribed, until_closed, write_tape


def played(tape: Path, *faults: Fault, seed: int = 0) -> list[tuple[int, dict[str, Any]]]:
    """Return the events of a tape with when each is due, in ms since the open."""
    opened = Tape([tape])
    try:
        oddities = Oddities(faults, seed, opened.first_ns())
        return [
            ((int(due_ns) - at(0)) // 10**6, msgspec.json.decode(event))
            for block in oddities.blocks(opened, Topics(), 7)
            for due_ns, event in zip(block.ts_ns, block.events, strict=True)
        ]
    finally:
        opened.close()


def trades(folder: Path, count: int = 6, **columns: Any) -> Path:
    """Write a tape of one trade every 10 ms."""
    names = (*tapes.TRADES, *columns)
    rows = [("A", at(10 * i), 1.0 + i, 1.0, *columns.values()) for i in range(count)]
    return write_tape(folder / "t.parquet", names, *rows)


def sequence(events: list[tuple[int, dict[str, Any]]]) -> list[tuple[int, int]]:
    return [(due, event["q"]) for due, event in events]


def test_a_duplicate_is_the_same_event_again_at_once_or_later(tmp_path: Path) -> None:
    tape = trades(tmp_path, 3)
    assert sequence(played(tape, Duplicates(at_s=0.01, for_tape_s=0.01))) == [
        (0, 1),
        (10, 2),
        (10, 2),
        (20, 3),
    ]
    later = played(tape, Duplicates(by_ms=15))
    assert sequence(later) == [(0, 1), (10, 2), (15, 1), (20, 3), (25, 2), (35, 3)]
    assert later[0][1] == later[2][1]


def test_an_event_out_of_order_comes_late_and_unchanged(tmp_path: Path) -> None:
    tape = trades(tmp_path, 4)
    events = played(tape, OutOfOrder(by_ms=15, for_tape_s=0.01))
    assert sequence(events) == [(10, 2), (15, 1), (20, 3), (30, 4)]
    assert events[1][1]["t"] == at(0) // 10**6


def test_a_late_print_was_executed_long_before_and_says_so(tmp_path: Path) -> None:
    tape = trades(tmp_path, 2, conditions=[14], participant_ns=at(0))
    (_, late), (_, punctual) = played(tape, LatePrints(by_s=2, for_tape_s=0.01))
    assert (late["pt"], late["t"], late["c"]) == (at(-2000) // 10**6, at(0) // 10**6, [14, 32])
    assert (punctual["pt"], punctual["c"]) == (at(0) // 10**6, [14])


def test_rest_lists_a_late_print_as_the_stream_has_it(tmp_path: Path) -> None:
    trades(tmp_path, 1, conditions=[14])
    late = LatePrints(by_s=2, conditions=(5,))
    with MockPolygon([tmp_path], wait=False, faults=[late]) as mock:
        assert mock.finished.wait(5)
        path = "/v3/trades/A?apiKey=mock-key"
        with urllib3.PoolManager() as pool:
            (trade,) = msgspec.json.decode(pool.request("GET", mock.rest_url + path).data)[
                "results"
            ]
    assert (trade["participant_timestamp"], trade["conditions"]) == (at(-2000), [14, 5])


def test_a_missing_event_is_sent_to_nobody_and_rest_has_it(tmp_path: Path) -> None:
    tape = small_tape(tmp_path, trades=60)
    missing = MissingEvents(symbols=("MSFT",), events=("T", "Q"), at_s=0.03)
    with MockPolygon([tape], faults=[missing], at_end="close") as mock:
        heard = until_closed(subscribed(mock.ws_url))
        path = "/v3/trades/MSFT?apiKey=mock-key"
        with urllib3.PoolManager() as pool:
            listed = msgspec.json.decode(pool.request("GET", mock.rest_url + path).data)["results"]
        assert mock.sent == [len(heard)]
    trades = Counter(event["sym"] for event in heard if event["ev"] == "T")
    assert trades == {"AAPL": 30, "MSFT": 15}
    assert len(heard) == 180 - 45
    assert len(listed) == 30


def test_keys_are_missing_unknown_or_of_another_type(tmp_path: Path) -> None:
    tape = trades(tmp_path, 1, conditions=[14], participant_ns=at(0))
    ((_, sound),) = played(tape)
    ((_, older),) = played(tape, MissingKeys())
    ((_, newer),) = played(tape, ExtraKeys(keys={"zz": 1, "c": 14}))
    ((_, floats),) = played(tape, FloatKeys())
    assert older == {key: value for key, value in sound.items() if key not in ("c", "pt", "ds")}
    assert newer == {**sound, "zz": 1, "c": 14}
    assert floats == sound
    assert [type(floats[key]) for key in ("z", "s", "q")] == [float, float, int]


def test_an_event_that_is_not_on_the_tape_follows_one_that_is(tmp_path: Path) -> None:
    tape = trades(tmp_path, 2)
    events = played(tape, ExtraEvents(), ExtraEvents(event={"ev": "LULD", "t": 5}))
    assert [event for _, event in events[1:3]] == [
        {"sym": "A", "t": at(0) // 10**6, "ev": "ZZ"},
        {"sym": "A", "t": 5, "ev": "LULD"},
    ]
    assert [event["ev"] for _, event in events] == ["T", "ZZ", "LULD"] * 2


def test_a_share_of_some_symbols_and_types_is_chosen_by_the_seed(tmp_path: Path) -> None:
    tape = small_tape(tmp_path, trades=1000)
    fault = ExtraKeys(share=0.25, symbols=("AAPL",), events=("Q",), keys={"odd": 1})
    first, again, other = (played(tape, fault, seed=seed) for seed in (1, 1, 2))
    odd = Counter((event["ev"], event["sym"]) for _, event in first if "odd" in event)
    assert set(odd) == {("Q", "AAPL")}
    assert 200 < odd["Q", "AAPL"] < 300  # of 1000
    assert first == again != other


@pytest.mark.parametrize("fault", [Duplicates(by_ms=25), OutOfOrder(by_ms=25), ExtraEvents()])
def test_events_are_due_in_order_and_none_is_lost(tmp_path: Path, fault: Fault) -> None:
    events = played(trades(tmp_path, 40), fault)
    due = [due for due, _ in events]
    assert due == sorted(due)
    assert {event["q"] for _, event in events if "q" in event} == set(range(1, 41))
