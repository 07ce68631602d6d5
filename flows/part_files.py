"""Parts of state beside the recovery store: written once, where a snapshot would be mostly them.

A snapshot names the parts that are on disk and holds the others itself, so what it says can be
resumed from whatever ends the process or the machine, and the flow never waits for these files.
Parts are only ever added to a file; a file goes when no snapshot names any of it, and what a run
before has left, when it is an hour old and this one did not ask for it at its start.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import queue
import threading
import time
import zlib
from collections import Counter
from pathlib import Path

import numpy as np

from flows.recovery import StoreError
from operators.parts import Part, Place
from operators.ticks import Array

GATHER_S = 0.2  # parts come from all shards at once, and are synced together
FILE_BYTES = 32 << 20
FILE_S = 120.0
CLOSE_S = 3.0
LEFT_S = 3600.0


class PartLostError(StoreError):
    """A part that a snapshot names is missing or damaged."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is missing or damaged", "remove the store to begin anew")


class PartFiles:
    """A folder of parts.

    Args:
        folder: Made with the first part.
        keeps: False: only read what a run before has kept.
    """

    def __init__(self, folder: Path, *, keeps: bool = True) -> None:
        self._folder = folder
        self._keeps = keeps
        self._waiting: queue.SimpleQueue[Part | None] = queue.SimpleQueue()
        self._lock = threading.Lock()  # of all below
        self._writer: threading.Thread | None = None
        self._parts: Counter[str] = Counter()  # named by snapshots, in our files
        self._asked_for: set[str] = set()  # of runs before

    def keep(self, part: Part) -> None:
        """Begin to write a part; it gets its place once it is safe."""
        if not self._keeps:
            return
        with self._lock:
            if self._writer is None:
                writer = threading.Thread(target=self._write, name="parts", daemon=True)
                try:
                    writer.start()
                except RuntimeError:  # too many threads: snapshots hold it all
                    self._keeps = False
                    return
                self._writer = writer
        self._waiting.put(part)

    def let_go(self, part: Part) -> None:
        """Know that nothing will ask for a part again."""
        with self._lock:
            part.wanted = False
            if part.place is not None:
                self._parts[part.place.file] -= 1

    def read(self, place: Place) -> Array:
        """Return the bytes of a part.

        Raises:
            PartLostError: they are not there any more.
            StoreError: they cannot be read.
        """
        path = self._folder / place.file
        with self._lock:
            self._asked_for.add(place.file)
        try:
            with path.open("rb") as file:
                file.seek(place.start)
                data = file.read(place.length)
        except FileNotFoundError:
            raise PartLostError(path) from None
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}") from None
        if len(data) != place.length or zlib.crc32(data) != place.checksum:
            raise PartLostError(path)
        return np.frombuffer(
            bytearray(data), np.uint8
        )  # one that may be written to: kernels know no other

    def close(self) -> None:
        """Write no more; the last snapshot holds what is not in a file."""
        with self._lock:
            writer, self._keeps = self._writer, False
        if writer is not None:
            self._waiting.put(None)
            writer.join(CLOSE_S)  # a disk that hangs does not keep the run from its end

    def _write(self) -> None:
        """Write what comes until the end; what a disk refuses stays in the snapshots."""
        file: _OpenFile | None = None
        while parts := self._next_parts():
            try:
                if file is None or file.is_full():
                    if file is not None:
                        file.close()
                    file = None
                    file = _OpenFile(self._folder)
                    with self._lock:
                        self._parts[file.name] = 0
                    self._remove_left()
                self._keep_now(file, parts)
                self._remove_unnamed(file.name)
            except (OSError, MemoryError):
                if file is not None:
                    file.close()
                file = None
                self._remove_unnamed(None)
        if file is not None:
            file.close()

    def _next_parts(self) -> list[Part]:
        """Return the parts that wait, once there are any; none at the end."""
        waiting = [self._waiting.get()]
        if waiting[0] is not None:
            time.sleep(GATHER_S)
        with contextlib.suppress(queue.Empty):
            while waiting[-1] is not None:
                waiting.append(self._waiting.get_nowait())
        return [] if waiting[-1] is None else [part for part in waiting if part is not None]

    def _keep_now(self, file: _OpenFile, parts: list[Part]) -> None:
        wanted = [part for part in parts if part.wanted]
        places = file.add([part.data for part in wanted])
        with self._lock:
            for part, place in zip(wanted, places, strict=True):
                if part.wanted:
                    part.place = place
                    self._parts[place.file] += 1

    def _remove_unnamed(self, current: str | None) -> None:
        with self._lock:
            unnamed = [name for name, n in self._parts.items() if n == 0 and name != current]
            for name in unnamed:
                del self._parts[name]
        for name in unnamed:
            with contextlib.suppress(OSError):
                (self._folder / name).unlink()

    def _remove_left(self) -> None:
        with self._lock:
            needed = {*self._parts, *self._asked_for}
        for path in self._folder.glob("*.parts"):
            with contextlib.suppress(OSError):
                if path.name not in needed and time.time() - path.stat().st_mtime > LEFT_S:
                    path.unlink()


class _OpenFile:
    """The file that parts are added to.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.name = f"{time.time_ns()}-{os.getpid()}.parts"
        self._file = (folder / self.name).open("xb", buffering=0)
        self._bytes = 0
        self._until = time.monotonic() + FILE_S
        try:
            for listed in (folder, folder.parent):  # or a name may be lost where the bytes are not
                _sync(listed)
        except OSError:
            self.close()
            (folder / self.name).unlink()
            raise

    def is_full(self) -> bool:
        """Whether the next part belongs to another file."""
        return self._bytes > FILE_BYTES or time.monotonic() > self._until

    def add(self, parts: list[Array]) -> list[Place]:
        """Write parts and return where they stand, once they are safe.

        Raises:
            OSError: the disk refused them.
        """
        blocks = [part.tobytes() for part in parts]
        starts = itertools.accumulate(map(len, blocks), initial=self._bytes)
        try:
            left = memoryview(b"".join(blocks))
            while left:
                left = left[self._file.write(left) :]
            os.fdatasync(self._file.fileno())
        except OSError:
            self._file.truncate(self._bytes)  # a full disk has use for the room
            raise
        self._bytes += sum(map(len, blocks))
        return [
            Place(self.name, start, len(block), zlib.crc32(block))
            for start, block in zip(starts, blocks, strict=False)
        ]

    def close(self) -> None:
        """Close it."""
        with contextlib.suppress(OSError):
            self._file.close()


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
