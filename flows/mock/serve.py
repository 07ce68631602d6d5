"""A mock that serves until it is told to end: what `orderflow mock-feed` runs."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from flows.mock.fault_file import FaultFile, read_faults
from flows.mock.faults import TimedFault, kind_of
from flows.mock.server import MockPolygon

DEFAULT_PORT = 8765


def serve(
    tapes: Sequence[str | Path],
    *,
    key: str = "mock-key",
    speed: float | None = 1.0,
    rate: float | None = None,
    port: int = DEFAULT_PORT,
    rest_port: int | None = None,
    faults: str | Path | None = None,
    stop: threading.Event | None = None,
) -> int:
    """Serve tapes until `stop` is set, or for ever; what `orderflow mock-feed` runs.

    Where to connect goes to stderr once both servers listen, and at the end how often each
    fault has struck.

    Args:
        tapes: Parquet files, folders, globs or tape names.
        key: the API key that logs in.
        speed: tape seconds a second; None: at `rate`, or as fast as the clients take it.
        rate: instead of a speed, events a second.
        port: of the WebSocket server; 0: any free one.
        rest_port: of the REST server; None: the port after it.
        faults: a file of what goes wrong; the tape, once begun, then goes on regardless.
        stop: set it, from a signal handler or a thread, to end.

    Returns:
        How many events were played.

    Raises:
        FaultError: the file cannot be read or has mistakes.
        MockError: a port is taken or a value is out of bounds.
        TapeError: a tape cannot be read.
    """
    if rest_port is None:
        rest_port = port + 1 if port else 0
    wrong = read_faults(faults) if faults is not None else FaultFile((), 0)
    mock = MockPolygon(
        tapes,
        faults=wrong.faults,
        seed=wrong.seed,
        key=key,
        speed=speed,
        rate=rate,
        hold=faults is None,
        port=port,
        rest_port=rest_port,
    )
    with mock:
        sys.stderr.write(
            "Mock Polygon is listening. The tape begins when a client has subscribed.\n"
            f"  POLYGON_WS_URL={mock.ws_url} POLYGON_REST_URL={mock.rest_url} "
            f"POLYGON_API_KEY={key} ORDER_FLOW_FRESHNESS=off\n"
        )
        (stop or threading.Event()).wait()
        strikes = mock.strikes
    for number, (fault, count) in enumerate(zip(wrong.faults, strikes, strict=True), 1):
        if isinstance(fault, TimedFault):
            sys.stderr.write(f"  fault {number} ({kind_of(fault)}): {count} strikes\n")
    return mock.played
