"""The least a live alert can cost: receive a frame, find a marker, write and sync a line."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import time
from pathlib import Path

from websockets.asyncio.client import connect

LARGE = re.compile(rb'"s":\d{5}')  # a print of 10,000 shares or more


async def listen(url: str, key: str, path: str, events: int) -> dict[str, object]:
    """Return the latencies in ms and the events seen, when `events` have come."""
    latencies = []
    seen = 0
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    async with connect(f"{url}/stocks", compression=None, max_queue=1024) as socket:
        await socket.recv(decode=False)
        await socket.send(json.dumps({"action": "auth", "params": key}))
        await socket.recv(decode=False)
        await socket.send(json.dumps({"action": "subscribe", "params": "T.*,Q.*"}))
        while seen < events:
            frame = await socket.recv(decode=False)
            received = time.perf_counter_ns()
            seen += frame.count(b'"ev":"T"') + frame.count(b'"ev":"Q"')
            if LARGE.search(frame):
                os.write(file, frame + b"\n")
                os.fdatasync(file)
                latencies.append((time.perf_counter_ns() - received) / 1e6)
    os.close(file)
    return {"latencies_ms": latencies, "events": seen}


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    found = asyncio.run(listen(**asked))
    Path(asked["path"] + ".json").write_text(json.dumps(found))
