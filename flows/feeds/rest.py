"""Trades and quotes of the past, over the vendor's own REST client.

The client builds the requests. What it lacks is here: time limits (it makes them and passes
them to nobody), pauses that heed Retry-After, a rate, and an end to pages that repeat.
"""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple
from urllib.parse import parse_qsl, quote, urlsplit

import msgspec
import urllib3

PAGE_ROWS = 50_000  # the most the vendor gives
MOST_PAGES = 200
MOST_BYTES = 256 * 2**20  # of one page
_PART = 2**18

Row = dict[str, Any]
Kind = Literal["trades", "quotes"]


@dataclass(frozen=True)
class RestTiming:
    """How long requests wait for what, in seconds.

    Args:
        connect_s: for the connection.
        read_s: for the next part of an answer.
        answer_s: for a whole answer.
        pauses_s: before each further attempt; half of it at least, drawn.
        a_second: most requests a second; the vendor advises fewer than 100.
    """

    connect_s: float = 3.0
    read_s: float = 5.0
    answer_s: float = 10.0
    pauses_s: tuple[float, ...] = (1.0, 2.0, 4.0)
    a_second: float = 80.0


class RestError(Exception):
    """A request that was given up: one sentence, never with the key in it."""


class RestRefusedError(RestError):
    """The answer is no, to this key or this plan: asking again is no use."""


class _AgainError(Exception):
    """An attempt that failed and may be repeated, after so many seconds if the server said."""

    def __init__(self, why: str, after_s: float | None = None) -> None:
        super().__init__(why)
        self.after_s = after_s


class Patience:
    """A time limit for many requests, which another thread may end early.

    Args:
        seconds: how long nothing may come.
        longest_s: how long it may take in all; no longer than `seconds` by itself.
    """

    def __init__(self, seconds: float, longest_s: float = 0.0) -> None:
        now = time.monotonic()
        self._seconds = seconds
        self._until = now + seconds
        self._last = now + max(seconds, longest_s)
        self._ended = threading.Event()

    def renew(self) -> None:
        """Begin anew: something has come."""
        self._until = min(time.monotonic() + self._seconds, self._last)

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return self._ended.is_set() or time.monotonic() >= self._until

    def end(self) -> None:
        """Make it over now."""
        self._ended.set()

    def pause(self, seconds: float) -> bool:
        """Wait; return whether there is time left. A pause beyond the limit is not begun."""
        if time.monotonic() + seconds >= self._until:
            return False
        return not self._ended.wait(seconds)


class _Page(msgspec.Struct):
    """A page of a listing."""

    results: list[Row] | None = None
    next_url: str | None = None


_read_page = msgspec.json.Decoder(_Page).decode


class _Answer(NamedTuple):
    """As much of an HTTP response as the vendor's client looks at."""

    status: int
    data: bytes


class _Transport:
    """What the vendor's client sends its requests with: one attempt each, with time limits.

    Raises:
        _AgainError: no answer, or one that says to try again.
        RestError: any other answer than a page.
    """

    def __init__(self, pool: urllib3.PoolManager, host: str, timing: RestTiming) -> None:
        self._pool = pool
        self._pool.connection_pool_kw["maxsize"] = 8  # connections kept, one a thread
        self._host = host
        self._timing = timing
        self._timeout = urllib3.Timeout(connect=timing.connect_s, read=timing.read_s)

    def request(
        self, method: str, url: str, fields: Mapping[str, Any], headers: Mapping[str, str]
    ) -> _Answer:
        """Return the whole answer of a GET."""
        try:
            response = self._pool.request(
                method,
                url,
                fields=fields,
                headers=headers,
                timeout=self._timeout,
                retries=False,
                redirect=False,
                preload_content=False,
            )
            try:
                data = self._read(response)
            finally:
                response.close()
        except urllib3.exceptions.NewConnectionError:
            raise _AgainError("cannot be reached") from None
        except urllib3.exceptions.TimeoutError:
            raise _AgainError("does not answer") from None
        except urllib3.exceptions.HTTPError as error:
            raise _AgainError(f"cannot be read ({type(error).__name__})") from None
        self._check(response)
        return _Answer(response.status, data)

    def _read(self, response: urllib3.BaseHTTPResponse) -> bytes:
        until = time.monotonic() + self._timing.answer_s
        parts = []
        size = 0
        for part in response.stream(_PART):
            parts.append(part)
            size += len(part)
            if time.monotonic() > until:
                raise _AgainError("answers too slowly")
            if size > MOST_BYTES:
                raise RestError(f"REST at {self._host} answers with more than a page can hold")
        return b"".join(parts)

    def _check(self, response: urllib3.BaseHTTPResponse) -> None:
        status = response.status
        if status == 200:
            return
        if status == 401:
            raise RestRefusedError(f"REST at {self._host} does not know this key (401)")
        if status == 403:
            raise RestRefusedError(
                f"REST at {self._host} refuses it (403): the plan of this key does not include it"
            )
        if status in (408, 413, 429, 499) or status >= 500:
            raise _AgainError(f"answers {status}", _seconds(response.headers.get("Retry-After")))
        raise RestError(f"REST at {self._host} answers {status}")


