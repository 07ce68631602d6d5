"""`orderflow replay`: the same dataflow over recorded tapes."""

from __future__ import annotations

import sys
from pathlib import Path

import click

_TAPES = click.Path(path_type=Path)
_GREEDY = ("--trades", "--quotes", "--book")


class _ManyFiles(click.Command):
    """Lets `--trades *.parquet` take all words up to the next option, as shells expand it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, repeated(args))


def repeated(args: list[str]) -> list[str]:
    """Return `args` with the option repeated before each of its words."""
    out: list[str] = []
    option = ""
    for word in args:
        if word.startswith("-"):
            option = word if word in _GREEDY else ""
            out.append(word)
        elif option:
            out += [word] if out[-1] == option else [option, word]
        else:
            out.append(word)
    return out


@click.command("replay", cls=_ManyFiles)
@click.argument("tapes", nargs=-1, type=_TAPES, metavar="TAPE...")
@click.option("--trades", multiple=True, type=_TAPES, metavar="F...", help="Files of trades.")
@click.option("--quotes", multiple=True, type=_TAPES, metavar="F...", help="Files of quotes.")
@click.option("--book", multiple=True, type=_TAPES, metavar="F...", help="Files of order books.")
@click.option(
    "--out", type=_TAPES, metavar="DIR", help="Write straight into DIR, which is new or empty."
)
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    metavar="N",
    help="N times as fast as the market was; without it, as fast as possible.",
)
@click.option(
    "--recovery", type=_TAPES, metavar="DIR", help="Keep the state in DIR and resume from it."
)
@click.option("--symbols", metavar="A,B", help="Only these symbols.")
@click.option("--sessions", metavar="S", help="ORDER_FLOW_SESSIONS of this replay.")
@click.option("--stated-side", is_flag=True, help="The tape's own `side` is the taker's: use it.")
@click.option("--json", "as_json", is_flag=True, help="The summary as one JSON object.")
def replay_command(
    tapes: tuple[Path, ...],
    trades: tuple[Path, ...],
    quotes: tuple[Path, ...],
    book: tuple[Path, ...],
    out: Path | None,
    speed: float | None,
    recovery: Path | None,
    symbols: str | None,
    sessions: str | None,
    stated_side: bool,
    as_json: bool,
) -> None:
    """Replay tapes and say what was found.

    A TAPE is a file, a glob or a folder: Parquet, Polygon flat files (CSV.gz) or raw captures.
    """
    if not (tapes or trades or quotes or book):
        raise click.UsageError("name at least one TAPE, or --trades, --quotes and --book files.")
    import msgspec
    import orjson

    from flows.run import TapeFiles, paths_of, replay
    from flows.settings import from_process
    from flows.summary import summary_text

    settings = from_process(symbols=symbols, sessions=sessions)
    files = TapeFiles(paths_of((*tapes, *trades, *quotes, *book)), stated_side)
    progress = sys.stderr.isatty() and not as_json
    summary = replay(settings, files, out, speed, recovery, progress)
    if as_json:
        click.echo(orjson.dumps(msgspec.to_builtins(summary)).decode())
    else:
        click.echo(summary_text(summary))
