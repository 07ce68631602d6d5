"""`orderflow simulate`: tapes on which it is known who sold, and how many are found."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:  # they load numpy and more, which `--help` need not wait for
    from flows.settings import Settings
    from flows.simulate.days import Simulated
    from flows.simulate.programme import Programme

_DATE = click.DateTime(["%Y-%m-%d"])
_LIST = "A,B"
MODES = ("fixed", "adaptive")


@click.command()
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Where tapes and labels go.  [default: a new folder below simulated/ of the data folder]",
)
@click.option("--seed", type=click.IntRange(min=0), help="Same seed, same tape.")
@click.option("--symbols", metavar=_LIST, help="Tickers; any will do.  [default: 20 made-up ones]")
@click.option("--days", type=click.IntRange(1, 260), default=1, show_default=True)
@click.option("--from", "first", type=_DATE, metavar="DAY", help="First day, as in 2026-11-18.")
@click.option(
    "--minutes", type=click.IntRange(1, 390), default=390, help="Of regular hours.  [default: 390]"
)
@click.option("--stories", metavar=_LIST, help="Only these; `sample`: the embedded tape's.")
@click.option("--difficulty", metavar=_LIST, help="Only stories that are easy, medium or hard.")
@click.option(
    "--pause",
    type=click.FloatRange(8, 390),
    default=8.0,
    show_default=True,
    metavar="MIN",
    help="Minutes between two stories of a symbol.",
)
@click.option("--trades", type=click.IntRange(min=1), help="So many prints, and no story at all.")
@click.option("--list", "listing", is_flag=True, help="Show the stories, and write nothing.")
@click.option("--judge", "judging", is_flag=True, help="Replay the tape and count what is found.")
@click.option(
    "--mode",
    "modes",
    multiple=True,
    type=click.Choice(MODES),
    help="Detection mode to judge; may be given twice.  [default: the setting]",
)
@click.option("--json", "as_json", is_flag=True, help="What was made or found, as JSON.")
def simulate(
    out: Path | None,
    seed: int | None,
    symbols: str | None,
    days: int,
    first: datetime | None,
    minutes: int,
    stories: str | None,
    difficulty: str | None,
    pause: float,
    trades: int | None,
    listing: bool,
    judging: bool,
    modes: tuple[str, ...],
    as_json: bool,
) -> None:
    """Make tapes with known sellers, and judge by them.

    Writes a synthetic US session (or several) as trades and quotes that `orderflow replay`
    reads, with labels: who sold, when, how much, and how hard that is to see. With --judge the
    tape is replayed under your settings, and a table says how many of the planted stories each
    alert type found (recall) and how many of its alerts were right (precision).
    """
    if listing:
        from flows.simulate.show import catalogue_text

        click.echo(catalogue_text())
        return
    from flows.errors import OrderflowError
    from flows.run import new_folder
    from flows.settings import from_process
    from flows.simulate.days import Asked, write_days
    from flows.simulate.generate import DAY, SEED

    if judging and (trades or stories == "sample"):
        raise click.UsageError("--judge needs drawn stories: leave --trades and `sample` out.")
    settings = [from_process(detection_mode=mode) for mode in modes or (None,)]
    asked = Asked(
        first=first.date() if first else DAY,
        days=days,
        seed=SEED if seed is None else seed,
        symbols=tuple(symbols.split(",")) if symbols else None,
        trades=trades,
        minutes=minutes,
        programme=_programme(stories, difficulty, pause),
    )
    try:
        made = write_days(asked, out or new_folder(settings[0].data_dir / "simulated"))
    except (ValueError, OSError) as error:
        raise OrderflowError(f"no tape was made: {error}") from None
    if judging:
        _judge(made, settings, as_json)
    else:
        _say_made(made, as_json)


def _judge(made: Simulated, settings: list[Settings], as_json: bool) -> None:
    import orjson

    from flows.simulate import show
    from flows.simulate.days import raised
    from flows.simulate.verdict import judge

    verdicts = []
    for one in settings:
        alerts = raised(one, made.tapes, sys.stderr.isatty() and not as_json)
        verdicts.append(judge(made.labels, alerts, one.detection_mode))
    if as_json:
        click.echo(orjson.dumps([show.plain(verdict) for verdict in verdicts]).decode())
    else:
        click.echo(show.verdict_text(verdicts))
    click.echo(f"tape and labels  {made.labels_path.parent}", err=True)


def _programme(stories: str | None, difficulty: str | None, pause: float) -> Programme | None:
    from flows.simulate.catalogue import chosen
    from flows.simulate.programme import Programme

    if stories == "sample":
        return None
    names = stories.split(",") if stories else ()
    return Programme(chosen(names, difficulty.split(",") if difficulty else ()), pause)


def _say_made(made: Simulated, as_json: bool) -> None:
    import orjson

    paths = [str(path) for path in (*made.tapes, made.labels_path)]
    if as_json:
        counts = {"trades": made.trades, "quotes": made.quotes, "labels": len(made.labels)}
        click.echo(orjson.dumps({"files": paths, **counts, "rows": made.rows}).decode())
        return
    click.echo("\n".join(paths))
    counted = f"{made.trades:,} trades, {made.quotes:,} quotes, {len(made.labels):,} labels"
    click.echo(f"{counted}, rows {' '.join(made.rows)}", err=True)
