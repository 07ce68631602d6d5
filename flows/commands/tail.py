"""`orderflow tail`: alerts as they come."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from flows.tail import SEVERITIES, TYPES, Line, Wanted, line_text, symbols_named

if TYPE_CHECKING:
    from collections.abc import Iterable

POLL_SECONDS = 0.2


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("-f", "--follow", is_flag=True, help="Wait for more, over rotations.")
@click.option("-n", "--lines", type=click.IntRange(min=0), help="Only the last N at the start.")
@click.option("--symbol", multiple=True, metavar="A,B", help="Only these symbols.")
@click.option("--type", "types", multiple=True, type=click.Choice(TYPES), help="Only this type.")
@click.option("--severity", multiple=True, type=click.Choice(SEVERITIES))
@click.option("--json", "as_json", is_flag=True, help="The lines as they are, for programs.")
def tail(
    file: Path | None,
    follow: bool,
    lines: int | None,
    symbol: tuple[str, ...],
    types: tuple[str, ...],
    severity: tuple[str, ...],
    as_json: bool,
) -> None:
    """Show alerts, and follow them.

    FILE is by default the alerts.jsonl of the newest run.
    Times are New York's. Torn lines, heartbeats and, with a filter, all that is no alert are
    left out.
    """
    path = file or _newest(follow)
    if not path.is_file() and not follow:
        raise click.UsageError(f"there is no file {path}.")
    wanted = Wanted(symbols_named(symbol), frozenset(types), frozenset(severity))
    _show(path, wanted, follow, lines, as_json)


def _newest(follow: bool) -> Path:
    """Return the alerts of the newest run; to follow, the live ones even before they exist."""
    from flows import places
    from flows.errors import OrderflowError
    from flows.settings import from_process

    data_dir = from_process().data_dir
    try:
        path = places.newest(data_dir, places.ALERTS)
    except OrderflowError:
        if not follow:
            raise
        path = places.live_folder(data_dir) / places.ALERTS
    click.echo(f"alerts of {path}", err=True)
    return path


def _show(path: Path, wanted: Wanted, follow: bool, lines: int | None, as_json: bool) -> None:
    from flows.terminal import colours
    from sinks.tailer import Tailer

    colour = colours(sys.stdout)
    tailer = Tailer(path)
    texts = list(_texts(tailer.read(), wanted, colour, as_json))
    _write(texts if lines is None else texts[len(texts) - min(lines, len(texts)) :])
    while follow:
        time.sleep(POLL_SECONDS)
        _write(_texts(tailer.read(), wanted, colour, as_json))


def _texts(records: Iterable[Line], wanted: Wanted, colour: bool, as_json: bool) -> Iterable[str]:
    for record in records:
        if record not in wanted:
            continue
        text = _json(record) if as_json else line_text(record, colour)
        if text is not None:
            yield text


def _json(record: Line) -> str:
    import orjson

    return orjson.dumps(record).decode()


def _write(texts: Iterable[str]) -> None:
    for text in texts:
        sys.stdout.write(text + "\n")
    sys.stdout.flush()
