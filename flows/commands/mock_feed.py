"""`orderflow mock-feed`: a Polygon on this machine that plays a tape."""

from __future__ import annotations

import signal
import threading

import click

_PORT = click.IntRange(0, 65535)


@click.command("mock-feed")
@click.argument("tapes", nargs=-1, required=True, metavar="TAPE...")
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    metavar="N",
    help="N times the speed of the market.  [default: 1]",
)
@click.option(
    "--rate",
    type=click.FloatRange(min=0, min_open=True),
    metavar="N",
    help="Instead, N events a second.",
)
@click.option("--port", type=_PORT, default=8765, show_default=True, help="Of the WebSocket.")
@click.option("--rest-port", type=_PORT, help="Of the REST routes.  [default: the one after]")
@click.option(
    "--faults",
    type=click.Path(exists=True, dir_okay=False),
    metavar="FILE",
    help="What goes wrong, and when.",
)
@click.option("--key", default="mock-key", show_default=True, help="The API key that logs in.")
def mock_feed(
    tapes: tuple[str, ...],
    speed: float | None,
    rate: float | None,
    port: int,
    rest_port: int | None,
    faults: str | None,
    key: str,
) -> None:
    """Play tapes as Polygon would.

    Serves TAPEs (files, globs, folders) on 127.0.0.1 over WebSocket and REST, until SIGTERM or
    Ctrl-C. Where to connect is said on stderr.

    With --faults it also breaks as Polygon would: drops, silence, refusals, late and repeated
    prints, errors of REST. FILE is TOML, a [[fault]] each; flows/mock/faults.example.toml shows
    every kind. Meanwhile the tape goes on: what a client misses, REST has.
    """
    if speed and rate:
        raise click.UsageError("--speed and --rate exclude each other.")
    from flows.mock import serve

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    pace = speed if speed or rate else 1.0
    serve(
        tapes,
        key=key,
        speed=pace,
        rate=rate,
        port=port,
        rest_port=rest_port,
        faults=faults,
        stop=stop,
    )
