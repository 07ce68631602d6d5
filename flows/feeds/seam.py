"""Where the live feed sets in (again): up to where a refill reaches, and what it need not bring."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from flows.feeds.rest_wire import Json, Key, key_of, ns_of, trade_event
from operators.ticks import MS

_read = msgspec.json.Decoder(list[dict[str, Any]]).decode


def has_print(frame: bytes, symbol: str) -> bool:
    """Return whether a frame holds a print of a symbol."""
    if b'"T"' not in frame or symbol.encode() not in frame:
        return False  # most frames, at little cost
    return Seam(symbol).add(frame, True)


class Print(NamedTuple):
    """A live print: symbol, event time (ms) and what identifies it."""

    symbol: str
    ms: int
    key: Key


class _Side:
    """Where one symbol sets in."""

    def __init__(self, first_ms: int) -> None:
        self.first_ms = first_ms
        self.first_key: Key | None = None  # of the first event, if it is a print
        self.first_print_ms: int | None = None
        self.keys: set[Key] = set()


class Seam:
    """The live events from behind a gap, up to the first print that came fully subscribed.

    Topics are granted one after another: what comes before the last of them is no proof that
    nothing else was missed. So the gap of all symbols ends with the first print after that, the
    `anchor`; what has come of a symbol before it needs no refill and wins over it.

    Args:
        only: the one symbol it is about, if it is not about all.
    """

    def __init__(self, only: str | None = None) -> None:
        self._only = only
        self.anchor: Print | None = None
        self.first_ms: int | None = None
        self._sides: dict[str, _Side] = {}

    def add(self, frame: bytes, subscribed: bool) -> bool:
        """Take a frame into account; return whether it holds the anchor.

        Args:
            frame: as received.
            subscribed: whether every topic had been answered when it came.
        """
        try:
            events = _read(frame)
        except (msgspec.DecodeError, RecursionError):
            return False  # the decoder's business
        for event in events:
            symbol, ms = event.get("sym"), event.get("t")
            if not isinstance(symbol, str) or type(ms) is not int:
                continue
            self.first_ms = ms if self.first_ms is None else self.first_ms
            if event.get("ev") == "T":
                self._add_print(Print(symbol, ms, key_of(event)), subscribed)
            elif event.get("ev") == "Q":
                self._sides.setdefault(symbol, _Side(ms))
        return self.anchor is not None

    def _add_print(self, one: Print, subscribed: bool) -> None:
        side = self._sides.get(one.symbol)
        if side is None:
            side = self._sides[one.symbol] = _Side(one.ms)
            side.first_key = one.key
        if side.first_print_ms is None:
            side.first_print_ms = one.ms
        side.keys.add(one.key)
        if subscribed and self.anchor is None and self._only in (None, one.symbol):
            self.anchor = one

    def missed(
        self, symbol: str, trades: list[Json], quotes: list[Json], after_ms: int
    ) -> tuple[list[Json], list[Json]]:
        """Return those of a symbol's listed trades and quotes that the live feed did not send.

        A print without an id is never a duplicate to the operators: of those, none is let
        through that may have been sent before the gap.

        Args:
            symbol: whose they are.
            trades: as listed, up to the anchor.
            quotes: likewise.
            after_ms: event time at which the gap begins.
        """
        if self.anchor is None:  # it has not set in: what has no id would be counted twice later
            return [row for row in trades if row.get("id")], quotes
        side = self._sides.get(symbol, _Side(self.anchor.ms))
        last_ms = self.anchor.ms if side.first_print_ms is None else side.first_print_ms
        quotes_end_ns = (side.first_ms + 1) * MS
        kept = []
        for row in trades:
            event = trade_event(symbol, row)
            key, ms = key_of(event), ns_of(row) // MS
            if key == side.first_key:
                quotes_end_ns = ns_of(row)  # a quote after it did not stand before it
            inside = ms > after_ms or "i" in event
            if inside and ms <= last_ms and key not in side.keys:
                kept.append(row)
        return kept, [row for row in quotes if ns_of(row) < quotes_end_ns]
