"""The start of a run in the middle of a phase: nothing was seen of it before the first event."""

from __future__ import annotations

from operators.records import STARTED, Coverage
from operators.sessions import Sessions, phase_start
from operators.ticks import MS


def started(sessions: Sessions, first_ns: int) -> Coverage | None:
    """Return what a run misses whose first event is from `first_ns`; None outside all phases."""
    start_ms = phase_start(sessions, first_ns // MS)
    if start_ms is None or start_ms * MS >= first_ns:
        return None
    return Coverage("*", start_ms * MS, first_ns, STARTED, refilled=False)
