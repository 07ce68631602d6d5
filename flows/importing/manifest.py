"""The manifest of a folder of tapes: what each was made of, and how to tell that it is whole."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import msgspec

from flows.importing.errors import ImportFailed

NAME = "manifest.json"


class SourceRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """A source as it was: its size and hash as stored or received, and its rows."""

    name: str
    bytes: int
    sha256: str
    rows: int
    mtime_ns: int = 0
    etag: str = ""
    pages: int = 0


class FileRecord(msgspec.Struct, frozen=True):
    """A tape, where its rows came from and where those went that it lacks.

    `rows_in` is `rows` + those `dropped` (by correction code) + those of `other_symbols` + the
    `unusable` ones, which have no symbol or no time. `symbols`: rows of each that was asked
    for; None: all were wanted. A tape without rows has no file and no hash.
    """

    path: str
    day: str
    kind: str
    rows: int
    bytes: int
    sha256: str
    first_ns: int | None
    last_ns: int | None
    rows_in: int
    dropped: dict[str, int]
    other_symbols: int
    unusable: int
    symbols: dict[str, int] | None
    sources: list[SourceRecord]
    versions: dict[str, str]
    seconds: float

    @property
    def wanted(self) -> tuple[str, ...]:
        """The symbols asked for, empty for all."""
        return tuple(self.symbols or ())


class _Document(msgspec.Struct):
    schema: int = 1
    files: list[FileRecord] = msgspec.field(default_factory=list)


class Manifest:
    """The manifest of the tapes in `folder`.

    Raises:
        ImportFailed: there is one, and it cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        document = _Document()
        if self._path.exists():
            try:
                document = msgspec.json.decode(self._path.read_bytes(), type=_Document)
            except msgspec.DecodeError as wrong:
                raise ImportFailed(
                    f"{self._path} cannot be read ({wrong}): put it right, or import into "
                    "another folder"
                ) from None
        self._files = {record.path: record for record in document.files}

    def __getitem__(self, path: str) -> FileRecord:
        return self._files[path]

    def get(self, path: str) -> FileRecord | None:
        """Return the record of a tape, if there is one."""
        return self._files.get(path)

    def put(self, record: FileRecord) -> None:
        """Add or replace a record, on the disk before this returns."""
        self._files[record.path] = record
        files = [self._files[path] for path in sorted(self._files)]
        text = msgspec.json.format(msgspec.json.encode(_Document(files=files)), indent=2)
        partial = self._path.with_suffix(".tmp")
        with partial.open("wb") as file:
            file.write(text + b"\n")
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self._path)


def sha256_of(path: Path) -> str:
    """Return the hash of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
