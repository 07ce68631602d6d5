"""How long alerts took: from the receipt of the frame to the line in the file."""

from __future__ import annotations

from bisect import bisect_left

from operators.records import Alert

BOUNDS_MS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 5000.0)


class Latencies:
    """A histogram in fixed buckets. One thread notes at a time; any may read."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_MS) + 1)
        self.sum_ms = 0.0

    def note(self, alert: Alert, emitted_ns: int) -> None:
        """Count an alert whose line is written; in a replay there is nothing to measure."""
        if alert.received_ns:
            took_ms = (emitted_ns - alert.received_ns) / 1e6
            self.counts[bisect_left(BOUNDS_MS, took_ms)] += 1
            self.sum_ms += took_ms
