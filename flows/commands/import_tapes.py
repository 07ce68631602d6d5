"""`orderflow import`: the vendor's history to tapes that replay as they are."""

from __future__ import annotations

import sys
from datetime import date, datetime
from pathlib import Path

import click

_DATE = click.DateTime(["%Y-%m-%d"])


@click.command("import")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Where the tapes go.  [default: tapes in the data folder]",
)
@click.option("--from", "first", type=_DATE, metavar="DAY", help="First day, as in 2026-11-20.")
@click.option("--to", "last", type=_DATE, metavar="DAY", help="Last day.  [default: the first]")
@click.option("--symbols", metavar="A,B", help="Only these symbols.")
@click.option("--kind", default="trades,quotes", show_default=True, metavar="K", help="What of it.")
@click.option("--json", "as_json", is_flag=True, help="What was made, as one JSON object.")
def import_tapes(
    sources: tuple[str, ...],
    out: Path | None,
    first: datetime | None,
    last: datetime | None,
    symbols: str | None,
    kind: str,
    as_json: bool,
) -> None:
    """Turn Polygon's history into tapes.

    SOURCE is `rest` (listings of --symbols), `s3://flatfiles` (the vendor's flat files), or flat
    files on this machine: .csv.gz, a folder or a glob. A day becomes a folder with a file of
    trades and one of quotes, sorted by time, corrections applied; `orderflow replay` takes the
    whole. The same import again goes on where it stopped, and checks what is there.
    """
    kinds = tuple(dict.fromkeys(kind.split(",")))
    if not set(kinds) <= {"trades", "quotes"}:
        raise click.UsageError(f"--kind is {kind}, but must be trades, quotes or trades,quotes.")
    if last is not None and (first is None or last < first):
        raise click.UsageError("--to needs a --from that is not later.")
    from flows.importing.order import Order, carry_out
    from flows.importing.plan import Progress, Wanted
    from flows.importing.shown import shown
    from flows.settings import from_process

    settings = from_process(symbols=symbols)
    named = settings.symbols if symbols else ()
    wanted = Wanted(kinds, named, _day(first), _day(last or first))
    progress = Progress()
    with shown(progress, sys.stderr.isatty() and not as_json):
        result = carry_out(Order(sources, out, wanted), settings, progress, _say)
    click.echo(result.as_json() if as_json else result.as_text())
    result.complain()


def _say(text: str) -> None:
    click.echo(text, err=True)


def _day(moment: datetime | None) -> date | None:
    return moment.date() if moment is not None else None
