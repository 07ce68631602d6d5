"""What a run tells a monitor, read as Prometheus reads it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import orjson
import pytest
from prometheus_client.parser import text_string_to_metric_families

from flows.errors import OrderflowError
from flows.feeds.feed_state import FeedState
from flows.feeds.polygon import PolygonFeed
from flows.health import Limits, health, problems
from flows.latency import BOUNDS_MS, Latencies
from flows.metrics import serve
from flows.mock import MockPolygon
from sinks.iso import iso_utc
from sinks.jsonl import JsonlSink
from sinks.status import copied
from tests.flows.alerts import alert
from tests.flows.live import alerts, environment, running
from tests.flows.mock.free_port import free_port
from tests.flows.mock.tapes import small_tape

MS = 1_000_000
LIMITS = Limits(30_000.0)
WELL: dict[str, Any] = {
    "run_id": "R1",
    "feed": "live",
    "started_utc": "2026-11-20T14:30Z",
    "written_utc": "2026-11-20T15:00:00.000000Z",
    "feed_state": FeedState(connection="ok", frames=7, connects=3, reconnects=2).public(),
    "lag_ms": 12.5,
    "still_s": 0.25,
    "last_event_utc": "2026-11-20T15:00:00.500000Z",
    "last_alert_utc": None,
    "ticks": {"trades": 5, "quotes": 6},
    "alerts": {"large_seller": 2},
    "severities": {"critical": 2},
    "verdicts": {"counted": 4, "late": 1},
    "rejects": {"bad_price": 3},
    "gaps": {"disconnect": 1},
    "refills": {},
    "alerts_waiting": 0,
    "suspended": ["AAPL"],
    "history_behind": {"alerts": 2},
    "history_held_by": 77,
    "history_trouble": None,
    "recording": {"frames": 9, "dropped_frames": 1, "bytes": 100, "trouble": None},
    "disk_free_bytes": 10**12,
    "versions": {"orderflow": "2"},
}


def get(port: int, path: str) -> tuple[int, str, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.headers["Content-Type"], answer.read()
    finally:
        connection.close()


def scraped(port: int) -> dict[str, float]:
    code, kind, text = get(port, "/metrics")
    assert (code, kind.partition(";")[0]) == (200, "text/plain")
    return {
        sample.name + "".join(f" {k}={v}" for k, v in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


Serving = Callable[..., int]


@pytest.fixture
def serving() -> Iterator[Serving]:
    ends: list[Callable[[], None]] = []

    def start(status: Mapping[str, Any], latencies: Latencies | None = None) -> int:
        port = free_port()
        ends.append(serve(port, lambda: status, latencies or Latencies(), LIMITS))
        return port

    yield start
    for end in ends:
        end()


def test_every_figure_is_there_and_parses(serving: Serving) -> None:
    found = scraped(serving(WELL))
    expected = {
        "orderflow_events_total kind=trades": 5,
        "orderflow_events_total kind=quotes": 6,
        "orderflow_alerts_total type=large_seller": 2,
        "orderflow_alerts_by_severity_total severity=critical": 2,
        "orderflow_rejects_total code=bad_price": 3,
        "orderflow_prints_total verdict=late": 1,
        "orderflow_gaps_total cause=disconnect": 1,
        "orderflow_feed_condition condition=ok": 1,
        "orderflow_feed_condition condition=blind": 0,
        "orderflow_feed_frames_total": 7,
        "orderflow_feed_connects_total": 3,
        "orderflow_feed_reconnects_total": 2,
        "orderflow_feed_dropped_frames_total": 0,
        "orderflow_queue_frames": 0,
        "orderflow_lag_seconds": 0.0125,
        "orderflow_still_seconds": 0.25,
        "orderflow_last_event_timestamp_seconds": 1_795_186_800.5,
        "orderflow_suspended_symbols": 1,
        "orderflow_alerts_waiting": 0,
        "orderflow_disk_free_bytes": 10**12,
        "orderflow_history_behind_rows table=alerts": 2,
        "orderflow_history_held": 1,
        "orderflow_recorded_frames_total": 9,
        "orderflow_recorded_dropped_frames_total": 1,
        "orderflow_run_info feed=live run_id=R1 started_utc=2026-11-20T14:30Z version=2": 1,
        "orderflow_alert_latency_seconds_count": 0,
    }
    assert {name: found.get(name) for name in expected} == expected
    assert found["process_resident_memory_bytes"] > 0


def test_what_the_feed_learns_to_count_is_shown_without_further_work(serving: Serving) -> None:
    learned = {**WELL["feed_state"], "refilled_trades": 42, "note": "text"}
    found = scraped(serving({**WELL, "feed_state": learned}))
    assert found["orderflow_feed_refilled_trades"] == 42


def test_a_run_without_a_feed_of_its_own_has_no_condition(serving: Serving) -> None:
    found = scraped(serving({**WELL, "feed_state": None, "recording": None}))
    assert [name for name in found if "condition" in name or "recorded" in name] == []


def test_latencies_fall_into_their_buckets() -> None:
    noted = Latencies()
    for took_ms in (0.5, 0.6, 20.0, 6_000.0):
        received = 10**18
        noted.note(alert(received_ns=received), received + int(took_ms * MS))
    noted.note(alert(received_ns=0), 10**18)  # a replay
    assert dict(zip([*BOUNDS_MS, None], noted.counts, strict=True)) == {
        **dict.fromkeys(BOUNDS_MS, 0),
        0.5: 1,
        1.0: 1,
        20.0: 1,
        None: 1,
    }
    assert noted.sum_ms == pytest.approx(6_021.1)


def test_the_histogram_is_cumulative_and_in_seconds(serving: Serving) -> None:
    noted = Latencies()
    for took_ms in (1, 3, 9_000):
        noted.note(alert(received_ns=10**18), 10**18 + took_ms * MS)
    found = scraped(serving(WELL, noted))
    name = "orderflow_alert_latency_seconds"
    assert [found[f"{name}_bucket le={le}"] for le in ("0.0005", "0.001", "0.005", "+Inf")] == [
        *(0, 1, 2, 3)
    ]
    assert (found[f"{name}_count"], found[f"{name}_sum"]) == (3, pytest.approx(9.004))


def test_an_alert_is_measured_once_its_line_stands(tmp_path: Path) -> None:
    seen: list[tuple[str, int]] = []
    sink: JsonlSink[str] = JsonlSink(
        tmp_path / "log.jsonl",
        lambda note, seq, ns: b'{"seq":%d}' % seq,
        clock=lambda: 5,
        written=lambda note, ns: seen.append((note, ns)),
    )
    part = sink.build_part("log", "log", None)
    part.write_batch(["a", None, "b"])
    assert seen == [("a", 5), ("b", 5)]
    part.close()


WRONG = [
    ({"feed_state": {"condition": "connecting"}}, "the feed is not connected yet"),
    (
        {"feed_state": {"condition": "blind", "cause": "slow_consumer"}},
        "the feed is lost (slow_con",
    ),
    ({"feed_state": {"condition": "closed"}}, "the feed is closed"),
    (
        {"feed_state": FeedState("ok", refilling=True).public()},
        "what the feed sends waits for a refill",
    ),
    ({"lag_ms": 30_001.0}, "the feed is 30.0 s behind the market"),
    ({"still_s": 12.4}, "the dataflow has stood still for 12 s"),
    ({"alerts_waiting": 3}, "the disk refuses 3 alerts, which wait in memory"),
    ({"disk_free_bytes": 5 << 20}, "only 5 MiB are free on the disk"),
    ({"disk_free_bytes": None}, "the data folder is gone"),
    ({"history_trouble": "broken"}, "the history cannot be caught up (broken)"),
    ({"recording": {"trouble": "No space left"}}, "the tape cannot be written (No space left)"),
]


@pytest.mark.parametrize(("change", "sentence"), WRONG)
def test_each_thing_that_is_wrong_is_named_and_a_503(
    change: dict[str, Any], sentence: str, serving: Serving
) -> None:
    code, kind, body = get(serving({**WELL, **change}), "/healthz")
    found = orjson.loads(body)
    assert (code, kind, found["status"]) == (503, "application/json", "degraded")
    assert [problem.startswith(sentence) for problem in found["problems"]] == [True]


def test_a_run_that_is_well_is_a_200_with_the_figures_that_matter(serving: Serving) -> None:
    code, _, body = get(serving(WELL), "/healthz")
    assert (code, orjson.loads(body)) == (200, health(WELL, LIMITS))
    assert orjson.loads(body) == {
        "status": "ok",
        "problems": [],
        "feed": "ok",
        "lag_ms": 12.5,
        "still_s": 0.25,
        "history_behind": 2,
        "history_held_by": 77,
        "alerts_waiting": 0,
        "last_event_utc": "2026-11-20T15:00:00.500000Z",
        "last_alert_utc": None,
        "disk_free_bytes": 10**12,
        "run_id": "R1",
        "written_utc": "2026-11-20T15:00:00.000000Z",
    }


def test_a_dataflow_that_asks_for_nothing_any_more_can_be_told() -> None:
    """Its own thread may hang in a disk or a lock: the feed sees that nobody takes frames."""
    feed = PolygonFeed("ws://127.0.0.1:1", "mock-key", lambda: ("AAPL",))
    part = feed.build_part("feed", "polygon", None)
    assert feed.state.still_s is None
    part.next_batch()
    assert feed.state.still_s is not None
    assert 0 <= feed.state.still_s < 60
    feed.state.asked_at -= 3600
    assert feed.state.still_s > 3600
    part.close()
    assert (feed.state.connection, feed.state.still_s) == ("closed", None)


def test_the_age_of_an_old_tape_is_not_judged() -> None:
    old = {**WELL, "lag_ms": 1e9}
    assert (problems(old, Limits(None)), len(problems(old, LIMITS))) == ([], 1)


def test_other_paths_are_404(serving: Serving) -> None:
    port = serving(WELL)
    assert [get(port, path)[0] for path in ("/", "/metricsx", "/healthz?x=1")] == [404, 404, 200]


def test_a_port_that_is_taken_is_a_sentence(serving: Serving) -> None:
    port = serving(WELL)
    with pytest.raises(OrderflowError, match=f"METRICS_PORT is {port}, but cannot be listened on"):
        serve(port, lambda: WELL, Latencies(), LIMITS)


def test_totals_are_copied_while_they_grow() -> None:
    totals: dict[str, dict[str, int]] = {"a": {}}
    stop = threading.Event()

    def grow() -> None:
        n = 0
        while not stop.is_set():
            n += 1
            totals["a"][str(n % 5_000)] = n
            if n % 5_000 == 0:
                totals["a"].clear()

    growing = threading.Thread(target=grow)
    growing.start()
    try:
        for _ in range(200):
            copied(totals)
    finally:
        stop.set()
        growing.join()


def test_a_live_run_answers_and_a_scrape_agrees_with_its_files(tmp_path: Path) -> None:
    from tests.flows.files import write_parquet
    from tests.flows.market import market

    folder = tmp_path / "tape"
    events = market()
    write_parquet(folder, events)
    port, root = free_port(), tmp_path / "data" / "live"
    with MockPolygon([folder], rate=2_000) as mock:
        env = environment(mock, tmp_path / "data", ORDER_FLOW_METRICS_PORT=str(port))
        with running(tmp_path, env) as run:
            run.until(lambda: len(alerts(root / "alerts.jsonl")) > 50)
            mock.drop()
            run.until(lambda: scraped(port).get("orderflow_gaps_total cause=disconnect") == 1)
            assert get(port, "/healthz")[0] == 200
            run.until(lambda: settled(port, root, events[-1].ts_ns))
            found = scraped(port)
            run.stopped(signal.SIGTERM)
    written = alerts(root / "alerts.jsonl")
    assert found["orderflow_feed_reconnects_total"] == 1
    assert found["orderflow_alert_latency_seconds_count"] == len(written)
    took = sum(alert["latency_ms"] for alert in written) / 1000
    assert found["orderflow_alert_latency_seconds_sum"] == pytest.approx(took, rel=0.01)
    status = orjson.loads((root / "status.json").read_bytes())
    for verdict, count in status["verdicts"].items():
        assert found[f"orderflow_prints_total verdict={verdict}"] == count


def settled(port: int, root: Path, last_ns: int) -> bool:
    """Return whether the print at `last_ns` has raised its alert, and all alerts are counted."""
    found, written = scraped(port), alerts(root / "alerts.jsonl")
    counted = sum(value for name, value in found.items() if name.startswith("orderflow_alerts_tot"))
    return counted == len(written) and written[-1]["timestamp_utc"] == iso_utc(last_ns)


def test_without_a_port_nobody_listens(tmp_path: Path) -> None:
    with MockPolygon([small_tape(tmp_path)]) as mock:
        env = environment(mock, tmp_path / "data")
        with running(tmp_path, env) as run:
            run.until((tmp_path / "data/live/status.json").exists)
            listening = Path(f"/proc/{run.process.pid}/net/tcp")
            if listening.exists():
                inodes = {
                    line.split()[9]
                    for line in listening.read_text().splitlines()[1:]
                    if line.split()[3] == "0A"
                }
                fds = Path(f"/proc/{run.process.pid}/fd").iterdir()
                sockets = {str(fd.readlink()) for fd in fds if fd.is_symlink()}
                assert [inode for inode in inodes if f"socket:[{inode}]" in sockets] == []
            run.stopped(signal.SIGTERM)
