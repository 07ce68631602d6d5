"""The vendor's REST routes over a tape: trades, quotes, conditions and market status."""

from __future__ import annotations

import base64
import binascii
import re
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Collection
from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from typing import Any, Literal
from urllib.parse import SplitResult, parse_qs, parse_qsl, unquote, urlencode, urlsplit
from zoneinfo import ZoneInfo

import msgspec

from flows.mock.conditions import TRADE_CONDITIONS, condition_result
from flows.mock.faults import RestError, RestHang, RestLoop, RestTruncated
from flows.mock.oddities import Oddities
from flows.mock.tape import QUOTES, TRADES, Row, Span, Tape
from flows.mock.timeline import Timeline
from flows.mock.wire import Json, Topics, quote_result, trade_result

NEW_YORK = ZoneInfo("America/New_York")
DEFAULT_LIMIT, MAX_LIMIT = 1000, 50_000
CONDITIONS_LIMIT, CONDITIONS_MAX = 10, 1000
_FOREVER = 2**63 - 1

_UNKNOWN_KEY = "Unknown API Key"
_NOT_ENTITLED = "You are not entitled to this data."
_ROUTES = {
    "trades": r"/v3/trades/[^/]+",
    "quotes": r"/v3/quotes/[^/]+",
    "conditions": r"/v3/reference/conditions",
    "marketstatus": r"/v1/marketstatus/now",
}

Query = dict[str, str]


class Answer(msgspec.Struct, frozen=True):
    """An HTTP status and the body that goes with it: JSON, or plain text.

    A fault adds a Retry-After, cuts the answer, or makes it come only after `hang_s`, which is
    to say not at all.
    """

    status: int
    body: Json | str
    retry_after_s: int | None = None
    cut: Literal["json", "connection"] | None = None
    hang_s: float | None = None


class ParameterError(ValueError):
    """A query that cannot be understood. The text is one sentence."""


