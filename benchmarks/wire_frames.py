"""Frames as the vendor's socket gives them, of a made-up tape."""

from __future__ import annotations

from pathlib import Path

from benchmarks.inputs import Tape, cache_folder, fingerprint, made
from flows.mock.tape import Tape as MockTape
from flows.mock.wire import Topics, blocks_of, frame_of

EVENTS_A_FRAME = 8
BLOCK_EVENTS = 8_000


def _write(tape: Tape, events: int, path: Path) -> None:
    left = events
    with path.open("wb") as out:
        for block in blocks_of(MockTape(map(str, tape.files.values())), Topics(), BLOCK_EVENTS):
            taken = block.events[:left]
            left -= len(taken)
            for k in range(0, len(taken), EVENTS_A_FRAME):
                out.write(frame_of(taken[k : k + EVENTS_A_FRAME]) + b"\n")
            if not left:
                return


def frames_file(tape: Tape, events: int) -> Path:
    """Return a file of the first `events` events of a tape, one frame of 8 a line."""
    name = f"frames-{events}-{fingerprint(tape.trades.name, events)}.jsonl"
    return made(cache_folder() / name, lambda path: _write(tape, events, path))


def frames(path: str, events: int) -> list[bytes]:
    """Return the frames of the first `events` events."""
    return Path(path).read_bytes().splitlines()[: events // EVENTS_A_FRAME]
