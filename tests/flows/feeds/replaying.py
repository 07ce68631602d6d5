"""A tape replayed through its feed, without a dataflow, and what came out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flows.feeds.tape import TapeFeed, TapeState
from flows.feeds.tape_files import open_tapes
from operators.firings import trade_key
from operators.ticks import TRADE, Ticks


def batches(feed: TapeFeed, state: TapeState | None = None) -> Iterator[Ticks]:
    part = feed.build_part("feed", "tape", state)
    try:
        while True:
            yield from part.next_batch()
    except StopIteration:
        return
    finally:
        part.close()


def replayed(*paths: str, **options: Any) -> list[Ticks]:
    return list(batches(TapeFeed(open_tapes(paths), **options)))


def shown(chunks: list[Ticks]) -> list[tuple[str, str, float]]:
    """Symbol, kind and price (or bid) of each tick."""
    return [
        (c.names[t["symbol"]], "trade" if t["kind"] == TRADE else "quote", t["price"] / 1e6)
        for c in chunks
        for t in c.ticks
    ]


def keys(chunks: list[Ticks]) -> list[str]:
    return [trade_key(row, c.texts, c.venues) for c in chunks for row in c.details]


def prices(chunks: list[Ticks]) -> list[float]:
    return [price for _, _, price in shown(chunks)]
