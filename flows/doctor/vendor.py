"""Checks of the vendor: is the key accepted, what does its plan include, what time is it there.

The live checks open a connection of their own for a moment. An account has one: so they are
left out while an instance runs, which would lose its own.
"""

from __future__ import annotations

from typing import NamedTuple

from flows.doctor import live, rest
from flows.doctor.check import OK, WARN, Check, PolygonApi
from flows.feeds.polygon import watched
from flows.feeds.positions import PositionsError
from flows.feeds.subscriptions import WHOLE_MARKET
from flows.settings import Settings


class Found(NamedTuple):
    """The checks, and the state of the REST API in a word."""

    checks: list[Check]
    polygon_api: PolygonApi


def checks(settings: Settings, runs: bool, timeout_s: float) -> Found:
    """Check REST and WebSocket.

    Args:
        settings: hosts and key.
        runs: whether an instance has the connection.
        timeout_s: how long each answer may take.
    """
    if not settings.polygon_api_key:
        fix = "set POLYGON_API_KEY"
        return Found(
            [Check(name, WARN, "skipped, no key", fix) for name in ("REST", "WebSocket")],
            "skipped",
        )
    symbols = _watched(settings)
    symbol = symbols[0] if symbols else "AAPL"
    found, polygon_api = rest.checks(settings, symbol, symbols, timeout_s)
    if runs:
        found.append(Check("WebSocket", OK, "left to the running instance"))
    else:
        found += live.checks(settings, symbol, timeout_s)
    return Found(found, polygon_api)


def _watched(settings: Settings) -> list[str]:
    """Return the symbols a live run would watch; none for the whole market, or if none is known."""
    try:
        symbols = watched(settings, lambda _: None)()
    except PositionsError:  # the check of the configuration says so
        return []
    return [] if symbols == WHOLE_MARKET else list(symbols)
