"""A row of the scorecard, as a line of `scorecard.jsonl` and as a row of the history."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec

from sinks.history_file import Row
from sinks.iso import iso_utc, ns_of
from sinks.tailer import Record

SCORE = "score"
SCHEMA = 1
ALL = "*"

_encode = msgspec.json.Encoder().encode


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of alert on one symbol (`*`: all of the tapes) at one horizon.

    Moves in basis points: `move_bp` of the mid, `net_bp` less the market's (null without one),
    `abnormal_bp` also less the matched controls', with its interval, p-value and q-value over
    all rows. `alerts_a_day` is of a symbol-day of the tape, however short; `measured` alerts had
    the horizon before the end of the day. What follows the horizon's columns is the same for
    every horizon: falls are looked for within five minutes, exits judged after fifteen. Shares
    are between 0 and 1. `lift` is `fall_share` over `base_share`; `covered` the share of the
    time within five minutes after an alert, which is the recall that blind alarms would have.
    `_base` is what the controls had.
    """

    alert_type: str
    symbol: str
    rival: bool
    horizon_s: int
    alerts: int
    alerts_a_day: float
    days: int
    measured: int
    block: str
    blocks: int
    move_bp: float | None
    net_bp: float | None
    abnormal_bp: float | None
    low_bp: float | None
    high_bp: float | None
    p: float | None
    q: float | None = None
    fall_bp: float
    fall_share: float | None
    base_share: float | None
    lift: float | None
    lift_low: float | None
    lift_high: float | None
    lift_sd: float | None
    falls: int
    recall: float | None
    covered: float | None
    lead_s: float | None
    profitable: float | None
    profitable_base: float | None
    over_hold_bp: float | None
    over_hold_base_bp: float | None
    over_stop_bp: float | None
    drawdown_hold_bp: float | None
    drawdown_hold_base_bp: float | None
    drawdown_stop_bp: float | None


class ScoreLine(Score, frozen=True, kw_only=True):
    """A `Score` with what it was made from; `schema` grows by adding fields only.

    `scorecard_id` is shared by the rows of one scorecard; `hypotheses` is how many p-values
    its q-values were made from.
    """

    event: str = SCORE
    schema: int = SCHEMA
    seq: int = 0
    scorecard_id: str
    mode: str
    sessions: str
    delay_ms: float
    controls: int
    seed: int
    first_day: str
    last_day: str
    hypotheses: int
    emitted_utc: str = ""


_LINE_ONLY = frozenset({"event", "schema", "emitted_utc"})
_DAYS = frozenset({"first_day", "last_day"})


def score_line(line: ScoreLine, seq: int, emitted_ns: int) -> bytes:
    """Return a line as it is written."""
    return _encode(msgspec.structs.replace(line, seq=seq, emitted_utc=iso_utc(emitted_ns)))


def score_row(record: Record) -> Row | None:
    """Return the row of the table `scorecard`, or None for what is no such line."""
    if record.get("event") != SCORE:
        return None
    try:
        values = msgspec.structs.asdict(msgspec.convert(record, ScoreLine))
        kept = (_value(name, values[name]) for name in values if name not in _LINE_ONLY)
        return *kept, ns_of(values["emitted_utc"])
    except (msgspec.ValidationError, ValueError):
        return None


def _value(name: str, value: Any) -> Any:
    return date.fromisoformat(value) if name in _DAYS else value
