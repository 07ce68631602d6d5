"""Where a run's files lie: `live/`, and `sample/latest` and `replay/latest` of the data folder."""

from __future__ import annotations

import os
from pathlib import Path

from flows.errors import OrderflowError

ALERTS = "alerts.jsonl"
HISTORY = "alerts.duckdb"
STATUS = "status.json"
COVERED = "coverage.jsonl"
SCORES = "scorecard.jsonl"
TUNES = "tune.jsonl"
LEARNED = "learned.jsonl"
RECOVERY = "recovery"  # the engine's store, of the live feed
PARTS = "parts"  # of large state, in a recovery store


def cache_folder() -> Path:
    """Return where this user's machine keeps what can be made again (XDG base directories)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "orderflow"


def live_folder(data_dir: Path) -> Path:
    """Return the folder of the live feed."""
    return data_dir / "live"


def tape_folder(root: Path) -> Path:
    """Return the folder of the raw captures of a live folder."""
    return root / "tapes"


def newest(data_dir: Path, name: str) -> Path:
    """Return the file called `name` of the run that wrote its alerts last.

    Raises:
        OrderflowError: no run has written one yet.
    """
    folders = (
        live_folder(data_dir),
        data_dir / "replay" / "latest",
        data_dir / "sample" / "latest",
    )
    found = [folder for folder in folders if (folder / name).is_file()]
    if not found:
        raise OrderflowError(
            f"there is no {name} below {data_dir} yet: `orderflow demo` makes one from the "
            "embedded tape."
        )
    return max(found, key=lambda folder: (folder / name).stat().st_mtime_ns) / name
