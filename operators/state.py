"""State of the hot half: one row for each symbol of a shard."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from operators.ticks import Array


class Snapshot(NamedTuple):
    """Rows of state by symbol, as saved: `rows` has one row for each of `names`.

    `parts` are further arrays the rows refer to, in an order of the owner's choosing, or where
    they stand.
    """

    version: int
    names: tuple[str, ...]
    rows: Array
    parts: tuple[Any, ...] = ()


class StateError(RuntimeError):
    """Saved state cannot be gone on from."""


class StateVersionError(StateError):
    """Saved state was written by another version of the operator."""


def check_version(saved: int, version: int) -> None:
    """Refuse state that was saved by another version.

    Raises:
        StateVersionError: it was.
    """
    if saved != version:
        raise StateVersionError(
            f"the recovery store holds state of version {saved}, this program writes version "
            f"{version}: remove it to begin anew, or name another recovery folder"
        )


class SymbolRows:
    """A structured array with one row a symbol, in the order the feed names them.

    After a resume the feed may name its symbols in another order, so saved rows wait by name
    until their symbol appears. Memory grows with the symbols seen, by doubling.
    """

    def __init__(self, blank: Array, saved: Snapshot | None, version: int) -> None:
        self._blank = blank
        self._version = version
        self._names: list[str] = []
        self.rows: Array = np.empty(0, blank.dtype)
        self._saved: dict[str, int] = {}
        self._saved_rows: Array = np.empty(0, blank.dtype)
        if saved is not None:
            check_version(saved.version, version)
            self._saved = {name: i for i, name in enumerate(saved.names)}
            self._saved_rows = saved.rows

    @property
    def names(self) -> list[str]:
        """The symbols that have a row, by index."""
        return self._names

    @property
    def saved_rows(self) -> Array:
        """The rows as saved, by their row there; those of `waiting` are still to be had."""
        return self._saved_rows

    def bind(self, names: list[str]) -> list[tuple[int, int]]:
        """Give each of `names` (the feed's list, only ever appended to) its row.

        Returns `(row, saved row)` for each symbol that had state waiting.
        """
        start, end = len(self._names), len(names)
        if start == end:
            return []
        if end > len(self.rows):
            grown = np.empty(max(16, end, 2 * len(self.rows)), self._blank.dtype)
            grown[:start] = self.rows[:start]
            grown[start:] = self._blank
            self.rows = grown
        restored = []
        for i in range(start, end):
            name = names[i]
            self._names.append(name)
            j = self._saved.pop(name, None) if self._saved else None
            if j is not None:
                self.rows[i] = self._saved_rows[j]
                restored.append((i, j))
        return restored

    def every_name(self) -> list[str]:
        """The symbols that have a row, then those whose saved row still waits."""
        return [*self._names, *self._saved]

    def waiting(self) -> list[int]:
        """The saved rows whose symbol has not appeared, in the order a snapshot keeps them."""
        return list(self._saved.values())

    def snapshot(self, parts: tuple[Any, ...] = ()) -> Snapshot:
        """Return the rows in a form to pickle: a copy, without spare capacity.

        Rows still waiting for their symbol are kept behind the live ones.
        """
        rows = np.concatenate([self.rows[: len(self._names)], self._saved_rows[self.waiting()]])
        names = (*self._names, *self._saved)
        return Snapshot(self._version, names, rows, parts)


class Scratch:
    """An array that a kernel fills anew at each call, kept from call to call."""

    def __init__(self, dtype: Any) -> None:
        self._array = np.empty(64, dtype)

    def of(self, n: int) -> Array:
        """Return room for at least `n` rows; what it held is lost."""
        if n > len(self._array):
            self._array = np.empty(max(n, 2 * len(self._array)), self._array.dtype)
        return self._array


def blank(dtype: Any, **values: Any) -> Array:
    """Return one row of `dtype`, zero but for `values`."""
    row: Array = np.zeros((), dtype)
    for name, value in values.items():
        row[name] = value
    return row
