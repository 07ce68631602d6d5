"""The events of the vendor's wire, as types: what a frame of JSON is decoded to.

The first four fields have the same names in every event, so that they make columns.
"""

from __future__ import annotations

import json
import math
from typing import Annotated, Any, ClassVar

import msgspec

from operators.ticks import MICRO, QUOTE, TRADE
from operators.values import MAX_SIZE

# Numbers of the wire are untrusted: what does not fit its column is a bad type, not a crash.
Int64 = Annotated[int, msgspec.Meta(ge=-(2**62), le=2**62)]
Int16 = Annotated[int, msgspec.Meta(ge=-1, le=2**15 - 1)]

NO_SIZE = math.nan  # a trade without a size that can be read; JSON has no such number


class StockTrade(msgspec.Struct, tag_field="ev", tag="T", gc=False):
    """A trade of a US stock."""

    kind: ClassVar[int] = TRADE
    symbol: str = msgspec.field(name="sym")
    t: Int64
    first: float = msgspec.field(name="p")
    second: float = msgspec.field(name="s", default=NO_SIZE)
    exact: str | None = msgspec.field(name="ds", default=None)
    i: str | int = ""
    x: Int16 = 0
    trf: Int16 = msgspec.field(name="trfi", default=0)
    pt: Int64 | None = None
    c: tuple[Int64, ...] | None = None


class StockQuote(msgspec.Struct, tag_field="ev", tag="Q", gc=False):
    """The NBBO of a US stock."""

    kind: ClassVar[int] = QUOTE
    symbol: str = msgspec.field(name="sym")
    t: Int64
    first: float = msgspec.field(name="bp", default=0.0)
    second: float = msgspec.field(name="ap", default=0.0)
    bid_size: Any = msgspec.field(name="bs", default=0)  # asked for, or of no interest
    ask_size: Any = msgspec.field(name="as", default=0)


class CryptoTrade(msgspec.Struct, tag_field="ev", tag="XT", gc=False):
    """A trade of a pair; its condition states the taker: 1 seller, 2 buyer."""

    kind: ClassVar[int] = TRADE
    symbol: str = msgspec.field(name="pair")
    t: Int64
    first: float = msgspec.field(name="p")
    second: float = msgspec.field(name="s")
    i: str | int = ""
    x: Int16 = 0
    c: tuple[Int64, ...] | None = None
    exact: ClassVar[None] = None
    trf: ClassVar[int] = 0
    pt: ClassVar[None] = None


class CryptoQuote(msgspec.Struct, tag_field="ev", tag="XQ", gc=False):
    """Top of book of a pair at one exchange."""

    kind: ClassVar[int] = QUOTE
    symbol: str = msgspec.field(name="pair")
    t: Int64
    first: float = msgspec.field(name="bp", default=0.0)
    second: float = msgspec.field(name="ap", default=0.0)
    bid_size: Any = msgspec.field(name="bs", default=0)
    ask_size: Any = msgspec.field(name="as", default=0)


Event = StockTrade | StockQuote | CryptoTrade | CryptoQuote
TYPE_OF: dict[str, Any] = {
    "T": StockTrade,
    "Q": StockQuote,
    "XT": CryptoTrade,
    "XQ": CryptoQuote,
}


def whole_size(value: Any) -> int:
    """Return a displayed size in whole 1e-6 shares; what is no size is none."""
    if isinstance(value, float | int) and not isinstance(value, bool) and 0 <= value <= MAX_SIZE:
        return round(value * MICRO)
    return 0


_DECIMAL = "-0123456789."


def decimal(text: str) -> float:
    """Return a plain decimal number; Python's own `float` takes far more than the feed sends."""
    if text.strip(_DECIMAL):
        raise ValueError(text)
    return float(text)


def whole_floats_to_ints(fields: dict[str, Any]) -> dict[str, Any]:
    """Take `12.0` for `12`, which the vendor has sent where it documents an integer."""
    return {name: _whole(value) for name, value in fields.items()}


def _whole(value: Any) -> Any:
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def lenient(frame: bytes) -> list[bytes] | None:
    """Return the items of a frame that holds half of a surrogate pair, which is still JSON."""
    try:
        items = json.loads(frame)
    except (ValueError, RecursionError):
        return None
    return [json.dumps(item).encode() for item in items] if isinstance(items, list) else None
