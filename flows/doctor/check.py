"""One line of the report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warn", "fail"]
OK: Status = "ok"
WARN: Status = "warn"
FAIL: Status = "fail"

PolygonApi = Literal["ok", "rate_limited", "refused", "unreachable", "timeout", "skipped"]


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, how it is, what was found, and what to do (empty: nothing)."""

    name: str
    status: Status
    found: str
    fix: str = ""
