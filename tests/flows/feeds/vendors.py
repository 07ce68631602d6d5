"""Vendors of a test's own making: servers that do what a script says, over real sockets."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

import msgspec
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

OPEN_MS = 1_795_185_000_000


class Wire:
    """The server's end of one connection."""

    def __init__(self, connection: ServerConnection, number: int) -> None:
        self.connection = connection
        self.number = number
        self.topics: list[str] = []

    async def say(self, *events: dict[str, Any]) -> None:
        await self.connection.send(msgspec.json.encode(events), text=True)

    async def status(self, status: str, message: str = "") -> None:
        await self.say({"ev": "status", "status": status, "message": message})

    async def hear(self) -> dict[str, Any]:
        request: dict[str, Any] = msgspec.json.decode(await self.connection.recv(decode=False))
        return request

    async def greet(self) -> None:
        await self.status("connected", "Connected Successfully")
        assert (await self.hear())["action"] == "auth"
        await self.status("auth_success", "authenticated")

    async def ack(self, refused: str = "") -> None:
        """Answer one subscription, refusing the topics of one kind before the other acks."""
        self.topics = (await self.hear())["params"].split(",")
        out = [topic for topic in self.topics if refused and topic.startswith(f"{refused}.")]
        for _ in out:
            await self.status("error", "not authorized")
        for topic in self.topics:
            if topic not in out:
                await self.status("success", f"subscribed to: {topic}")

    async def trade(self, symbol: str = "A", ms: int = 0) -> None:
        await self.say({"ev": "T", "sym": symbol, "p": 1, "s": 1, "t": OPEN_MS + ms})

    async def stay(self) -> None:
        """Say nothing more, and answer pings, until the client goes."""
        await self.connection.wait_closed()

    async def freeze(self) -> None:
        """Read nothing more either: a connection that is half open."""
        self.connection.transport.pause_reading()
        await self.connection.wait_closed()

    def abort(self) -> None:
        self.connection.transport.abort()


Script = Callable[[Wire], Awaitable[None]]


class Vendor:
    """Serves a script to each connection, on a thread; a context manager."""

    def __init__(self, script: Script, **options: Any) -> None:
        self.opened: list[float] = []  # when each connection came, monotonic
        self._script = script
        self._options = options
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._server: Server = asyncio.run_coroutine_threadsafe(self._open(), self._loop).result()
        port = next(iter(self._server.sockets)).getsockname()[1]
        self.url = f"ws://127.0.0.1:{port}"
        return self

    async def _open(self) -> Server:
        return await serve(
            self._serve, "127.0.0.1", 0, compression=None, close_timeout=0.2, **self._options
        )

    async def _serve(self, connection: ServerConnection) -> None:
        self.opened.append(time.monotonic())
        try:
            await self._script(Wire(connection, len(self.opened)))
        except ConnectionClosed:
            return

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        async def close() -> None:
            for connection in list(self._server.connections):
                connection.transport.abort()
            self._server.close()
            await self._server.wait_closed()

        asyncio.run_coroutine_threadsafe(close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
