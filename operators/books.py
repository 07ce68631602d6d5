"""Order books as rows: what one may hold, and what their two sides weigh.

A row that is not sorted, positive, fresh and uncrossed is rejected: the book before it stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from operators.kernels import kernel, step
from operators.ticks import BOOK, MICRO, MS, Array, Row
from operators.values import (
    BAD_PRICE,
    BAD_SIZE,
    BAD_SYMBOL,
    BAD_TIME,
    CROSSED_BOOK,
    GOOD,
    MAX_PRICE,
    MAX_SIZE,
    STALE_BOOK,
    UNSORTED_BOOK,
    YEAR_2000_MS,
    YEAR_2100_MS,
)

NO_DEPTH, EVEN, STEPS = 0, 10_001, 10_000
"""An imbalance in 16 bits: EVEN is none, a step a ten-thousandth, NO_DEPTH no book."""

NEVER = -(2**62)


class Level(NamedTuple):
    """One level of many books: prices in dollars, sizes in shares; NaN or 0: absent."""

    bid_px: Array
    bid_sz: Array
    ask_px: Array
    ask_sz: Array


def imbalance_of(code: int) -> float | None:
    """Return an imbalance: 1.0 is all bids, -1.0 all asks; None without depth."""
    return None if code == NO_DEPTH else (code - EVEN) / STEPS


@step
def imbalance(book: Row, levels: int) -> int:
    """Return (bid sizes - ask sizes) / (both) over the best levels of a book, as a code."""
    bids = asks = 0
    for k in range(min(levels, book["bids"])):
        bids += book["bid_sz"][k]
    for k in range(min(levels, book["asks"])):
        asks += book["ask_sz"][k]
    if bids + asks == 0:
        return NO_DEPTH
    return EVEN + int(np.rint(float(STEPS) * float(bids - asks) / float(bids + asks)))


@kernel
def _put_level(
    price: Array, size: Array, count: Array, out_px: Array, out_sz: Array, problem: Array
) -> None:
    """Put one level of one side behind those that are there; a level that is absent leaves none."""
    for i in range(len(price)):
        px, sz = price[i], size[i]
        if (np.isnan(px) or px == 0) and (np.isnan(sz) or sz == 0):
            continue
        if not (px <= MAX_PRICE and np.rint(px * MICRO) > 0):
            problem[i] = BAD_PRICE
        elif not (sz <= MAX_SIZE and np.rint(sz * MICRO) > 0):
            if problem[i] == GOOD:
                problem[i] = BAD_SIZE
        else:
            k = count[i]
            out_px[i, k] = np.int64(np.rint(px * MICRO))
            out_sz[i, k] = np.int64(np.rint(sz * MICRO))
            count[i] = k + 1


@step
def _order_problem(book: Row) -> int:
    """Return what is wrong between the levels: bids must fall, asks rise, and neither cross."""
    for k in range(1, book["bids"]):
        if book["bid_px"][k] >= book["bid_px"][k - 1]:
            return UNSORTED_BOOK
    for k in range(1, book["asks"]):
        if book["ask_px"][k] <= book["ask_px"][k - 1]:
            return UNSORTED_BOOK
    if book["bids"] > 0 and book["asks"] > 0 and book["bid_px"][0] > book["ask_px"][0]:
        return CROSSED_BOOK
    return GOOD


@kernel
def _judge(books: Array, newest_ns: Array, problem: Array) -> int:
    """Judge books in arrival order; return how many have a problem."""
    noted = 0
    for i in range(len(books)):
        book = books[i]
        code, ts_ns = book["symbol"], book["ts_ns"]
        if code < 0:
            problem[i] = BAD_SYMBOL
        elif not YEAR_2000_MS <= ts_ns // MS < YEAR_2100_MS:
            problem[i] = BAD_TIME
        elif problem[i] == GOOD:
            problem[i] = _order_problem(book)
            if problem[i] == GOOD and ts_ns < newest_ns[code]:
                problem[i] = STALE_BOOK
            if problem[i] == GOOD:
                newest_ns[code] = ts_ns
        if problem[i] != GOOD:
            noted += 1
    return noted


def fill_books(
    code: Array, ts_ns: Array, levels: Sequence[Level], newest_ns: Array
) -> tuple[Array, Array | None]:
    """Turn columns of levels into books, in whole 1e-6 units, and judge them.

    Args:
        code: Index of the symbol, -1: none that can be a ticker.
        ts_ns: Event time; the rows are in the order in which they arrived.
        levels: Best first, at most MOST_LEVELS.
        newest_ns: By symbol, event time of the standing book, NEVER without one; kept up.

    Returns:
        Rows of BOOK, and a problem (index into PROBLEMS) a row, or None where all are good: not
        positive, not sorted, crossed (bid above ask), or older than a book of the symbol that
        stands already.
    """
    books = np.zeros(len(code), BOOK)
    books["symbol"], books["ts_ns"], books["levels"] = code, ts_ns, len(levels)
    problem = np.zeros(len(code), np.uint8)
    for level in levels:
        for side, px, sz in (("bid", *level[:2]), ("ask", *level[2:])):
            out = books[f"{side}_px"], books[f"{side}_sz"]
            _put_level(px, sz, books[f"{side}s"], *out, problem)
    return books, problem if _judge(books, newest_ns, problem) else None
