"""A mock of the vendor: a real server on 127.0.0.1 that speaks its WebSocket and REST."""

from flows.mock.fault_file import FaultError, read_faults
from flows.mock.serve import DEFAULT_PORT, serve
from flows.mock.server import MockError, MockPolygon
from flows.mock.tape import TapeError

__all__ = [
    "DEFAULT_PORT",
    "FaultError",
    "MockError",
    "MockPolygon",
    "TapeError",
    "read_faults",
    "serve",
]
