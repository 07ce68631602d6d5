"""Lines of the logs as rows of the history: times become ns since epoch, lists stay lists.

A line of another kind, or of a shape we do not know, is no row. `run_id` is not in a line; the
history adds it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import TypeVar

import msgspec

from flows.lines import (
    ALERT,
    COVERAGE,
    ELIGIBILITY,
    REJECT,
    RUN,
    AlertLine,
    CoverageLine,
    EligibilityLine,
    RejectLine,
    RunLine,
)
from operators.verdicts import VERDICTS
from sinks.history_file import Row
from sinks.iso import ns_of
from sinks.tailer import Record

L = TypeVar("L", bound=msgspec.Struct)


def _places(*names: str) -> tuple[int, ...]:
    return tuple(AlertLine.__struct_fields__.index(name) for name in names)


_ALERT_TIMES = _places("timestamp_utc", "emitted_utc", "valid_until", "first_ts_utc")
_ALERT_LISTS = _places("reasons", "evidence")
_ALERT_STRUCTS = _places("market_wide", "track_record")


def _reader(
    kind: type[L], event: str, columns: Callable[[L], Row]
) -> Callable[[Record], Row | None]:
    """Return the function from a line to its row, or to None if it is not of this kind."""

    def row(record: Record) -> Row | None:
        if record.get("event") != event:
            return None
        try:
            return columns(msgspec.convert(record, kind))
        except (msgspec.ValidationError, ValueError):
            return None

    return row


def _ns(text: str | None) -> int | None:
    return None if text is None else ns_of(text)


def _json(value: object) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()


def _alert(line: AlertLine) -> Row:
    """Return all fields of the line in its order, which is the table's."""
    values = list(msgspec.structs.astuple(line))
    for place in _ALERT_TIMES:
        values[place] = _ns(values[place])
    for place in _ALERT_LISTS:
        values[place] = list(values[place])
    for place in _ALERT_STRUCTS:
        if values[place] is not None:
            values[place] = msgspec.structs.asdict(values[place])
    return tuple(values)


def _reject(line: RejectLine) -> Row:
    at = _ns(line.timestamp_utc)
    return ns_of(line.emitted_utc), line.seq, line.symbol, line.code, line.fragment, at


def _coverage(line: CoverageLine) -> Row:
    return (
        ns_of(line.emitted_utc),
        line.seq,
        line.symbol,
        ns_of(line.from_utc),
        ns_of(line.to_utc),
        line.cause,
        line.refilled,
    )


def _eligibility(line: EligibilityLine) -> Row:
    counts = [line.prints.get(name, 0) for name in VERDICTS]
    day = date.fromisoformat(line.day)
    return ns_of(line.emitted_utc), line.seq, line.symbol, day, *counts


def _run(line: RunLine) -> Row:
    return (
        line.run_id,
        ns_of(line.started_utc),
        line.feed,
        _json(line.settings),
        _json(line.versions),
        list(line.tape),
        line.events,
        line.alerts,
        _json(line.verdicts),
        _json(line.rejects),
        _ns(line.ended_utc),
        line.how,
    )


alert_row = _reader(AlertLine, ALERT, _alert)
reject_row = _reader(RejectLine, REJECT, _reject)
coverage_row = _reader(CoverageLine, COVERAGE, _coverage)
eligibility_row = _reader(EligibilityLine, ELIGIBILITY, _eligibility)
run_row = _reader(RunLine, RUN, _run)


def run_of(record: Record) -> RunLine | None:
    """Return the run a line tells of; None if it tells of none."""
    if record.get("event") != RUN:
        return None
    try:
        return msgspec.convert(record, RunLine)
    except msgspec.ValidationError:
        return None
