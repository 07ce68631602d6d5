"""A reader that does nothing: whether the sender keeps its rate when nobody hinders it."""

from __future__ import annotations

import json
import socket
import sys
import time
from urllib.parse import urlsplit

from websockets.client import ClientProtocol
from websockets.uri import parse_uri


def drain(url: str, key: str) -> dict[str, float]:
    """Log in, subscribe, and read for as long as there is something within a second."""
    protocol = ClientProtocol(parse_uri(f"{url}/stocks"))
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname or "", parts.port or 80)) as connection:
        protocol.send_request(protocol.connect())
        protocol.receive_data(_exchange(connection, protocol))
        for action, params in (("auth", key), ("subscribe", "T.*,Q.*")):
            protocol.send_text(json.dumps({"action": action, "params": params}).encode())
            _exchange(connection, protocol)
        return _read_on(connection)


def _exchange(connection: socket.socket, protocol: ClientProtocol) -> bytes:
    for data in protocol.data_to_send():
        connection.sendall(data)
    time.sleep(0.2)
    return connection.recv(65_536)


def _read_on(connection: socket.socket) -> dict[str, float]:
    buffer, total, started, last = bytearray(1 << 20), 0, 0.0, 0.0
    connection.settimeout(3.0)
    while True:
        try:
            n = connection.recv_into(buffer)
        except TimeoutError:
            return {"bytes": total, "seconds": last - started}
        last = time.monotonic()
        started = started or last
        total += n


if __name__ == "__main__":
    print(json.dumps(drain(**json.loads(sys.argv[1]))))
