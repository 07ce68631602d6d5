"""Status objects of the vendor's protocol, alone in a frame or among data."""

from __future__ import annotations

from typing import Any

import msgspec

Event = dict[str, Any]


def events_of(frame: bytes) -> list[Event]:
    """Return a frame's objects; nothing if it is not an array of objects."""
    try:
        return msgspec.json.decode(frame, type=list[dict[str, Any]])
    except (msgspec.DecodeError, RecursionError):
        return []


def is_status(event: Event) -> bool:
    """Return whether an object is a status."""
    return event.get("ev") == "status"


def without_statuses(frame: bytes) -> tuple[bytes | None, list[Event]]:
    """Return a frame without its statuses (None if it held nothing else), and these."""
    events = events_of(frame)
    statuses = [event for event in events if is_status(event)]
    if not statuses:
        return frame, []
    data = [event for event in events if not is_status(event)]
    return msgspec.json.encode(data) if data else None, statuses
