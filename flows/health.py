"""Whether a run is well, judged from what it says of itself: its `status.json`."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.settings import Settings

Status = Mapping[str, Any]

LEAST_FREE_BYTES = 256 << 20
MOST_STILL_S = 5.0  # a snapshot takes a fraction of a second, a full disk's patience three
_FEED = {
    "connecting": "the feed is not connected yet",
    "refilling": "what the feed sends waits for a refill",
    "blind": "the feed is lost",
    "closed": "the feed is closed",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """What is still well. `lag_ms`: None where the age of ticks is not judged."""

    lag_ms: float | None
    free_bytes: int = LEAST_FREE_BYTES

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        """Return the limits of a run with these settings."""
        lag_s = settings.lag_suspend_seconds + settings.feed_delay_seconds
        return cls(lag_s * 1000 if settings.freshness else None)


def free_bytes(folder: Path) -> int | None:
    """Return the space left on the disk of a folder, None if the folder is gone."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def problems(status: Status, limits: Limits) -> list[str]:
    """Return what is wrong, a clause each; empty: the run is well."""
    found = []
    condition = (status.get("feed_state") or {}).get("condition")
    if condition in _FEED:
        cause = status["feed_state"].get("cause")
        found.append(_FEED[condition] + (f" ({cause})" if cause else ""))
    lag_ms = status.get("lag_ms")
    if limits.lag_ms is not None and lag_ms is not None and lag_ms > limits.lag_ms:
        found.append(f"the feed is {lag_ms / 1000:.1f} s behind the market")
    still_s = status.get("still_s")
    if still_s is not None and still_s > MOST_STILL_S:
        found.append(f"the dataflow has stood still for {still_s:.0f} s")
    if status.get("alerts_waiting"):
        found.append(f"the disk refuses {status['alerts_waiting']:,} alerts, which wait in memory")
    free = status.get("disk_free_bytes")
    if free is None:
        found.append("the data folder is gone")
    elif free < limits.free_bytes:
        found.append(f"only {free / 2**20:.0f} MiB are free on the disk")
    if status.get("history_trouble"):
        found.append(f"the history cannot be caught up ({status['history_trouble']})")
    trouble = (status.get("recording") or {}).get("trouble")
    if trouble:
        found.append(f"the tape cannot be written ({trouble})")
    return found


def health(status: Status, limits: Limits) -> dict[str, Any]:
    """Return the body of `/healthz`."""
    wrong = problems(status, limits)
    return {
        "status": "degraded" if wrong else "ok",
        "problems": wrong,
        "feed": (status.get("feed_state") or {}).get("condition"),
        "lag_ms": status.get("lag_ms"),
        "still_s": status.get("still_s"),
        "history_behind": sum(status.get("history_behind", {}).values()),
        "history_held_by": status.get("history_held_by"),
        "alerts_waiting": status.get("alerts_waiting"),
        "last_event_utc": status.get("last_event_utc"),
        "last_alert_utc": status.get("last_alert_utc"),
        "disk_free_bytes": status.get("disk_free_bytes"),
        "run_id": status.get("run_id"),
        "written_utc": status.get("written_utc"),
    }
