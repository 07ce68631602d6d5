"""The import itself: tape after tape, each whole or not there; what is done is not done again."""

from __future__ import annotations

import contextlib
import fcntl
import os
import platform
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from errno import ENOSPC
from pathlib import Path

import duckdb

from flows import __version__
from flows.importing.errors import ImportFailed, from_database, no_space
from flows.importing.manifest import FileRecord, Manifest, sha256_of
from flows.importing.plan import Bench, Progress, Say, Staged, Unit, midnight_ns
from flows.importing.sorting import Sorted, open_database, sort

WORK = ".import"
READING = 0.7  # of a tape's work, about; the rest is sorting


@dataclass(slots=True)
class Report:
    """The tapes of an import, in the order of time, and which of them were made now."""

    files: list[FileRecord] = field(default_factory=list)
    made: set[str] = field(default_factory=set)

    def unseen(self, symbols: Sequence[str]) -> list[str]:
        """Return the symbols of which no tape has a row."""
        seen = {name for file in self.files for name, rows in (file.symbols or {}).items() if rows}
        return [symbol for symbol in symbols if symbol not in seen]


def import_units(
    units: Sequence[Unit], out: Path, symbols: tuple[str, ...], progress: Progress, say: Say
) -> Report:
    """Make the tapes of `units` below `out`, and keep those that are there and still right.

    Args:
        units: The tapes.
        out: Target folder; the files on the way are on its disk too.
        symbols: Only these, or empty: all.
        progress: Counted on.
        say: Told what was done.

    Raises:
        ImportFailed: a source cannot be read, the disk is full, or a tape that is there was
            made of something else.
    """
    report = Report()
    with _working(out) as work, open_database(work) as db:
        manifest = Manifest(out)
        due = [unit for unit in units if not _is_there(unit, out, manifest, symbols, say)]
        progress.total = sum(unit.weight for unit in due)
        for unit in due:
            progress.weight, progress.fraction = unit.weight, 0
            progress.doing = f"{unit.day} {unit.kind}"
            fetched = work / "fetched" / f"{unit.day}.{unit.kind}"
            bench = Bench(db, work, fetched, symbols, progress)
            try:
                record = _make(unit, bench, out, manifest)
            except OSError as error:
                if error.errno == ENOSPC:
                    raise no_space(out) from None
                raise
            shutil.rmtree(fetched, ignore_errors=True)
            progress.done, progress.weight = progress.done + unit.weight, 0
            report.made.add(unit.path)
            say(_sentence(record))
        report.files = [manifest[unit.path] for unit in units]
    return report


