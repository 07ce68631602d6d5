"""`orderflow run`: the dataflow on the feed the settings name."""

from __future__ import annotations

import click


@click.command()
def run() -> int:
    """Run on the live feed.

    Or on what ORDER_FLOW_DATA_SOURCE names; without a key, on the embedded tape. The same as
    `python -m bytewax.run flows.orderflow`, and with a recovery store. Ends on SIGTERM and
    Ctrl-C with every alert written.
    """
    from flows.live import run_live
    from flows.settings import from_process

    return run_live(from_process())
