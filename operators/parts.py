"""Parts of saved state that change no more: written once, and named by the snapshots after them.

A snapshot stops the flow until every byte of it is in the store. What happened since the snapshot
before is little; so it is packed as a part of its own, and a snapshot is the parts of as many
epochs as its operator looks back on. Where a store keeps parts beside the snapshots, these only
say where a part stands.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from operators.state import StateError
from operators.ticks import Array

EPOCHS = 40  # at 10 s each, a little more than the look-back
STILL_NAMED = 8  # snapshots: the engine resumes from the last one or the one before it


class Place(NamedTuple):
    """Where a part stands: a file of the store, the bytes of it, and their CRC-32."""

    file: str
    start: int
    length: int
    checksum: int


@dataclass(slots=True, eq=False)
class Part:
    """Bytes of a snapshot.

    `place` is where they are safe on disk, None as long as they are not. `wanted` ends when no
    snapshot to resume from can hold them any more.
    """

    data: Array
    place: Place | None = None
    wanted: bool = True

    def saved(self) -> Array | Place:
        """Return what a snapshot holds: the bytes themselves only where they are not yet safe."""
        return self.data if self.place is None else self.place


class PartStore(Protocol):
    """Where parts are kept beside the snapshots."""

    def keep(self, part: Part) -> None:
        """Begin to write a part; it gets its place once it is safe."""

    def read(self, place: Place) -> Array:
        """Return the bytes of a part; raise if they are not there any more."""

    def let_go(self, part: Part) -> None:
        """Know that nothing will ask for a part again."""


def bytes_of(saved: Array | Place, store: PartStore | None) -> Array:
    """Return the bytes of a part as a snapshot holds it.

    Raises:
        StateError: it is somewhere else, and there is no store.
    """
    if not isinstance(saved, Place):
        return saved
    if store is None:
        raise StateError(
            "the recovery store was made by another command, which keeps a part of the state "
            "beside it: resume with that command, or name another recovery folder"
        )
    return store.read(saved)


class _Epoch(NamedTuple):
    """Parts of one epoch, and the newest print of any symbol at its end.

    Not of its own symbols: those of one that went quiet would be written anew at every snapshot.
    """

    parts: list[Part]
    newest_ms: int


class PartLog:
    """The parts a snapshot consists of, epoch by epoch.

    Args:
        store: Keeps them beside the snapshots; None: each snapshot holds them all.
    """

    def __init__(self, store: PartStore | None) -> None:
        self._store = store
        self._epochs: deque[_Epoch] = deque()
        self._now: list[Part] = []
        self._given_up: deque[list[Part]] = deque([[]])  # by snapshot, the last is the next one

    def add(self, data: Array) -> None:
        """Add a part to this epoch."""
        part = Part(data)
        self._now.append(part)
        if self._store is not None:
            self._store.keep(part)

    def give_up(self, before_ms: int) -> list[Array]:
        """Leave out the next epoch that is too old, or one too many.

        Args:
            before_ms: What is older counts no more, but for symbols that went quiet.

        Returns:
            Its parts: what still counts of them is to be added anew. Empty: there is none.
        """
        if not self._epochs:
            return []
        if len(self._epochs) < EPOCHS and self._epochs[0].newest_ms >= before_ms:
            return []
        parts = self._epochs.popleft().parts
        self._given_up[-1].extend(parts)
        return [part.data for part in parts]

    def forget(self) -> None:
        """Leave out all."""
        for epoch in self._epochs:
            self._given_up[-1].extend(epoch.parts)
        self._let_go(self._now)  # which no snapshot has named yet
        self._epochs.clear()
        self._now = []

    def _let_go(self, parts: list[Part]) -> None:
        for part in parts:
            if self._store is not None:
                self._store.let_go(part)

    def close_epoch(self, newest_ms: int) -> tuple[Array | Place, ...]:
        """End the epoch, at a snapshot; return what that holds.

        Args:
            newest_ms: The newest print of any symbol.
        """
        if self._now:
            self._epochs.append(_Epoch(self._now, newest_ms))
        self._now = []
        self._given_up.append([])
        if len(self._given_up) > STILL_NAMED:
            self._let_go(self._given_up.popleft())
        return tuple(part.saved() for epoch in self._epochs for part in epoch.parts)


class WaitingParts:
    """What belongs to symbols that have not come back since a restart: packed when it changes.

    Args:
        store: Keeps it beside the snapshots; None: each snapshot holds it.
    """

    def __init__(self, store: PartStore | None) -> None:
        self._log = PartLog(store)
        self._symbols = -1  # of the last snapshot

    def parts(
        self, symbols: int, waiting: list[int], pack: Callable[[list[int]], Array]
    ) -> tuple[Array | Place, ...]:
        """Return it, in parts to save.

        Args:
            symbols: How many have come, old ones and new: the row of the first that waits.
            waiting: Saved rows without a symbol. There are fewer only where `symbols` grew.
            pack: Gives the bytes of these rows.
        """
        if symbols != self._symbols:
            self._symbols = symbols
            self._log.forget()
            if waiting:
                self._log.add(pack(waiting))
        return self._log.close_epoch(0)


class RowRanges:
    """Where the rows of each symbol stand in an array that is sorted by symbol.

    Args:
        symbols: Of each row, ascending.
    """

    def __init__(self, symbols: Array) -> None:
        self._ends = np.cumsum(np.bincount(symbols)) if len(symbols) else np.empty(0, np.int64)

    def of(self, symbol: int) -> slice:
        """Return the rows of a symbol."""
        if symbol >= len(self._ends):
            return slice(0, 0)
        return slice(int(self._ends[symbol - 1]) if symbol else 0, int(self._ends[symbol]))
