"""What is known of the live feed at any moment, for whoever shows or logs it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

Connection = Literal["connecting", "ok", "blind", "closed"]
Condition = Literal[Connection, "refilling"]


@dataclass
class FeedState:
    """The live feed now. Written by the feed's thread, read by any; times in ns since epoch.

    `connection`: connecting (never subscribed yet), ok, blind (was ok, is not), closed (ended).
    `refilling`: what comes waits for a refill. Written by the dataflow's thread.
    `cause`: why it is not ok, as far as it is known.
    `trades_only`: the plan has no quotes, so that sides come from the tick rule.
    `queue_frames` and `queue_bytes` are as of the last batch taken. `shed_frames` held only
    quotes of symbols without a position; `dropped_frames` are all others that found no room.
    `subscribed_ns`: since when every topic of this connection is answered, 0 before.
    `unseen_ns`: a gap from and to which event time is over, but nothing has come since.
    `asked_at`: when the dataflow last asked for what there is, on the monotonic clock; 0 before.
    """

    connection: Connection = "connecting"
    refilling: bool = False
    cause: str | None = None
    blind_since_ns: int | None = None
    last_received_ns: int = 0
    connects: int = 0
    reconnects: int = 0
    frames: int = 0
    subscribed_ns: int = 0
    unseen_ns: tuple[int, int] | None = None
    topics_wanted: int = 0
    topics_granted: int = 0
    topics_refused: list[str] = field(default_factory=list)
    trades_only: bool = False
    queue_frames: int = 0
    queue_bytes: int = 0
    shed_frames: int = 0
    dropped_frames: int = 0
    asked_at: float = 0.0

    @property
    def still_s(self) -> float | None:
        """For how long the dataflow has asked for nothing: it does so every millisecond.

        None before it does, and once the feed has ended.
        """
        if not self.asked_at or self.connection == "closed":
            return None
        return time.monotonic() - self.asked_at

    @property
    def condition(self) -> Condition:
        """How the feed is: `ok` only where what comes goes on at once."""
        return "refilling" if self.refilling and self.connection == "ok" else self.connection

    def public(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        shown = {"condition": self.condition} | vars(self)
        for name in ("connection", "refilling", "unseen_ns", "asked_at"):
            del shown[name]
        return shown | {"topics_refused": list(self.topics_refused)}


class Outage(NamedTuple):
    """A time without the feed: why, from when, until when (None: still). Wall clock, ns."""

    cause: str
    since_ns: int
    until_ns: int | None


def _unheard(_: object) -> None:
    return None


class Listeners(NamedTuple):
    """Who is told what, on the feed's own thread: they must neither wait nor raise.

    `blind` and `restored` frame every outage, once each. `said` gets sentences for the user.
    """

    blind: Callable[[Outage], None] = _unheard
    restored: Callable[[Outage], None] = _unheard
    said: Callable[[str], None] = _unheard
