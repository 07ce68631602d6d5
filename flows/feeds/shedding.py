"""Quotes shed when frames come faster than they are taken: which, and what is said of it."""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet

from operators.records import SHED, Coverage

RECORD_NS = 10_000_000_000

_MOST_NAMED = 50
_QUOTE, _ANY = b'"ev":"Q"', b'"ev"'
_SYMBOL = re.compile(rb'"sym":"([A-Za-z0-9][A-Za-z0-9./:_+$^=*-]{0,31})"')


def quoted_symbols(frame: bytes) -> list[bytes]:
    """Return the symbols of a frame of quotes alone; none where it holds anything else.

    By what the bytes look like, 5 us a frame: reading them would cost as much as the dataflow,
    which does not keep up as it is. A frame spelled otherwise than the vendor does is kept.
    """
    quotes = frame.count(_QUOTE)
    if not quotes or quotes != frame.count(_ANY):
        return []
    symbols = _SYMBOL.findall(frame)
    return symbols if len(symbols) == quotes else []


class ShedFrames:
    """Frames shed next to each other: the first and the last of them, and their symbols."""

    __slots__ = ("first", "last", "symbols")

    def __init__(self, received_ns: int, frame: bytes) -> None:
        self.first = self.last = received_ns, frame
        self.symbols: set[bytes] = set()

    def add(self, received_ns: int, frame: bytes, symbols: list[bytes]) -> None:
        """Take note of one more."""
        self.last = received_ns, frame
        if len(self.symbols) <= _MOST_NAMED:
            self.symbols.update(symbols)

    def join(self, later: ShedFrames) -> None:
        """Take note of those that came next."""
        self.last = later.last
        if len(self.symbols) <= _MOST_NAMED:
            self.symbols |= later.symbols


class ShedLog:
    """The coverage records of what was shed.

    The first one comes at once, so that no window it touches stays warm, then one every ten
    seconds, and the last one when all is well again. Symbols are named up to fifty of them.
    """

    def __init__(self) -> None:
        self._from_ns: int | None = None
        self._to_ns = 0
        self._symbols: set[bytes] = set()
        self._whole = False
        self._recorded_ns: int | None = None

    def add(self, symbols: AbstractSet[bytes] | None, from_ns: int, to_ns: int) -> None:
        """Take note of an interval in which symbols (None: all) were not fully seen."""
        self._from_ns = from_ns if self._from_ns is None else min(self._from_ns, from_ns)
        self._to_ns = max(self._to_ns, from_ns, to_ns)
        self._symbols |= symbols or set()
        self._whole = self._whole or symbols is None or len(self._symbols) > _MOST_NAMED

    def due(self, now_ns: int) -> list[Coverage]:
        """Return the records to be written now, it being `now_ns` by receipt."""
        if self._from_ns is None:
            return []
        if self._recorded_ns is None or now_ns - self._recorded_ns >= RECORD_NS:
            self._recorded_ns = now_ns
            return self._records()
        return []

    def end(self) -> list[Coverage]:
        """Return the last records: nothing is being shed any more."""
        self._recorded_ns = None
        return self._records()

    def _records(self) -> list[Coverage]:
        if self._from_ns is None:
            return []
        names = ["*"] if self._whole else sorted(symbol.decode() for symbol in self._symbols)
        from_ns, to_ns = self._from_ns, self._to_ns
        self._from_ns, self._to_ns, self._symbols, self._whole = None, 0, set(), False
        return [Coverage(name, from_ns, to_ns, SHED, refilled=False) for name in names]
