"""An HTTP server that answers as a test says, on 127.0.0.1."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple, Self

import msgspec

from flows.mock.oddities import Oddities
from flows.mock.rest import RestService
from flows.mock.tape import Tape
from flows.mock.timeline import Timeline
from flows.mock.wire import Topics, blocks_of

KEY = "a-key-nobody-may-read"


class Reply(NamedTuple):
    """What is answered: `parts` are written `pause_s` apart, `missing` bytes never come."""

    body: object = b""
    status: int = 200
    retry_after: str | None = None
    pause_s: float = 0.0
    parts: int = 1
    missing: int = 0


class Heard(NamedTuple):
    """A request as it came."""

    target: str
    authorization: str
    at: float


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 5.0
    server: HttpServer

    def do_GET(self) -> None:
        heard = Heard(self.path, self.headers.get("Authorization", ""), time.monotonic())
        with self.server.lock:
            self.server.heard.append(heard)
            n = len(self.server.heard)
        reply = self.server.reply(n, heard)
        body = reply.body if isinstance(reply.body, bytes) else msgspec.json.encode(reply.body)
        self.send_response(reply.status)
        self.send_header("Content-Length", str(len(body) + reply.missing))
        if reply.retry_after is not None:
            self.send_header("Retry-After", reply.retry_after)
        self.end_headers()
        size = -(-len(body) // reply.parts) or 1
        try:
            for start in range(0, len(body), size):
                self.server.closing.wait(reply.pause_s)
                self.wfile.write(body[start : start + size])
                self.wfile.flush()
        except OSError:  # the client has had enough
            self.close_connection = True
        self.close_connection |= reply.missing > 0

    def log_message(self, *args: object) -> None:
        return None


class HttpServer(ThreadingHTTPServer):
    """Answer each request with what `reply` says of its number (from 1) and of itself."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, reply: Callable[[int, Heard], Reply]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.reply = reply
        self.heard: list[Heard] = []
        self.lock = threading.Lock()
        self.closing = threading.Event()

    def __enter__(self) -> Self:
        threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self.shutdown()
        self.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


def in_turn(*replies: Reply) -> HttpServer:
    """Give each request the next reply, the last one for ever."""
    return HttpServer(lambda n, _: replies[min(n, len(replies)) - 1])


class TapeReplies:
    """A tape's listings, all of it printed, as the mock gives them."""

    def __init__(self, tape: Tape) -> None:
        topics = Topics()
        for block in blocks_of(tape, topics, 2048):
            topics.print(block, 0, len(block.events))
        self._service = RestService(
            tape,
            topics,
            Oddities((), 0, 0),
            Timeline((), 0),
            key=KEY,
            plan=("T", "Q"),
            market="open",
        )

    def __call__(self, n: int, heard: Heard) -> Reply:
        answer = self._service.answer(heard.target, heard.authorization)
        return Reply(answer.body, answer.status)
