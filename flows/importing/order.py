"""An import as it was ordered: its sources found, its tapes made, and what is missing said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import click
import msgspec

from flows.errors import SettingsError
from flows.importing.errors import ImportFailed
from flows.importing.flat import flat_files
from flows.importing.plan import Origin, Progress, Say, Wanted, days_between, units_of
from flows.importing.run import Report, import_units
from flows.settings import Settings

REST, S3 = "rest", "s3://"


@dataclass(frozen=True, slots=True)
class Order:
    """Where from, where to (None: the data folder), and what of it."""

    sources: Sequence[str]
    out: Path | None
    wanted: Wanted


@dataclass(frozen=True, slots=True)
class Result:
    """What an import has made, and what it could not."""

    out: Path
    report: Report
    problems: list[str] = field(default_factory=list)

    def as_text(self) -> str:
        """Return a line a tape, and what to do with them."""
        lines = [
            f"{file.day}  {file.kind:<6}  {file.rows:>13,} rows  "
            + ("imported" if file.path in self.report.made else "was there")
            for file in self.report.files
        ]
        return "\n".join([*lines, f"replay them with: orderflow replay {self.out}"])

    def as_json(self) -> str:
        """Return the same with all that the manifest has."""
        files = [
            {**msgspec.to_builtins(file), "made": file.path in self.report.made}
            for file in self.report.files
        ]
        return msgspec.json.encode({"out": str(self.out), "files": files}).decode()

    def complain(self) -> None:
        """Say what is missing, now that all else is done.

        Raises:
            ImportFailed: something is.
        """
        if self.problems:
            raise ImportFailed("; ".join(self.problems))


def carry_out(order: Order, settings: Settings, progress: Progress, say: Say) -> Result:
    """Import what was ordered.

    Raises:
        click.UsageError: no symbols or days for a source that needs them.
        FeedRefusedError: the vendor refused a key.
        ImportFailed: a source or the disk ended it.
        SettingsError: a key is not set.
    """
    wanted = order.wanted
    files = [name for name in order.sources if name != REST and not name.startswith(S3)]
    found: list[tuple[date, str, Origin]] = [
        (file.day, file.kind, file) for file in flat_files(files, wanted)
    ]
    problems: list[str] = []
    for name in order.sources:
        if name.startswith(S3):
            days = _days(wanted, name)
            from flows.importing.s3 import find_files, open_bucket

            bucket = open_bucket(name, settings)
            objects, missing = find_files(bucket, wanted.kinds, days)
            found += [(one.day, one.kind, one) for one in objects]
            problems += missing
        elif name == REST:
            found += _listings(wanted, settings)
    units = units_of(found)
    if not units:
        raise ImportFailed("; ".join(problems) or "none of the sources has such a day or kind")
    out = order.out or settings.data_dir / "tapes"
    report = import_units(units, out, wanted.symbols, progress, say)
    if unseen := report.unseen(wanted.symbols):
        first, last = units[0].day, units[-1].day
        when = f"on {first}" if first == last else f"from {first} to {last}"
        problems.append(f"nothing of {', '.join(unseen)} {when}: check the symbol and the days")
    return Result(out, report, problems)


def _listings(wanted: Wanted, settings: Settings) -> list[tuple[date, str, Origin]]:
    if not wanted.symbols:
        raise click.UsageError("rest lists symbol by symbol: name them with --symbols.")
    if not settings.polygon_api_key:
        raise SettingsError("POLYGON_API_KEY is not set: REST lists nothing without it.")
    days = _days(wanted, REST)
    from flows.importing.rest import Listing, Listings

    listings = Listings(settings.polygon_rest_url, settings.polygon_api_key)
    return [
        (day, kind, Listing(listings, symbol, day, kind))
        for day in days
        for kind in wanted.kinds
        for symbol in wanted.symbols
    ]


def _days(wanted: Wanted, name: str) -> list[date]:
    """Return the trading days ordered, which are over."""
    if wanted.first is None or wanted.last is None:
        raise click.UsageError(f"{name} needs --from and --to: which days?")
    from flows.importing.plan import today

    if wanted.last >= today():
        raise click.UsageError(
            f"{wanted.last} is not over yet in New York: import up to the day before."
        )
    days = days_between(wanted.first, wanted.last)
    if not days:
        raise ImportFailed(f"the exchanges were closed from {wanted.first} to {wanted.last}")
    return days
