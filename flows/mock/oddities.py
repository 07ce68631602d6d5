"""Faults of the tape: events that come twice, late, out of order, or written oddly.

What is odd is a matter of the seed and of the event's own place on the tape, never of who
listens or when: two plays of one tape are equal, and REST knows a late print as one too.
"""

from __future__ import annotations

import heapq
import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from flows.mock.faults import (
    Duplicates,
    ExtraEvents,
    ExtraKeys,
    Fault,
    FloatKeys,
    LatePrints,
    MissingEvents,
    MissingKeys,
    OutOfOrder,
    TapeFault,
)
from flows.mock.tape import TRADES, Row, Tape
from flows.mock.wire import MISSING, MS, Block, Json, Topics, blocks_of, event_of

_S = 10**9
_encode = msgspec.json.Encoder().encode


class _Sent(NamedTuple):
    """An event on its way: when it is due, its turn among those of one time, what it is."""

    due_ns: int
    turn: int
    topic: int
    number: int
    event: bytes


class Oddities:
    """The faults of a tape, applied to its rows and events.

    Args:
        faults: all faults of a mock; those of connections and routes are passed over.
        seed: of what is left to chance.
        first_ns: when the tape begins.
    """

    def __init__(self, faults: Sequence[Fault], seed: int, first_ns: int) -> None:
        self._faults = [(n, f) for n, f in enumerate(faults) if isinstance(f, TapeFault)]
        self._seed = seed
        self._first_ns = first_ns
        self._turn = 0

    def _of(self, row: Row) -> Iterator[TapeFault]:
        """Yield the faults that befall a row."""
        for number, fault in self._faults:
            begin_ns = self._first_ns + int((fault.at_s or 0) * _S)
            if (
                ("T", "Q")[row.kind] in fault.events
                and (not fault.symbols or row.symbol in fault.symbols)
                and row.ts_ns >= begin_ns
                and (fault.for_tape_s is None or row.ts_ns < begin_ns + fault.for_tape_s * _S)
                and self._chance(number, row) < fault.share
            ):
                yield fault

    def _chance(self, number: int, row: Row) -> float:
        place = f"{self._seed}/{number}/{row.kind}/{row.symbol}/{row.number}"
        return zlib.crc32(place.encode()) / 2**32

    def row(self, row: Row) -> Row:
        """Return a row as the SIP reports it: late, if it is to be."""
        if row.kind != TRADES:
            return row
        for fault in self._of(row):
            if isinstance(fault, LatePrints):
                row = row._replace(
                    participant_ns=row.ts_ns - int(fault.by_s * _S),
                    conditions=[*(row.conditions or ()), *fault.conditions],
                )
        return row

    def blocks(self, tape: Tape, topics: Topics, size: int) -> Iterator[Block]:
        """Yield a whole tape encoded, about `size` events a block.

        Raises:
            TapeError: the tape turns out to be damaged.
        """
        if not self._faults:
            yield from blocks_of(tape, topics, size)
            return
        delayed: list[_Sent] = []
        for rows in tape.batches(size):
            block: list[_Sent] = []
            for row in rows:
                while delayed and delayed[0].due_ns <= row.ts_ns:
                    block.append(heapq.heappop(delayed))
                for sent in self._sent(row, topics.code(row.kind, row.symbol)):
                    if sent.due_ns <= row.ts_ns:
                        block.append(sent)
                    else:
                        heapq.heappush(delayed, sent)
            if block:
                yield _block(block)
        if delayed:
            yield _block(sorted(delayed))

    def _sent(self, row: Row, topic: int) -> Iterator[_Sent]:
        """Yield what is sent for a row, each with when it is due."""
        row = self.row(row)
        event = event_of(row)
        due_ns, later = row.ts_ns, []
        if any(isinstance(fault, MissingEvents) for fault in self._of(row)):
            yield _Sent(due_ns, self._next_turn(), topic, row.number, MISSING)
            return
        for fault in self._of(row):
            if isinstance(fault, OutOfOrder):
                due_ns += int(fault.by_ms * MS)
            elif isinstance(fault, MissingKeys | ExtraKeys | FloatKeys):
                event = _rewritten(event, fault)
            elif isinstance(fault, Duplicates | ExtraEvents):
                later.append(fault)
        yield self._one(due_ns, topic, row.number, event)
        for fault in later:
            if isinstance(fault, Duplicates):
                yield self._one(due_ns + int(fault.by_ms * MS), topic, row.number, event)
            else:
                extra = {"sym": row.symbol, "t": row.ts_ns // MS, **fault.event}
                yield self._one(due_ns, topic, 0, extra)

    def _one(self, due_ns: int, topic: int, number: int, event: Json) -> _Sent:
        return _Sent(due_ns, self._next_turn(), topic, number, _encode(event))

    def _next_turn(self) -> int:
        self._turn += 1
        return self._turn


def _rewritten(event: Json, fault: MissingKeys | ExtraKeys | FloatKeys) -> Json:
    if isinstance(fault, MissingKeys):
        return {key: value for key, value in event.items() if key not in fault.keys}
    if isinstance(fault, ExtraKeys):
        return event | fault.keys
    return {
        key: float(value) if key in fault.keys and isinstance(value, int) else value
        for key, value in event.items()
    }


def _block(sent: list[_Sent]) -> Block:
    return Block(
        np.array([one.due_ns for one in sent], np.int64),
        np.array([one.topic for one in sent], np.int32),
        np.array([one.number for one in sent], np.int64),
        [one.event for one in sent],
    )
