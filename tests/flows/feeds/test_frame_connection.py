"""The connection reads a server's bytes as `websockets` by itself does, however they are cut."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Sequence
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosedError
from websockets.frames import DATA_OPCODES, Frame, Opcode
from websockets.protocol import Event
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from flows.feeds.frame_connection import MOST_UNHEARD, FrameConnection
from flows.feeds.frame_cutter import FrameCutter

MAX_MESSAGE = 200_000
STREAMS = 400
TEXT, BINARY, CONT = Opcode.TEXT, Opcode.BINARY, Opcode.CONT


class Pipe(asyncio.Transport):
    """Takes what is sent and remembers whether the socket is read."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses: list[bool] = []

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...

    def pause_reading(self) -> None:
        self.pauses.append(True)

    def resume_reading(self) -> None:
        self.pauses.append(False)

    def write(self, data: object) -> None: ...

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None: ...


class Plain(ClientConnection):
    """The library's own, which puts its messages into a list."""

    def process_event(self, event: Event) -> None:
        if isinstance(event, Frame) and event.opcode in DATA_OPCODES:
            self.parts = [*getattr(self, "parts", []), bytes(event.data)]
            if event.fin:
                self.messages = [*getattr(self, "messages", []), b"".join(self.parts)]
                self.parts = []
            return
        super().process_event(event)


def opened(kind: type[Any]) -> tuple[Any, Pipe, bytes]:
    """Return a connection that has asked for its handshake, and the bytes that answer it."""
    protocol = ClientProtocol(parse_uri("ws://feed/stocks"), max_size=MAX_MESSAGE)
    connection, pipe = kind(protocol, ping_interval=None), Pipe()
    connection.connection_made(pipe)
    request = protocol.connect()
    protocol.send_request(request)
    server = ServerProtocol()
    server.receive_data(b"".join(protocol.data_to_send()))
    server.send_response(server.accept(server.events_received()[0]))  # type: ignore[arg-type]
    return connection, pipe, b"".join(server.data_to_send())


def outcome(connection: Any) -> tuple[Any, ...]:
    """Return how it stands: state, closing frames, and what it would tell the user."""
    p = connection.protocol
    return p.state, p.close_rcvd, p.close_sent, p.close_rcvd_then_sent, repr(p.parser_exc)


async def heard(stream: bytes, cuts: Sequence[int]) -> tuple[list[bytes], tuple[Any, ...]]:
    """Return the messages of a stream that comes in pieces, and how the connection stands then."""
    connection, _, answer = opened(FrameConnection)
    messages: list[bytes] = []
    connection._listener = lambda _, frames: messages.extend(frames)
    for piece in pieces(answer + stream, cuts):
        connection.data_received(piece)
    return messages, outcome(connection)


async def by_the_library(stream: bytes) -> tuple[list[bytes], tuple[Any, ...]]:
    """Return the same as the library has it."""
    connection, _, answer = opened(Plain)
    connection.data_received(answer)
    connection.data_received(stream)
    return getattr(connection, "messages", []), outcome(connection)


def pieces(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges) if a < b]


def wire(*frames: Frame) -> bytes:
    return b"".join(frame.serialize(mask=False) for frame in frames)


