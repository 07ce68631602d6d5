"""Random tapes in which a lot happens: small thresholds, few prices, and every kind of trouble."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from tests.reference_rules import Rules
from tests.reference_tape import Event, Gap, Quote, Trade

SYMBOLS = ("X", "Y", "BRK.B")
NEW_YORK = ZoneInfo("America/New_York")
NAN = float("nan")

STEPS_MS = (0, 0, 0, 0.4, 1, 5, 10, 11, 500, 1_000, 3_000, 20_000, 61_000, 125_000)
BACK_MS = (0,) * 12 + (1, 12, 900, 30_000, 100_000, 361_000)
PRICES = (9.9, 9.99, 10.0, 10.0, 10.0, 10.03, 10.030001, 10.05, 10.07, 10.1, 10.1, 10.11, 10.5)
BAD_PRICES = (0.0, -1.0, NAN, 1e300, None)
SIZES = (0.5, 1, 100, 100, 333.333333, 500, 999.999999, 1_000, 1_000, 2_000, 5_000)
BAD_SIZES = (0.0, -1.0, NAN, 1e10, 1e-9)
BOOKS = ((10.0, 10.1),) * 6 + (
    (10.0, 10.0),  # locked
    (10.1, 10.0),  # crossed
    (0.0, 10.1),
    (10.0, NAN),
    (9.99, 10.0),
    (-1.0, 10.1),  # rejected
    (10.0, 1e300),
)
CONDITIONS = ((),) * 14 + (
    (37, 41),
    (14,),
    (12,),
    (18,),
    (28, 14),
    (24,),
    (9,),
    (17, 9),
    (2,),
    (61,),
)
IDS = (None, None, None, "7", "8", "71675222901845", "x9", "007", "#3", "-5")
LATE_MS = (None, None, 0, 17, 1_000, 1_001, -5)

# New York, the moments at which a phase, a day or a half day turns.
STARTS = tuple(
    datetime.fromisoformat(text).replace(tzinfo=NEW_YORK)
    for text in (
        "2024-01-02T09:29:50",
        "2024-01-02T09:30:00",
        "2024-01-02T09:30:00",
        "2024-01-02T15:58:00",
        "2024-07-03T12:58:00",
        "2024-01-02T18:59:30",
        "2024-01-02T09:58:00",
    )
)
SESSIONS = ("regular", "regular", "pre,regular", "pre,regular,post", "post", "09:00-10:00", "all")


class Made(NamedTuple):
    """The choices that make one event, as indexes into the tables above."""

    kind: int
    symbol: int
    step: int
    back: int
    price: int
    size: int
    book: int
    conditions: int
    trade_id: int
    exchange: int
    late: int


KINDS = (
    ("trade",) * 13
    + ("quote",) * 6
    + ("bad price", "bad size", "bad time", "gap", "all gap", "stated")
)


def _choice(options: Sequence[object]) -> st.SearchStrategy[int]:
    return st.integers(0, len(options) - 1)


choices = st.builds(
    Made,
    _choice(KINDS),
    _choice(SYMBOLS),
    _choice(STEPS_MS),
    _choice(BACK_MS),
    _choice(PRICES),
    _choice(SIZES),
    _choice(BOOKS),
    _choice(CONDITIONS),
    _choice(IDS),
    st.integers(1, 4),
    _choice(LATE_MS),
)


def rolled(rng: random.Random) -> Made:
    """Return the choices of one event of a long tape."""
    return Made(
        rng.randrange(len(KINDS)),
        rng.randrange(len(SYMBOLS)),
        rng.randrange(len(STEPS_MS)),
        rng.randrange(len(BACK_MS)),
        rng.randrange(len(PRICES)),
        rng.randrange(len(SIZES)),
        rng.randrange(len(BOOKS)),
        rng.randrange(len(CONDITIONS)),
        rng.randrange(len(IDS)),
        rng.randint(1, 4),
        rng.randrange(len(LATE_MS)),
    )


def laid_out(start: datetime, made: Sequence[Made]) -> list[Event]:
    """Turn choices into events in arrival order."""
    clock = int(start.timestamp()) * 10**9
    out: list[Event] = []
    for c in made:
        clock += int(STEPS_MS[c.step] * 1e6)
        out.append(_event(c, clock))
    return out


def _event(c: Made, clock: int) -> Event:
    kind, symbol = KINDS[c.kind], SYMBOLS[c.symbol]
    if kind == "quote":
        return Quote(symbol, clock, *BOOKS[c.book])
    if kind == "gap":
        return Gap(symbol, 0, clock)
    if kind == "all gap":
        return Gap("*", 0, clock)
    at = clock - BACK_MS[c.back] * 10**6
    late = LATE_MS[c.late]
    price: float | None = PRICES[c.price]
    size: float | None = SIZES[c.size]
    if kind == "bad price":
        price = BAD_PRICES[c.price % len(BAD_PRICES)]
    elif kind == "bad size":
        size = BAD_SIZES[c.size % len(BAD_SIZES)]
    elif kind == "bad time":
        at = (0, at // 10**6, 2**62)[c.size % 3]
    return Trade(
        symbol,
        at,
        price,
        size,
        CONDITIONS[c.conditions],
        c.exchange,
        0 if c.exchange > 1 else 201,
        IDS[c.trade_id],
        None if late is None else at - late * 10**6,
        (-1, 1)[c.price % 2] if kind == "stated" else 0,
    )


rules = st.builds(
    Rules,
    detection_mode=st.sampled_from(("fixed", "fixed", "adaptive")),
    min_notional=st.sampled_from((0, "10099.99999", 20_000)),
    large_order_size=st.sampled_from((1_000, 2_000)),
    parent_gap_ms=st.sampled_from((10, 10, 0, 1000)),
    volume_spike_threshold=st.sampled_from(("1.5", "2.4", "3.0")),
    red_burst_threshold=st.sampled_from(("3.0", "4.0")),
    sell_share=st.sampled_from(("0.5", "0.60")),
    min_burst_volume=st.sampled_from((0, 500)),
    alert_window_seconds=st.sampled_from((30, 120)),
    exit_sellers=st.sampled_from((2, 3)),
    side_rule=st.sampled_from(("clnv", "clnv", "lee_ready", "emo", "quote", "tick")),
    quote_max_age_seconds=st.sampled_from((1, 60)),
    late_print_ms=st.sampled_from((1_000, 0)),
    sessions=st.sampled_from(SESSIONS),
)

tapes = st.builds(laid_out, st.sampled_from(STARTS), st.lists(choices, max_size=40))


def long_tape(seed: int, n: int) -> list[Event]:
    """Return a tape of `n` events, the same for the same seed."""
    rng = random.Random(seed)
    return laid_out(rng.choice(STARTS), [rolled(rng) for _ in range(n)])


long_tapes = st.builds(long_tape, st.integers(0, 2**32), st.integers(50, 600))


def selling(seed: int) -> list[Event]:
    """Return a tape that warms up, sells hard, calms down and sells again: bursts and exits."""
    rng = random.Random(seed)
    start = STARTS[1]
    made: list[Event] = []
    clock = int(start.timestamp()) * 10**9
    for wave in range(6):
        pace_ms, size = rng.choice(((4_000, 1), (900, 1), (150, 2), (40, 4)))
        for _ in range(rng.randint(30, 110) if wave else 100):
            clock += int(rng.expovariate(1 / pace_ms) * 1e6) if wave else 4 * 10**9
            if rng.random() < 0.2:
                made.append(Quote("X", clock, *rng.choice(BOOKS[:7])))
            price = 10.1 if rng.random() < (0.3 if size > 1 else 0.6) else 10.0
            lag = rng.choice(BACK_MS) if rng.random() < 0.1 else 0
            shares = rng.choice((100.0, 200.5, 700.0)) * size
            made.append(Trade("X", clock - lag * 10**6, price, shares, (), rng.randint(1, 4)))
    return made


def sessions_of(seed: int, days: int, orders: int) -> list[Event]:
    """Return sessions of one symbol with so many orders each, heavy tails and waves of selling.

    Long enough for adaptive mode to know the symbol's own sizes and, from the sixth session on,
    its hours. The last session is unlike the others: its orders are thirty times as large.
    """
    rng = random.Random(seed)
    made: list[Event] = []
    for day in range(days):
        start = datetime(2024, 6, 3, 9, 30, tzinfo=NEW_YORK) + timedelta(days=day + day // 5 * 2)
        scale = 100 if day < days - 1 else 3_000
        clock, spans = int(start.timestamp()) * 10**9, 6.4 * 3600 / orders
        for n in range(orders):
            wave = n % 97 < 8
            clock += int(rng.expovariate(1 / spans) * (1e8 if wave else 1e9))
            side = rng.random() < (0.9 if wave else 0.5)
            shares = float(round(min(scale * rng.paretovariate(0.8), 10**8)))
            made.append(Quote("X", clock, 10.0, 10.1))
            for _ in range(rng.choice((1, 1, 1, 2, 3))):
                clock += rng.choice((0, 3, 10)) * 10**6
                price = 10.0 if side else 10.1
                made.append(Trade("X", clock, price, shares, (), rng.randint(1, 4)))
    return made