class Cursor(msgspec.Struct, frozen=True):
    """Where a listing goes on: everything the next page needs but the symbol and the key."""

    low_ns: int
    high_ns: int
    ascending: bool
    limit: int
    after: int

    def text(self) -> str:
        """Return it as the opaque `cursor` of a `next_url`."""
        return base64.urlsafe_b64encode(msgspec.json.encode(self)).decode()

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Return the cursor of a `next_url`.

        Raises:
            ParameterError: it is none of ours.
        """
        try:
            return msgspec.json.decode(base64.urlsafe_b64decode(text), type=cls)
        except (binascii.Error, msgspec.DecodeError) as error:
            raise ParameterError("'cursor' is not one this server gave.") from error


def _route_of(path: str) -> str:
    """Return the name of the route a path asks, `other` for one there is not."""
    return next((name for name, form in _ROUTES.items() if re.fullmatch(form, path)), "other")


def _moment(name: str, value: str) -> tuple[int, int]:
    """Return the first ns a timestamp parameter covers and the first it does not cover.

    A date covers its whole New York day, a number the one nanosecond.
    """
    if value.isdecimal():
        return int(value), int(value) + 1
    try:
        day = date.fromisoformat(value)
    except ValueError as error:
        raise ParameterError(
            f"'{name}' must be YYYY-MM-DD or nanoseconds, not '{value}'."
        ) from error
    return _midnight_ns(day), _midnight_ns(day + timedelta(days=1))


def _midnight_ns(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=NEW_YORK).timestamp()) * 10**9


def _limit(query: Query, default: int, most: int) -> int:
    text = query.get("limit", str(default))
    if not text.isdecimal() or int(text) < 1:
        raise ParameterError(f"'limit' must be a number of at least 1, not '{text}'.")
    return min(int(text), most)


def _span(symbol: str, query: Query) -> Span:
    """Return what a listing request asks for."""
    if "cursor" in query:
        cursor = Cursor.parse(query["cursor"])
        ascending, after = cursor.ascending, cursor.after
        return Span(symbol, cursor.low_ns, cursor.high_ns, ascending, after, cursor.limit)
    low, high = 0, _FOREVER
    for name in ("timestamp", "timestamp.gte", "timestamp.gt", "timestamp.lte", "timestamp.lt"):
        if name not in query:
            continue
        first, beyond = _moment(name, query[name])
        if name in ("timestamp", "timestamp.gte"):
            low = max(low, first)
        if name == "timestamp.gt":
            low = max(low, beyond)
        if name in ("timestamp", "timestamp.lte"):
            high = min(high, beyond)
        if name == "timestamp.lt":
            high = min(high, first)
    order = query.get("order", "desc")
    if order not in ("asc", "desc"):
        raise ParameterError(f"'order' must be asc or desc, not '{order}'.")
    limit = _limit(query, DEFAULT_LIMIT, MAX_LIMIT)
    return Span(symbol, low, high, order == "asc", None, limit)


class RestService:
    """Answer requests, from any thread.

    A listing holds what has been printed when it is asked for: a tape that plays is the present.

    Args:
        tape: what is listed.
        topics: how far the tape has been printed.
        oddities: what is odd about the tape.
        timeline: what goes wrong with requests.
        key: the API key that is let in.
        plan: event types of the plan: `T` lists trades, `Q` quotes.
        market: what `/v1/marketstatus/now` says: open, extended-hours or closed.
    """

    def __init__(
        self,
        tape: Tape,
        topics: Topics,
        oddities: Oddities,
        timeline: Timeline,
        *,
        key: str,
        plan: Collection[str],
        market: str,
    ) -> None:
        self._tape = tape
        self._topics = topics
        self._oddities = oddities
        self._timeline = timeline
        self._key = key
        self._plan = plan
        self._market = market
        self._lock = threading.Lock()
        self.base = ""
        self.requests: Counter[str] = Counter()

    def answer(self, target: str, authorization: str) -> Answer:
        """Return the answer to a GET of `target` (path and query) with that header."""
        url = urlsplit(target)
        route = _route_of(url.path)
        with self._lock:
            before, of_route = self.requests.total(), self.requests[route]
            self.requests[route] += 1
            fault = self._timeline.rest_fault(route, before, of_route)
        if isinstance(fault, RestHang):
            return Answer(504, "", hang_s=fault.hang_s)
        if isinstance(fault, RestError):
            return self._error(fault)
        answer = self._sound(url, authorization)
        if isinstance(fault, RestTruncated):
            return msgspec.structs.replace(answer, cut=fault.cut)
        if isinstance(fault, RestLoop) and isinstance(answer.body, dict):
            kept = urlencode([pair for pair in parse_qsl(url.query) if pair[0] != "apiKey"])
            again = f"{self.base}{url.path}?{kept}"
            return Answer(answer.status, {**answer.body, "next_url": again})
        return answer

    def _error(self, fault: RestError) -> Answer:
        match fault.status:
            case 401:
                answer = self._problem(401, "ERROR", error=_UNKNOWN_KEY)
            case 403:
                answer = self._problem(403, "NOT_AUTHORIZED", message=_NOT_ENTITLED)
            case other:
                answer = self._problem(other, "ERROR", error=HTTPStatus(other).phrase)
        return msgspec.structs.replace(answer, retry_after_s=fault.retry_after_s)

    def _sound(self, url: SplitResult, authorization: str) -> Answer:
        """Return the answer to a request that no fault meets."""
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        token = query.pop("apiKey", "") or authorization.removeprefix("Bearer ")
        if token != self._key:
            unknown = _UNKNOWN_KEY if token else "API Key was not provided"
            return self._problem(401, "ERROR", error=unknown)
        try:
            return self._route(url.path, query)
        except ParameterError as error:
            return self._problem(400, "ERROR", error=str(error))

    def _route(self, path: str, query: Query) -> Answer:
        match _route_of(path):
            case "trades" | "quotes" as route:
                kind = TRADES if route == "trades" else QUOTES
                return self._listing(path, kind, unquote(path.rpartition("/")[2]), query)
            case "conditions":
                return self._conditions(query)
            case "marketstatus":
                return Answer(200, self._market_status())
        return Answer(404, "404 page not found\n")

    def _listing(self, path: str, kind: int, symbol: str, query: Query) -> Answer:
        if ("T", "Q")[kind] not in self._plan:
            return self._problem(403, "NOT_AUTHORIZED", message=_NOT_ENTITLED)
        span = _span(symbol, query)
        printed = self._topics.printed(kind, symbol)
        rows = self._tape.rows(kind, span._replace(limit=span.limit + 1, last=printed))
        result: Callable[[Row], Json] = trade_result if kind == TRADES else quote_result
        page = rows[: span.limit]
        body = self._ok([result(self._oddities.row(row)) for row in page])
        if len(rows) > span.limit:
            after = page[-1].number
            cursor = Cursor(span.low_ns, span.high_ns, span.ascending, span.limit, after)
            body["next_url"] = f"{self.base}{path}?cursor={cursor.text()}"
        return Answer(200, body)

    def _conditions(self, query: Query) -> Answer:
        wanted = [
            condition
            for condition in TRADE_CONDITIONS
            if query.get("asset_class", "stocks") == "stocks"
            and query.get("data_type", "trade") == "trade"
            and query.get("id", str(condition.number)) == str(condition.number)
        ]
        limit = _limit(query, CONDITIONS_LIMIT, CONDITIONS_MAX)
        start = int(query["cursor"]) if query.get("cursor", "").isdecimal() else 0
        body = self._ok([condition_result(c) for c in wanted[start : start + limit]])
        body["count"] = len(body["results"])
        if start + limit < len(wanted):
            kept = "".join(f"&{k}={v}" for k, v in query.items() if k != "cursor")
            body["next_url"] = f"{self.base}/v3/reference/conditions?cursor={start + limit}{kept}"
        return Answer(200, body)

    def _market_status(self) -> Json:
        stocks = self._market
        now = datetime.now(UTC).astimezone(NEW_YORK)
        extended = stocks == "extended-hours"
        return {
            "afterHours": extended and now.hour >= 12,
            "currencies": {"crypto": "open", "fx": "open"},
            "earlyHours": extended and now.hour < 12,
            "exchanges": {"nasdaq": stocks, "nyse": stocks, "otc": stocks},
            "indicesGroups": {"s_and_p": stocks, "dow_jones": stocks, "nasdaq": stocks},
            "market": stocks,
            "serverTime": now.isoformat(timespec="seconds"),
        }

    @staticmethod
    def _ok(results: list[Json]) -> Json:
        return {"status": "OK", "request_id": uuid.uuid4().hex, "results": results}

    @staticmethod
    def _problem(code: int, status: str, **texts: Any) -> Answer:
        return Answer(code, {"status": status, "request_id": uuid.uuid4().hex, **texts})
