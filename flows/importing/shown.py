"""A bar for an import: what is in work, how many rows, how fast, how much longer."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from flows.importing.plan import Progress
from flows.progress import PERIOD_S, bar

if TYPE_CHECKING:  # it is loaded only when a bar is wanted
    from rich.progress import Task

BEHIND = "{task.fields[rows]} rows, {task.fields[rate]}/s"


@contextlib.contextmanager
def shown(progress: Progress, wanted: bool) -> Iterator[None]:
    """Show `progress` on stderr while the block runs, if it is wanted."""

    def look(task: Task) -> dict[str, Any]:
        rate = progress.rows / max(task.elapsed or 0, PERIOD_S)
        return {
            "total": progress.total or None,
            "completed": progress.completed,
            "doing": progress.doing,
            "rows": f"{progress.rows:,}",
            "rate": f"{rate:,.0f}",
        }

    first = {"total": None, "doing": "", "rows": "0", "rate": "0"}
    with bar("{task.fields[doing]}", BEHIND, look, wanted, **first):
        yield
