"""A WebSocket connection that hands frames on by the burst, as they were read.

It is `websockets`' own connection: handshake, TLS, pings, control frames, fragments, limits and
closing are the library's. Between the socket and the library stands a `FrameCutter`, and what it
cuts out goes to whoever listens without passing through a queue, a task or an object a frame.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.frames import DATA_OPCODES, Frame
from websockets.protocol import Event, State

from flows.feeds.frame_cutter import FrameCutter

Listener = Callable[[int, Sequence[bytes]], None]
"""Told the receipt (ns since epoch) and the payloads of frames that were read together."""

MOST_UNHEARD = 64  # messages before anyone listens; then the socket is read no more
_END_OF_HEAD = b"\r\n\r\n"


def _deaf(received_ns: int, frames: Sequence[bytes]) -> None:
    """Listen no more."""


class FrameConnection(ClientConnection):
    """A connection to be made by `connect(..., create_connection=FrameConnection)`.

    At first a message at a time is asked for, with `message`; `listen` gives all further ones to
    a listener, on the event loop. `recv` must not be used.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._cut = FrameCutter()
        self._last_of_head = b""
        self._received_ns = 0
        self._parts: list[bytes] = []  # of a message in fragments
        self._unheard: deque[bytes] = deque()
        self._news = asyncio.Event()
        self._listener: Listener | None = None
        self._failed: asyncio.Future[None] = self.loop.create_future()

    async def message(self) -> bytes:
        """Return the next message.

        Raises:
            ConnectionClosed: there will be none.
        """
        while not self._unheard:
            if self.connection_lost_waiter.done():
                raise self.protocol.close_exc
            self._news.clear()
            await self._news.wait()
        if len(self._unheard) == MOST_UNHEARD:
            self.transport.resume_reading()
        return self._unheard.popleft()

    async def listen(self, listener: Listener) -> None:
        """Give every message to `listener` from now on.

        Raises:
            ConnectionClosed: there will be no more.
            Exception: what the listener has raised; it is told nothing after that.
        """
        self._listener = listener
        if self._unheard:
            paused = len(self._unheard) >= MOST_UNHEARD
            self._give([*self._unheard])
            self._unheard.clear()
            if paused:
                self.transport.resume_reading()
        ends = (self._failed, self.connection_lost_waiter)
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._listener = _deaf
        if self._failed.done():
            self._failed.result()
        raise self.protocol.close_exc

    def data_received(self, data: bytes) -> None:
        """Take what the socket gave."""
        self._received_ns = time.time_ns()
        if self.protocol.state is State.CONNECTING:
            data = self._head(data)
        if self.protocol.state is not State.OPEN:
            if data := self._cut.rest() + data:
                super().data_received(data)
            return
        for piece in self._cut(data):
            if isinstance(piece, bytes):
                super().data_received(piece)
            elif self.protocol.state is State.OPEN:
                self._give(piece)

    def _head(self, data: bytes) -> bytes:
        """Let the library read the answer to the handshake; return what is behind it."""
        seen = self._last_of_head + data
        at = seen.find(_END_OF_HEAD)
        end = at + len(_END_OF_HEAD) - len(self._last_of_head) if at >= 0 else len(data)
        self._last_of_head = seen[1 - len(_END_OF_HEAD) :]
        super().data_received(data[:end])
        return data[end:]

    def process_event(self, event: Event) -> None:
        """Take what the library has read: data frames it was left are messages like others."""
        if not isinstance(event, Frame) or event.opcode not in DATA_OPCODES:
            super().process_event(event)
            return
        self._parts.append(bytes(event.data))
        if event.fin:
            message, self._parts = b"".join(self._parts), []
            self._give([message])

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake who waits for a message that will not come."""
        super().connection_lost(exc)
        self._news.set()

    def _give(self, frames: Sequence[bytes]) -> None:
        if self._listener is None:
            self._keep(frames)
        elif not self._failed.done():
            try:
                self._listener(self._received_ns, frames)
            except Exception as error:  # noqa: BLE001 - it is raised where it is listened
                self._failed.set_exception(error)

    def _keep(self, frames: Sequence[bytes]) -> None:
        before = len(self._unheard)
        self._unheard.extend(frames)
        self._news.set()
        if before < MOST_UNHEARD <= len(self._unheard):
            self.transport.pause_reading()
