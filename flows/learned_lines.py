"""What adaptive mode learnt of a symbol's day: lines of `learned.jsonl`, rows of the history.

A line says all that its part of the day has taught so far, and the last line of a part counts.
"""

from __future__ import annotations

from datetime import date
from typing import Any, NamedTuple, TypeVar

import msgspec
import numpy as np

from flows.settings import Settings
from operators.learned import EPOCH, DayPart, SizeDay, VolumeDay
from operators.size_sketch import VERSION
from sinks.history_file import Row
from sinks.iso import iso_utc, ns_of
from sinks.tailer import Record

SIZES, VOLUMES = "parent_sizes", "volume_curve"
SCHEMA = 1

_encode = msgspec.json.Encoder().encode


class SizesLine(msgspec.Struct, frozen=True, kw_only=True):
    """A `SizeDay`; `sketch` is the version of the bins. The fields are the columns of the table."""

    event: str = SIZES
    schema: int = SCHEMA
    part_id: str
    symbol: str
    day: str
    since_ns: int
    sessions: str
    parent_gap_ms: int
    sketch: int
    parents: int
    span_ms: int
    bins: list[int]
    counts: list[int]
    emitted_utc: str
    seq: int


class VolumesLine(msgspec.Struct, frozen=True, kw_only=True):
    """A `VolumeDay`; volumes in 1e-6 share. The fields are the columns of the table."""

    event: str = VOLUMES
    schema: int = SCHEMA
    part_id: str
    symbol: str
    day: str
    since_ns: int
    sessions: str
    first_bucket: int
    volumes: list[int]
    emitted_utc: str
    seq: int


class LearnedLines(NamedTuple):
    """Writes parts as lines, with the settings that what was learnt depends on."""

    sessions: str
    parent_gap_ms: int

    @classmethod
    def of(cls, settings: Settings) -> LearnedLines:
        """Return the writer of a run."""
        return cls(settings.sessions, settings.parent_gap_ms)

    def line(self, part: DayPart, seq: int, emitted_ns: int) -> bytes:
        """Return the line of a part."""
        same: dict[str, Any] = {
            "part_id": f"{part.symbol}|{part.date}|{part.since_ns}",
            "symbol": part.symbol,
            "day": part.date.isoformat(),
            "since_ns": part.since_ns,
            "sessions": self.sessions,
            "emitted_utc": iso_utc(emitted_ns),
            "seq": seq,
        }
        if isinstance(part, SizeDay):
            return _encode(self._sizes(part, same))
        if not isinstance(part, VolumeDay):
            raise TypeError(f"nothing is known of how to write {type(part).__name__}")
        return _encode(VolumesLine(**same, first_bucket=part.first, volumes=part.volumes.tolist()))

    def _sizes(self, part: SizeDay, same: dict[str, Any]) -> SizesLine:
        return SizesLine(
            **same,
            parent_gap_ms=self.parent_gap_ms,
            sketch=VERSION,
            parents=int(part.counts.sum()),
            span_ms=part.span_ms,
            bins=part.bins.tolist(),
            counts=part.counts.tolist(),
        )

    def size_day(self, line: SizesLine) -> SizeDay | None:
        """Return the part a line tells of; None if it was learnt under other settings."""
        said = (line.sessions, line.parent_gap_ms, line.sketch)
        if said != (self.sessions, self.parent_gap_ms, VERSION):
            return None
        bins, counts = (np.array(numbers, np.int32) for numbers in (line.bins, line.counts))
        return SizeDay(line.symbol, _number(line.day), line.since_ns, line.span_ms, bins, counts)

    def volume_day(self, line: VolumesLine) -> VolumeDay | None:
        """Return the part a line tells of; None if it was learnt in other sessions."""
        if line.sessions != self.sessions:
            return None
        volumes = np.array(line.volumes, np.int64)
        return VolumeDay(line.symbol, _number(line.day), line.since_ns, line.first_bucket, volumes)


def _number(day: str) -> int:
    return (date.fromisoformat(day) - EPOCH).days


L = TypeVar("L", bound=msgspec.Struct)


def line_of(record: Record, kind: type[L], event: str) -> L | None:
    """Return a line of `learned.jsonl` as its struct; None for any other line."""
    if record.get("event") != event:
        return None
    try:
        return msgspec.convert(record, kind)
    except msgspec.ValidationError:
        return None


def _row(line: SizesLine | VolumesLine) -> Row | None:
    values = msgspec.structs.asdict(line)
    try:
        values["day"] = date.fromisoformat(line.day)
        values["emitted_utc"] = ns_of(line.emitted_utc)
    except ValueError:
        return None
    return tuple(value for name, value in values.items() if name not in ("event", "schema"))


def sizes_row(record: Record) -> Row | None:
    """Return the row of the table `parent_sizes`, or None for what is no such line."""
    line = line_of(record, SizesLine, SIZES)
    return None if line is None else _row(line)


def volumes_row(record: Record) -> Row | None:
    """Return the row of the table `volume_curve`, or None for what is no such line."""
    line = line_of(record, VolumesLine, VOLUMES)
    return None if line is None else _row(line)
