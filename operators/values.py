"""What a price, a size and a time may be (detectors.md section 8), the same for every feed."""

from __future__ import annotations

import hashlib

import numpy as np

from operators.kernels import kernel, step
from operators.records import Reject
from operators.ticks import ID_MOCK_ROW, ID_NUMBER, ID_TEXT, MICRO, MS, TRADE, Array, Row

MAX_PRICE = 1e7  # dollars
MAX_SIZE = 1e9  # shares
YEAR_2000_MS, YEAR_2100_MS = 946_684_800_000, 4_102_444_800_000

GOOD, BAD_SYMBOL, BAD_TIME, BAD_PRICE, BAD_SIZE, CROSSED = 0, 1, 2, 3, 4, 5
UNSORTED_BOOK, CROSSED_BOOK, STALE_BOOK = 6, 7, 8
PROBLEMS = (
    "",
    "bad_symbol",
    "bad_time",
    "bad_price",
    "bad_size",
    "crossed_quote",
    "unsorted_book",
    "crossed_book",
    "stale_book",
)
"""Reject codes by problem. CROSSED is counted only: the quote is kept; a crossed book is not."""

FRAGMENT_BYTES = 512
REJECTS_A_MINUTE = 10
MINUTE_NS = 60_000_000_000


@step
def _trade_problem(price: float, size: float) -> int:
    if not (price <= MAX_PRICE and np.rint(price * MICRO) > 0):
        return BAD_PRICE
    return GOOD if size <= MAX_SIZE and np.rint(size * MICRO) > 0 else BAD_SIZE


@step
def _quote_problem(bid: float, ask: float) -> int:
    """A side of 0 is absent, which is no error."""
    if not (0 <= bid <= MAX_PRICE and 0 <= ask <= MAX_PRICE):
        return BAD_PRICE
    return CROSSED if bid > ask > 0 else GOOD


@step
def fill_value(tick: Row, first: float, second: float) -> int:
    """Put a price and a size into a tick, in whole 1e-6 units; return its problem."""
    if tick["symbol"] < 0:
        return BAD_SYMBOL
    if not YEAR_2000_MS <= tick["ts_ns"] // MS < YEAR_2100_MS:
        return BAD_TIME
    found = (
        _trade_problem(first, second) if tick["kind"] == TRADE else _quote_problem(first, second)
    )
    if found == GOOD or found == CROSSED:  # noqa: SIM109 - a tuple would be searched
        tick["price"] = np.int64(np.rint(first * MICRO))
        tick["size"] = np.int64(np.rint(second * MICRO))
    return found


@kernel
def _fill(ticks: Array, first: Array, second: Array, problem: Array) -> int:
    noted = 0
    for i in range(len(ticks)):
        problem[i] = fill_value(ticks[i], first[i], second[i])
        if problem[i] != GOOD:
            noted += 1
    return noted


def fill_values(ticks: Array, first: Array, second: Array) -> Array | None:
    """Put prices and sizes into trades and quotes, in whole 1e-6 units.

    Args:
        ticks: Rows of TICK with time, kind and symbol (-1: none that can be a ticker).
        first: Price of a trade, bid of a quote (0: absent); dollars.
        second: Size of a trade in shares, ask of a quote in dollars.

    Returns:
        A problem (index into PROBLEMS) a tick, or None where all are good.
    """
    problem = np.empty(len(ticks), np.uint8)
    return problem if _fill(ticks, first, second, problem) else None


def trade_id(text: str) -> tuple[int, int]:
    """Return `(number, id kind)` of a trade id; a text that is no plain number is hashed."""
    if text.isascii():
        if text.isdigit() and len(text) <= 18 and (text[0] != "0" or text == "0"):
            return int(text), ID_NUMBER
        if text[:1] == "#" and text[1:].isdigit() and len(text) <= 18:
            return int(text[1:]), ID_MOCK_ROW
    digest = hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True), ID_TEXT


class RejectLog:
    """Count every reject, and keep at most ten a minute and code for the record."""

    def __init__(self) -> None:
        self._minute: dict[str, tuple[int, int]] = {}
        self._kept: list[Reject] = []
        self._counts: dict[tuple[str, str], int] = {}

    def count(self, symbol: str, code: str, n: int = 1) -> None:
        """Count `n` of them, without a record."""
        self._counts[symbol, code] = self._counts.get((symbol, code), 0) + n

    def count_crossed(self, names: list[str], symbols: Array) -> None:
        """Count crossed quotes by the codes of their symbols."""
        codes, counts = np.unique(symbols, return_counts=True)
        for symbol, n in zip(codes, counts, strict=True):
            self.count(names[symbol], PROBLEMS[CROSSED], int(n))

    def add(self, symbol: str, code: str, fragment: bytes, at_ns: int) -> None:
        """Note one rejected message; `at_ns` decides its minute."""
        self.count(symbol, code)
        minute = at_ns // MINUTE_NS
        seen_minute, n = self._minute.get(code, (minute, 0))
        n = n + 1 if seen_minute == minute else 1
        self._minute[code] = minute, n
        if n <= REJECTS_A_MINUTE:
            text = fragment[:FRAGMENT_BYTES].decode(errors="replace").replace("\ufffd", "?")
            self._kept.append(Reject(symbol, code, text, at_ns))

    def take(self) -> tuple[list[Reject], dict[tuple[str, str], int]]:
        """Return what was kept and counted since the last call."""
        kept, counts = self._kept, self._counts
        self._kept, self._counts = [], {}
        return kept, counts
