"""`orderflow doctor`: is everything here that a run needs?"""

from __future__ import annotations

import sys

import click

UNHEALTHY = 3
_STYLES = {"ok": ("green",), "warn": ("yellow",), "fail": ("red", "bold")}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for programs.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0.1, max=60),
    default=5.0,
    show_default=True,
    metavar="S",
    help="Seconds to wait for an answer of the vendor.",
)
def doctor(as_json: bool, timeout: float) -> int:
    """Check the installation, the key and a running instance.

    Each line is ok, warn or fail, with what to do. Exits with 3 if a check fails. Nothing is
    changed, and a running instance keeps its connection.
    """
    from flows.doctor.report import examine

    report = examine(timeout)
    if as_json:
        import orjson

        click.echo(orjson.dumps(report.public()).decode())
        return UNHEALTHY if report.failed else 0
    from flows.terminal import Paint, colours

    paint = Paint(colours(sys.stdout))
    wide = max(len(check.name) for check in report.checks)
    for check in report.checks:
        word = paint(f"{check.status:<4}", *_STYLES[check.status])
        fix = f"; {check.fix}" if check.fix else ""
        click.echo(f"{word}  {check.name:<{wide}}  {check.found}{fix}")
    return UNHEALTHY if report.failed else 0
