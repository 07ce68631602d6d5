"""What the live feed tells its user: a sentence, once for each occasion, never the key."""

from __future__ import annotations

import socket
from collections.abc import Callable
from urllib.parse import urlsplit

from websockets.exceptions import ConnectionClosed

from flows.feeds.backoff import Timing
from flows.feeds.subscriptions import named

_MOST_WARNED = 100  # a hostile server may invent statuses without end


class Sentences:
    """Who says what, and whether it has been said.

    Args:
        said: gets the sentences.
        url: address of the feed.
        key: what must never be in them, should the server repeat it.
        timing: how long is waited for what.
    """

    def __init__(self, said: Callable[[str], None], url: str, key: str, timing: Timing) -> None:
        self._said = said
        self._url = url
        self._key = key
        self._timing = timing
        self._unreachable = False
        self._over_quota = False
        self._warned: set[str] = set()

    def safe(self, message: object) -> str:
        """Return what the server said without the key."""
        text = str(message)
        return (text.replace(self._key, "(key)") if self._key else text).strip()

    def stands(self) -> None:
        """Take note that the feed is up: what comes next is another outage."""
        self._unreachable = False

    def stable(self) -> None:
        """Take note that it has been up for a while: it has the account to itself."""
        self._over_quota = False

    def lost(self, error: Exception) -> None:
        """Say that a feed that was up is so no more."""
        self._said(f"The feed is lost ({self._reason(error)}); connecting again.")

    def unreachable(self, error: Exception) -> None:
        """Say that there is no feed, once an outage."""
        if not self._unreachable:
            self._unreachable = True
            self._said(f"Cannot use the feed at {self._url} ({self._reason(error)}); trying on.")

    def over_quota(self) -> None:
        """Say that the account has too many connections, once until it is stable again."""
        if not self._over_quota:
            self._over_quota = True
            self._said(
                "Another program uses the account of this key, and the feed closed our connection "
                f"(max_connections): stop that program. Trying again, after "
                f"{self._timing.cooldown_s:g} s or more each time."
            )

    def refused(self, topics: list[str], message: str) -> None:
        """Say that topics are not granted."""
        self._said(
            f"The feed does not grant {named(topics)} ('{self.safe(message)}'): the plan of this "
            "key does not include it. The feed goes on with the rest."
        )

    def trades_only(self, topics: list[str], message: str) -> None:
        """Say that there are no quotes, and what that does to the sides."""
        self._said(
            f"The plan of this key has no quotes ({named(topics)}: '{self.safe(message)}'): sides "
            "come from the tick rule, and each alert says so."
        )

    def silent(self, topics: list[str]) -> None:
        """Say that topics were never answered."""
        self._said(
            f"The feed did not acknowledge {named(topics)} in {self._timing.ack_s:g} s: no data "
            "may come for it."
        )

    def status(self, status: str, message: str) -> None:
        """Say what a status says that nothing is known of, once each."""
        if status not in self._warned and len(self._warned) < _MOST_WARNED:
            self._warned.add(status)
            self._said(f"The feed says {self.safe(status)}: {self.safe(message)}")

    def _reason(self, error: Exception) -> str:
        """Return what went wrong, in words where the library has only a number."""
        if isinstance(error, socket.gaierror):
            return f"the name {urlsplit(self._url).hostname} cannot be looked up"
        if isinstance(error, ConnectionRefusedError):
            return "connection refused"
        if isinstance(error, TimeoutError):
            return f"no answer in {self._timing.open_s:g} s"
        if isinstance(error, ConnectionClosed) and "ping timeout" in str(error):
            return f"no answer to a ping in {self._timing.pong_s:g} s"
        return self.safe(error) or type(error).__name__
