"""`orderflow rebuild-history`: the DuckDB history again, from the JSON lines."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("rebuild-history")
@click.argument("folder", required=False, type=click.Path(path_type=Path))
def rebuild_history(folder: Path | None) -> None:
    """Build the history again.

    From the JSON lines of FOLDER, by default the newest run's.
    """
    from flows import places
    from flows.history import rebuild_history as rebuild
    from flows.settings import from_process

    root = folder or places.newest(from_process().data_dir, places.ALERTS).parent
    click.echo(rebuild(root))
