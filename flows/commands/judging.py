"""Options of the commands that judge alerts by what followed them."""

from __future__ import annotations

import click

symbols = click.option("--symbols", metavar="A,B", help="Only these symbols.")
sessions = click.option("--sessions", metavar="S", help="ORDER_FLOW_SESSIONS of this replay.")
delay_ms = click.option(
    "--delay-ms",
    type=click.FloatRange(0, 60_000),
    default=50.0,
    show_default=True,
    help="From the print that fires to the moment one could have acted.",
)
seed = click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True)
