"""The history of a file root: which logs become which tables, and which run wrote them.

`runs.jsonl` is the log of the table `runs`: one line at the start of a run and one, with its
figures, at its end. So the whole history can be made again from the logs. An alert belongs to
the run that was started last before it was emitted: a root has one writer at a time.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import Any

import duckdb
import msgspec

from flows.answers import SQL, queries, run_query
from flows.errors import OrderflowError
from flows.learned_lines import sizes_row, volumes_row
from flows.lines import RunLine, run_line
from flows.places import ALERTS, COVERED, HISTORY, LEARNED, SCORES, TUNES
from flows.rows import alert_row, coverage_row, eligibility_row, reject_row, run_of, run_row
from flows.scorecard.log import score_row
from flows.tune.log import tune_row
from sinks.appendfile import LogError
from sinks.appendlog import AppendLog, warn_stderr
from sinks.duckdb_table import DuckDBTable, HistoryKeeper, HistoryState
from sinks.history_file import HeldError, HistoryFile, Table
from sinks.iso import iso_utc
from sinks.past import read_past

__all__ = [
    "COVERED",
    "History",
    "Rebuilt",
    "Totals",
    "new_run",
    "queries",
    "rebuild_history",
    "run_query",
]

REJECTS, RUNS = "rejects.jsonl", "runs.jsonl"
PRINTS = "eligibility.jsonl"
PATIENCE_S = 10.0

_BY_RUN = """
select batch.*, runs.run_id
from appender_data batch
asof left join runs on batch.emitted_ns >= runs.started_ns
"""
_LIBRARIES = ("bytewax", "duckdb", "msgspec", "numba", "numpy", "polygon-api-client", "websockets")


class Totals(msgspec.Struct, frozen=True):
    """What a run did, for its row in `runs`: events read, alerts, and counts by name."""

    events: int
    alerts: int
    verdicts: dict[str, int]
    rejects: dict[str, int]


def new_run(feed: str, settings: Mapping[str, Any], tape: tuple[str, ...] = ()) -> RunLine:
    """Return the run that starts now.

    Args:
        feed: live, replay or sample.
        settings: plain values; a key among them would be written down, so leave it out.
        tape: files that are replayed.
    """
    now = iso_utc(time.time_ns())
    return RunLine(
        run_id=f"{now.replace(':', '').replace('-', '')}-{os.getpid()}",
        started_utc=now,
        feed=feed,
        settings=dict(settings),
        versions={"python": python_version(), **{name: version(name) for name in _LIBRARIES}},
        tape=tape,
    )


def history_file(root: Path, warn: Callable[[str], None] = warn_stderr) -> HistoryFile:
    """Return the history of the folder `root` and the logs it is made from."""
    runs = Table("runs", root / RUNS, _sql("table_runs"), run_row, latest=True)
    alerts = Table("alerts", root / ALERTS, _sql("table_alerts"), alert_row, _BY_RUN, 1)
    rejects = Table("rejects", root / REJECTS, _sql("table_rejects"), reject_row, _BY_RUN, 1)
    coverage = Table("coverage", root / COVERED, _sql("table_coverage"), coverage_row, _BY_RUN, 1)
    prints = Table(
        "eligibility", root / PRINTS, _sql("table_eligibility"), eligibility_row, _BY_RUN, 1
    )
    scores = Table("scorecard", root / SCORES, _sql("table_scorecard"), score_row)
    tunes = Table("tune", root / TUNES, _sql("table_tune"), tune_row)
    sizes = Table(
        "parent_sizes", root / LEARNED, _sql("table_parent_sizes"), sizes_row, latest=True
    )
    curves = Table(
        "volume_curve", root / LEARNED, _sql("table_volume_curve"), volumes_row, latest=True
    )
    views = [path.read_text() for path in sorted(SQL.glob("view_*.sql"))]
    tables = [runs, alerts, rejects, coverage, prints, scores, tunes, sizes, curves]
    return HistoryFile(root / HISTORY, tables, views, warn)


class History:
    """The history of one run: hand `sink` to the dataflow and `keeper` to its JSONL sinks.

    Nothing is opened before the dataflow runs, and then only in the process that keeps it.

    Args:
        root: folder of the logs.
        run: from `new_run`.
        totals: called when the run ends.
        period_s: pause between two looks for new lines.
    """

    def __init__(
        self,
        root: Path,
        run: RunLine,
        totals: Callable[[], Totals],
        *,
        period_s: float = 1.0,
        patience_s: float = PATIENCE_S,
        warn: Callable[[str], None] = warn_stderr,
    ) -> None:
        self._root, self._run, self._totals, self._warn = root, run, totals, warn
        self.keeper = HistoryKeeper(
            history_file(root, warn),
            [root / name for name in (ALERTS, REJECTS, COVERED, PRINTS, LEARNED)],
            on_start=self._note_start,
            on_end=self._note_end,
            period_s=period_s,
            patience_s=patience_s,
            warn=warn,
        )

    def sink(self) -> DuckDBTable[Any]:
        """Return the output for the stream of alerts."""
        return DuckDBTable(self.keeper)

    def finish(self, how: str) -> None:
        """Complete the history; call it when the dataflow has returned, however it did."""
        self.keeper.finish(how)

    @property
    def state(self) -> HistoryState:
        """How far the history is behind, and who holds it."""
        return self.keeper.state

    def _note_start(self) -> None:
        killed = unfinished_run(self._root / RUNS)
        before = [] if killed is None else [msgspec.structs.replace(killed, how="killed")]
        self._note(*before, self._run)

    def _note_end(self, how: str) -> None:
        figures = msgspec.structs.asdict(self._totals())
        now = iso_utc(time.time_ns())
        self._note(msgspec.structs.replace(self._run, how=how, ended_utc=now, **figures))

    def _note(self, *runs: RunLine) -> None:
        """Write lines of runs; no alert is held up because they cannot be written."""
        try:
            log = AppendLog(self._root / RUNS, run_line, warn=self._warn)
            log.write(runs)
            log.close(timeout_s=1.0)
        except LogError as error:
            self._warn(str(error))


def unfinished_run(log: Path) -> RunLine | None:
    """Return the last run of the log if it has neither ended nor been found killed."""
    last = read_past(log, None).last if log.exists() else None
    run = run_of(last) if last is not None else None
    return run if run is not None and run.how is None else None


@dataclass(frozen=True)
class Rebuilt:
    """What `rebuild_history` did; as text, what to tell the user."""

    path: Path
    rows: dict[str, int]
    set_aside: tuple[Path, ...]

    def __str__(self) -> str:
        counts = ", ".join(f"{n:,} {name}" for name, n in self.rows.items())
        aside = "".join(f"; the broken one is {path.name}" for path in self.set_aside)
        return f"{self.path}: {counts}{aside}"


def rebuild_history(root: Path, *, patience_s: float = PATIENCE_S) -> Rebuilt:
    """Read all logs of `root` again and let their rows replace those in the history.

    Rows whose logs are gone (archived, say) stay. May be done while the flow runs.

    Raises:
        OrderflowError: there is no log, or somebody held the history all the time.
    """
    names = (ALERTS, REJECTS, COVERED, PRINTS, RUNS, SCORES, TUNES, LEARNED)
    if not any((root / name).exists() for name in names):
        raise OrderflowError(f"there is no {ALERTS} in {root}: name the folder of a run.")
    return catch_up(root, anew=True, patience_s=patience_s)


def catch_up(root: Path, *, anew: bool = False, patience_s: float = PATIENCE_S) -> Rebuilt:
    """Bring the history of `root` up to its logs, whoever has it open for a moment.

    Args:
        root: Folder of the logs.
        anew: Read the logs from their start.
        patience_s: How long to wait for a holder.

    Raises:
        OrderflowError: somebody held the history all the time, or DuckDB refused.
    """
    file = history_file(root)
    deadline = time.monotonic() + patience_s
    while True:
        try:
            rows = file.catch_up(anew=anew)
        except HeldError as held:
            if time.monotonic() > deadline:
                raise OrderflowError(
                    f"{file.path} is {held}: close it there, then run this again."
                ) from None
            time.sleep(0.05)
        except (duckdb.Error, OSError) as error:
            raise OrderflowError(f"{file.path} cannot be rebuilt: {error}") from error
        else:
            return Rebuilt(file.path, rows, tuple(file.set_aside))


def _sql(name: str) -> str:
    return (SQL / f"{name}.sql").read_text()
