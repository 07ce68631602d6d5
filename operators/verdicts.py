"""What becomes of a print, and what its sale conditions say (detectors.md section 2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from operators.ticks import Array

# Verdicts, in the order of the page; the first that applies wins. 2 to 9 are sale classes too.
COUNTED = 0
DUPLICATE = 1
UNKNOWN_CONDITION = 2
SUMMARY_DROP = 3
NON_FLOW = 4
AUCTION_REOPEN = 5
AUCTION_OPEN = 6
AUCTION_CLOSE = 7
BLOCK = 8
EXTENDED_HOURS = 9
OUT_OF_SESSION = 10
LATE = 11
OFF_MARKET = 12
TOO_LATE = 13
OUT_OF_ORDER = 14
GAP_MARK = 15  # not a print: the symbol was not seen up to here
SEEN_MARK = 16  # not a print: the symbol is whole from here on

REGULAR = COUNTED

VERDICTS = (
    "counted",
    "duplicate",
    "unknown_condition",
    "summary_drop",
    "non_flow",
    "auction_reopen",
    "auction_open",
    "auction_close",
    "block",
    "extended_hours",
    "out_of_session",
    "late",
    "off_market",
    "too_late",
    "out_of_order",
)

SWEEP = 14
MOST_UNKNOWN = 256  # condition ids without a class that are told of

_CLASS_OF: dict[int, int] = {
    **dict.fromkeys((0, 1, 3, 4, 6, 11, SWEEP, 23, 27, 30, 31, 34, 35, 36, 37, 41), REGULAR),
    **dict.fromkeys((57, 58, 59, 60, *range(62, 72)), REGULAR),
    **dict.fromkeys((15, 16, 38), SUMMARY_DROP),
    **dict.fromkeys((2, 5, 7, 10, 13, 20, 21, 22, 29, 32, 33, 52, 53), NON_FLOW),
    **dict.fromkeys((18, 28), AUCTION_REOPEN),
    **dict.fromkeys((17, 25, 55), AUCTION_OPEN),
    **dict.fromkeys((8, 19), AUCTION_CLOSE),
    **dict.fromkeys((9, 24), BLOCK),
    12: EXTENDED_HOURS,
}
"""Sale condition id to class, from the vendor's conditions of 2026-08-11."""

_STRICTEST_FIRST = (
    UNKNOWN_CONDITION,
    SUMMARY_DROP,
    NON_FLOW,
    AUCTION_REOPEN,
    AUCTION_OPEN,
    AUCTION_CLOSE,
    BLOCK,
    EXTENDED_HOURS,
)


def sale_class(conditions: Sequence[int]) -> tuple[int, bool]:
    """Return the strictest class among sale conditions, and whether 14 (sweep) is one."""
    classes = {_CLASS_OF.get(c, UNKNOWN_CONDITION) for c in conditions}
    strictest = next((c for c in _STRICTEST_FIRST if c in classes), REGULAR)
    return strictest, SWEEP in conditions


def class_table() -> Array:
    """Return the class of each condition id from 0 on; what is not in it is unknown, too."""
    classes = np.full(max(_CLASS_OF) + 1, UNKNOWN_CONDITION, np.uint8)
    for condition, found in _CLASS_OF.items():
        classes[condition] = found
    return classes


def is_known_condition(condition: int) -> bool:
    """Return whether a sale condition id has a class."""
    return condition in _CLASS_OF


class UnknownConditions:
    """The sale condition ids without a class that were met: each is news once."""

    def __init__(self) -> None:
        self._met: set[int] = set()
        self._news: list[int] = []

    def meet(self, conditions: Iterable[int]) -> list[int]:
        """Return those of `conditions` that have no class and are met for the first time."""
        if len(self._met) >= MOST_UNKNOWN:  # a hostile feed may invent ids without end
            return []
        fresh = sorted({c for c in conditions if c not in _CLASS_OF} - self._met)
        self._met.update(fresh)
        self._news += fresh
        return fresh

    def take(self) -> list[int]:
        """Return what was news since the last call."""
        news, self._news = self._news, []
        return news


class Classes(dict[tuple[int, ...] | None, int]):
    """Sale conditions to class (low bits) and sweep flag (high bit), as met so far.

    Args:
        met: told each id that has no class, once.
    """

    def __init__(self, met: Callable[[int], None]) -> None:
        super().__init__()
        self._met = met
        self.unknown = UnknownConditions()

    def __missing__(self, conditions: tuple[int, ...] | None) -> int:
        for condition in self.unknown.meet(conditions or ()):
            self._met(condition)
        strictest, sweep = sale_class(conditions or ())
        packed = strictest | sweep << 7
        if len(self) < 4096:  # a hostile feed may invent combinations without end
            self[conditions] = packed
        return packed
