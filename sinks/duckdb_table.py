"""The DuckDB output of the dataflow: a thread that catches the history up every few seconds.

The alert path never waits for it. While somebody holds the file the thread looks again, ever
less often (1 to 5 s); `state` says how far behind the history is and who holds it.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import duckdb
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from sinks.appendfile import is_being_written
from sinks.appendlog import warn_stderr
from sinks.history_file import HeldError, HistoryFile

X = TypeVar("X")

TICK_S = 0.2  # how soon the thread notices that the program ends
LONGEST_PAUSE_S = 5.0


@dataclass(frozen=True, slots=True)
class HistoryState:
    """Rows the logs hold and the history does not, per table, and why.

    `held_by`: the process that has the file open, 0 if it cannot be told; None if nobody has.
    """

    behind: dict[str, int]
    held_by: int | None = None
    trouble: str | None = None


_keepers: weakref.WeakValueDictionary[Path, HistoryKeeper] = weakref.WeakValueDictionary()


class HistoryKeeper:
    """Keeps one history caught up while a flow runs, and completes it when the flow ends.

    The writers of the logs in this process `enter` and `leave`; after the last one left, the
    history is complete when `leave` returns. If another process still writes a log, the thread
    goes on until that one is done (at most `patience_s`), and the interpreter waits for it. A
    program that ends without any `leave`, by an exception or an interrupt, is noticed, too.

    Args:
        file: what is kept.
        logs: the logs whose writers, in whatever process, must be waited for at the end.
        on_start: called once, before the first catch-up.
        on_end: called with how the run ended, before the last catch-up; the last call counts.
        period_s: pause between two looks.
        patience_s: how long the end waits for a holder of the file, or a writer elsewhere.
        warn: takes the sentences for people.
    """

    def __init__(
        self,
        file: HistoryFile,
        logs: Sequence[Path],
        *,
        on_start: Callable[[], None] = lambda: None,
        on_end: Callable[[str], None] = lambda how: None,
        period_s: float = 1.0,
        patience_s: float = 10.0,
        warn: Callable[[str], None] = warn_stderr,
    ) -> None:
        self._file, self._logs = file, logs
        self._on_start, self._on_end = on_start, on_end
        self._period_s, self._patience_s, self._warn = period_s, patience_s, warn
        self._state = HistoryState({})
        self._writers, self._started = 0, False
        self._counting, self._working = threading.Lock(), threading.Lock()
        self._stop = threading.Event()
        self._leaving_until: float | None = None
        self._thread: threading.Thread | None = None

    @property
    def state(self) -> HistoryState:
        """How far the history is behind, as of the last look."""
        return self._state

    def start(self) -> None:
        """Begin to keep the history; what died in this process on the same file is stopped."""
        key = self._file.path.absolute()
        earlier = _keepers.get(key)
        if earlier is not None and earlier is not self:
            earlier.abandon()
        _keepers[key] = self
        if not self._started:
            self._started = True
            self._on_start()
        self._begin_thread()

    def enter(self) -> None:
        """Count one more writer in this process."""
        with self._counting:
            self._writers += 1
            self._leaving_until = None

    def leave(self) -> None:
        """Count one less; after the last one complete the history."""
        with self._counting:
            self._writers -= 1
            if self._writers or not self._started:
                return
        if any(is_being_written(log) for log in self._logs):
            self._leaving_until = time.monotonic() + self._patience_s
            self._begin_thread()
        else:
            self.finish()

    def finish(self, how: str = "ended") -> None:
        """Complete the history now, and note how the run ended.

        `leave` can only say `ended`: Bytewax closes its outputs after an error, too. Who started
        the flow knows better and calls this once more.

        Warns, and does not raise, if somebody holds the file: the logs are whole, and the next
        start or `rebuild-history` catches up. Does nothing where the history is not kept.
        """
        if not self._started:
            return
        self._end_thread()
        with self._working:
            self._on_end(how)
            deadline = time.monotonic() + self._patience_s
            while not self._look() and not self._state.trouble and time.monotonic() < deadline:
                time.sleep(min(TICK_S, self._period_s))
        if any(self._state.behind.values()):
            self._warn(self._lag_sentence())

    def abandon(self) -> None:
        """Stop without completing anything."""
        self._started = False
        self._end_thread()

    def _begin_thread(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._stop.clear()
            name = f"history-{self._file.path.name}"
            # Not a daemon: the interpreter waits for the last catch-up.
            self._thread = threading.Thread(target=self._keep, name=name, daemon=False)
            self._thread.start()

    def _end_thread(self) -> None:
        self._stop.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _keep(self) -> None:
        # At once, while nothing waits for it: a new file takes longer to make than to fill.
        with self._working:
            self._look()
        pause_s, looked = self._period_s, time.monotonic()
        while not self._stop.wait(min(TICK_S, self._period_s)):
            if not threading.main_thread().is_alive() and self._leaving_until is None:
                self.finish("failed")
            elif self._is_over():
                self.finish()
            elif time.monotonic() - looked >= pause_s:
                with self._working:
                    caught_up = self._look()
                pause_s = self._period_s if caught_up else min(2 * pause_s, LONGEST_PAUSE_S)
                looked = time.monotonic()

    def _is_over(self) -> bool:
        if self._leaving_until is None:
            return False
        patient = time.monotonic() < self._leaving_until
        return not (patient and any(is_being_written(log) for log in self._logs))

    def _look(self) -> bool:
        """Catch up; return False, and note why, if that was not possible now."""
        held_by = trouble = None
        try:
            self._file.catch_up()
        except HeldError as error:
            held_by = error.pid or 0
        except (duckdb.Error, OSError) as error:
            trouble = str(error).splitlines()[0]
        else:
            self._state = HistoryState({})
            return True
        if trouble and self._state.trouble is None:
            self._warn(f"{self._file.path} cannot be caught up, the logs are whole: {trouble}")
        self._state = HistoryState(self._behind(), held_by, trouble)
        return False

    def _behind(self) -> dict[str, int]:
        try:
            return self._file.behind()
        except OSError:
            return self._state.behind

    def _lag_sentence(self) -> str:
        rows = ", ".join(f"{n:,} {name}" for name, n in self._state.behind.items() if n)
        holder = f"process {self._state.held_by}" if self._state.held_by else "somebody"
        why = self._state.trouble or f"{holder} has it open"
        return (
            f"{self._file.path} is behind by {rows} ({why}): the next start catches up, "
            "or run `orderflow rebuild-history`"
        )


class DuckDBTable(FixedPartitionedSink[X, None]):
    """Keep the history while the flow runs: the rows come from the logs, not from the stream.

    The stream decides where (one partition, so one process keeps the file) and how long. What
    the log does not hold yet cannot be in the history, and the log tells by its size. Kept from
    the first item on; `Opening` gives a run that finds nothing its one.
    """

    def __init__(self, keeper: HistoryKeeper) -> None:
        self._keeper = keeper

    def list_parts(self) -> list[str]:
        """Name the one partition: DuckDB admits one writing process."""
        return ["history"]

    def part_fn(self, item_key: str) -> int:
        """Send every key to it."""
        return 0

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> _Partition:
        """Start the thread."""
        return _Partition(self._keeper)


class _Partition(StatefulSinkPartition[Any, None]):
    def __init__(self, keeper: HistoryKeeper) -> None:
        self._keeper = keeper
        keeper.start()
        keeper.enter()

    def write_batch(self, values: list[Any]) -> None:
        """Leave them to the thread: they are, or soon will be, in the log."""

    def snapshot(self) -> None:
        return None

    def close(self) -> None:
        self._keeper.leave()
