"""Mutated frames through the live decode path and the whole flow: no crash, and flat memory.

`python -m benchmarks.fuzz --frames 1000000`. What is read straight into columns must be what
typed decoding makes of the same frame. Every frame can be made again from the seed.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from bytewax.testing import run_main

from benchmarks.mutations import FIRST_MS, mutated
from benchmarks.report import Figure, Result, alone
from benchmarks.sides import BenchmarkError, memory_mib
from benchmarks.wire_path import FrameSource
from flows.assembly import assemble
from flows.settings import Settings
from flows.warm_up import warm_up
from operators.frames import Decoder
from operators.scan import Scanned, Scanner
from operators.ticks import DEPTH, DETAIL, TICK, TRADE, Frames, Ticks

FRAMES, QUICK_FRAMES = 1_000_000, 50_000
BATCH = 64
FRESH = 50_000  # frames a decoder meets, before the next one: a day's strange symbols
FLOW_SHARE = 20  # one frame in so many goes through the whole flow, too
GOOD = "ZZGOOD"
GOOD_EVERY = 500
GROWTH_MIB = 16.0


class Blind(Scanner):
    """Leave every frame to typed decoding."""

    def __call__(self, frames: Sequence[bytes], received_ns: Sequence[int]) -> Scanned:
        """Read nothing."""
        ends = np.zeros((len(frames) + 1, 3), np.int64)
        none = np.empty(0, np.int32)
        depths = np.empty(0, DEPTH)
        return Scanned(np.empty(0, TICK), np.empty(0, DETAIL), ends, len(frames), none, depths)


def typed_decoder() -> Decoder:
    """Return a decoder that reads nothing straight into columns."""
    decoder = Decoder()
    decoder._scan = Blind(decoder._codes.names)
    return decoder


def spelled(ticks: Ticks) -> list[tuple[Any, ...]]:
    """Return ticks with their symbols spelled, and behind each trade its details."""
    details = iter(ticks.details[list(DETAIL.names or ())].tolist())
    columns = (ticks.ticks[name].tolist() for name in ("symbol", "ts_ns", "price", "size", "kind"))
    return [
        (ticks.names[symbol], *values, *(next(details) if values[-1] == TRADE else ()))
        for symbol, *values in zip(*columns, strict=True)
    ]


def agree(scanned: Ticks, typed: Ticks) -> bool:
    """Return whether both ways found the same.

    Of what was rejected the counts: records are in the order of the steps that found them.
    """
    return (
        spelled(scanned) == spelled(typed)
        and scanned.rejected == typed.rejected
        and Counter(r.code for r in scanned.rejects) == Counter(r.code for r in typed.rejects)
        and scanned.texts == typed.texts
    )


class Fuzz:
    """Feed mutated frames to both decoders, and hold them against each other."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._ms = FIRST_MS
        self.frames = self.ticks = self.read = 0
        self.rejected: Counter[str] = Counter()
        self._begin()

    def _begin(self) -> None:
        self._decoders = Decoder(), typed_decoder()

    def batch(self) -> list[bytes]:
        """Return mutated frames, a few milliseconds on."""
        self._ms += 5
        return [mutated(self._rng, self._ms) for _ in range(BATCH)]

    def step(self) -> None:
        """Decode one batch both ways.

        Raises:
            BenchmarkError: they do not agree.
        """
        if self.frames // FRESH != (self.frames + BATCH) // FRESH:
            self._begin()
        frames = self.batch()
        at = [self._ms * 1_000_000] * len(frames)
        scanned, typed = (decode(Frames(at, frames)) for decode in self._decoders)
        if not agree(scanned, typed):
            raise BenchmarkError(f"scanning and typed decoding differ on {culprit(frames)!r}")
        self.frames += len(frames)
        self.ticks += len(scanned)
        for (_, code), count in scanned.rejected.items():
            self.rejected[code] += count


def culprit(frames: list[bytes]) -> bytes:
    """Return the first frame that both ways read differently by itself; else nothing."""
    for frame in frames:
        if not agree(Decoder()(Frames([1], [frame])), typed_decoder()(Frames([1], [frame]))):
            return frame[:2_000]
    return b""


def good(number: int) -> bytes:
    """Return a quote and a large sale at its bid, of a symbol no mutation knows."""
    at = FIRST_MS + 1_000 * number
    quote = {"ev": "Q", "sym": GOOD, "bp": 10.0, "ap": 10.1, "t": at}
    trade = {"ev": "T", "sym": GOOD, "p": 10.0, "s": 12_000, "i": str(number), "x": 4, "t": at}
    return json.dumps([quote, trade]).encode()


def through_the_flow(frames: int, seed: int) -> int:
    """Run frames through the whole flow, sound ones among them; return how many there were.

    Raises:
        BenchmarkError: a sound frame raised no alert, or a line of a log is none.
    """
    fuzz = Fuzz(seed)
    held, planted = [], 0
    while len(held) < frames:
        held += fuzz.batch()
        if len(held) // GOOD_EVERY > planted:
            planted += 1
            held.append(good(planted))
    with tempfile.TemporaryDirectory(prefix="orderflow-bench-") as name:
        source: Any = FrameSource(held)
        run = assemble(Path(name), source, "tape", Settings(), None)
        run_main(run.flow)
        run.history.finish("finished")
        lines = [
            json.loads(line)
            for log in Path(name).glob("*.jsonl")
            for line in log.read_bytes().splitlines()
        ]
    found = [line for line in lines if (line.get("alert_type"), line.get("symbol")) == SOLD]
    if len(found) != planted:
        raise BenchmarkError(f"{len(found)} alerts of {planted} sound frames among broken ones")
    return len(held)


SOLD = ("large_seller", GOOD)


def run(runs: int, quick: bool, frames: int | None = None, seed: int = 1) -> Result:
    """Fuzz; `runs` is of no use here: one run is as good as its frames are many.

    Raises:
        BenchmarkError: as `Fuzz.step` and `through_the_flow`.
    """
    wanted = frames or (QUICK_FRAMES if quick else FRAMES)
    warm_up()
    started = time.perf_counter()
    fuzz, memory = Fuzz(seed), []
    while fuzz.frames < wanted:
        before = fuzz.frames
        fuzz.step()
        if before * 10 // wanted != fuzz.frames * 10 // wanted:
            gc.collect()
            memory.append(memory_mib("VmRSS"))
            print(
                f"fuzz: {fuzz.frames:,} frames, {memory[-1]:.0f} MiB", file=sys.stderr, flush=True
            )
    seconds = time.perf_counter() - started
    whole = through_the_flow(wanted // FLOW_SHARE, seed + 1)
    growth = memory[-1] - memory[len(memory) // 3]
    return Result(
        "fuzz",
        f"{fuzz.frames:,} mutated frames decoded both ways, {whole:,} through the whole flow",
        (
            Figure("crashes, and frames read differently", 0, "", 0, at_most=True),
            Figure(
                "memory grown over the last two thirds", growth, "MiB", GROWTH_MIB, at_most=True
            ),
            Figure("ticks among them", fuzz.ticks, ""),
            Figure("messages rejected", sum(fuzz.rejected.values()), ""),
        ),
        details={
            "seed": seed,
            "seconds": round(seconds, 1),
            "memory_mib": memory,
            "rejected": dict(fuzz.rejected),
        },
    )


def main() -> int:
    """Run as a command of its own."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__)
    parser.add_argument("--frames", type=int, default=FRAMES)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    return alone("fuzz", lambda: run(1, False, asked.frames, asked.seed))


if __name__ == "__main__":
    sys.exit(main())
