"""What earlier sessions taught, read before a run starts: from histories and from logs.

A run is a function of its tape and of what is read here. The history of a folder is read first
and its log over it, so that a history that is behind, held or lost takes nothing away.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import duckdb
import msgspec

from flows.errors import OrderflowError
from flows.learned_lines import (
    SIZES,
    VOLUMES,
    LearnedLines,
    SizesLine,
    VolumesLine,
    line_of,
)
from flows.places import HISTORY, LEARNED
from flows.settings import Settings
from operators.learned import NOTHING, SESSIONS_KEPT, DayPart, Learned
from operators.sessions import NEW_YORK
from sinks.appendlog import warn_stderr
from sinks.iso import iso_utc
from sinks.tailer import parse_lines

PATIENCE_S = 2.0
D = TypeVar("D", bound=DayPart)
L = TypeVar("L", SizesLine, VolumesLine)

_NEWEST = """
select * from {table}
where day < $today
qualify dense_rank() over (partition by symbol order by day desc) <= {sessions}
"""


class _Found(NamedTuple):
    """Lines by part; of two of a part the last one counts."""

    sizes: dict[str, SizesLine]
    volumes: dict[str, VolumesLine]

    def add(self, line: SizesLine | VolumesLine) -> None:
        if isinstance(line, SizesLine):
            self.sizes[line.part_id] = line
        else:
            self.volumes[line.part_id] = line


def is_adaptive(settings: Settings) -> bool:
    """Return whether thresholds follow the symbol."""
    return settings.detection_mode == "adaptive"


def learned_of(
    settings: Settings,
    root: Path | None = None,
    *,
    live: bool = False,
    warn: Callable[[str], None] = warn_stderr,
) -> Learned:
    """Return what past sessions taught; nothing in fixed mode.

    Args:
        settings: Checked settings; `learn_from` names a run or a history to read first.
        root: Folder of the run that starts, which may hold sessions of its own already.
        live: Only sessions before today are of use, and of those the newest.
        warn: Told of a history that could not be read.

    Raises:
        OrderflowError: `learn_from` is neither a folder of a run nor a history.
    """
    if not is_adaptive(settings):
        return NOTHING
    today = datetime.now(NEW_YORK).date().isoformat() if live else "9999-12-31"
    found = _Found({}, {})
    for history, log in _sources(settings.learn_from, root):
        _read_history(history, found, today, warn)
        _read_log(log, found, today)
    known = LearnedLines.of(settings)
    return Learned(
        _by_symbol(map(known.size_day, found.sizes.values())),
        _by_symbol(map(known.volume_day, found.volumes.values())),
    )


def _sources(learn_from: Path | None, root: Path | None) -> Iterator[tuple[Path, Path]]:
    """Yield the history and the log of each place to read, the run's own last."""
    if learn_from is not None:
        folder = learn_from if learn_from.is_dir() else learn_from.parent
        history = folder / HISTORY if learn_from.is_dir() else learn_from
        if not history.is_file() and not (folder / LEARNED).is_file():
            raise OrderflowError(
                f"ORDER_FLOW_LEARN_FROM is {learn_from}, where there is neither {HISTORY} nor "
                f"{LEARNED}: name the folder of a run in adaptive mode, or its history."
            )
        yield history, folder / LEARNED
    if root is not None:
        yield root / HISTORY, root / LEARNED


def _read_history(path: Path, found: _Found, today: str, warn: Callable[[str], None]) -> None:
    if not path.is_file():
        return
    try:
        with closing(_opened(path)) as connection:
            for row in _rows(connection, SIZES, today):
                found.add(_line(SizesLine, row))
            for row in _rows(connection, VOLUMES, today):
                found.add(_line(VolumesLine, row))
    except duckdb.CatalogException:
        return  # made before there was adaptive mode
    except duckdb.Error as error:
        said = str(error).splitlines()[0]
        warn(f"{path} cannot be read, so its sessions are taken from {LEARNED} alone: {said}")


def _rows(connection: duckdb.DuckDBPyConnection, table: str, today: str) -> list[dict[str, Any]]:
    sql = _NEWEST.format(table=table, sessions=SESSIONS_KEPT)
    result = connection.execute(sql, {"today": today})
    names = [column[0] for column in result.description or ()]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def _line(kind: type[L], row: dict[str, Any]) -> L:
    emitted_ns = row.pop("emitted_ns")
    row["day"] = row["day"].isoformat()
    return msgspec.convert({**row, "emitted_utc": iso_utc(emitted_ns)}, kind)


def _opened(path: Path) -> duckdb.DuckDBPyConnection:
    """Open a history to read, waiting for a writer who has it for a moment."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return duckdb.connect(path, read_only=True, config={"threads": 1, "async_threads": 0})
        except duckdb.Error as error:
            if "Could not set lock" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _read_log(path: Path, found: _Found, today: str) -> None:
    if not path.is_file():
        return
    for record in parse_lines(path.read_bytes()):
        for line in line_of(record, SizesLine, SIZES), line_of(record, VolumesLine, VOLUMES):
            if line is not None and line.day < today:
                found.add(line)


def _by_symbol(parts: Iterator[D | None]) -> dict[str, list[D]]:
    out: dict[str, list[D]] = {}
    for part in parts:
        if part is not None:
            out.setdefault(part.symbol, []).append(part)
    return out
