"""The vendor's flat files where they lie: a bucket behind an S3 endpoint with keys of its own.

The client is obstore, an extra: it is small, typed, and does what is delicate (signatures,
retries). A file is fetched in ranges of one version, so that a killed download goes on.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flows.errors import FeedRefusedError, OrderflowError, SettingsError
from flows.importing.errors import ImportFailed
from flows.importing.flat import inspect
from flows.importing.manifest import SourceRecord
from flows.importing.plan import Bench, Staged, Wanted

if TYPE_CHECKING:
    from obstore.store import S3Credential, S3Store

    from flows.settings import Settings

PREFIX = "us_stocks_sip"
FETCHING = 0.5  # of a file's work, about; the rest is reading it
RANGE = 8 << 20
_KEY = re.compile(r"(?:.*/)?(trades|quotes)_v1/\d{4}/\d{2}/(\d{4}-\d{2}-\d{2})\.csv\.gz")


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket, or the part of it below `prefix`."""

    store: S3Store
    name: str
    prefix: str
    endpoint: str

    def failure(self, error: Exception) -> OrderflowError:
        """Return what an error of the client means."""
        import obstore.exceptions as wrong

        # A listing tells the status in its text alone.
        told = re.search(r"status code: (\d{3})", str(error))
        status = int(told[1]) if told else 0
        refused = isinstance(error, wrong.PermissionDeniedError | wrong.UnauthenticatedError)
        if refused or status in (401, 403):
            return FeedRefusedError(
                f"{self.endpoint} refused the S3 keys for {self.name}: check "
                "POLYGON_S3_ACCESS_KEY and POLYGON_S3_SECRET_KEY (they are not the API key), and "
                "that the plan includes flat files"
            )
        if isinstance(error, FileNotFoundError) or status == 404:
            return ImportFailed(f"{self.endpoint} has no {self.name}")
        first = str(error).partition("\n")[0].rpartition(": ")[2]
        return ImportFailed(f"{self.name} at {self.endpoint} cannot be read: {first[:200]}")


@dataclass(frozen=True, slots=True)
class S3File:
    """One flat file of a bucket, in the version that was listed."""

    bucket: Bucket
    key: str
    day: date
    kind: str
    size: int
    etag: str

    @property
    def name(self) -> str:
        """Its address in the bucket."""
        return f"{self.bucket.name}/{self.key}"

    @property
    def weight(self) -> float:
        """Its bytes."""
        return self.size

    def unchanged(self, record: SourceRecord) -> bool:
        """Return whether the vendor has replaced it since."""
        return (self.name, self.size, self.etag) == (record.name, record.bytes, record.etag)

    def stage(self, bench: Bench) -> list[Staged]:
        """Fetch it, and bring its rows to the bench.

        Raises:
            FeedRefusedError: the keys are no good.
            ImportFailed: it cannot be fetched or read.
        """
        begin, end = bench.share
        middle = begin + (end - begin) * FETCHING
        path = self._fetched(replace(bench, share=(begin, middle)))
        try:
            file = inspect(path, Wanted(kinds=(self.kind,)))
            if file is None:
                raise ImportFailed(f"{path} holds no {self.kind}, whatever its name says")
            staged = file.stage(replace(bench, share=(middle, end)))
        except ImportFailed as error:
            path.unlink()  # it may be the copy that is bad
            raise ImportFailed(str(error).replace(str(path), self.name)) from None
        return [
            Staged(
                one.path,
                SourceRecord(
                    self.name, one.record.bytes, one.record.sha256, one.record.rows, etag=self.etag
                ),
            )
            for one in staged
        ]

    def _fetched(self, bench: Bench) -> Path:
        """Download what is missing of it."""
        import obstore
        from obstore.exceptions import BaseError, PreconditionError

        version = re.sub(r"\W", "", self.etag)
        bench.fetched.mkdir(parents=True, exist_ok=True)
        path = bench.fetched / f"{version}-{self.day}.csv.gz"
        with path.open("ab") as file:
            start = file.tell()
            while start < self.size:
                bench.reached(start / self.size)
                span = (start, min(start + RANGE, self.size))
                try:
                    got = obstore.get(
                        self.bucket.store,
                        self.key,
                        options={"range": span, "if_match": self.etag or None},
                    )
                    start += file.write(got.bytes())
                except PreconditionError:
                    raise ImportFailed(
                        f"{self.name} was replaced while it was fetched: run the import again"
                    ) from None
                except (BaseError, FileNotFoundError) as error:
                    raise self.bucket.failure(error) from None
        return path


