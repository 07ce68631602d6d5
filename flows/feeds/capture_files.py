"""Reading capture files, the one that a killed recorder left behind included.

A gzip file is a row of members, each written at once: what a kill can tear is the last one, and
of that the whole lines are read.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import msgspec

from flows.feeds.capture_lines import CaptureLine, read_line
from flows.feeds.tape_files import TapeError, connect, quoted, reason
from sinks.appendlog import warn_stderr

LONGEST_LINE = 64 << 20
_READ = 1 << 18
_ROWS = 1024
_GZIP = 31  # zlib's word for: with a gzip header
_COLUMNS = "{'r': 'BIGINT', 'f': 'VARCHAR', 'gap': 'JSON', 'refill': 'JSON'}"


def read_capture(path: str, warn: Callable[[str], None] = warn_stderr) -> Iterator[CaptureLine]:
    """Yield the lines of a capture.

    Args:
        path: `.jsonl`, `.jsonl.gz` or `.jsonl.zst`.
        warn: told when the file ends in the middle of a line.

    Raises:
        TapeError: the file is no capture, or is damaged before its end.
    """
    if path.endswith(".zst"):
        yield from _zstd_lines(path)
        return
    rest = b""
    try:
        for block in _plain(path) if path.endswith(".jsonl") else _inflated(path):
            *lines, rest = (rest + block).split(b"\n")
            for line in lines:
                if line:
                    yield read_line(line)
            if len(rest) > LONGEST_LINE:
                raise TapeError(f"{path} is no capture: a line is longer than 64 MiB")
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise TapeError(f'{path} is no capture: a line is not {{"r": ns, "f": …}}') from None
    except OSError as error:
        raise TapeError(f"{path} cannot be read: {error.strerror}") from None
    if not rest:
        return
    try:
        yield read_line(rest)
    except (msgspec.DecodeError, UnicodeDecodeError):
        warn(f"{path} ends in the middle of a line: the replay goes on without that line")


def _plain(path: str) -> Iterator[bytes]:
    with Path(path).open("rb") as file:
        while block := file.read(_READ):
            yield block


def _inflated(path: str) -> Iterator[bytes]:
    member = zlib.decompressobj(_GZIP)
    try:
        for packed in _plain(path):
            block = member.decompress(packed)
            while member.eof and (left := member.unused_data.lstrip(b"\0")):
                member = zlib.decompressobj(_GZIP)
                block += member.decompress(left)
            yield block
        yield member.flush()
    except zlib.error as error:
        raise TapeError(f"{path} cannot be read: {error}") from None


def _zstd_lines(path: str) -> Iterator[CaptureLine]:
    """Read with DuckDB, as Python has no zstd of its own; a torn file is refused."""
    source = (
        f"read_json({quoted(path)}, format = 'newline_delimited', columns = {_COLUMNS},"
        f" maximum_object_size = {LONGEST_LINE})"
    )
    try:
        with connect("1GB") as db:
            rows = db.execute(f"SELECT r, f, gap, refill FROM {source}")
            while part := rows.fetchmany(_ROWS):
                for received_ns, frame, gap, refill in part:
                    between = _between("gap", gap) | _between("refill", refill)
                    line = {"r": received_ns, "f": frame} | between
                    yield msgspec.convert(line, CaptureLine)
    except (msgspec.ValidationError, msgspec.DecodeError):
        raise TapeError(f'{path} is no capture: a line is not {{"r": ns, "f": …}}') from None
    except duckdb.Error as error:
        raise TapeError(f"{path} cannot be read: {reason(error)}") from None


def _between(kind: str, text: str | None) -> dict[str, object]:
    return {} if text is None else {kind: msgspec.json.decode(text)}
