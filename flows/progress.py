"""A bar for a replay: how far, how fast, how much longer."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from flows.feeds.tape import Progress

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
        TextColumn("replaying"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rate]} ticks/s"),
        TimeRemainingColumn(),
    )
    done = threading.Event()
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=progress.rows or None, rate="")

        def follow() -> None:
            while not done.wait(PERIOD_S):
                speed = bar.tasks[0].speed
                bar.update(task, completed=progress.ticks, rate=f"{speed:,.0f}" if speed else "")

        thread = threading.Thread(target=follow, name="progress", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
