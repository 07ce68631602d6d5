"""A run that was killed before it had saved any state: how the next one makes good for it.

The engine saves state every ten seconds. A run killed before that leaves none, but it has said
from when on it saw the feed. The next run fetches the same minutes and all that came since: the
minutes before warm the windows, as they did, and what came since is news, but for the alerts that
are on file.
"""

from __future__ import annotations

import os
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
    begun = [
        record
        for record in _tail(root / COVERED)
        if record.get("symbol") == "*" and record.get("cause") in (START, RESTART)
    ]
    starts = [record for record in begun if record["cause"] == START]
    if not starts or _written_ns(root / STATUS) - ns_of(begun[-1]["emitted_utc"]) > UNSAVED_NS:
        return None
    return Earlier(ns_of(starts[-1]["from_utc"]), ns_of(starts[-1]["to_utc"]))


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
