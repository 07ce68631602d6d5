"""`orderflow query`: questions to the history."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("question", required=False, metavar="[NAME|SQL]")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "csv"]),
    default="table",
    show_default=True,
)
@click.option("--db", type=click.Path(path_type=Path), metavar="FILE", help="Another history.")
def query(question: str | None, form: str, db: Path | None) -> None:
    """Ask the history of alerts.

    Read-only, and while the flow runs; by default the history of the newest run. NAME is a
    query of sql/; without one, their names are listed.
    """
    from flows.answers import queries, run_query

    if question is None:
        click.echo("\n".join(f"{name:<28} {what}" for name, what in queries().items()))
        return
    click.echo(run_query(db or _newest(), question, form).rstrip("\n"))


def _newest() -> Path:
    from flows import places
    from flows.settings import from_process

    path = places.newest(from_process().data_dir, places.HISTORY)
    click.echo(f"history of {path}", err=True)
    return path
