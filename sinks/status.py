"""Running totals of a flow, and the status file made of them once a second."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import orjson
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

Totals = dict[str, dict[str, int]]
PERIOD_S = 1.0
LATEST = "latest"  # the group whose values replace each other
SUSPENDED = "suspended"  # the group that counts up and down, anew in each run


def add(totals: Totals, more: Mapping[str, Mapping[str, int]]) -> None:
    """Add the counts in `more` to `totals`."""
    for group, counts in more.items():
        into = totals.setdefault(group, {})
        if group == LATEST:
            into.update(counts)
            continue
        for name, count in counts.items():
            into[name] = into.get(name, 0) + count


class StatusSink(FixedPartitionedSink[Mapping[str, Mapping[str, int]] | None, Totals]):
    """Add up counts from all workers, and write a status file atomically every second.

    Args:
        path: The status file, or None: only add up.
        describe: What else to say, asked at each write from a thread of its own.
    """

    def __init__(
        self, path: Path | None, describe: Callable[[Totals], Mapping[str, Any]] = dict
    ) -> None:
        self.path = path
        self.describe = describe
        self.totals: Totals = {}

    def list_parts(self) -> list[str]:
        """Name the one partition: one file has one writer."""
        return ["status"]

    def part_fn(self, item_key: str) -> int:
        """Send every key to it."""
        return 0

    def build_part(self, step_id: str, for_part: str, resume_state: Totals | None) -> _Partition:
        """Go on from the totals of the run before."""
        self.totals.clear()
        add(self.totals, {k: v for k, v in (resume_state or {}).items() if k != SUSPENDED})
        return _Partition(self)


class _Partition(StatefulSinkPartition[Mapping[str, Mapping[str, int]] | None, Totals]):
    def __init__(self, sink: StatusSink) -> None:
        self._sink = sink
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        if sink.path is not None:
            self._thread = threading.Thread(target=self._work, name="status", daemon=True)
            self._thread.start()

    def write_batch(self, values: list[Mapping[str, Mapping[str, int]] | None]) -> None:
        for value in filter(None, values):  # None opens the file, see `Opening`
            add(self._sink.totals, value)

    def _work(self) -> None:
        while not self._stop.wait(PERIOD_S):
            self._write()

    def _write(self) -> None:
        path = self._sink.path
        if path is None:
            return
        with contextlib.suppress(OSError):
            text = orjson.dumps(
                dict(self._sink.describe(copied(self._sink.totals))),
                option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS,
            )
            beside = path.with_name(f".{path.name}.tmp")
            beside.write_bytes(text + b"\n")
            beside.replace(path)

    def snapshot(self) -> Totals:
        return copied(self._sink.totals)

    def close(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._write()


def copied(totals: Totals) -> Totals:
    """Return a copy of totals that another thread may be adding to."""
    while True:
        with contextlib.suppress(RuntimeError):  # a dict grew while it was copied
            return {group: dict(counts) for group, counts in totals.items()}
