"""`orderflow scorecard`: what the alerts on recorded days were worth."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from flows.commands import judging

_TAPES = click.Path(path_type=Path)


@click.command()
@click.argument("tapes", nargs=-1, required=True, type=_TAPES, metavar="TAPE...")
@judging.symbols
@judging.sessions
@judging.delay_ms
@click.option(
    "--fall-bps",
    type=click.FloatRange(min=0, min_open=True),
    default=20.0,
    show_default=True,
    help="What counts as a fall, and where the stop-loss stands.",
)
@click.option(
    "--controls",
    type=click.IntRange(1, 1000),
    default=20,
    show_default=True,
    help="Random instants each alert is compared with.",
)
@judging.seed
@click.option(
    "--out",
    type=_TAPES,
    metavar="DIR",
    help="Write into DIR; its history gets the rows. Of data/live: alerts carry them.",
)
@click.option("--json", "as_json", is_flag=True, help="The scorecard as one JSON object.")
def scorecard(
    tapes: tuple[Path, ...],
    symbols: str | None,
    sessions: str | None,
    delay_ms: float,
    fall_bps: float,
    controls: int,
    seed: int,
    out: Path | None,
    as_json: bool,
) -> None:
    """Say what the alerts on tapes were worth.

    Replays TAPEs (files, globs, folders) and measures what the price did after each kind of
    alert, beside the market, random instants and simple rivals. SPY among the symbols is the
    market. Writes a report for the browser and rows for the history, by default into a new
    folder below `scorecard/` of the data folder.
    """
    import msgspec
    import orjson

    from flows.run import new_folder, paths_of
    from flows.scorecard.figures import table
    from flows.scorecard.judge import Terms
    from flows.scorecard.run import score_tapes, write
    from flows.settings import from_process

    settings = from_process(symbols=symbols, sessions=sessions)
    terms = Terms(delay_ms=delay_ms, fall_bp=fall_bps, controls=controls, seed=seed)
    judged = score_tapes(settings, paths_of(tapes), terms, sys.stderr.isatty())
    written = write(judged, out or new_folder(settings.data_dir / "scorecard"))
    if as_json:
        click.echo(orjson.dumps(msgspec.to_builtins(judged.card)).decode())
    else:
        click.echo(table(judged.card))
    click.echo(f"report   {written.report}\nhistory  {written.history}", err=True)
