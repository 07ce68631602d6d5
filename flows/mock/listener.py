"""The WebSocket server's door: one port, listened on or not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from websockets.asyncio.server import Server, ServerConnection, serve

HOST = "127.0.0.1"


class Listener:
    """Accept connections on one port, or refuse them.

    Args:
        serve: what becomes of a connection.
        port: port to listen on; 0: any free one, the same from then on.
    """

    def __init__(self, serve: Callable[[ServerConnection], Awaitable[None]], port: int) -> None:
        self._serve = serve
        self._servers: list[Server] = []
        self.port = port

    async def accept(self) -> None:
        """Accept connections, for the first time or again."""
        server = await serve(
            self._serve,
            HOST,
            self.port,
            compression=None,
            close_timeout=1,
            ping_interval=None,  # clients ping; the real server is not known to
        )
        self._servers.append(server)
        self.port = next(iter(server.sockets)).getsockname()[1]

    async def refuse(self) -> None:
        """Refuse new connections; those that stand go on."""
        self._servers[-1].close(close_connections=False)
        await asyncio.sleep(0)  # in which it closes its sockets; it ends with its connections

    def shut(self) -> None:
        """Refuse new connections for good."""
        for server in self._servers:
            server.close(close_connections=False)

    async def ended(self) -> None:
        """Wait until the last connection has ended."""
        for server in self._servers:
            await server.wait_closed()
