"""A bar on stderr for work that takes its time, and what it shows of a replay."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from flows.feeds.tape import Progress

if TYPE_CHECKING:  # it is loaded only when a bar is wanted
    from rich.progress import Task

PERIOD_S = 0.2


@contextlib.contextmanager
def bar(
    before: str, behind: str, look: Callable[[Task], dict[str, Any]], wanted: bool, **first: Any
) -> Iterator[None]:
    """Show a bar on stderr while the block runs, if it is wanted.

    Args:
        before: The text before the bar; it may name fields of the task.
        behind: The text behind it.
        look: Asked five times a second, in a thread of its own, what to change of the task.
        wanted: Whether there is to be a bar at all.
        first: What the task begins with.
    """
    if not wanted:
        yield
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn(before),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn(behind),
        TimeRemainingColumn(),
    )
    done = threading.Event()
    with Bar(*columns, console=Console(stderr=True), transient=True) as shown_bar:
        task = shown_bar.add_task("", **first)

        def follow() -> None:
            while not done.wait(PERIOD_S):
                shown_bar.update(task, **look(shown_bar.tasks[0]))

        thread = threading.Thread(target=follow, name="progress", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


@contextlib.contextmanager
def shown(progress: Progress, wanted: bool) -> Iterator[None]:
    """Show how far a replay is, how fast, and how much longer it takes."""

    def look(task: Task) -> dict[str, Any]:
        speed = task.speed
        return {"completed": progress.ticks, "rate": f"{speed:,.0f}" if speed else ""}

    behind, total = "{task.fields[rate]} ticks/s", progress.rows or None
    with bar("replaying", behind, look, wanted, total=total, rate=""):
        yield
