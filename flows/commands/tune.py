"""`orderflow tune`: thresholds for so many alerts a day, chosen on earlier days."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from flows.commands import judging

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("tapes", nargs=-1, required=True, type=_PATH, metavar="TAPE...")
@click.option(
    "--alerts-a-day",
    type=click.FloatRange(min=0, min_open=True),
    default=10.0,
    show_default=True,
    metavar="N",
    help="Alerts wanted a day, of all kinds and symbols together.",
)
@click.option(
    "--grid",
    "grids",
    multiple=True,
    metavar="NAME=V,V",
    help="Values to try for a setting, such as large_order_size=5000,20000; may be repeated.",
)
@judging.symbols
@judging.sessions
@judging.delay_ms
@click.option(
    "--fall-bps",
    type=click.FloatRange(min=0, min_open=True),
    default=20.0,
    show_default=True,
    help="What counts as a fall.",
)
@judging.seed
@click.option("--write", "target", type=_PATH, metavar="FILE", help="Write a new config file.")
@click.option("--out", type=_PATH, metavar="DIR", help="Write into DIR; its history gets the rows.")
@click.option("--json", "as_json", is_flag=True, help="The answer as one JSON object.")
def tune(
    tapes: tuple[Path, ...],
    alerts_a_day: float,
    grids: tuple[str, ...],
    symbols: str | None,
    sessions: str | None,
    delay_ms: float,
    fall_bps: float,
    seed: int,
    target: Path | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Find thresholds for so many alerts a day.

    Replays TAPEs (files, globs, folders) once and counts, for every setting of a grid, the
    alerts it would have raised and the falls that followed. Chooses on the earlier half of the
    days, and reports on the later half. Nothing that runs is changed: --write makes a config
    file for ORDER_FLOW_CONFIG. A day that was replayed is kept in the cache folder, so that a
    stopped run goes on where it was. Resting sellers are not counted: no print raises them.
    """
    import msgspec
    import orjson

    from flows.run import new_folder, paths_of
    from flows.scorecard.judge import Terms
    from flows.settings import from_process
    from flows.tune import show
    from flows.tune.grid import grid_of
    from flows.tune.run import Wanted, write
    from flows.tune.run import tune as find

    settings = from_process(symbols=symbols, sessions=sessions)
    terms = Terms(delay_ms=delay_ms, fall_bp=fall_bps, seed=seed)
    wanted = Wanted(paths_of(tapes), grid_of(settings, grids), alerts_a_day, terms)
    if target is not None:
        show.check_new(target)  # before the work, too
    found, counted = find(settings, wanted, sys.stderr.isatty() and not as_json)
    if target is not None:
        show.write_config(target, show.config_text(found, settings))
    history = write(found, counted, out or new_folder(settings.data_dir / "tune"))
    click.echo(orjson.dumps(msgspec.to_builtins(found)).decode() if as_json else show.text(found))
    if target is not None:
        click.echo(f"settings {target}", err=True)
    click.echo(f"history  {history}", err=True)
