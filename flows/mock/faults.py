"""What can go wrong with the vendor, as values: the faults a mock is told to have.

Fault                    at_s, for_tape_s
├── TapeFault            in the events themselves: the same for every client
│   ├── Duplicates, OutOfOrder, LatePrints, MissingEvents, ExtraEvents
│   └── MissingKeys, ExtraKeys, FloatKeys
└── TimedFault           after_s, after_events, for_s, for_events, count
    ├── ConnectionFault  on the WebSocket: connection
    │   ├── Disconnect, Outage, AuthFailed, AuthTimeout, NotAuthorized, MaxConnections
    │   └── Silence, HalfOpen, SlowConsumer, LargeFrames
    └── RestFault        on the REST routes: after_requests, route
        └── RestError, RestHang, RestLoop, RestTruncated

A fault without a beginning is there from the start. Without an end or a count a `Disconnect`
happens once and every other fault stays.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

Seconds = Annotated[float, Meta(ge=0)]
Number = Annotated[int, Meta(ge=1)]
Texts = Annotated[tuple[str, ...], Meta(min_length=1)]
CloseCode = Literal[1000, 1001, 1008, 1011, 1012]
Stage = Literal["before_connected", "connected", "authenticated", "before_acks", "streaming"]
Route = Literal["trades", "quotes", "conditions", "marketstatus"]


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


class Fault(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="kind",
    tag=_snake,
):
    """A fault, and when in the tape's own time it is there.

    Args:
        at_s: it begins so many tape seconds after the first event of the tape.
        for_tape_s: it ends so many tape seconds later.
    """

    at_s: Seconds | None = None
    for_tape_s: Seconds | None = None


class TimedFault(Fault, frozen=True, kw_only=True):
    """A fault of a connection or a route, which can also begin and end by other clocks.

    Args:
        after_s: it begins so many seconds after the tape began to play.
        after_events: it begins when so many events of the tape have been played.
        for_s: it ends so many seconds after it began.
        for_events: it ends when so many events more have been played.
        count: it strikes so many connections or requests, then never again.
    """

    after_s: Seconds | None = None
    after_events: Number | None = None
    for_s: Seconds | None = None
    for_events: Number | None = None
    count: Number | None = None


class ConnectionFault(TimedFault, frozen=True, kw_only=True):
    """A fault of the WebSocket.

    Args:
        connection: only the n-th connection, 1 the first; with a `count`, that many from it on.
            Then `after_events` counts the events that connection was sent.
    """

    connection: Number | None = None


class Disconnect(ConnectionFault, frozen=True, kw_only=True):
    """The server drops the connection.

    Args:
        stage: at which point of the handshake; `streaming` also drops those who have been
            subscribed for long.
        code: close in form with this code; None: abort, as a broken network does.
        reason: said with the code.
    """

    stage: Stage = "streaming"
    code: CloseCode | None = None
    reason: str = ""


class Outage(ConnectionFault, frozen=True, kw_only=True):
    """Every connection is dropped, and new ones are refused as long as it lasts."""


class AuthFailed(ConnectionFault, frozen=True, kw_only=True):
    """A login that should succeed is refused, with the text for a bad `key` or `plan`."""

    text: Literal["key", "plan"] = "key"


class AuthTimeout(ConnectionFault, frozen=True, kw_only=True):
    """The login is not heard: the server says that none came, and closes."""


class NotAuthorized(ConnectionFault, frozen=True, kw_only=True):
    """Some topics are refused, before the acks of the others.

    Args:
        topics: event types (`Q`), or topics (`Q.AAPL`, `T.*`).
    """

    topics: Texts = ("Q",)


class MaxConnections(ConnectionFault, frozen=True, kw_only=True):
    """More connections than the account may have, so one of them is killed.

    Args:
        limit: connections that may be logged in; 0: even the only one is too many, as when
            another machine uses the same account.
        kill: the `older` connection or the `newcomer`.
        stage: right after auth_success, or after the acks and later.
        delay_s: seconds between the reason and the message.
        code: the close code after the message; None: abort.
    """

    limit: Annotated[int, Meta(ge=0)] = 1
    kill: Literal["older", "newcomer"] = "older"
    stage: Literal["authenticated", "streaming"] = "streaming"
    delay_s: Seconds = 0.0
    code: CloseCode | None = 1008


class Silence(ConnectionFault, frozen=True, kw_only=True):
    """No events are sent; pings and requests are answered."""


class HalfOpen(ConnectionFault, frozen=True, kw_only=True):
    """Nothing is sent and nothing is read: no events, no pongs, no close."""


class SlowConsumer(ConnectionFault, frozen=True, kw_only=True):
    """A client that reads too slowly is told so and killed, instead of holding up the tape.

    Play at a speed or a rate: at full speed every client is too slow.

    Args:
        buffer_bytes: what the server keeps for a client, beyond the sockets' own buffers.
        code: the close code; None: abort, and the message is lost with what was buffered.
    """

    buffer_bytes: Number = 1_000_000
    code: CloseCode | None = None


class LargeFrames(ConnectionFault, frozen=True, kw_only=True):
    """Events are held back and come in bursts: many in one frame.

    Args:
        least: fewest events in a frame.
        most: most events in a frame.
        frame_bytes: instead, as many as fit into so many bytes.
    """

    least: Number = 30
    most: Number = 100
    frame_bytes: Annotated[int, Meta(ge=1000)] | None = None


class TapeFault(Fault, frozen=True, kw_only=True):
    """A fault in the events, chosen by the seed: the same for every client and every play.

    Args:
        share: how many of the events, from 0 to 1.
        symbols: only these; none: all.
        events: event types concerned.
    """

    share: Annotated[float, Meta(gt=0, le=1)] = 1.0
    symbols: tuple[str, ...] = ()
    events: tuple[Literal["T", "Q"], ...] = ("T",)


class Duplicates(TapeFault, frozen=True, kw_only=True):
    """Events come twice, the second time `by_ms` of tape time later."""

    by_ms: Seconds = 0.0


class OutOfOrder(TapeFault, frozen=True, kw_only=True):
    """Events come `by_ms` of tape time late, unchanged, after some that happened later."""

    by_ms: Seconds = 50.0


class LatePrints(TapeFault, frozen=True, kw_only=True):
    """Trades reported late: executed `by_s` before their SIP timestamp; over REST as well.

    Args:
        by_s: seconds between the execution and the print.
        conditions: added to those of the print: 32 is Sold (Out Of Sequence).
    """

    by_s: Seconds = 5.0
    conditions: tuple[int, ...] = (32,)


class MissingEvents(TapeFault, frozen=True, kw_only=True):
    """Events are sent to nobody; REST has them."""


class MissingKeys(TapeFault, frozen=True, kw_only=True):
    """Events lack some keys, as from an older server: `c`, `pt`, `ds`."""

    keys: Texts = ("c", "pt", "ds")


class ExtraKeys(TapeFault, frozen=True, kw_only=True):
    """Events have keys nobody knows, or known ones with other values.

    Args:
        keys: key and value, such as `{zz = 1}`, or `{c = [1]}` for quotes.
    """

    keys: Annotated[dict[str, Any], Meta(min_length=1)] = msgspec.field(
        default_factory=lambda: {"zz": "unknown"}
    )


class FloatKeys(TapeFault, frozen=True, kw_only=True):
    """Whole numbers are written as `12.0`."""

    keys: Texts = ("z", "s")


class ExtraEvents(TapeFault, frozen=True, kw_only=True):
    """After an event comes another that is not on the tape.

    Args:
        event: what comes; `sym` and `t` are those of the event before it unless given.
    """

    event: dict[str, Any] = msgspec.field(default_factory=lambda: {"ev": "ZZ"})


class RestFault(TimedFault, frozen=True, kw_only=True):
    """A fault of the REST routes.

    Args:
        route: only this one.
        after_requests: it begins when so many requests (of that route) have come.
    """

    route: Route | None = None
    after_requests: Number | None = None


class RestError(RestFault, frozen=True, kw_only=True):
    """A request is answered with an error.

    Args:
        status: the HTTP status.
        retry_after_s: sent as Retry-After; None: no such header.
    """

    status: Literal[401, 403, 429, 500, 502, 503, 504] = 500
    retry_after_s: Annotated[int, Meta(ge=0)] | None = None


class RestHang(RestFault, frozen=True, kw_only=True):
    """A request is taken and not answered; the connection is closed after `hang_s`."""

    hang_s: Seconds = 3600.0


class RestLoop(RestFault, frozen=True, kw_only=True):
    """A listing's `next_url` leads to the same page again."""


class RestTruncated(RestFault, frozen=True, kw_only=True):
    """Half of an answer.

    Args:
        cut: the `json` ends early in an answer that is whole as HTTP; or the `connection`
            ends before the announced length.
    """

    cut: Literal["json", "connection"] = "json"


KINDS: dict[str, type[Fault]] = {
    _snake(kind.__name__): kind
    for family in (ConnectionFault, TapeFault, RestFault)
    for kind in family.__subclasses__()
}
"""Every fault by the name it has in a fault file."""


def kind_of(fault: Fault) -> str:
    """Return the name a fault has in a fault file."""
    return _snake(type(fault).__name__)
