"""What is sent over and over has times and ids of its own each time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.firehose_frames import FIRST_ID, START_MS, Block
from tests.make import wire_quote, wire_trade

RATE = 4_000
FRAMES = 3


def block(folder: Path) -> Block:
    """Return three frames of seven quotes and a trade each."""
    trade = wire_trade(i=str(FIRST_ID), pt=START_MS)
    frame = json.dumps([wire_quote()] * 7 + [trade], separators=(",", ":"))
    path = folder / "frames"
    path.write_text(f"{frame}\n" * FRAMES)
    return Block(path, RATE)


def events(part: memoryview) -> list[dict[str, Any]]:
    """Return the events of frames as they stand on the wire."""
    data, found = bytes(part), []
    while data:
        assert data[:2] == b"\x81\x7e"
        size = int.from_bytes(data[2:4], "big")
        found += json.loads(data[4 : 4 + size])
        data = data[4 + size :]
    return found


def test_event_n_is_of_n_over_the_rate_and_each_trade_has_an_id(tmp_path: Path) -> None:
    sent = block(tmp_path)
    found = [e for rounds in range(2) for e in events(sent.part(0, FRAMES, rounds))]
    assert [e["t"] for e in found] == [START_MS + n // 4 for n in range(48)]
    trades = [(n, e) for n, e in enumerate(found) if e["ev"] == "T"]
    assert [n for n, _ in trades] == [7, 15, 23, 31, 39, 47]
    assert [int(e["i"]) - FIRST_ID for _, e in trades] == [n for n, _ in trades]
    assert all(e["pt"] == e["t"] - 1 for _, e in trades)


def test_trades_are_counted_over_the_rounds(tmp_path: Path) -> None:
    sent = block(tmp_path)
    assert [sent.trades_in(n) for n in (0, 7, 8, 24, 32, 48)] == [0, 0, 1, 3, 4, 6]


def test_a_part_is_the_frames_asked_for(tmp_path: Path) -> None:
    found = events(block(tmp_path).part(1, 2, 1))
    assert [e["t"] for e in found] == [START_MS + n // 4 for n in range(32, 40)]
