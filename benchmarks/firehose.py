"""The vendor's side of a benchmark, as cheap as it can be: frames made beforehand, sent on time.

The product's own mock makes each frame in Python as it sends it. At the market's peak that alone
takes more than a core, and the machine has two. This one sends a millisecond of frames at a time
and does nothing else but answer pings; it still speaks the vendor's protocol.
"""

from __future__ import annotations

import contextlib
import json
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from benchmarks.sides import ROOT, BenchmarkError
from benchmarks.wire_frames import EVENTS_A_FRAME

HOST = "127.0.0.1"
NAP_S = 0.001
MOST_FRAMES = 2_000  # of one send, when there is something to make up for
_SAID: dict[str, list[dict[str, str]]] = {
    "connected": [{"ev": "status", "status": "connected", "message": "Connected Successfully"}],
    "auth": [{"ev": "status", "status": "auth_success", "message": "authenticated"}],
    "subscribe": [
        {"ev": "status", "status": "success", "message": f"subscribed to: {topic}"}
        for topic in ("T.*", "Q.*")
    ],
}


class Firehose:
    """A running sender, seen from outside."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        self._child = child
        self.urls = {"ws": self._next()["ws"], "rest": f"http://{HOST}:9"}

    def _next(self) -> dict[str, Any]:
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        if not line:
            raise BenchmarkError(f"the sender ended with {self._child.wait()}")
        said: dict[str, Any] = json.loads(line)
        return said

    def subscribed(self) -> None:
        """Return when a client has subscribed."""
        self._next()

    def started_ns(self) -> int:
        """Return when event 0 was due, ns since epoch, once it is."""
        return int(self._next()["started_ns"])

    def sent(self) -> dict[str, float]:
        """Return, when all is sent, `events`, `trades`, `seconds`, `late_ms` and `core`.

        The last two: how far it was behind at most, and the share of a core it took.
        """
        return self._next()


@contextlib.contextmanager
def firehose(frames: Path, rate: float, events: int, settle_s: float) -> Iterator[Firehose]:
    """Send `events` events at `rate` a second, `settle_s` after a subscription.

    Args:
        frames: a file of frames of eight events; it is begun again where it ends.
        rate: events a second.
        events: how many.
        settle_s: pause after the subscription.
    """
    asked = {"frames": str(frames), "rate": rate, "events": events, "settle_s": settle_s}
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.firehose", json.dumps(asked)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:  # closing its input ends it
        yield Firehose(child)


class _Client:
    """A connection to the one client: handshake, what it says, and pongs for its pings."""

    def __init__(self, listener: socket.socket) -> None:
        self.socket, _ = listener.accept()
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._protocol = ServerProtocol()
        self._readable = selectors.DefaultSelector()
        self._readable.register(self.socket, selectors.EVENT_READ)
        self._readable.register(sys.stdin, selectors.EVENT_READ)

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self.socket.sendall(data)

    def said(self, wait_s: float | None) -> list[Any] | None:
        """Return what the client has said; None when it, or the starter, is gone."""
        ready = {key.fileobj for key, _ in self._readable.select(wait_s)}
        if sys.stdin in ready:
            return None
        if not ready:
            return []
        data = self.socket.recv(65_536)
        if not data:
            return None
        self._protocol.receive_data(data)
        requests = []
        for event in self._protocol.events_received():
            if isinstance(event, Request):
                self._protocol.send_response(self._protocol.accept(event))
                self._flush()
                self.say("connected")
            elif isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                requests.append(json.loads(bytes(event.data)))
        self._flush()
        return requests

    def say(self, what: str) -> None:
        self._protocol.send_text(json.dumps(_SAID[what]).encode())
        self._flush()

    def subscribed(self) -> bool:
        """Talk until it has subscribed; return whether it has."""
        while (requests := self.said(None)) is not None:
            for request in requests:
                if request["action"] in _SAID:
                    self.say(request["action"])
                if request["action"] == "subscribe":
                    return True
        return False


def serve(frames: str, rate: float, events: int, settle_s: float) -> None:
    """Be the sender: say where it is, when someone subscribed, when it began and when it ended."""
    from benchmarks.firehose_frames import Block

    block = Block(Path(frames), rate)
    with socket.create_server((HOST, 0)) as listener:
        say({"ws": f"ws://{HOST}:{listener.getsockname()[1]}"})
        client = _Client(listener)
        if not client.subscribed():
            return
        say({"subscribed": True})
        time.sleep(settle_s)
        say({"started_ns": time.time_ns()})
        say({**_stream(block, client, rate, events), "trades": block.trades_in(events)})
        while client.said(None) is not None:
            pass
        with contextlib.suppress(OSError):
            client.socket.close()
        sys.stdin.read()


def _stream(block: Any, client: _Client, rate: float, events: int) -> dict[str, float]:
    """Send; return how it went."""
    total, sent, late_s = events // EVENTS_A_FRAME, 0, 0.0
    frame_s = EVENTS_A_FRAME / rate
    started, used = time.monotonic(), time.process_time()
    while sent < total:
        due = min(int((time.monotonic() - started) / frame_s), total)
        if due <= sent:
            time.sleep(NAP_S)
            continue
        rounds, at = divmod(sent, block.frames)
        end = min(at + due - sent, at + MOST_FRAMES, block.frames)
        client.socket.sendall(block.part(at, end, rounds))
        late_s = max(late_s, time.monotonic() - started - sent * frame_s)
        sent += end - at
        if client.said(0) is None:
            break
    seconds = time.monotonic() - started
    return {
        "events": sent * EVENTS_A_FRAME,
        "seconds": seconds,
        "late_ms": late_s * 1000,
        "core": (time.process_time() - used) / seconds,
    }


def say(what: Mapping[str, Any]) -> None:
    """Tell the starter."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    serve(**json.loads(sys.argv[1]))
