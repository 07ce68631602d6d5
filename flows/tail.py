"""Alert lines as a person at a terminal reads them, and which of them are wanted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flows.terminal import Paint

Line = Mapping[str, Any]

ALERT = "order_flow_alert"
TYPES = ("large_seller", "large_resting_seller", "red_burst", "exit_signal")
SEVERITIES = ("warning", "critical")
NOTES = ("feed_blind", "feed_restored")  # when silence must not be relied on, and may be again

_NEW_YORK = ZoneInfo("America/New_York")
_STYLES = {"warning": ("yellow",), "critical": ("red", "bold")}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which alerts to show; an empty field admits all."""

    symbols: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    severities: frozenset[str] = frozenset()

    def __contains__(self, line: Line) -> bool:
        if line.get("event") != ALERT:
            return not (self.symbols or self.types or self.severities)
        return (
            (not self.symbols or line.get("symbol") in self.symbols)
            and (not self.types or line.get("alert_type") in self.types)
            and (not self.severities or line.get("severity") in self.severities)
        )


def symbols_named(words: Iterable[str]) -> frozenset[str]:
    """Return the symbols meant by `aapl,BRK.B`: as spelled, and in capitals."""
    named = [part.strip() for word in words for part in word.split(",") if part.strip()]
    return frozenset(named) | frozenset(name.upper() for name in named)


def line_text(line: Line, colour: bool) -> str | None:
    """Return one line of text, New York time first; None for a line that is not for people.

    Heartbeats and the ends of rotated files are not. Text comes from a file: what a terminal
    might take for a command is replaced.
    """
    paint = Paint(colour)
    event = line.get("event")
    if event in NOTES:
        at = _clock(line.get("timestamp_utc") or line.get("emitted_utc"))
        return paint(_printable(f"{at}  {event}"), "magenta")
    if event != ALERT:
        return None
    severity = str(line.get("severity"))
    style = _STYLES.get(severity, ())
    exits = ("bold",) if line.get("alert_type") == "exit_signal" else ()
    return "  ".join(
        (
            paint(_printable(_clock(line.get("timestamp_utc"))), "dim"),
            paint(_printable(f"{severity:<8}"), *style),
            paint(_printable(str(line.get("message"))), *exits),
        )
    )


def _clock(text: Any) -> str:
    """Return a UTC time of a line in New York time, to the millisecond."""
    try:
        at = datetime.fromisoformat(str(text)).astimezone(_NEW_YORK)
    except ValueError:
        return "-" * 23
    return f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03}"


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)
