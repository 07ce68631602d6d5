"""The lines of a raw capture: what a live feed handed on, in the order it did.

    {"r": receipt time ns, "f": "the frame as received"}
    {"r": ..., "refill": {"symbol": "AAPL", "origin": "late", "from_ns": ..., "frames": [...]}}
    {"r": ..., "gap": {"symbol": "*", "from_ns": ..., "to_ns": ..., "cause": "disconnect", ...}}

A replay needs the gaps and the refills where they stood: windows begin anew at the ones, and
the others hold prints that no frame does.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

import msgspec

from operators.decode import REFILL_FRAMES
from operators.records import Coverage
from operators.ticks import LATE, WARMING, Frames, Refill

_ORIGINS: dict[str, int] = {"late": LATE, "warming": WARMING}
_NAMES: dict[int, Literal["late", "warming"]] = {LATE: "late", WARMING: "warming"}


class _Refill(msgspec.Struct, frozen=True):
    symbol: str
    origin: Literal["late", "warming"]
    from_ns: int
    to_ns: int
    frames: list[str]


class _Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line; exactly one of the last three is there."""

    r: int
    f: str | None = None
    refill: _Refill | None = None
    gap: Coverage | None = None


class Captured(NamedTuple):
    """What a line holds, and when it was received."""

    received_ns: int
    held: bytes | Refill | Coverage


_encode = msgspec.json.Encoder().encode
_read_refill = msgspec.json.Decoder(_Refill).decode
_read_gap = msgspec.json.Decoder(Coverage).decode


def lines_of(item: Frames | Refill | Coverage, now_ns: int) -> Iterator[bytes]:
    """Yield the lines of what a live feed handed on, without newlines.

    Args:
        item: as it was handed on.
        now_ns: wall clock; the time of a gap's line.
    """
    if isinstance(item, Frames):
        for received_ns, frame in zip(item.received_ns, item.frames, strict=True):
            yield _encode(_Line(received_ns, f=frame.decode(errors="replace")))
    elif isinstance(item, Refill):
        frames = [frame.decode() for frame in item.frames]
        # A warm-up is one line, because it has one mark; it is never long.
        size = REFILL_FRAMES if item.origin == LATE else len(frames) or 1
        for start in range(0, len(frames) or 1, size):
            part = frames[start : start + size]
            refill = _Refill(item.symbol, _NAMES[item.origin], item.from_ns, item.to_ns, part)
            yield _encode(_Line(item.received_ns, refill=refill))
    else:
        yield _encode(_Line(now_ns, gap=item))


def captured(
    received_ns: int | None, frame: str | None, refill: str | None, gap: str | None
) -> Captured:
    """Return what a line holds, given its keys, the last two as JSON.

    Raises:
        ValueError: it is no line of a capture.
    """
    if received_ns is None:
        raise ValueError("no receipt time")
    if frame is not None:
        return Captured(received_ns, frame.encode())
    if refill is not None:
        one = _read_refill(refill)
        frames = [text.encode() for text in one.frames]
        origin = _ORIGINS[one.origin]
        item = Refill(one.symbol, origin, one.from_ns, one.to_ns, received_ns, frames, live=False)
        return Captured(received_ns, item)
    if gap is not None:
        return Captured(received_ns, _read_gap(gap))
    raise ValueError("neither frame nor refill nor gap")
