"""A mock of the vendor: a real server on 127.0.0.1 that speaks its WebSocket and REST."""

from flows.mock.server import DEFAULT_PORT, MockError, MockPolygon, serve
from flows.mock.tape import TapeError

__all__ = ["DEFAULT_PORT", "MockError", "MockPolygon", "TapeError", "serve"]
