"""Where the live feed sets in (again): up to where a refill reaches, and what it need not bring."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from flows.feeds.rest_wire import Json, Key, key_of, ns_of, trade_event
from operators.ticks import MS

SETTLING_EVENTS = 8
NEVER_MS = 2**53

_read = msgspec.json.Decoder(list[dict[str, Any]]).decode


def has_print(frame: bytes, symbol: str) -> bool:
    """Return whether a frame holds a print of a symbol."""
    if b'"T"' not in frame or symbol.encode() not in frame:
        return False  # most frames, at little cost
    return Seam(symbol).add(frame, True)


def without_quotes(frame: bytes, symbols: Container[str]) -> bytes:
    """Return a frame without the quotes of some symbols; one that cannot be read as it is."""
    if b'"Q"' not in frame:
        return frame
    try:
        events = _read(frame)
    except (msgspec.DecodeError, RecursionError):
        return frame  # the decoder's business
    return msgspec.json.encode(
        [e for e in events if e.get("ev") != "Q" or e.get("sym") not in symbols]
    )


class Print(NamedTuple):
    """A live print: symbol, event time (ms) and what identifies it."""

    symbol: str
    ms: int
    key: Key


class _Listed(NamedTuple):
    """A listed trade: its SIP time, what identifies it, and its row."""

    ns: int
    key: Key
    row: Json

    def may_go_on(self, after_ms: int, is_sent: bool) -> bool:
        """Whether it is not counted twice, should it come twice."""
        return bool(self.row.get("id")) or (self.ns // MS > after_ms and not is_sent)


class _Side:
    """What has come of one symbol: what identifies its prints, and its first quote."""

    def __init__(self) -> None:
        self.prints: dict[Key, int] = {}  # with their ms
        self.first_quote_ms = NEVER_MS

    def unsent_ns(
        self, listed: Sequence[_Listed], quotes: Iterable[int], end_ns: int, after_ms: int
    ) -> int:
        """Return the time of the last print or quote before `end_ns` that was not sent.

        A quote is looked at only where the prints may go on once more, behind it.
        """
        unsent = [one.ns for one in listed if one.ns < end_ns and one.key not in self.prints]
        named = {one.key for one in listed if one.row.get("id")}
        if named.issuperset(key for key, ms in self.prints.items() if ms >= after_ms):
            before_ns = min(self.first_quote_ms * MS, end_ns)
            unsent += [ns for ns in quotes if ns < before_ns]
        return max(unsent, default=-1)

    def sets_in_ns(
        self, listed: Sequence[_Listed], unsent_ns: int, end_ns: int, after_ms: int
    ) -> int:
        """Return when the first print came behind what was not sent, or else the first quote."""
        ns_by_key = {one.key: one.ns for one in listed}
        came = [ns_by_key.get(k, (ms + 1) * MS) for k, ms in self.prints.items() if ms >= after_ms]
        first_ns = min((ns for ns in came if ns > unsent_ns), default=end_ns)
        return min(first_ns, (self.first_quote_ms + 1) * MS)


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
                side.first_quote_ms = min(ms, side.first_quote_ms)
            elif event.get("ev") == "T":
                side.prints[key_of(event)] = ms
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

        Once the live feed has set in it sends every print: one that is older than a print it has
        not sent was sent late, or once more, and goes on in its place; the operators drop the
        other copy. So does one that is older than a quote it has not sent, because that topic
        was granted later: what is printed behind the quote is judged by it. A print without an
        id is never a duplicate to them: of those, none is let through that may have been sent,
        before the gap or behind it.

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
        listed = [_Listed(ns_of(row), key_of(trade_event(symbol, row)), row) for row in trades]
        end_ns = (anchor.ms + 1) * MS
        if symbol == anchor.symbol:  # what is behind it, in the same ms, comes by itself
            end_ns = next((one.ns for one in listed if one.key == anchor.key), end_ns)
        unsent_ns = side.unsent_ns(listed, map(ns_of, quotes), end_ns, after_ms)
        kept = [
            one.row
            for one in listed
            if one.ns <= unsent_ns and one.may_go_on(after_ms, one.key in side.prints)
        ]
        quotes_end_ns = max(unsent_ns + 1, side.sets_in_ns(listed, unsent_ns, end_ns, after_ms))
        return kept, [row for row in quotes if ns_of(row) < quotes_end_ns]
