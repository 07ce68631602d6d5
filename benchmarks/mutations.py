"""Frames as a broken, a hostile or a future feed might send them: real-looking ones, mutated."""

from __future__ import annotations

import contextlib
import copy
import json
import random
from collections.abc import Callable
from typing import Any

FIRST_MS = 1_795_185_000_000  # 2026-11-20 09:30 in New York
SYMBOLS = ("AAPL", "BRK.B", "IBM", "MSFT", "F", "SPY", "GOOGL", "X:BTC-USD")
LARGE_BYTES = 1 << 20
MOST_DEPTH = 3_000
WEIRD: tuple[Any, ...] = (
    None, True, False, "", "0", "-1", "1e5", "NaN", "#7", "07", "é", "\u202e", "\ud800", "\0",
    "A" * 70, "AAPL\n", 0, -1, 1, 2**31, 2**53 + 1, 2**63, -(2**63) - 1, 2**64, 10**40, 0.1 + 0.2,
    1e-300, 1e300, -0.0, 12.0, 1e7, 1e9, float("nan"), float("inf"), -float("inf"), [], {}, [None],
    [[7]], {"ev": "T"}, [14, 2**70], [-1], "T", "Q", "XT", "status", 946_684_799_999,
    4_102_444_800_000,
)  # fmt: skip
BYTES = (b"\0", b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\xef\xbb\xbf", b'"', b"\\", b"\\u0000")
BYTES += (b"[", b"]", b"{", b"}", b",", b":", b" ", b"\n", b"e9", b"-", b".", b"NaN", b"1" * 400)


def trade(rng: random.Random, ms: int) -> dict[str, Any]:
    """Return a trade as the vendor sends it."""
    event = {
        "ev": "T", "sym": rng.choice(SYMBOLS), "x": rng.randrange(1, 22), "z": 3,
        "i": str(rng.randrange(10**9, 10**14)), "p": round(100 + rng.random() * 10, 4),
        "s": rng.choice((0, 1, 100, 300, 12_000)), "t": ms, "q": rng.randrange(10**7),
    }  # fmt: skip
    if rng.random() < 0.5:
        event |= {"ds": f"{event['s']}.5", "pt": ms - rng.randrange(20), "c": [14, 37, 41]}
    if event["x"] == 4:
        event |= {"trfi": 202, "trft": ms}
    return event


def quote(rng: random.Random, ms: int) -> dict[str, Any]:
    """Return a quote as the vendor sends it."""
    bid = round(100 + rng.random() * 10, 2)
    return {
        "ev": "Q", "sym": rng.choice(SYMBOLS), "bx": 12, "bp": bid, "bs": 3, "ax": 11,
        "ap": round(bid + 0.01, 2), "as": 2, "c": 1, "i": [604], "t": ms, "q": 9, "z": 3,
    }  # fmt: skip


def other(rng: random.Random, ms: int) -> dict[str, Any]:
    """Return an event of another kind."""
    pair = {"pair": "BTC-USD", "p": 91_000.5, "s": 0.25, "t": ms, "x": 1}
    return rng.choice([
        {"ev": "status", "status": "success", "message": "subscribed to: T.*"},
        {"ev": "AM", "sym": "AAPL", "v": 10, "o": 1.0, "c": 1.0, "s": ms, "e": ms + 60_000},
        {"ev": "LULD", "T": "AAPL", "h": 2.0, "l": 1.0, "i": [1], "t": ms},
        {"ev": "XT", "i": "7", "c": [rng.choice((1, 2))], **pair},
        {"ev": "XQ", "pair": "BTC-USD", "bp": 1.0, "ap": 2.0, "t": ms},
        {"ev": "NEW", "sym": "AAPL", "t": ms},
    ])  # fmt: skip


def events(rng: random.Random, ms: int) -> list[dict[str, Any]]:
    """Return what one frame holds: a few events at about one time."""
    makers = rng.choices((trade, quote, other), (45, 45, 10), k=rng.randrange(1, 9))
    return [make(rng, ms) for make in makers]


# Structure: the frame is still JSON, or what a careless server takes for it.


def _event(rng: random.Random, items: list[Any]) -> dict[str, Any]:
    """Return an item that is an object still, with a field left.

    Raises:
        IndexError: there is none.
    """
    found: dict[str, Any] = rng.choice([item for item in items if isinstance(item, dict) and item])
    return found


def _weird(rng: random.Random) -> Any:
    return copy.deepcopy(rng.choice(WEIRD))  # or a later mutation would change it for all


def _change_value(rng: random.Random, items: list[Any]) -> None:
    item = _event(rng, items)
    item[rng.choice([*item])] = _weird(rng)


def _drop_field(rng: random.Random, items: list[Any]) -> None:
    item = _event(rng, items)
    del item[rng.choice([*item])]


def _swap_fields(rng: random.Random, items: list[Any]) -> None:
    item = _event(rng, items)
    one, two = rng.choice([*item]), rng.choice([*item])
    item[one], item[two] = item[two], item[one]


def _rename_field(rng: random.Random, items: list[Any]) -> None:
    item = _event(rng, items)
    item[rng.choice((*item, "ev", "sym", "trfi", "ds", "\u0000", "p" * 300))] = item.pop(
        rng.choice([*item])
    )


def _put_item(rng: random.Random, items: list[Any]) -> None:
    items.insert(rng.randrange(len(items) + 1), _weird(rng))


STRUCTURE: tuple[Callable[[random.Random, list[Any]], None], ...] = (
    _change_value, _change_value, _change_value,
    _drop_field, _swap_fields, _rename_field, _put_item,
)  # fmt: skip


def _nest(rng: random.Random, frame: bytes) -> bytes:
    depth = rng.choice((1, 2, 100, MOST_DEPTH))
    return b"[" * depth + frame + b"]" * depth


def _say_twice(rng: random.Random, frame: bytes) -> bytes:
    return frame.replace(b'{"ev":', rng.choice((b'{"ev":"Q","ev":', b'{"t":1,"ev":')), 1)


def _enlarge(rng: random.Random, frame: bytes) -> bytes:
    """Return a frame of a megabyte; seldom, for it takes its time."""
    if rng.random() < 0.98 or len(frame) < 3:
        return frame
    inner = frame[1:-1]
    return b"[" + b",".join([inner] * (LARGE_BYTES // len(inner))) + b"]"


# Bytes: what a broken line, or somebody with a purpose, makes of a frame.


def _flip(rng: random.Random, frame: bytes) -> bytes:
    out = bytearray(frame or b"\0")
    for _ in range(rng.randrange(1, 5)):
        out[rng.randrange(len(out))] = rng.randrange(256)
    return bytes(out)


def _truncate(rng: random.Random, frame: bytes) -> bytes:
    return frame[: rng.randrange(len(frame) + 1)]


def _splice(rng: random.Random, frame: bytes) -> bytes:
    one, two = (rng.randrange(len(frame) + 1) for _ in range(2))
    return frame[:one] + frame[two:]


def _insert(rng: random.Random, frame: bytes) -> bytes:
    at = rng.randrange(len(frame) + 1)
    return frame[:at] + rng.choice(BYTES) + frame[at:]


TEXT: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    _flip, _truncate, _splice, _insert, _insert, _nest, _say_twice, _enlarge,
)  # fmt: skip


def mutated(rng: random.Random, ms: int) -> bytes:
    """Return one frame: as it should be, changed in its structure, in its bytes, or in both."""
    items: list[Any] = events(rng, ms)
    if rng.random() < 0.6:
        with contextlib.suppress(IndexError):  # no event is left
            for _ in range(rng.randrange(1, 4)):
                rng.choice(STRUCTURE)(rng, items)
    spaced = None if rng.random() < 0.2 else (",", ":")
    frame = json.dumps(items, separators=spaced, ensure_ascii=rng.random() < 0.5)
    out = frame.encode(errors="surrogatepass")
    if rng.random() < 0.5:
        out = rng.choice(TEXT)(rng, out)
    return out