def _seconds(text: str | None) -> float | None:
    """Return the seconds of a Retry-After; a date, which the vendor does not use, is none."""
    return float(text) if text is not None and text.isdecimal() else None


class Rest:
    """Ask for the trades or quotes of a symbol; any thread may.

    Args:
        base: address of the API, such as `https://api.polygon.io`.
        key: API key; it goes into a header and nowhere else.
        timing: how long to wait for what.
    """

    def __init__(self, base: str, key: str, timing: RestTiming | None = None) -> None:
        from polygon import RESTClient  # half a second, which a replay need not wait

        self.host = urlsplit(base).hostname or ""
        self._timing = timing or RestTiming()
        self._client = RESTClient(api_key=key, base=base.rstrip("/"), retries=0)
        self._client.client = _Transport(self._client.client, self.host, self._timing)
        self._turn = threading.Lock()
        self._next_turn = 0.0

    def rows(
        self, kind: Kind, symbol: str, from_ns: int, to_ns: int, patience: Patience
    ) -> list[Row]:
        """Return trades or quotes as the vendor lists them, oldest first.

        Args:
            kind: trades or quotes.
            symbol: as the vendor spells it.
            from_ns: SIP time of the first, ns since epoch.
            to_ns: SIP time they end before.
            patience: when to give up.

        Raises:
            RestRefusedError: the key or its plan does not get them.
            RestError: they could not be had whole.
        """
        listing = getattr(self._client, f"list_{kind}")
        asked: dict[str, Any] = {
            "timestamp.gte": from_ns,
            "timestamp.lt": to_ns,
            "order": "asc",
            "sort": "timestamp",
            "limit": PAGE_ROWS,
        }
        rows: list[Row] = []
        seen: set[str] = set()
        while True:
            page = self._page(listing, symbol, asked, patience)
            rows += page.results or ()
            if not page.next_url:
                return rows
            query = urlsplit(page.next_url).query
            if query in seen or len(seen) >= MOST_PAGES:
                raise RestError(f"the pages of REST at {self.host} come to no end")
            seen.add(query)
            asked = dict(parse_qsl(query))

    def _page(
        self, listing: Any, symbol: str, asked: Mapping[str, Any], patience: Patience
    ) -> _Page:
        for attempt in itertools.count():
            self._await_turn(patience)
            try:
                answer = listing(quote(symbol, safe=""), params=dict(asked), raw=True)
                return _read_page(answer.data)
            except msgspec.DecodeError:
                failed = _AgainError("sends what is no whole JSON")
            except _AgainError as error:
                failed = error
            given_up = RestError(f"REST at {self.host} {failed}")
            if attempt >= len(self._timing.pauses_s):
                raise given_up
            pause = self._timing.pauses_s[attempt] * random.uniform(0.5, 1)
            if not patience.pause(pause if failed.after_s is None else failed.after_s):
                raise given_up
        raise AssertionError  # the loop above has no other end

    def _await_turn(self, patience: Patience) -> None:
        with self._turn:
            turn = max(self._next_turn, time.monotonic())
            self._next_turn = turn + 1 / self._timing.a_second
        if not patience.pause(max(0.0, turn - time.monotonic())):
            raise RestError(f"REST at {self.host} could not be asked in time")
