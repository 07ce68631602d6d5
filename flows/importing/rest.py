"""Trades and quotes listed over REST, a symbol and day at a time, through the official client.

Its URLs, parameters and authorisation are used, its transport is not: that one has no timeout
and gives up within a second. Each page is kept until its tape is made, so that a killed import
asks for the next page and not for the first.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import zlib
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import certifi
import duckdb
import msgspec
import urllib3
from polygon import RESTClient
from polygon.exceptions import BadResponse

from flows.errors import FeedRefusedError
from flows.feeds.tape_files import quoted
from flows.importing.errors import ImportFailed, from_database
from flows.importing.manifest import SourceRecord
from flows.importing.plan import Bench, Staged, midnight_ns
from flows.importing.sorting import run, stage_sql

PAGE_ROWS = 50_000  # the vendor's largest
TRIES = 8
BACKOFF_S, LONGEST_S = 1.0, 60.0
CONNECT_S, READ_S = 10.0, 60.0
_RETRIED = (408, 413, 429, 499, 500, 502, 503, 504)
_REFUSED = (401, 403)
_ROW = {
    "trades": "conditions: 'INTEGER[]', correction: 'INTEGER', decimal_size: 'VARCHAR',"
    " exchange: 'INTEGER', id: 'VARCHAR', participant_timestamp: 'BIGINT', price: 'DOUBLE',"
    " sequence_number: 'BIGINT', sip_timestamp: 'BIGINT', size: 'DOUBLE', trf_id: 'INTEGER'",
    "quotes": "ask_price: 'DOUBLE', ask_size: 'DOUBLE', bid_price: 'DOUBLE', bid_size: 'DOUBLE',"
    " sequence_number: 'BIGINT', sip_timestamp: 'BIGINT'",
}
_SIZE = "coalesce(try_cast(decimal_size AS DOUBLE), size)"  # `size` alone may be truncated


class Page(msgspec.Struct):
    """A page of a listing: its rows as they came, and where the next one is."""

    results: list[msgspec.Raw] = []
    next_url: str = ""

    def kept(self) -> bytes:
        """Return it as lines: where the next one is, then a row each."""
        head = msgspec.json.encode({"next_url": self.next_url})
        return b"\n".join([head, *self.results]) + b"\n"

    @classmethod
    def parse(cls, kept: bytes) -> Page:
        """Return a page that was kept.

        Raises:
            msgspec.DecodeError: it begins with something else.
        """
        head, *rows = kept.splitlines()
        next_url = msgspec.json.decode(head, type=Page).next_url
        return cls([msgspec.Raw(row) for row in rows], next_url)


class _Stamp(msgspec.Struct):
    sip_timestamp: int


class _Pool(urllib3.PoolManager):
    """Connections with timeouts, which wait as they are told and remember the last status."""

    status = 0

    def request(self, *args: Any, **kwargs: Any) -> urllib3.BaseHTTPResponse:
        """Ask; the name is the one the client calls."""
        response = super().request(*args, **kwargs)
        self.status = response.status
        return response


class Listings:
    """The listings of one vendor.

    Args:
        url: REST host.
        key: API key; it travels in a header, never in a URL.
    """

    def __init__(self, url: str, key: str) -> None:
        self._client = RESTClient(key, base=url)
        self._url = url
        self._pool = _Pool(
            headers=self._client.headers,
            ca_certs=certifi.where(),
            timeout=urllib3.Timeout(connect=CONNECT_S, read=READ_S),
            retries=urllib3.Retry(
                total=TRIES,
                status_forcelist=_RETRIED,
                backoff_factor=BACKOFF_S,
                backoff_max=LONGEST_S,
                backoff_jitter=BACKOFF_S / 2,
                respect_retry_after_header=True,
            ),
        )
        self._client.client = self._pool
        self._list = {"trades": self._client.list_trades, "quotes": self._client.list_quotes}

    def page(self, symbol: str, kind: str, params: dict[str, str]) -> Page:
        """Return one page of a listing.

        Raises:
            FeedRefusedError: the key or the plan does not allow it.
            ImportFailed: no good answer, however often it was asked for.
        """
        what = f"{kind} of {symbol} at {self._url}"
        problem = ""
        for _ in range(TRIES + 1):
            try:
                answer = self._list[kind](quote(symbol, safe=":"), params=dict(params), raw=True)
                data = answer.data
                if b"\n" in data:
                    data = msgspec.json.format(data, indent=-1)  # a row is kept as a line
                return msgspec.json.decode(data, type=Page)
            except msgspec.DecodeError as wrong:
                problem = f"the answer is no listing ({wrong})"  # cut on the way: ask again
            except BadResponse:
                raise self._refusal(what) from None
            except urllib3.exceptions.HTTPError as error:
                reason = getattr(error, "reason", None) or error
                raise ImportFailed(f"{what}: {_plain(reason)}; run the import again") from None
        raise ImportFailed(f"{what}: {problem}")

    def _refusal(self, what: str) -> Exception:
        status = self._pool.status
        if status in _REFUSED:
            return FeedRefusedError(
                f"{what}: refused with {status}: check POLYGON_API_KEY, and that the plan has them"
            )
        return ImportFailed(f"{what}: answered with {status}")


def _plain(error: object) -> str:
    """Return an error of the transport without the object it happened to."""
    text = " ".join(str(error).split())
    return text.rpartition(">: ")[2].partition(" (")[0] or text


@dataclass(frozen=True, slots=True)
class Listing:
    """The trades or quotes of a symbol on a day."""

    listings: Listings
    symbol: str
    day: date
    kind: str
    weight: float = 1.0

    @property
    def name(self) -> str:
        """Its route and day."""
        return f"/v3/{self.kind}/{self.symbol} {self.day}"

    def unchanged(self, record: SourceRecord) -> bool:
        """Return whether it is the same listing: nobody can tell without asking for all of it."""
        return self.name == record.name

    def stage(self, bench: Bench) -> list[Staged]:
        """Fetch its pages, and bring their rows to the bench.

        Raises:
            FeedRefusedError: the key or the plan does not allow it.
            ImportFailed: it cannot be fetched or read.
        """
        folder = bench.fetched / quote(self.symbol, safe="")
        folder.mkdir(parents=True, exist_ok=True)
        record = self._fetch(folder, bench)
        target = bench.next_staged()
        fields = f"* REPLACE ({_SIZE} AS size)" if self.kind == "trades" else "*"
        source = (
            f"(SELECT {quoted(self.symbol)} AS ticker, {fields} FROM read_json("
            f"{quoted(str(folder / '*.jsonl.gz'))}, format = 'newline_delimited',"
            f" columns = {{{_ROW[self.kind]}, next_url: 'VARCHAR'}}) WHERE next_url IS NULL)"
        )
        try:
            run(bench.db, stage_sql(self.kind, source, (), target, "conditions"), lambda: None)
        except duckdb.Error as error:
            raise from_database(f"{self.name} cannot be read", error, bench.folder.parent) from None
        return [Staged(target, record)]

    def _fetch(self, folder: Path, bench: Bench) -> SourceRecord:
        """Fetch the pages that are not there yet, and return what all of them are."""
        hashed, size, rows, number = hashlib.sha256(), 0, 0, 0
        params = {
            "timestamp.gte": str(midnight_ns(self.day)),
            "timestamp.lt": str(midnight_ns(self.day + timedelta(days=1))),
            "order": "asc",
            "sort": "timestamp",
            "limit": str(PAGE_ROWS),
        }
        asked: set[tuple[tuple[str, str], ...]] = set()
        while True:
            text, page = self._page(folder / f"{number:05}.jsonl.gz", params)
            hashed.update(text)
            size, rows, number = size + len(text), rows + len(page.results), number + 1
            bench.progress.rows += len(page.results)
            if not page.next_url or not page.results:
                return SourceRecord(self.name, size, hashed.hexdigest(), rows, pages=number)
            bench.reached(self._part_of_day(page))
            params = dict(parse_qsl(urlsplit(page.next_url).query))
            params.pop("apiKey", None)
            if (key := tuple(sorted(params.items()))) in asked:
                raise ImportFailed(f"{self.name}: the vendor lists the same page again and again")
            asked.add(key)

    def _page(self, path: Path, params: dict[str, str]) -> tuple[bytes, Page]:
        """Return a page: the one an import before this one kept, or else the vendor's."""
        with contextlib.suppress(OSError, EOFError, ValueError, zlib.error, msgspec.DecodeError):
            kept = gzip.decompress(path.read_bytes())
            return kept, Page.parse(kept)
        page = self.listings.page(self.symbol, self.kind, params)
        kept = page.kept()
        partial = path.with_suffix(".tmp")
        partial.write_bytes(gzip.compress(kept, compresslevel=1))
        partial.replace(path)
        return kept, page

    def _part_of_day(self, page: Page) -> float:
        """Return how much of the trading day, 04:00 to 20:00, lies before the end of a page."""
        last = msgspec.json.decode(page.results[-1], type=_Stamp).sip_timestamp
        hours = (last - midnight_ns(self.day)) / 3600e9
        return min(max((hours - 4) / 16, 0.0), 1.0)
