"""`/metrics` for Prometheus and `/healthz`, on 127.0.0.1.

Nothing is counted for their sake: a request reads what `status.json` is made of, so they cost
the alert path nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import accumulate
from typing import Any, get_args

import orjson
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from flows.errors import OrderflowError
from flows.feeds.feed_state import Condition
from flows.health import Limits, health
from flows.latency import BOUNDS_MS, Latencies
from sinks.iso import ns_of

HOST = "127.0.0.1"

Describe = Callable[[], Mapping[str, Any]]

# Of FeedState: counts that only grow, and what has a family of its own below. Any other number
# there is a gauge, so that what the feed learns to tell is shown at once.
_GROWING = ("frames", "connects", "reconnects", "dropped_frames")
_ELSEWHERE = ("blind_since_ns", "last_received_ns", "queue_frames", "queue_bytes", *_GROWING)

_BY_NAME = (
    ("ticks", "events", "kind", "Trades and quotes taken from the feed"),
    ("alerts", "alerts", "type", "Alerts raised"),
    ("severities", "alerts_by_severity", "severity", "Alerts raised, by severity"),
    ("rejects", "rejects", "code", "Messages that were not understood"),
    ("verdicts", "prints", "verdict", "Prints by what became of them"),
    ("gaps", "gaps", "cause", "Times that were not seen"),
    ("refills", "refills", "cause", "Times that were not seen live and were filled in"),
)


class RunCollector(Collector):
    """The families of one run, made when somebody asks.

    Args:
        describe: returns what `status.json` holds, now.
        latencies: of the alerts.
    """

    def __init__(self, describe: Describe, latencies: Latencies) -> None:
        self._describe, self._latencies = describe, latencies

    def describe(self) -> list[Metric]:
        """Name no families ahead: registering must not ask the run."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Yield every family."""
        status = self._describe()
        for key, name, label, what in _BY_NAME:
            yield _counter(name, what, status.get(key, {}), label)
        yield from _feed(status.get("feed_state") or {})
        yield from _files(status)
        yield _latency(self._latencies)
        info = {key: str(status.get(key)) for key in ("run_id", "feed", "started_utc")}
        version = str(status.get("versions", {}).get("orderflow"))
        yield InfoMetricFamily(
            "orderflow_run", "The run that answers", value=info | {"version": version}
        )


def _counter(name: str, what: str, counts: Mapping[str, int], label: str) -> Metric:
    family = CounterMetricFamily(f"orderflow_{name}", what, labels=[label])
    for value, count in counts.items():
        family.add_metric([value], count)
    return family


def _gauge(name: str, what: str, value: float | None) -> Iterable[Metric]:
    if value is not None:
        yield GaugeMetricFamily(f"orderflow_{name}", what, value=value)


def _feed(state: Mapping[str, Any]) -> Iterable[Metric]:
    """Yield what is known of the live feed; nothing in a replay."""
    if not state:
        return
    conditions = GaugeMetricFamily(
        "orderflow_feed_condition", "1 for the condition the feed is in", labels=["condition"]
    )
    for condition in get_args(Condition):
        conditions.add_metric([condition], state.get("condition") == condition)
    yield conditions
    for name in _GROWING:
        what = f"Feed: {name.replace('_', ' ')}"
        yield CounterMetricFamily(f"orderflow_feed_{name}", what, value=state.get(name, 0))
    yield from _gauge("queue_frames", "Frames that wait", state.get("queue_frames"))
    yield from _gauge("queue_bytes", "Bytes of frames that wait", state.get("queue_bytes"))
    received = state.get("last_received_ns", 0) / 1e9
    yield from _gauge("feed_last_received_timestamp_seconds", "Receipt of the last frame", received)
    refused = len(state.get("topics_refused", ()))
    yield from _gauge("feed_topics_refused", "Topics the plan does not include", refused)
    for name, value in state.items():
        if name not in _ELSEWHERE and isinstance(value, int | float):
            yield from _gauge(f"feed_{name}", f"Feed: {name.replace('_', ' ')}", value)


