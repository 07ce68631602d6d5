"""Flat files on this machine: read once, and unpacked, hashed and counted on the way."""

from __future__ import annotations

import csv
import fcntl
import glob
import gzip
import hashlib
import os
import re
import threading
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from flows.feeds.flat_files import as_csv, kind_of
from flows.feeds.tape_files import quoted
from flows.importing.errors import ImportFailed, from_database
from flows.importing.manifest import SourceRecord, sha256_of
from flows.importing.plan import Bench, Staged, Wanted, day_of
from flows.importing.sorting import run, stage_sql

SUFFIXES = (".csv.gz", ".csv")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_CHUNK = 1 << 18
_PIPE = 1 << 20


class Unpacker(threading.Thread):
    """Writes a flat file into a pipe, and notes its hash, its lines and what is wrong with it."""

    def __init__(self, path: Path, to: int) -> None:
        super().__init__(name="unpack", daemon=True)
        self._path, self._to = path, to
        self._hash = hashlib.sha256()
        self._last = b"\n"
        self.read, self.lines = 0, 0
        self.problem = ""

    @property
    def sha256(self) -> str:
        """The hash of the file as it is stored."""
        return self._hash.hexdigest()

    def run(self) -> None:
        """Write all of it; the name is the one threads call."""
        with open(self._to, "wb", buffering=0) as pipe:  # noqa: PTH123 - a descriptor
            try:
                for text in self._texts():
                    self.lines += text.count(b"\n")
                    self._last = text[-1:]
                    rest = memoryview(text)
                    while rest:
                        rest = rest[pipe.write(rest) :]
            except BrokenPipeError:
                return  # the database has given up, and says why
            except (OSError, zlib.error) as error:
                self.problem = f"cannot be read: {error}"
        self.lines += self._last != b"\n"

    def _texts(self) -> Iterator[bytes]:
        """Yield the file unpacked, checking sums and lengths of all its gzip members."""
        packed = self._path.suffix == ".gz"
        member = zlib.decompressobj(31)
        begun = False
        for chunk in self._chunks():
            if not packed:
                yield chunk
                continue
            rest = chunk
            while rest:
                if member.eof:
                    member, begun = zlib.decompressobj(31), False
                begun = True
                if text := member.decompress(rest):
                    yield text
                rest = member.unused_data
        if packed and (not begun or not member.eof):
            self.problem = "is cut short: its gzip stream does not end"

    def _chunks(self) -> Iterator[bytes]:
        with self._path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                self._hash.update(chunk)
                self.read += len(chunk)
                yield chunk


@dataclass(frozen=True, slots=True)
class FlatFile:
    """One flat file, its header read."""

    path: Path
    day: date
    kind: str
    header: tuple[str, ...]
    size: int

    @property
    def name(self) -> str:
        """Its path."""
        return str(self.path)

    @property
    def weight(self) -> float:
        """Its bytes."""
        return self.size

    def unchanged(self, record: SourceRecord) -> bool:
        """Return whether it holds what it held then, by time and name or else by its hash."""
        stat = self.path.stat()
        if stat.st_size != record.bytes:
            return False
        same_time = stat.st_mtime_ns == record.mtime_ns and self.name == record.name
        return same_time or sha256_of(self.path) == record.sha256

    def stage(self, bench: Bench) -> list[Staged]:
        """Bring its rows to the bench.

        Raises:
            ImportFailed: it is cut short, or has a row that is none.
        """
        before = self.path.stat()
        target = bench.next_staged()
        readable, writable = os.pipe()
        fcntl.fcntl(writable, getattr(fcntl, "F_SETPIPE_SZ", fcntl.F_GETFD), _PIPE)
        source = as_csv(self.kind, self.header, quoted(f"/dev/fd/{readable}"))
        unpacker = Unpacker(self.path, writable)
        counted = bench.progress.rows

        def tick() -> None:
            bench.progress.rows = counted + unpacker.lines
            bench.reached(unpacker.read / max(self.size, 1))

        failure: duckdb.Error | None = None
        unpacker.start()
        try:
            run(bench.db, stage_sql(self.kind, source, bench.symbols, target), tick)
        except duckdb.Error as error:
            failure = error
        finally:
            os.close(readable)
            unpacker.join()
        if unpacker.problem:
            raise ImportFailed(f"{self.path} {unpacker.problem}")
        if failure is not None:
            raise from_database(f"{self.path} cannot be read", failure, bench.folder.parent)
        tick()
        rows = unpacker.lines - 1
        record = SourceRecord(self.name, before.st_size, unpacker.sha256, rows, before.st_mtime_ns)
        return [Staged(target, record)]


def flat_files(names: Iterable[str], wanted: Wanted) -> list[FlatFile]:
    """Return the wanted flat files of paths, folders (and those below) and globs.

    Raises:
        ImportFailed: a name that leads to none, or a file that is no flat file.
    """
    files: dict[Path, FlatFile | None] = {}
    for name in names:
        for path in _paths(name):
            if path not in files:
                files[path] = inspect(path, wanted)
    return [file for file in files.values() if file is not None]


def _paths(name: str) -> list[Path]:
    path = Path(name).expanduser()
    if path.is_dir():
        found = [p for p in path.rglob("*.csv*") if p.name.endswith(SUFFIXES)]
    elif path.exists():
        found = [path]
    else:
        found = [Path(p) for p in glob.glob(str(path), recursive=True)]  # noqa: PTH207 - absolute
    if not found:
        raise ImportFailed(
            f"no flat file at {name}: give .csv.gz files, a folder or a glob of them"
        )
    return sorted(p.resolve() for p in found)


def inspect(path: Path, wanted: Wanted) -> FlatFile | None:
    """Read a file's header and first row, unless its name says that it is not wanted."""
    named = _DAY.search(path.name)
    day = date.fromisoformat(named[0]) if named else None
    if day is not None and not wanted.has(day):
        return None
    if not path.name.endswith(SUFFIXES):
        raise ImportFailed(f"{path} is no flat file: those end in .csv.gz or .csv")
    header, first = _first_lines(path)
    kind, missing = kind_of(header)
    if missing:
        raise ImportFailed(f"{path} is no {kind} flat file: it has no column {', '.join(missing)}")
    if kind not in wanted.kinds:
        return None
    if not first:
        raise ImportFailed(f"{path} holds no rows: an empty day is no trading day")
    if day is None:
        day = _day_by(dict(zip(header, first, strict=False)), path)
        if not wanted.has(day):
            return None
    return FlatFile(path, day, kind, tuple(header), path.stat().st_size)


def _first_lines(path: Path) -> tuple[list[str], list[str]]:
    unpack = gzip.open if path.suffix == ".gz" else open
    try:
        with unpack(path, "rt", encoding="utf-8", newline="") as file:
            rows = csv.reader(file)
            return next(rows, []), next(rows, [])
    except EOFError:
        raise ImportFailed(f"{path} is cut short: its gzip stream does not end") from None
    except UnicodeDecodeError:
        raise ImportFailed(f"{path} is no flat file: it is not text") from None
    except (OSError, zlib.error, csv.Error) as error:
        raise ImportFailed(f"{path} cannot be read: {error}") from None


def _day_by(row: dict[str, str], path: Path) -> date:
    stamp = row.get("sip_timestamp", "")
    if not stamp.isdecimal():
        raise ImportFailed(
            f"{path} does not say its day: its first sip_timestamp is {stamp!r}, and its name "
            "has no YYYY-MM-DD"
        )
    return day_of(int(stamp))
