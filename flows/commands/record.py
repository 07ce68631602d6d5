"""`orderflow record`: the live feed to tapes, and nothing else."""

from __future__ import annotations

import click


@click.command()
def record() -> None:
    """Record the live feed.

    Writes what the feed sends to compressed tapes below live/tapes of the data folder, a file
    an hour, until SIGTERM or Ctrl-C; then their names. `orderflow replay` replays them.
    To record and detect at once, set ORDER_FLOW_RECORD=1 and use `run`.
    """
    from flows.recording import record as tapes_of
    from flows.settings import from_process

    for path in tapes_of(from_process()):
        click.echo(path)
