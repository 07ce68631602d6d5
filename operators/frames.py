"""Frames of the vendor's feed to ticks.

A frame is a JSON array of events. The usual form is read straight into columns
(`operators.scan`). What is left is decoded typed, whole; one bad item makes that fail, and then
the frame is decoded again item by item, so that each item is judged by itself and the good ones
are kept.

    [{"ev":"T","sym":"AAPL","x":4,"i":"71675222901845","z":3,"p":263.1612,"s":0,"ds":"0.037000",
      "c":[37],"t":1789718400831,"pt":1789718400814,"q":337201,"trfi":202}]
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np

from operators.freshness import Freshness, LagRules
from operators.records import WITHIN_CONNECTION, Coverage, UnknownCondition
from operators.scan import Scanned, Scanner
from operators.symbols import SymbolCodes, valid_symbol
from operators.ticks import (
    DEPTH,
    DETAIL,
    GAP,
    ID_NUMBER,
    ID_ROW,
    ID_TEXT,
    LATENESS_UNKNOWN,
    MAX_LATENESS_MS,
    MS,
    QUOTE,
    SEEN,
    TICK,
    TRADE,
    WARMING,
    Array,
    Frames,
    Refill,
    Ticks,
    no_depths,
)
from operators.values import CROSSED, GOOD, PROBLEMS, RejectLog, fill_values, trade_id
from operators.verdicts import Classes
from operators.wire import (
    NO_SIZE,
    TYPE_OF,
    CryptoTrade,
    Event,
    decimal,
    lenient,
    whole_floats_to_ints,
    whole_size,
)

# Known to the protocol and of no use to these rules: passed over, never a reject.
UNUSED_EVENTS = frozenset(("status", "A", "AM", "LULD", "NOI", "FMV", "LV", "XA", "XAS", "XL2"))

_TAKER_SIDE: dict[tuple[int, ...], int] = {(1,): -1, (2,): 1}
REFILL_FRAMES = 64  # of a refill in one chunk
_FAR_MS = 9_000_000_000_000  # year 2255: beyond it, nanoseconds would overflow


_symbol, _time, _first, _second = map(attrgetter, ("symbol", "t", "first", "second"))


class Decoder:
    """Decode the frames of a feed; learns the symbols' codes.

    Args:
        lag: when events come too late; None: never.
        depths: hand on the sizes of quotes, too.
    """

    def __init__(self, lag: LagRules | None = None, depths: bool = False) -> None:
        self._codes = SymbolCodes()
        self._depths = depths
        self._scan = Scanner(self._codes.names, depths)
        self._classes = Classes(self._scan.meet)
        self._freshness = None if lag is None else Freshness(lag)
        self._whole = msgspec.json.Decoder(list[Event])
        self._items = msgspec.json.Decoder(list[msgspec.Raw])
        self._rejects = RejectLog()
        self._without_id: dict[str, int] = {}

    def __call__(self, batch: Frames) -> Ticks:
        """Return the ticks of `batch` in arrival order, and what was rejected."""
        chunk, receipts = self._decoded(batch)
        if self._freshness is not None:
            self._freshness(chunk, receipts)
        return chunk

    def _decoded(self, batch: Frames) -> tuple[Ticks, Array]:
        """Return the ticks of `batch`, and when each was received."""
        texts: dict[int, str] = {}
        scanned = self._scan(batch.frames, batch.received_ns)
        self._codes.catch_up()
        if len(scanned.crossed):
            self._rejects.count_crossed(self._codes.names, scanned.crossed)
        ticks, details, depths = scanned.ticks, scanned.details, scanned.depths
        receipts = np.repeat(np.array(batch.received_ns, np.int64), np.diff(scanned.ends[:, 0]))
        if scanned.left:
            ticks, details, receipts, depths = self._fill_in(scanned, batch, receipts, texts)
        if not batch.live:
            details["received_ns"] = 0
        kept, counts = self._rejects.take()
        chunk = Ticks(
            self._codes.names,
            ticks,
            details,
            texts,
            rejects=kept,
            rejected=counts,
            quotes_shed=batch.quotes_shed,
            notices=[*map(UnknownCondition, self._classes.unknown.take())],
            depths=depths,
        )
        return chunk, receipts

    def _fill_in(
        self, scanned: Scanned, batch: Frames, receipts: Array, texts: dict[int, str]
    ) -> tuple[Array, Array, Array, Array]:
        """Decode the frames that could not be scanned, and put their rows in their places."""
        places = scanned.ends[:, :2]
        empty = places[1:, 0] == places[:-1, 0]
        edges = np.flatnonzero(np.diff(empty, prepend=False, append=False)).tolist()
        ticks, details, received, depths = [], [], [], []
        at = 0  # first frame that is not put in yet
        for start, end in zip(edges[::2], edges[1::2], strict=True):
            (t0, d0), (t1, d1) = places[at].tolist(), places[start].tolist()
            typed = self._typed(batch.received_ns[start:end], batch.frames[start:end], texts)
            ticks += [scanned.ticks[t0:t1], typed[0]]
            details += [scanned.details[d0:d1], typed[1]]
            received += [receipts[t0:t1], typed[2]]
            depths += [scanned.depths[t0:t1], typed[3]]
            at = end
        (t0, d0) = places[at].tolist()
        ticks.append(scanned.ticks[t0:])
        details.append(scanned.details[d0:])
        received.append(receipts[t0:])
        depths.append(scanned.depths[t0:])
        columns = (np.concatenate(parts) for parts in (ticks, details, received, depths))
        return next(columns), next(columns), next(columns), next(columns)

    def _typed(
        self, received_ns: list[int], frames: list[bytes], texts: dict[int, str]
    ) -> tuple[Array, Array, Array, Array]:
        """Decode frames to events, and those to TICK and DETAIL rows, with receipts and depths."""
        events: list[Any] = []
        ends = []
        decode = self._whole.decode
        for received, frame in zip(received_ns, frames, strict=True):
            try:
                events += decode(frame)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                events += self._item_by_item(frame, received)
            ends.append(len(events))
        receipts = np.repeat(np.array(received_ns, np.int64), np.diff(ends, prepend=0))
        return self._columns(events, receipts, texts)

    def gap(self, coverage: Coverage) -> Ticks:
        """Return a mark for each symbol that was not seen: its windows are not whole."""
        names = self._codes.names if coverage.symbol == "*" else [coverage.symbol]
        return self.marks(GAP, names, coverage.to_ns)

    def refill(self, refill: Refill) -> Iterator[Ticks]:
        """Return the ticks of what was fetched, in chunks of their own."""
        if refill.origin == WARMING:
            yield self.marks(SEEN, [refill.symbol], refill.from_ns)
        for i in range(0, len(refill.frames), REFILL_FRAMES):
            part = refill.frames[i : i + REFILL_FRAMES]
            frames = Frames([refill.received_ns] * len(part), part, refill.live)
            chunk, _ = self._decoded(frames)  # fetched, it is as late as it is
            chunk.origin = refill.origin
            yield chunk

    def note(self, coverage: Coverage) -> None:
        """Take note of what was missed: most of it is missed between two connections."""
        if self._freshness is not None and coverage.cause not in WITHIN_CONNECTION:
            self._freshness.new_connection()

    def marks(self, kind: int, names: Sequence[str], ts_ns: int) -> Ticks:
        """Return a mark for each symbol: GAP or SEEN."""
        ticks = np.zeros(len(names), TICK)
        ticks["symbol"] = [self._codes[name] for name in names]
        ticks["kind"] = kind
        ticks["ts_ns"] = ts_ns
        return Ticks(self._codes.names, ticks, np.empty(0, DETAIL))

    def _item_by_item(self, frame: bytes, received: int) -> list[Any]:
        try:
            items: list[Any] | None = self._items.decode(frame)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            items = lenient(frame)
        if items is None:
            self._rejects.add("", "malformed_json", frame, received)
            return []
        return [
            event for item in items if (event := self._judge(bytes(item), received)) is not None
        ]

    def _judge(self, item: bytes, received: int) -> Any:
        """Return the event of one item, or None: not of use, or rejected."""
        try:
            fields: Any = msgspec.json.decode(item)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            fields = None
        if not isinstance(fields, dict):
            self._rejects.add("", "bad_type", item, received)
            return None
        kind = fields.get("ev")
        if isinstance(kind, str) and kind in UNUSED_EVENTS:
            return None
        named = fields.get("sym", fields.get("pair"))
        symbol = str(named) if valid_symbol(named) else ""
        if not isinstance(kind, str) or kind not in TYPE_OF:
            code = "missing_field" if "ev" not in fields else "unknown_event"
            self._rejects.add(symbol, code, item, received)
            return None
        try:
            return msgspec.convert(whole_floats_to_ints(fields), TYPE_OF[kind])
        except msgspec.ValidationError as error:
            missing = "missing required field" in str(error)
            self._rejects.add(symbol, "missing_field" if missing else "bad_type", item, received)
        return None

    def _sizes(self, trades: list[Any], receipts: Array) -> list[float]:
        """Return the exact size of each trade, the decimal one where the feed gives it."""
        try:
            return [e.second if e.exact is None else decimal(e.exact) for e in trades]
        except ValueError:
            return [self._size(e, int(at)) for e, at in zip(trades, receipts, strict=True)]

    def _size(self, trade: Any, received: int) -> float:
        """Return a size, or NO_SIZE (and the reject noted) where there is none to be read."""
        try:
            return trade.second if trade.exact is None else decimal(trade.exact)
        except ValueError:
            symbol = trade.symbol if valid_symbol(trade.symbol) else ""
            self._rejects.add(symbol, "bad_type", msgspec.json.encode(trade), received)
            return NO_SIZE

    def _columns(
        self, events: list[Any], receipts: Array, texts: dict[int, str]
    ) -> tuple[Array, Array, Array, Array]:
        """Turn events into TICK and DETAIL rows, leaving out what the values rule out."""
        ticks = np.zeros(len(events), TICK)
        ticks["kind"] = [e.kind for e in events]
        ticks["symbol"] = [*map(self._codes.__getitem__, map(_symbol, events))]
        ms = np.array([*map(_time, events)], np.int64)
        ticks["ts_ns"] = np.clip(ms, 0, _FAR_MS) * MS
        first = np.array([*map(_first, events)], np.float64)
        second = np.array([*map(_second, events)], np.float64)
        is_trade = ticks["kind"] == TRADE
        trades = [e for e in events if e.kind == TRADE]
        details = np.zeros(len(trades), DETAIL)
        if trades:
            second[is_trade] = self._sizes(trades, receipts[is_trade])
            self._fill_details(trades, ms[is_trade], details, texts)
            details["received_ns"] = receipts[is_trade]
        problem = fill_values(ticks, first, second)
        if problem is None:
            return ticks, details, receipts, self._depths_of(events)
        crossed = problem == CROSSED
        self._rejects.count_crossed(self._codes.names, ticks["symbol"][crossed])
        good = (problem == GOOD) | crossed
        self._note(events, problem, second, receipts, np.flatnonzero(~good))
        depths = self._depths_of(events)
        return ticks[good], details[good[is_trade]], receipts[good], depths[good[: len(depths)]]

    def _depths_of(self, events: list[Any]) -> Array:
        """Return the sizes of quotes, a row an event, where they are asked for."""
        if not self._depths:
            return no_depths()
        out = np.zeros(len(events), DEPTH)
        for row, event in zip(out, events, strict=True):
            if event.kind == QUOTE:
                row["bid"] = whole_size(event.bid_size)
                row["ask"] = whole_size(event.ask_size)
        return out

    def _fill_details(
        self, trades: list[Any], ms: Array, details: Array, texts: dict[int, str]
    ) -> None:
        details["exchange"] = [e.x for e in trades]
        details["trf"] = [e.trf for e in trades]
        participant_ms = np.array([e.pt or 0 for e in trades], np.int64)  # 0 is absent, too
        lateness = np.clip(ms - participant_ms, -MAX_LATENESS_MS, MAX_LATENESS_MS)
        details["lateness_ms"] = np.where(participant_ms == 0, LATENESS_UNKNOWN, lateness)
        classes, given = self._classes, [e.c for e in trades]
        if CryptoTrade in {*map(type, trades)}:
            for i, e in enumerate(trades):
                if type(e) is CryptoTrade:  # its conditions are sides, not sale conditions
                    given[i] = None
                    details["stated_side"][i] = _TAKER_SIDE.get(e.c or (), 0)
        packed = np.array([classes[c] for c in given], np.uint8)
        details["sale_class"] = packed & 0x7F
        details["sweep"] = packed >> 7
        self._fill_ids(trades, details, texts)

    def _fill_ids(self, trades: list[Any], details: Array, texts: dict[int, str]) -> None:
        """Put the ids in: at once where all are plain numbers, as they are on the wire."""
        ids = [e.i for e in trades]
        try:
            numbers = [*map(int, ids)]
            plain = [*map(str, numbers)] == ids and min(numbers) >= 0 and max(numbers) < 10**18
        except ValueError:
            plain = False
        if plain:
            details["trade_id"] = numbers
            details["id_kind"] = ID_NUMBER
            return
        for i, e in enumerate(trades):
            number, kind = self._trade_id(e)
            details["trade_id"][i], details["id_kind"][i] = number, kind
            if kind == ID_TEXT:
                texts[number] = str(e.i)

    def _trade_id(self, trade: Any) -> tuple[int, int]:
        """Return the number and kind of an id; a trade without one is numbered here."""
        if trade.i == "":
            if self._codes[trade.symbol] < 0:  # it goes no further, and nothing is kept of it
                return 0, ID_ROW
            n = self._without_id[trade.symbol] = self._without_id.get(trade.symbol, 0) + 1
            return n, ID_ROW
        return trade_id(str(trade.i))

    def _note(
        self, events: list[Any], problem: Array, second: Array, receipts: Array, bad: Array
    ) -> None:
        """Note what the values rule out; an unreadable size has been noted before."""
        for i in bad:
            event = events[i]
            symbol = event.symbol if valid_symbol(event.symbol) else ""
            code = PROBLEMS[problem[i]]
            if event.kind == TRADE and math.isnan(second[i]):
                if event.exact is not None:
                    continue
                code = "missing_field"
            self._rejects.add(symbol, code, msgspec.json.encode(event), int(receipts[i]))
