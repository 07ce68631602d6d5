"""A symbol's day while stories are planted in it, and the label each of them leaves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from flows.simulate.listings import Listing
from flows.simulate.prints import SHARE, blank_prints, dress
from flows.simulate.quotes import NORMAL
from flows.simulate.session import MINUTE, SECOND, Session
from flows.simulate.volume import average_minute, volume_by_second

Array = npt.NDArray[Any]

MILLISECOND = 1_000_000
MARGIN_NS = 25 * MILLISECOND  # no background print may join or break a planted run
ECHO_NS = 150 * SECOND  # how long after a story its alerts may come


class Expected(msgspec.Struct, frozen=True):
    """One alert that a planted story must raise under default settings."""

    alert_type: str
    severity: str


SELLER = Expected("large_seller", "warning")
SELLER_CRITICAL = Expected("large_seller", "critical")
BURST = Expected("red_burst", "warning")
BURST_CRITICAL = Expected("red_burst", "critical")
EXIT = Expected("exit_signal", "critical")


class Label(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was planted, and what must come of it.

    `end_ns` is the last planted print, `size` the planted shares, `until_ns` the end of the
    time in which its alerts may come. On the sample, under default settings, the alerts of
    `symbol` in [start_ns, until_ns] are exactly `expected`, in this order. A story that was
    drawn says instead what is true, whatever a rule makes of it: `truth` are the alert types
    that are right, `aside` those that may follow and prove nothing either way; any other is
    false. Its `expected` is empty.
    """

    kind: str
    symbol: str
    start_ns: int
    end_ns: int
    until_ns: int
    size: float
    expected: tuple[Expected, ...]
    why: str
    difficulty: str = ""
    truth: tuple[str, ...] | None = None
    aside: tuple[str, ...] = ()


@dataclass
class Planting:
    """One symbol's day while stories are added to it, in order of time."""

    rng: np.random.Generator
    listing: Listing
    session: Session
    prints: list[Array]
    quotes: list[tuple[int, int]] = field(default_factory=list)  # (ts_ns, state)
    moves: list[tuple[int, int]] = field(default_factory=list)  # (ts_ns of a quote, cents)
    quiet: list[tuple[int, int]] = field(default_factory=list)  # no background here
    labels: list[Label] = field(default_factory=list)

    def volume(self) -> Array:
        """Return the shares that count in each second since the open."""
        return volume_by_second(np.concatenate(self.prints), self.session)

    def plant(self, kind: str, prints: Array, expected: tuple[Expected, ...], why: str) -> None:
        """Add the prints of a story and its label."""
        self.prints.append(prints)
        start, end = int(prints["ts_ns"].min()), int(prints["ts_ns"].max())
        size = int(prints["size"].sum()) / SHARE
        symbol = self.listing.symbol
        self.labels.append(Label(kind, symbol, start, end, end + ECHO_NS, size, expected, why))

    def lead_in(self, at_ns: int, least: int) -> None:
        """Add two-sided trading before `at_ns` if its average minute is below `least` shares.

        A warning needs a second in which volume is 3 to 4 x its average and 5,000 shares.
        """
        average = float(average_minute(self.volume())[(at_ns - self.session.open_ns) // SECOND])
        count = int((least - average) * 6 / 200)
        if count > 0:
            times = at_ns - 6 * MINUTE + np.sort(self.rng.integers(0, 6 * MINUTE, size=count))
            prints = blank_prints(times)
            prints["side"] = np.resize([1, -1], count)
            prints["size"] = 200 * SHARE
            dress(self.rng, prints, off_exchange=np.zeros(count, bool))
            self.prints.append(prints)

    def clear(self, prints: Array) -> None:
        """Keep the background away from a run of prints, on a fresh and ordinary quote."""
        start, end = int(prints["ts_ns"].min()), int(prints["ts_ns"].max())
        self.quiet.append((start - MARGIN_NS, end + MARGIN_NS))
        self.quotes.append((start - 3 * MILLISECOND, NORMAL))
