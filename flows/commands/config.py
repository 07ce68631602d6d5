"""`orderflow config`: each setting, its value and where it came from."""

from __future__ import annotations

import click

_FORMATS = click.Choice(["table", "json", "env", "markdown"])


@click.command()
@click.option("--format", "form", type=_FORMATS, default="table", show_default=True)
def config(form: str) -> None:
    """Show the settings and their sources.

    The key is masked. `env` prints the lines of .env.example, `markdown` the table of the README.
    """
    from flows import setting_text

    if form in ("env", "markdown"):
        text = setting_text.env_example() if form == "env" else setting_text.markdown()
        click.echo(text.rstrip("\n"))
        return
    from flows.settings import from_process

    rows = setting_text.rows(from_process())
    if form == "json":
        import orjson

        click.echo(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode())
        return
    click.echo(_table(rows))


def _table(rows: list[dict[str, str]]) -> str:
    columns = ("name", "value", "source", "bounds")
    widths = [
        max(len(row[column]) for row in [*rows, {c: c for c in columns}]) for column in columns
    ]
    lines = [{column: column for column in columns}, *rows]
    return "\n".join(
        "  ".join(f"{line[c]:<{w}}" for c, w in zip(columns, widths, strict=True)).rstrip()
        for line in lines
    )
