"""`orderflow demo`: the product does its job on the embedded tape, and draws what it saw."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from flows.settings import Settings
    from flows.summary import Summary

BANNER = "This is the embedded sample tape, one made-up session: nothing here is the market."


@click.command()
def demo() -> None:
    """Show it all on the embedded tape.

    Needs no key and no network, and writes below `sample/` of the data folder.
    """
    from flows.run import replay, sample_tape

    click.echo(BANNER, err=True)
    summary = replay(_as_shipped(), sample_tape(), progress=sys.stderr.isatty())
    click.echo(_drawn(summary))
    click.echo("\n" + _and_now(Path(summary.out), _program()))


def _as_shipped() -> Settings:
    """Return the rules as shipped, the same demo for everyone, with the user's own folders."""
    import msgspec

    from flows.settings import Settings, from_process

    mine = from_process()
    return msgspec.structs.replace(Settings(), data_source="sample", data_dir=mine.data_dir)


def _drawn(summary: Summary) -> str:
    from flows import places, terminal
    from flows.feeds.sample import SAMPLE_QUOTES
    from flows.picture import most_alerted, picture
    from flows.prices import mids
    from flows.summary import summary_text
    from flows.tail import ALERT
    from sinks.tailer import Tailer

    lines = Tailer(Path(summary.out) / places.ALERTS).read()
    alerts = [line for line in lines if line.get("event") == ALERT]
    symbol = most_alerted(alerts)
    prices = mids(SAMPLE_QUOTES, symbol) if symbol else []
    text = picture(alerts, prices, terminal.width(), terminal.colours(sys.stdout))
    return f"{text}\n\n{summary_text(summary)}"


def _and_now(out: Path, program: str) -> str:
    """Return where the files are and the three commands to try next."""
    rows = [
        ("files", f"{out}/alerts.jsonl", "the alerts, one JSON object a line: a bot tails this"),
        ("", f"{out}/alerts.duckdb", "the same alerts as a history to query"),
        ("try", f"{program} tail", "the alerts, as a person reads them"),
        ("", f"{program} query largest_sellers", "the history, asked by name or in SQL"),
        ("", f"{program} run", "the market, once POLYGON_API_KEY is set"),
    ]
    left = max(len(what) for _, what, _ in rows)
    return "\n".join(f"{head:<6}{what:<{left}}   {why}" for head, what, why in rows)


def _program() -> str:
    """Return what the user has to type to start `orderflow` here."""
    if shutil.which("orderflow"):
        return "orderflow"
    here = Path(sys.argv[0]).resolve()
    return str(here.relative_to(Path.cwd())) if here.is_relative_to(Path.cwd()) else str(here)