def open_bucket(source: str, settings: Settings) -> Bucket:
    """Return the bucket that `s3://BUCKET[/PREFIX]` names.

    Raises:
        SettingsError: the keys are not set.
        ImportFailed: the client is not installed.
    """
    try:
        from obstore.store import S3Store
    except ImportError:
        raise ImportFailed(
            "s3:// needs the package obstore, which is not installed: pip install obstore, or "
            "orderflow with its extra `s3`"
        ) from None
    for value, name in (
        (settings.polygon_s3_access_key, "POLYGON_S3_ACCESS_KEY"),
        (settings.polygon_s3_secret_key, "POLYGON_S3_SECRET_KEY"),
    ):
        if not value:
            raise SettingsError(
                f"{name} is not set: flat files have keys of their own, on the vendor's dashboard."
            )
    name, _, prefix = source.removeprefix("s3://").strip("/").partition("/")
    if not name:
        raise ImportFailed(f"{source} names no bucket: the vendor's is s3://flatfiles")
    endpoint = settings.polygon_s3_url

    def keys() -> S3Credential:
        return {
            "access_key_id": settings.polygon_s3_access_key,
            "secret_access_key": settings.polygon_s3_secret_key,
            "token": None,
            "expires_at": None,
        }

    store = S3Store(
        name,
        # Said here and in this way, so that nothing of AWS in the environment is taken instead.
        aws_endpoint_url_s3=endpoint,
        credential_provider=keys,
        region="us-east-1",
        client_options={
            "allow_http": urlsplit(endpoint).scheme == "http",
            "connect_timeout": timedelta(seconds=10),
            "timeout": timedelta(seconds=120),
        },
        retry_config={"max_retries": 5, "retry_timeout": timedelta(minutes=3)},
    )
    return Bucket(store, f"s3://{name}", prefix or PREFIX, endpoint)


def find_files(
    bucket: Bucket, kinds: Sequence[str], days: Sequence[date]
) -> tuple[list[S3File], list[str]]:
    """Return the flat files of some days, and sentences about those that are missing.

    Raises:
        FeedRefusedError: the keys are no good.
        ImportFailed: the bucket cannot be listed.
    """
    import obstore
    from obstore.exceptions import BaseError

    found = []
    wanted = {(kind, day) for kind in kinds for day in days}
    missing = set(wanted)
    for kind, month in sorted({(kind, f"{day:%Y/%m}") for kind, day in wanted}):
        place = f"{bucket.prefix}/{kind}_v1/{month}"
        try:
            listed = [one for page in obstore.list(bucket.store, place) for one in page]
        except (BaseError, FileNotFoundError) as error:
            raise bucket.failure(error) from None
        for one in listed:
            match = _KEY.fullmatch(one["path"])
            if match is None or (match[1], date.fromisoformat(match[2])) not in wanted:
                continue
            day = date.fromisoformat(match[2])
            missing.discard((kind, day))
            etag = one["e_tag"] or ""
            found.append(S3File(bucket, one["path"], day, kind, one["size"], etag))
    return found, _gaps(bucket, missing)


def _gaps(bucket: Bucket, missing: set[tuple[str, date]]) -> list[str]:
    gaps = []
    for kind in sorted({kind for kind, _ in missing}, reverse=True):
        days = ", ".join(str(day) for of, day in sorted(missing) if of == kind)
        gaps.append(
            f"{bucket.name}/{bucket.prefix} has no {kind} of {days}: files come about 11:00 New "
            "York time the day after; run the import again then"
        )
    return gaps
