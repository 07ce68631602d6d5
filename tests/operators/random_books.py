"""Random books with prints between them: few prices, sizes around a threshold, some trouble."""

from __future__ import annotations

import random

from hypothesis import strategies as st

from tests.operators.random_tapes import NEW_YORK, STARTS
from tests.reference_rules import Rules
from tests.reference_tape import Book, Event, Quote, Side, Trade

SYMBOLS = ("X", "Y", "BRK.B")
ASKS = tuple(round(10.1 + k / 100, 2) for k in range(12))
BIDS = tuple(round(10.05 - k / 100, 2) for k in range(12))
SIZES = (10.0, 499.0, 499.999999, 500.0, 999.999999, 1_000.0, 1_999.0, 2_000.0, 5_000.0)
STEPS_MS = (0, 0, 0, 0.2, 1, 1, 7, 400, 61_000, 3_600_000)
ABSENT = ((None, None), (0.0, 0.0), (float("nan"), float("nan")))
BAD = (
    (-1.0, 100.0),
    (10.2, -5.0),
    (10.2, None),
    (None, 100.0),
    (1e9, 1.0),
    (10.2, 1e10),
    (1e-9, 1.0),
)


def _side(rng: random.Random, prices: tuple[float, ...], levels: int) -> Side:
    """Levels best first, the size of each most often what it may well have been before."""
    first, shown = rng.randrange(4), rng.choice((levels, levels, levels, levels - 1, 1, 0))
    chosen = sorted(rng.sample(range(first, first + 8), min(shown, 8)))
    steady = random.Random(rng.randrange(4))
    sizes = {k: steady.choice(SIZES) for k in range(12)}
    out = [(prices[k], sizes[k] if rng.random() < 0.8 else rng.choice(SIZES)) for k in chosen]
    return (*out, *(rng.choice(ABSENT) for _ in range(levels - len(out))))


def _troubled(rng: random.Random, book: Book) -> Book:
    """Spoil a level, a side or the time of a book."""
    asks, bids = list(book.asks), list(book.bids)
    kind = rng.randrange(5)
    if kind == 0:
        asks[rng.randrange(len(asks))] = rng.choice(BAD)
    elif kind == 1:
        rng.shuffle(asks)
    elif kind == 2:
        bids[0] = (rng.choice((10.1, 10.12, 10.3)), 100.0)
    elif kind == 3:
        return Book(book.symbol, rng.choice((0, 2**62)), book.bids, book.asks)
    else:
        return Book(book.symbol, book.ts_ns - 5 * 10**6, book.bids, book.asks)
    return Book(book.symbol, book.ts_ns, tuple(bids), tuple(asks))


def made(seed: int, n: int) -> list[Event]:
    """Return `n` events in arrival order, the same for the same seed."""
    rng = random.Random(seed)
    clock = int(rng.choice(STARTS).astimezone(NEW_YORK).timestamp()) * 10**9
    levels = rng.choice((1, 3, 5, 10))
    symbols = rng.choice((SYMBOLS, SYMBOLS[:1]))
    out: list[Event] = []
    for _ in range(n):
        clock += int(rng.choice(STEPS_MS[: rng.choice((8, 9, 9, 9, 10))]) * 1e6)
        symbol, kind = rng.choice(symbols), rng.random()
        if kind < 0.2:
            size = rng.choice((1.0, 400.0, 1_500.0))
            out.append(Trade(symbol, clock, rng.choice((10.0, 10.1)), size, (), rng.randint(1, 3)))
        elif kind < 0.25:
            out.append(Quote(symbol, clock, 10.0, rng.choice((10.1, None))))
        else:
            sides = _side(rng, BIDS, levels), _side(rng, ASKS, levels)
            book = Book(symbol, clock, *sides)
            out.append(_troubled(rng, book) if rng.random() < 0.1 else book)
    return out


tapes = st.builds(made, st.integers(0, 2**32), st.integers(1, 200))

rules = st.builds(
    Rules,
    large_order_size=st.sampled_from((1_000, 2_000)),
    book_levels=st.sampled_from((1, 3, 5, 10)),
    quote_max_age_seconds=st.sampled_from((1, 60)),
    sessions=st.sampled_from(("regular", "pre,regular", "09:00-10:00", "all")),
    alert_window_seconds=st.sampled_from((30, 120)),
)
