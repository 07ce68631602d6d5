"""Where the live feed sets in (again): up to where a refill reaches, and what it need not bring."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from flows.feeds.rest_wire import Json, Key, key_of, ns_of, quote_event, trade_event
from operators.ticks import MS

SETTLING_EVENTS = 8
SETTLING_S = 0.05  # at most, where fewer come

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
    """What has come of one symbol: what identifies its prints and its quotes."""

    def __init__(self) -> None:
        self.prints: set[Key] = set()
        self.quotes: set[Key] = set()


def _quote_key(event: Json) -> Key:
    return event.get("t"), event.get("bp", 0), event.get("ap", 0)


class Seam:
    """The live events from behind a gap, up to a few behind the first print of a whole feed.

    Topics are granted one after another: what comes before the last of them is no proof that
    nothing else was missed. A print may come late, or once more, and tell an old time: so a few
    events more are looked at, and the newest print among them, the `anchor`, is where the gap of
    all symbols ends. What has come of a symbol before it needs no refill and wins over it.

    Args:
        only: the one symbol it is about, if it is not about all.
    """

    def __init__(self, only: str | None = None) -> None:
        self._only = only
        self.anchor: Print | None = None
        self.first_ms: int | None = None
        self._since = 0  # events behind the first print
        self._sides: dict[str, _Side] = {}

    @property
    def settled(self) -> bool:
        """Whether enough has come to tell an old print from a new one."""
        return self._since >= SETTLING_EVENTS

    def add(self, frame: bytes, subscribed: bool, after_ms: int = 0) -> bool:
        """Take a frame into account; return whether there is an anchor.

        Args:
            frame: as received.
            subscribed: whether every topic had been answered when it came.
            after_ms: event time at which the gap begins: what is older is no anchor.
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
            self._since += self.anchor is not None
            side = self._sides.setdefault(symbol, _Side())
            if event.get("ev") == "Q":
                side.quotes.add(_quote_key(event))
            elif event.get("ev") == "T":
                side.prints.add(key_of(event))
                if subscribed and ms >= after_ms:
                    self._consider(Print(symbol, ms, key_of(event)))
        return self.anchor is not None

    def _consider(self, one: Print) -> None:
        if self._only in (None, one.symbol) and (self.anchor is None or one.ms > self.anchor.ms):
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
        anchor = self.anchor
        if anchor is None:  # it has not set in: what has no id would be counted twice later
            return [row for row in trades if row.get("id")], quotes
        side = self._sides.get(symbol, _Side())
        end_ns = (anchor.ms + 1) * MS
        kept = []
        for row in trades:
            event = trade_event(symbol, row)
            key, ms = key_of(event), ns_of(row) // MS
            if symbol == anchor.symbol and key == anchor.key:
                end_ns = ns_of(row)  # what is behind it, in the same ms, comes by itself
            if (ms > after_ms or "i" in event) and key not in side.prints:
                kept.append(row)
        kept = [row for row in kept if ns_of(row) < end_ns or ns_of(row) // MS < anchor.ms]
        sent = side.quotes
        return kept, [
            row
            for row in quotes
            if ns_of(row) < end_ns and _quote_key(quote_event(symbol, row)) not in sent
        ]
