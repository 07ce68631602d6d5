"""One refill being fetched: symbols in a few threads, under one time limit."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from flows.feeds.rest import Patience, Rest, RestError, RestRefusedError
from flows.feeds.rest_wire import (
    DROPPED_CORRECTIONS,
    Json,
    Key,
    frames_of,
    key_of,
    ns_of,
    trade_event,
)
from flows.feeds.seam import Print, Seam
from operators.ticks import MS

THREADS = 8  # as many connections are kept
MARGIN_NS = 10**9  # prints may arrive a little out of order; the operators drop what is repeated
_TOO_LONG = "it took too long"
_FIRST_ASK_AGAIN_S, _LONGEST_ASK_AGAIN_S = 0.1, 2.0


class Wanted(NamedTuple):
    """What to fetch: symbols (and whether their quotes, too), from a time up to the seam.

    `to_ns`: where the live feed has not set in, up to then. `given`: of each symbol the prints
    that have been handed on before. `seen_ns`: what came up to then is no news, and kept apart.
    """

    symbols: Mapping[str, bool]
    from_ns: int
    seam: Seam
    to_ns: int = 0
    given: Mapping[str, Collection[Key]] = {}
    seen_ns: int = 0


def _is_old(row: Json, seen_ms: int) -> bool:
    """Whether a row is from before `seen_ms`, by what the socket says of its time."""
    return ns_of(row) // MS < seen_ms


class Fetch:
    """Fetch what is wanted; `frames` has each symbol as soon as it is whole.

    `earlier` has those of its frames that are no news.

    Args:
        rest: whom to ask.
        wanted: what.
        patience_s: when to give up what is missing, no symbol having come since.
        longest_s: when to give up whatever comes; `patience_s` if that is longer.
    """

    def __init__(
        self, rest: Rest, wanted: Wanted, patience_s: float, longest_s: float = 0.0
    ) -> None:
        self.wanted = wanted
        self.earlier: dict[str, list[bytes]] = {}
        self.frames: dict[str, list[bytes]] = {}
        self.prints: dict[str, set[Key]] = {}
        self.reason = _TOO_LONG
        self._rest = rest
        anchor = self._anchor = wanted.seam.anchor
        self._to_ns = wanted.to_ns if anchor is None else (anchor.ms + 1) * MS
        self._patience = Patience(patience_s, longest_s)
        self._todo = deque(s for s in wanted.symbols if anchor is None or s != anchor.symbol)
        self._done = threading.Event()
        self._start(self._first)

    def _start(self, work: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=work, name="refill", daemon=True)
        thread.start()
        return thread

    def wait(self, seconds: float) -> bool:
        """Wait; return whether it has come to its end, whole or not."""
        return self._done.wait(seconds) or self._patience.over

    def end(self) -> None:
        """Give up what is missing."""
        self._patience.end()

    def _first(self) -> None:
        """Fetch the anchor's symbol until the anchor is listed, then the others."""
        try:
            if self._anchor is not None:
                self._fetch(self._anchor.symbol, self._trades_with(self._anchor))
            helpers = [self._start(self._others) for _ in range(min(THREADS, len(self._todo)))]
            for helper in helpers:
                helper.join()
        except RestError as error:
            self.reason = str(error)
        finally:
            self._done.set()

    def _others(self) -> None:
        while self._todo and not self._patience.over:
            try:
                symbol = self._todo.popleft()
            except IndexError:  # another thread was faster
                return
            try:
                self._fetch(symbol, self._trades(symbol))
            except RestRefusedError as error:
                self.reason = str(error)
                self.end()
            except RestError as error:
                self.reason = str(error)

    def _trades(self, symbol: str) -> list[Json]:
        from_ns = self.wanted.from_ns - MARGIN_NS
        return self._rest.rows("trades", symbol, from_ns, self._to_ns, self._patience)

    def _trades_with(self, anchor: Print) -> list[Json]:
        """Return trades that reach the live ones: until they do, REST is behind the socket."""
        pause = _FIRST_ASK_AGAIN_S
        while True:
            rows = self._trades(anchor.symbol)
            keys = (key_of(trade_event(anchor.symbol, row)) for row in reversed(rows))
            if anchor.key in keys:
                self.reason = _TOO_LONG
                return rows
            # Said before the pause: whoever waits sees the time is up before this thread does.
            self.reason = f"REST at {self._rest.host} does not list the first live print yet"
            if not self._patience.pause(pause):
                raise RestError(self.reason)
            pause = min(2 * pause, _LONGEST_ASK_AGAIN_S)

    def _fetch(self, symbol: str, trades: list[Json]) -> None:
        quotes: list[Json] = []
        if self.wanted.symbols.get(symbol, True):
            from_ns = self.wanted.from_ns - MARGIN_NS
            quotes = self._rest.rows("quotes", symbol, from_ns, self._to_ns, self._patience)
        after_ms = self.wanted.from_ns // MS
        trades, quotes = self.wanted.seam.missed(symbol, trades, quotes, after_ms)
        given = self.wanted.given.get(symbol, frozenset())
        kept = [
            (key, row)
            for row in trades
            if row.get("correction") not in DROPPED_CORRECTIONS
            and (key := key_of(trade_event(symbol, row))) not in given
        ]
        self.prints[symbol] = {key for key, _ in kept}
        rows, seen_ms = [row for _, row in kept], self.wanted.seen_ns // MS
        old, new = ([r for r in rows if _is_old(r, seen_ms) == is_old] for is_old in (True, False))
        before, after = (
            [r for r in quotes if _is_old(r, seen_ms) == is_old] for is_old in (True, False)
        )
        self.earlier[symbol] = frames_of(symbol, old, before)
        self.frames[symbol] = frames_of(symbol, new, after)
        self._patience.renew()
