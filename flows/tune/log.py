"""A point of a tuning, as a line of `tune.jsonl` and as a row of the history."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec

from sinks.history_file import Row
from sinks.iso import iso_utc, ns_of
from sinks.tailer import Record

TUNE = "tune"
SCHEMA = 1

_encode = msgspec.json.Encoder().encode


class TuneLine(msgspec.Struct, frozen=True, kw_only=True):
    """One setting and what it would have given; `schema` grows by adding fields only.

    `on_front`, `current` and `recommended` mark the points that stand in the answer. What
    begins with `later_` is of days that had no part in the choice: null for all points but the
    current and the recommended one, and where there is a single day. `seq` counts in `tune.jsonl`.
    """

    event: str = TUNE
    schema: int = SCHEMA
    seq: int = 0
    tune_id: str
    large_order_size: int
    parent_gap_ms: int
    volume_spike_threshold: float
    red_burst_threshold: float
    sell_share: float
    min_burst_volume: int
    exit_sellers: int
    alert_window_seconds: int
    alerts_a_day: float
    large_sellers_a_day: float
    red_bursts_a_day: float
    exit_signals_a_day: float
    alerts: int
    measured: int
    fall_share: float | None
    base_share: float | None
    lift: float | None
    shrunk_lift: float
    on_front: bool
    current: bool
    recommended: bool
    later_alerts_a_day: float | None
    later_alerts: int | None
    later_lift: float | None
    later_lift_low: float | None
    later_lift_high: float | None
    target_a_day: float
    tried: int
    symbols: int
    sessions: str
    delay_ms: float
    fall_bp: float
    first_day: str
    last_day: str
    later_first_day: str | None
    later_last_day: str | None
    emitted_utc: str = ""


_LINE_ONLY = frozenset({"event", "schema", "emitted_utc"})
_DAYS = frozenset({"first_day", "last_day", "later_first_day", "later_last_day"})


def tune_line(line: TuneLine, seq: int, emitted_ns: int) -> bytes:
    """Return a line as it is written."""
    return _encode(msgspec.structs.replace(line, seq=seq, emitted_utc=iso_utc(emitted_ns)))


def tune_row(record: Record) -> Row | None:
    """Return the row of the table `tune`, or None for what is no such line."""
    if record.get("event") != TUNE:
        return None
    try:
        values = msgspec.structs.asdict(msgspec.convert(record, TuneLine))
        kept = (_value(name, values[name]) for name in values if name not in _LINE_ONLY)
        return *kept, ns_of(values["emitted_utc"])
    except (msgspec.ValidationError, ValueError):
        return None


def _value(name: str, value: Any) -> Any:
    return date.fromisoformat(value) if name in _DAYS and value is not None else value
