"""The lines of a raw capture: what the live feed handed to the dataflow, in that order.

    frame  {"r": receipt time ns, "f": "the frame as received"}
    gap    {"r": time ns, "f": "[]", "gap": {"symbol", "from_ns", "to_ns", "cause", "refilled"}}

Every line has `r` and `f`: who knows no more than those two reads a gap as an empty frame. A
further kind of item is one more field of `CaptureLine`: `lines_of` writes it, `item_of` reads it,
and nothing else knows the format.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from operators.records import Coverage
from operators.ticks import Frames

NO_EVENTS = "[]"


class CaptureLine(msgspec.Struct, omit_defaults=True):
    """One line; `r` in ns since epoch."""

    r: int
    f: str
    gap: Coverage | None = None


_encode = msgspec.json.Encoder().encode
read_line = msgspec.json.Decoder(CaptureLine).decode


def lines_of(item: Frames | Coverage, taken_ns: int) -> Iterator[bytes]:
    """Yield the lines of an item, without newline.

    Bytes that are no UTF-8 are spelled so that the frame stays what it was: not JSON.

    Args:
        item: As the dataflow got it.
        taken_ns: When it did, for items without a receipt time.
    """
    if isinstance(item, Coverage):
        yield _encode(CaptureLine(taken_ns, NO_EVENTS, gap=item))
        return
    for received_ns, frame in zip(item.received_ns, item.frames, strict=True):
        yield _encode(CaptureLine(received_ns, frame.decode("utf-8", "backslashreplace")))


def item_of(line: CaptureLine) -> Coverage | bytes:
    """Return what a line holds: a frame, or something that stands between frames."""
    return line.gap if line.gap is not None else line.f.encode()
