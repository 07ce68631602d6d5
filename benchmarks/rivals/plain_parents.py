"""Parent orders in plain Python, one print at a time."""

from __future__ import annotations

from operators.aggressor import BUY, UNKNOWN
from operators.records import LARGE_BUYER, SELLER_CRITICAL, SELLER_WARNING, Parent

MICRO = 1_000_000
GAP_MS = 10
THRESHOLD = 10_000 * MICRO


class Parents:
    """The run of certain prints on one side that a symbol is in."""

    __slots__ = ("fired", "first_ms", "last_ms", "lone", "notional", "number", "prints", "side",
                 "size", "venues")  # fmt: skip

    def __init__(self) -> None:
        self.side = UNKNOWN
        self.number = self.size = self.prints = self.fired = 0
        self.lone = 0  # prints judged alone so far, counted downwards
        self.notional = 0.0
        self.first_ms = self.last_ms = 0
        self.venues: set[int] = set()

    def end(self) -> None:
        """End the run."""
        self.side = UNKNOWN

    def join(self, ms: int, price: int, size: int, side: int, venue: int) -> Parent | None:
        """Add a print to its run or begin one; return the parent if it newly is large."""
        if side != self.side or ms - self.last_ms > GAP_MS:
            self.side = side
            self.number += 1
            self.size = self.prints = self.fired = 0
            self.notional = 0.0
            self.first_ms = ms
            self.venues = set()
        self.size += size
        self.notional += (price / MICRO) * (size / MICRO)
        self.last_ms = ms
        self.venues.add(venue)
        self.prints += 1
        if self.size < THRESHOLD:
            return None
        kind = self._reached()
        if not kind:
            return None
        self.fired = kind
        return Parent(
            kind=kind,
            number=self.number,
            size=self.size / MICRO,
            notional=round(self.notional, 2),
            vwap=round(self.notional / (self.size / MICRO), 6),
            prints=self.prints,
            venues=len(self.venues),
            first_ns=self.first_ms * MICRO,
        )

    def alone(self, ms: int, price: int, size: int) -> Parent | None:
        """Return a large print as a parent by itself; the run beside it goes on."""
        if size < THRESHOLD:
            return None
        self.lone -= 1
        return Parent(
            kind=SELLER_CRITICAL if size >= 2 * THRESHOLD else SELLER_WARNING,
            number=self.lone,
            size=size / MICRO,
            notional=round((price / MICRO) * (size / MICRO), 2),
            vwap=price / MICRO,
            prints=1,
            venues=1,
            first_ns=ms * MICRO,
        )

    def _reached(self) -> int:
        if self.side == BUY:
            return 0 if self.fired else LARGE_BUYER
        if self.fired != SELLER_CRITICAL and self.size >= 2 * THRESHOLD:
            return SELLER_CRITICAL
        return 0 if self.fired else SELLER_WARNING
