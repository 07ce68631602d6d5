"""The REST routes on a socket: HTTP around the answers, whole or cut."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec

from flows.mock.rest import RestService


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 2.0  # an idle connection is closed; clients open another
    server: RestServer

    def do_GET(self) -> None:
        """Answer; the name is the one http.server calls."""
        answer = self.server.service.answer(self.path, self.headers.get("Authorization", ""))
        if answer.hang_s is not None:
            self.server.stopping.wait(answer.hang_s)
            self.close_connection = True
            return
        if isinstance(answer.body, str):
            kind, body = "text/plain", answer.body.encode()
        else:
            kind, body = "application/json", msgspec.json.encode(answer.body)
        half = body[: len(body) // 2]
        if answer.cut == "json":
            body = half
        self.send_response(answer.status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if answer.retry_after_s is not None:
            self.send_header("Retry-After", str(answer.retry_after_s))
        self.end_headers()
        self.wfile.write(half if answer.cut else body)
        self.close_connection |= answer.cut == "connection"

    def log_message(self, *args: object) -> None:
        """Say nothing: a URL may hold the key."""


class RestServer(ThreadingHTTPServer):
    """The routes on a socket of 127.0.0.1, served by threads of their own.

    Args:
        service: what answers.
        port: port to listen on; 0: any free one.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, service: RestService, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.service = service
        self.stopping = threading.Event()
        service.base = f"http://127.0.0.1:{self.server_port}"
        self._thread = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop listening, and let go of the requests that hang."""
        self.stopping.set()
        self.shutdown()
        self._thread.join()
        self.server_close()
