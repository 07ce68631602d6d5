"""A run that was killed before it had saved any state: how the next one makes good for it.

The engine saves state every ten seconds. A run killed before that leaves none, but it has said
from when on it saw the feed. The next run fetches the same minutes and all that came since: the
minutes before warm the windows, as they did, and what came since is news, but for the alerts that
are on file.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import orjson

from flows.feeds.gaps import START
from flows.feeds.holes import RESTART
from flows.places import COVERED, STATUS
from sinks.iso import ns_of
from sinks.tailer import Record, parse_lines

UNSAVED_NS = 60 * 10**9  # wall clock: a run that went on for longer has saved its state
_TAIL_BYTES = 1 << 20


class Earlier(NamedTuple):
    """What a run without a saved state had fetched from, and from when on it saw the feed.

    Event times in ns.
    """

    from_ns: int
    seen_ns: int


def earlier_run(root: Path) -> Earlier | None:
    """Return the run that left `root` without a saved state; None where there is none.

    To be asked only where there is no saved state: one that was deleted is not made good for.
    """
    begun = [r for r in _tail(root / COVERED) if r.get("cause") in (START, RESTART)]
    start = _start_among(begun)
    if start is None or _written_ns(root / STATUS) - ns_of(begun[-1]["emitted_utc"]) > UNSAVED_NS:
        return None
    return start


def _start_among(begun: list[Record]) -> Earlier | None:
    """Return the newest start of a run: of the market, or of several symbols at once.

    That of one symbol alone is of one that was newly watched.
    """
    starts = [
        (Earlier(ns_of(r["from_utc"]), ns_of(r["to_utc"])), r["symbol"])
        for r in begun
        if r["cause"] == START
    ]
    times = Counter(start for start, _ in starts)
    whole = [start for start, symbol in starts if symbol == "*" or times[start] > 1]
    return whole[-1] if whole else None


def _tail(log: Path) -> list[Record]:
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            return list(parse_lines(file.read()))
    except FileNotFoundError:
        return []


def _written_ns(status: Path) -> int:
    """Return when a run last said what it was doing; 0 if it never came to that."""
    try:
        return ns_of(str(orjson.loads(status.read_bytes())["written_utc"]))
    except (OSError, ValueError, KeyError, TypeError):
        return 0