def _files(status: Mapping[str, Any]) -> Iterable[Metric]:
    """Yield how fresh the data is, and how the files keep up."""
    lag_ms, last = status.get("lag_ms"), status.get("last_event_utc")
    yield from _gauge(
        "lag_seconds", "Receipt minus event time of the last trade", lag_ms and lag_ms / 1000
    )
    yield from _gauge(
        "last_event_timestamp_seconds", "Event time of the last trade", last and ns_of(last) / 1e9
    )
    yield from _gauge(
        "still_seconds", "Since the dataflow last asked for frames", status.get("still_s")
    )
    yield from _gauge("suspended_symbols", "Symbols held back", len(status.get("suspended", ())))
    yield from _gauge("alerts_waiting", "Alerts the disk refuses", status.get("alerts_waiting"))
    yield from _gauge("disk_free_bytes", "Space on the disk", status.get("disk_free_bytes"))
    behind = GaugeMetricFamily(
        "orderflow_history_behind_rows", "Rows the history lacks", labels=["table"]
    )
    for table, rows in status.get("history_behind", {}).items():
        behind.add_metric([table], rows)
    yield behind
    held = status.get("history_held_by") is not None
    yield from _gauge("history_held", "1 while another process has the history open", held)
    recording = status.get("recording") or {}
    for name in ("frames", "dropped_frames", "bytes"):
        if name in recording:
            what = f"Recording: {name.replace('_', ' ')}"
            yield CounterMetricFamily(f"orderflow_recorded_{name}", what, value=recording[name])


def _latency(latencies: Latencies) -> Metric:
    running = list(accumulate(latencies.counts))
    bounds = [str(bound / 1000) for bound in BOUNDS_MS] + ["+Inf"]
    return HistogramMetricFamily(
        "orderflow_alert_latency_seconds",
        "From the receipt of the frame to the alert's line in the file",
        buckets=list(zip(bounds, running, strict=True)),
        sum_value=latencies.sum_ms / 1000,
    )


def serve(
    port: int, describe: Describe, latencies: Latencies, limits: Limits
) -> Callable[[], None]:
    """Serve a run on 127.0.0.1 from a thread; return what ends that.

    Raises:
        OrderflowError: the port is taken.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(RunCollector(describe, latencies))
    ProcessCollector(registry=registry)
    try:
        server = _Server(port, registry, lambda: health(describe(), limits))
    except OSError as error:
        raise OrderflowError(
            f"ORDER_FLOW_METRICS_PORT is {port}, but cannot be listened on ({error.strerror}): "
            "choose another, or 0 for none."
        ) from None
    return server.stop


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(
        self, port: int, registry: CollectorRegistry, healthy: Callable[[], dict[str, Any]]
    ) -> None:
        super().__init__((HOST, port), _Handler)
        self.registry, self.healthy = registry, healthy
        self._thread = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.2}, name="metrics", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop listening; a second time does nothing."""
        if self._thread.is_alive():
            self.shutdown()
            self._thread.join()
            self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 5.0  # a client that says nothing does not keep a thread
    server_version, sys_version = "orderflow", ""

    def do_GET(self) -> None:
        """Answer; the name is the one http.server calls."""
        path = self.path.partition("?")[0]
        if path == "/metrics":
            self._answer(200, CONTENT_TYPE_LATEST, generate_latest(self.server.registry))
        elif path == "/healthz":
            body = self.server.healthy()
            code = 200 if body["status"] == "ok" else 503
            self._answer(code, "application/json", orjson.dumps(body) + b"\n")
        else:
            self._answer(404, "text/plain", b"There is /metrics and /healthz.\n")

    def _answer(self, code: int, kind: str, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Say nothing: a scrape every few seconds is no news."""
