"""The lines of a raw capture: what the live feed handed to the dataflow, in that order.

    frame   {"r": receipt time ns, "f": "the frame as received"}
    gap     {"r": time ns, "f": "[]", "gap": {"symbol", "from_ns", "to_ns", "cause", "refilled"}}
    refill  {"r": time ns, "f": "[]", "refill": {"symbol", "origin", "from_ns", "to_ns", "frames"}}

A replay needs the gaps and the refills where they stood: windows begin anew at the ones, and the
others hold prints that no frame does. Every line has `r` and `f`: who knows no more than those
two reads the others as empty frames. A further kind of item is one more field of `CaptureLine`:
`lines_of` writes it, `item_of` reads it, and nothing else knows the format.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from operators.frames import REFILL_FRAMES
from operators.records import Coverage
from operators.ticks import LATE, WARMING, Frames, Refill

NO_EVENTS = "[]"
_ORIGINS: dict[str, int] = {"late": LATE, "warming": WARMING}
_NAMES: dict[int, Literal["late", "warming"]] = {LATE: "late", WARMING: "warming"}

Item = Frames | Refill | Coverage


class RefillLine(msgspec.Struct, frozen=True):
    """A refill, or a part of a long one."""

    symbol: str
    origin: Literal["late", "warming"]
    from_ns: int
    to_ns: int
    frames: list[str]


class CaptureLine(msgspec.Struct, omit_defaults=True):
    """One line; `r` in ns since epoch."""

    r: int
    f: str
    gap: Coverage | None = None
    refill: RefillLine | None = None


_encode = msgspec.json.Encoder().encode
read_line = msgspec.json.Decoder(CaptureLine).decode


def lines_of(item: Item, taken_ns: int) -> Iterator[bytes]:
    """Yield the lines of an item, without newline.

    Bytes that are no UTF-8 are spelled so that the frame stays what it was: not JSON.

    Args:
        item: As the dataflow got it.
        taken_ns: When it did, for items without a receipt time.
    """
    if isinstance(item, Coverage):
        yield _encode(CaptureLine(taken_ns, NO_EVENTS, gap=item))
    elif isinstance(item, Refill):
        for part in _parts(item):
            yield _encode(CaptureLine(item.received_ns, NO_EVENTS, refill=part))
    else:
        for received_ns, frame in zip(item.received_ns, item.frames, strict=True):
            yield _encode(CaptureLine(received_ns, frame.decode("utf-8", "backslashreplace")))


def _parts(item: Refill) -> Iterator[RefillLine]:
    frames = [frame.decode() for frame in item.frames]
    # A warm-up is one line, because it has one mark; it is never long.
    size = REFILL_FRAMES if item.origin == LATE else len(frames) or 1
    for start in range(0, len(frames) or 1, size):
        part = frames[start : start + size]
        yield RefillLine(item.symbol, _NAMES[item.origin], item.from_ns, item.to_ns, part)


def item_of(line: CaptureLine) -> Refill | Coverage | bytes:
    """Return what a line holds: a frame, or something that stands between frames."""
    if line.gap is not None:
        return line.gap
    if line.refill is not None:
        one = line.refill
        frames = [text.encode() for text in one.frames]
        origin = _ORIGINS[one.origin]
        return Refill(one.symbol, origin, one.from_ns, one.to_ns, line.r, frames, live=False)
    return line.f.encode()
