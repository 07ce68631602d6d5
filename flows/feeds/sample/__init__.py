"""The embedded tape: one synthetic session, written by `orderflow simulate --stories sample`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flows.simulate import Label

_HERE = Path(__file__).resolve().parent

SAMPLE_TRADES: Path = _HERE / "sample.trades.parquet"
SAMPLE_QUOTES: Path = _HERE / "sample.quotes.parquet"
LABELS: Path = _HERE / "labels.json"


def load_labels() -> tuple[Label, ...]:
    """Return what was planted on the tape, by start, with the alerts each story must raise."""
    # Imported here: who only wants the paths need not wait for numpy and duckdb.
    from flows.simulate import read_labels

    return read_labels(LABELS)
