"""UTC times as the lines spell them: ISO 8601, microseconds, `Z`."""

from __future__ import annotations

import functools
from datetime import datetime, timedelta

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  # UTC throughout; aware sums are slower
_MICROSECOND = timedelta(microseconds=1)


@functools.lru_cache(maxsize=256)  # a batch of lines has one emission time
def iso_utc(ns: int) -> str:
    """Return nanoseconds since the epoch as `2026-11-20T15:04:05.123000Z`, truncated to us."""
    return (_EPOCH + timedelta(microseconds=ns // 1000)).isoformat(timespec="microseconds") + "Z"


def ns_of(text: str) -> int:
    """Return the nanoseconds since the epoch of a time as `iso_utc` spells it.

    Raises:
        ValueError: not ISO 8601, or not in UTC (the trailing `Z`).
    """
    if not text.endswith("Z"):
        raise ValueError(f"a time in a line ends in Z (UTC), this one does not: {text[:40]!r}")
    return (datetime.fromisoformat(text[:-1]) - _EPOCH) // _MICROSECOND * 1000