@contextlib.contextmanager
def _working(out: Path) -> Iterator[Path]:
    """Hold the folder of the files on the way, alone; what a killed import left is cleared.

    What was fetched stays: it is gone on with.
    """
    work = out / WORK
    try:
        work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImportFailed(f"{out} cannot be written to: {error.strerror}") from None
    with (work / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ImportFailed(f"another import is writing to {out}: let it finish") from None
        _clear(work)
        try:
            yield work
        except BaseException:
            _clear(work)
            raise
        shutil.rmtree(work)


def _clear(work: Path) -> None:
    shutil.rmtree(work / "spill", ignore_errors=True)
    for path in [*work.glob("*.staged"), *work.glob("*.tmp")]:
        path.unlink()


def _is_there(
    unit: Unit, out: Path, manifest: Manifest, symbols: tuple[str, ...], say: Say
) -> bool:
    """Return whether a tape need not be made, after its hash and those of its sources.

    Raises:
        ImportFailed: it is there, and another import would be overwritten.
    """
    path, record = out / unit.path, manifest.get(unit.path)
    if record is None:
        if path.exists():
            raise ImportFailed(f"{path} is there, and no import made it: choose another folder")
        return False
    if set(record.wanted) != set(symbols):
        has = ",".join(record.wanted) or "all symbols"
        raise ImportFailed(
            f"{path} was imported for {has}: import {','.join(symbols) or 'all symbols'} into "
            "another folder"
        )
    pairs = list(zip(unit.origins, record.sources, strict=False))
    same = len(unit.origins) == len(record.sources) and all(o.unchanged(s) for o, s in pairs)
    if not same:
        if {origin.name for origin in unit.origins} != {source.name for source in record.sources}:
            made_of = ", ".join(source.name for source in record.sources)
            raise ImportFailed(f"{path} was made of {made_of}: choose another folder")
        say(f"{path}: its source has changed; it is made again")
        return False
    if not record.rows:
        return True
    if path.exists() and path.stat().st_size == record.bytes and sha256_of(path) == record.sha256:
        return True
    say(f"{path} is {'damaged' if path.exists() else 'missing'}; it is made again")
    return False


def _make(unit: Unit, bench: Bench, out: Path, manifest: Manifest) -> FileRecord:
    """Make one tape and record it; it gets its name last."""
    began = time.monotonic()
    target, partial = out / unit.path, bench.folder / f"{unit.day}.{unit.kind}.tmp"
    staged: list[Staged] = []
    reached = 0.0
    for origin in unit.origins:
        end = reached + READING * origin.weight / max(unit.weight, 1e-9)
        staged += origin.stage(replace(bench, share=(reached, end)))
        reached = end
    try:
        made = sort(
            replace(bench, share=(READING, 1.0)), unit.kind, [s.path for s in staged], partial
        )
    except duckdb.Error as error:
        raise from_database(f"{target} cannot be sorted", error, out) from None
    for one in staged:
        one.path.unlink()
    _check(unit, made, staged, bench.symbols)
    rows_in = sum(one.record.rows for one in staged)
    record = FileRecord(
        path=unit.path,
        day=str(unit.day),
        kind=unit.kind,
        rows=made.rows,
        bytes=partial.stat().st_size if made.rows else 0,
        sha256=sha256_of(partial) if made.rows else "",
        first_ns=made.first_ns,
        last_ns=made.last_ns,
        rows_in=rows_in,
        dropped=made.dropped,
        other_symbols=rows_in - made.staged,
        unusable=made.unusable,
        symbols={s: made.symbols.get(s, 0) for s in bench.symbols} or None,
        sources=[one.record for one in staged],
        versions={
            "orderflow": __version__,
            "duckdb": duckdb.__version__,
            "python": platform.python_version(),
        },
        seconds=round(time.monotonic() - began, 1),
    )
    manifest.put(record)  # before the tape: one that nobody recorded would be a stranger
    if made.rows:
        _publish(partial, target)
    else:
        target.unlink(missing_ok=True)
    return record


def _check(unit: Unit, made: Sorted, staged: Sequence[Staged], symbols: Sequence[str]) -> None:
    """Refuse what the rows say against the names of their sources.

    The trading day begins at 20:00 of the evening before, on the venues that trade overnight.

    Raises:
        ImportFailed: rows of another day, or fewer than the source has lines.
    """
    name = ", ".join(origin.name for origin in unit.origins)
    lines = sum(one.record.rows for one in staged)
    if not symbols and lines != made.staged:
        raise ImportFailed(
            f"{name} has {lines:,} lines of data but {made.staged:,} rows: it is damaged"
        )
    if made.first_ns is None or made.last_ns is None:
        return
    begin = midnight_ns(unit.day) - 4 * 3600 * 10**9
    end = midnight_ns(unit.day + timedelta(days=1))
    if not begin <= made.first_ns <= made.last_ns < end:
        raise ImportFailed(f"{name} holds rows of another day than {unit.day}")


def _publish(partial: Path, target: Path) -> None:
    """Give a finished tape its name, once all of it is on the disk."""
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    target.parent.mkdir(exist_ok=True)
    partial.replace(target)


def _sentence(record: FileRecord) -> str:
    dropped = sum(record.dropped.values())
    return (
        f"{record.path}: {record.rows:,} rows of {record.rows_in:,} in {record.seconds:g} s"
        + (f", {dropped:,} corrected or cancelled" if dropped else "")
        + (f", {record.unusable:,} unusable" if record.unusable else "")
    )