def random_frame(draw: random.Random) -> bytes:
    """Return one frame of a stream: mostly data, at times control frames and fragments."""
    size = draw.choice((0, 1, 40, 125, 126, 127, 1400, 65_535, 65_536, 90_000))
    data = draw.randbytes(min(size, 64)) * (size // 64 + 1)
    kind = draw.random()
    if kind < 0.7:
        return wire(Frame(draw.choice((TEXT, BINARY)), data[:size]))
    if kind < 0.8:
        return wire(Frame(draw.choice((Opcode.PING, Opcode.PONG)), data[: min(size, 125)]))
    if kind < 0.97:
        middle = Frame(Opcode.PING, b"?")
        return wire(Frame(TEXT, data[:7], fin=False), middle, Frame(CONT, data[7:size]))
    if kind < 0.985:
        return wire(Frame(Opcode.CLOSE, b"\x03\xe9going away"))
    return draw.randbytes(draw.randint(1, 20))  # whatever it is


@pytest.mark.parametrize("seed", range(4))
def test_any_stream_cut_anywhere_is_read_as_the_library_reads_it(seed: int) -> None:
    draw = random.Random(seed)

    async def both() -> None:
        for _ in range(STREAMS // 4):
            stream = b"".join(random_frame(draw) for _ in range(draw.randint(1, 12)))
            if draw.random() < 0.3:
                at = draw.randrange(len(stream))
                stream = stream[:at] + bytes((draw.randrange(256),)) + stream[at + 1 :]
            cuts = [draw.randrange(2**32) for _ in range(draw.choice((0, 1, 3, 40)))]
            assert await heard(stream, cuts) == await by_the_library(stream)

    asyncio.run(both())


@pytest.mark.parametrize(
    "bad",
    [
        b"\xc1\x01x",
        b"\x81\x81\x00\x00\x00\x00x",
        b"\x83\x01x",
        b"\x80\x01x",
        b"\x09\x01x",
        b"\x89\x7e\x00\x7e" + b"x" * 126,
        wire(Frame(TEXT, b"a", fin=False), Frame(TEXT, b"b")),
        wire(Frame(TEXT, b"x" * (MAX_MESSAGE + 1))),
        wire(Frame(TEXT, b"x" * 9, fin=False), Frame(CONT, b"x" * MAX_MESSAGE)),
        wire(Frame(Opcode.CLOSE, b"\x03\xe8")),
        b"\x88\x01\x03",
    ],
    ids=[
        "a reserved bit",
        "a mask",
        "an opcode nobody knows",
        "a continuation of nothing",
        "a control frame in fragments",
        "a control frame too long",
        "a message within a message",
        "a message too large",
        "fragments too large together",
        "a close",
        "a close with half a code",
    ],
)
def test_nothing_is_heard_after(bad: bytes) -> None:
    good = wire(Frame(TEXT, b"good"))
    stream = good + bad + good

    async def both() -> None:
        for cuts in ((), range(40), (len(stream) - 3,)):
            found = await heard(stream, tuple(cuts))
            assert found == await by_the_library(stream)
            assert found[0] == [b"good"]

    asyncio.run(both())


def test_a_frame_that_is_cut_by_our_own_close_is_read_to_its_end() -> None:
    frame = wire(Frame(TEXT, b"x" * 300))

    async def scene() -> None:
        connection, _, answer = opened(FrameConnection)
        connection.data_received(answer + frame[:100])
        connection.protocol.send_close(1000)
        connection.data_received(frame[100:] + wire(Frame(Opcode.CLOSE, b"\x03\xe8")))
        assert [*connection._unheard] == [b"x" * 300]
        assert connection.protocol.close_rcvd.code == 1000
        assert connection.protocol.parser_exc is None

    asyncio.run(scene())


def test_what_comes_before_anyone_listens_is_kept_up_to_a_bound() -> None:
    frame = wire(Frame(TEXT, b"x"))

    async def scene() -> None:
        connection, pipe, answer = opened(FrameConnection)
        connection.data_received(answer + frame * (MOST_UNHEARD - 1))
        assert pipe.pauses == []
        connection.data_received(frame * 2)
        assert pipe.pauses == [True]
        assert await connection.message() == b"x"
        assert pipe.pauses == [True]
        assert await connection.message() == b"x"
        assert pipe.pauses == [True, False]

    asyncio.run(scene())


def test_a_listener_hears_what_came_before_it_and_is_told_no_more_once_it_raised() -> None:
    told: list[list[bytes]] = []

    def listener(received_ns: int, frames: Sequence[bytes]) -> None:
        assert received_ns > 0
        told.append([*frames])
        if b"c" in frames:
            raise ValueError("enough")

    async def scene() -> None:
        connection, _, answer = opened(FrameConnection)
        connection.data_received(answer + wire(Frame(TEXT, b"a"), Frame(TEXT, b"b")))
        listening = asyncio.ensure_future(connection.listen(listener))
        await asyncio.sleep(0)
        connection.data_received(wire(Frame(TEXT, b"c")))
        connection.data_received(wire(Frame(TEXT, b"d")))
        with pytest.raises(ValueError, match="enough"):
            await listening

    asyncio.run(scene())
    assert told == [[b"a", b"b"], [b"c"]]


@pytest.mark.parametrize("what", ["message", "listen"])
def test_who_waits_is_told_that_the_connection_is_lost(what: str) -> None:
    async def scene() -> None:
        connection, _, answer = opened(FrameConnection)
        connection.data_received(answer)
        wait = connection.message() if what == "message" else connection.listen(lambda *_: None)
        waiting = asyncio.ensure_future(wait)
        await asyncio.sleep(0)
        connection.connection_lost(ConnectionResetError())
        with pytest.raises(ConnectionClosedError):
            await waiting

    asyncio.run(scene())


def test_memory_for_a_frame_that_does_not_end_is_bounded() -> None:
    cut = FrameCutter()
    huge = b"\x81\x7f" + (2**62).to_bytes(8, "big")
    assert b"".join(p for p in cut(huge) if isinstance(p, bytes)) == huge
    assert [*cut(b"x" * 100_000)] == [b"x" * 100_000]
    assert cut.rest() == b""
