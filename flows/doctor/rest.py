"""The REST side of the vendor."""

from __future__ import annotations

import time
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import msgspec

from flows.doctor.check import FAIL, OK, WARN, Check, PolygonApi
from flows.feeds.subscriptions import named
from flows.settings import Settings

SKEW_WARN_S = 2.0
LISTED = ("trades", "quotes")
MOST_SYMBOLS = 25  # that are looked up: a request each
_LARGEST = 1 << 20
_PLAN = "have the plan include it"


class Answer(NamedTuple):
    """A status, the JSON object that came with it ({} if none did), and the server's clock."""

    status: int
    body: dict[str, Any]
    skew_s: float | None


class NoAnswerError(Exception):
    """There was none: `kind` says how, the text why."""

    def __init__(self, kind: PolygonApi, why: str) -> None:
        super().__init__(why)
        self.kind = kind


def ask(settings: Settings, path: str, timeout_s: float) -> Answer:
    """GET a path with the key in a header, so that it is in no log; redirects are not followed.

    Raises:
        NoAnswerError: nothing listens, nothing answers, or what answers is no HTTP.
    """
    url = urlsplit(settings.polygon_rest_url)
    kind = HTTPSConnection if url.scheme == "https" else HTTPConnection
    connection = kind(url.hostname or "", url.port, timeout=timeout_s)
    try:
        key = {"Authorization": f"Bearer {settings.polygon_api_key}"}
        connection.request("GET", url.path.rstrip("/") + path, headers=key)
        answer = connection.getresponse()
        body = answer.read(_LARGEST)
    except TimeoutError:
        raise NoAnswerError("timeout", f"no answer in {timeout_s:g} s") from None
    except (OSError, HTTPException) as error:
        raise NoAnswerError("unreachable", str(error) or type(error).__name__) from None
    finally:
        connection.close()
    return Answer(answer.status, _object(body), _skew_s(answer.getheader("Date")))


def _object(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        return {}


def _skew_s(date: str | None) -> float | None:
    """Return how far this clock is ahead of the server's, which tells whole seconds."""
    try:
        return time.time() - parsedate_to_datetime(date or "").timestamp() - 0.5
    except ValueError:
        return None


def checks(
    settings: Settings, symbol: str, symbols: Sequence[str], timeout_s: float
) -> tuple[list[Check], PolygonApi]:
    """Check the key, the clock, the market, the plan and the symbols.

    Args:
        settings: Host and key.
        symbol: What to ask the plan for; the first of `symbols` if there are any.
        symbols: What would be watched; empty: the whole market.
        timeout_s: How long each answer may take.

    Returns:
        The checks, and the state of the API in a word.
    """
    try:
        now = ask(settings, "/v1/marketstatus/now", timeout_s)
    except NoAnswerError as none:
        found = f"{settings.polygon_rest_url} does not answer ({none})"
        fix = "check the network and POLYGON_REST_URL"
        return [Check("REST", FAIL, found, fix)], none.kind
    polygon_api, key = _key(now.status)
    done = [key, *_clock(now.skew_s)]
    if polygon_api == "ok":
        done.append(_market(now.body))
        trades, quotes = (_asked(settings, kind, symbol, timeout_s) for kind in LISTED)
        done += [_listing(kind, said) for kind, said in zip(LISTED, (trades, quotes), strict=True)]
        if symbols and done[-2].status == OK:
            done.append(_known(settings, symbols, trades, timeout_s))
    return done, polygon_api


def _key(status: int) -> tuple[PolygonApi, Check]:
    if status == 429:
        fix = "wait a minute, or use a plan with more requests"
        return "rate_limited", Check("REST", WARN, "too many requests", fix)
    if status in (401, 403):
        fix = "check POLYGON_API_KEY"
        return "refused", Check("REST", FAIL, f"the key is refused (HTTP {status})", fix)
    if status != 200:
        fix = "check POLYGON_REST_URL, or try again later"
        return "unreachable", Check("REST", FAIL, f"the answer is HTTP {status}", fix)
    return "ok", Check("REST", OK, "the key is accepted")


def _clock(skew_s: float | None) -> list[Check]:
    if skew_s is None:
        return []
    side = "ahead of" if skew_s > 0 else "behind"
    found = f"{abs(skew_s):.1f} s {side} the vendor's"
    if abs(skew_s) > SKEW_WARN_S:
        return [Check("clock", WARN, found, "let NTP set the clock: lag is told by it")]
    return [Check("clock", OK, found)]


def _market(body: dict[str, Any]) -> Check:
    return Check("market", OK, str(body.get("market", "unknown")))


def _asked(settings: Settings, kind: str, symbol: str, timeout_s: float) -> Answer | NoAnswerError:
    """Ask for one trade or quote of a symbol."""
    try:
        return ask(settings, f"/v3/{kind}/{quote(symbol, safe='')}?limit=1", timeout_s)
    except NoAnswerError as none:
        return none


def _listing(kind: str, answer: Answer | NoAnswerError) -> Check:
    name = f"{kind} (REST)"
    if isinstance(answer, NoAnswerError):
        return Check(name, FAIL, str(answer), "try again")
    status = answer.status
    if status == 200:
        return Check(name, OK, "in the plan")
    if status in (401, 403):
        return Check(name, WARN, "not in the plan: gaps cannot be filled from REST", _PLAN)
    return Check(name, WARN, f"the answer is HTTP {status}", "try again later")


def _known(
    settings: Settings, symbols: Sequence[str], first: Answer | NoAnswerError, timeout_s: float
) -> Check:
    """Check that each symbol has ever traded; the vendor's socket takes any name in silence.

    `first`: what was answered of the first of them.
    """
    strangers, asked = [], 0
    for n, symbol in enumerate(symbols[:MOST_SYMBOLS]):
        answer = _asked(settings, "trades", symbol, timeout_s) if n else first
        # 429: the plan allows a few requests a minute
        if isinstance(answer, NoAnswerError) or answer.status not in (200, 404):
            break
        asked += 1
        if not answer.body.get("results"):
            strangers.append(symbol)
    looked_up = f"{asked} of {len(symbols)} looked up"
    if strangers:
        fix = "check the spelling in ORDER_FLOW_SYMBOLS or the positions file"
        return Check("symbols", WARN, f"no trade is known of {named(strangers)}, {looked_up}", fix)
    return Check("symbols", OK, f"each has traded, {looked_up}" if asked else "none looked up")
