"""How a file of order books names its columns."""

from __future__ import annotations

from collections.abc import Mapping

from operators.ticks import MOST_LEVELS

WAS_STALE = "book_was_stale"
STALE = (
    ", ts_ns < max(ts_ns) OVER (PARTITION BY symbol ORDER BY file_row_number"
    f" ROWS UNBOUNDED PRECEDING) AS {WAS_STALE}"
)
"""What a copy sorted by time can no longer tell: that a book came behind a newer one."""


def level_columns(level: int) -> tuple[str, str, str, str]:
    """Return the columns of a level, 1 being the best, in the order of `operators.books.Level`."""
    return tuple(f"{side}_{of}_{level}" for side in ("bid", "ask") for of in ("px", "sz"))  # type: ignore[return-value]


def levels_of(columns: Mapping[str, str]) -> int:
    """Return how many levels a file shows: those of which no column is missing, up to ten."""
    whole = [all(name in columns for name in level_columns(k + 1)) for k in range(MOST_LEVELS)]
    return [*whole, False].index(False)
