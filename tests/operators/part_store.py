"""A store of parts in memory that knows what it may still be asked for."""

from __future__ import annotations

from typing import Any

from operators.parts import Part, Place


class MemoryStore:
    """Keeps each part as soon as it is told to, or none if it is `full`."""

    def __init__(self, *, full: bool = False) -> None:
        self._full = full
        self.kept: list[Any] = []
        self.gone: set[int] = set()

    def keep(self, part: Part) -> None:
        if not self._full:
            part.place = Place("a", len(self.kept), len(part.data), 0)
            self.kept.append(part.data)

    def read(self, place: Place) -> Any:
        assert place.start not in self.gone, "asked for after it was let go"
        return self.kept[place.start].copy()

    def let_go(self, part: Part) -> None:
        if part.place is not None:
            assert part.place.start not in self.gone, "let go twice"
            self.gone.add(part.place.start)
