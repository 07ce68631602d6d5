"""Pauses between attempts to connect."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """How long a live session waits for what, in seconds.

    Args:
        open_s: for the TCP, TLS and WebSocket handshakes together.
        reply_s: for the greeting, and for the answer to the login.
        ack_s: for the acks of subscriptions.
        first_pause_s: longest pause before the first attempt to connect again.
        longest_pause_s: longest pause of all.
        cooldown_s: on top of a pause, where another connection has taken the account's place.
        stable_s: a connection that has stood this long starts the pauses anew.
        poll_s: between two looks at the symbols wanted.
        ping_s: between two pings.
        pong_s: for the answer to one.
    """

    open_s: float = 10.0
    reply_s: float = 10.0
    ack_s: float = 10.0
    first_pause_s: float = 1.0
    longest_pause_s: float = 30.0
    cooldown_s: float = 60.0
    stable_s: float = 60.0
    poll_s: float = 0.5
    ping_s: float = 10.0
    pong_s: float = 20.0


class Backoff:
    """Capped exponential backoff with equal jitter: each pause is drawn from half the cap to it.

    Half of it is certain, so that bad luck cannot make a run of attempts without a pause.
    Logging in does not start it anew, only a connection that stood for a while does: the vendor
    may close a connection over quota right after it has acknowledged everything.

    Source: Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """

    def __init__(self, timing: Timing, draw: random.Random) -> None:
        self._timing = timing
        self._draw = draw
        self._cap_s = timing.first_pause_s

    def stood(self, seconds: float) -> None:
        """Take note that a connection stood for so long."""
        if seconds >= self._timing.stable_s:
            self._cap_s = self._timing.first_pause_s

    def pause_s(self) -> float:
        """Return the next pause, and widen the one after it."""
        pause = self._draw.uniform(self._cap_s / 2, self._cap_s)
        self._cap_s = min(2 * self._cap_s, self._timing.longest_pause_s)
        return pause
