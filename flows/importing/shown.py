"""A bar for an import: what is in work, how many rows, how fast, how much longer."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from flows.importing.plan import Progress

PERIOD_S = 0.2


@contextlib.contextmanager
def shown(progress: Progress, wanted: bool) -> Iterator[None]:
    """Show `progress` on stderr while the block runs, if it is wanted."""
    if not wanted:
        yield
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.fields[doing]}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]} rows, {task.fields[rate]}/s"),
        TimeRemainingColumn(),
    )
    done = threading.Event()
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None, doing="", rows="0", rate="0")

        def follow() -> None:
            while not done.wait(PERIOD_S):
                rate = progress.rows / max(bar.tasks[0].elapsed or 0, PERIOD_S)
                bar.update(
                    task,
                    total=progress.total or None,
                    completed=progress.completed,
                    doing=progress.doing,
                    rows=f"{progress.rows:,}",
                    rate=f"{rate:,.0f}",
                )

        thread = threading.Thread(target=follow, name="progress", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
