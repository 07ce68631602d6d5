"""The fuzzer in small: the same frames each time, and proof that it would notice."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from benchmarks import fuzz
from benchmarks.fuzz import Fuzz, through_the_flow
from benchmarks.sides import BenchmarkError
from operators.scan import Scanned, Scanner


def test_both_ways_of_decoding_agree_on_mutated_frames() -> None:
    made = Fuzz(seed=7)
    for _ in range(30):
        made.step()
    assert made.ticks > 1_000
    assert {"malformed_json", "bad_type", "missing_field", "bad_size"} <= set(made.rejected)


def test_the_same_seed_makes_the_same_frames() -> None:
    assert Fuzz(3).batch() == Fuzz(3).batch() != Fuzz(4).batch()


def test_sound_frames_among_broken_ones_raise_their_alerts() -> None:
    assert through_the_flow(1_500, seed=8) >= 1_500


def test_a_scanner_that_reads_something_else_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    scan = Scanner.__call__

    def wrong(self: Scanner, frames: Sequence[bytes], received_ns: Sequence[int]) -> Scanned:
        found = scan(self, frames, received_ns)
        found.ticks["price"] += 1
        return found

    monkeypatch.setattr(Scanner, "__call__", wrong)
    monkeypatch.setattr(fuzz.Blind, "__call__", fuzz.Blind.__call__)
    with pytest.raises(BenchmarkError, match="scanning and typed decoding differ on b'"):
        Fuzz(7).step()
