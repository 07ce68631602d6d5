"""A recorded day replayed: the alerts of the live run, with the same ids, gaps included."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from bytewax.testing import run_main

from flows.feeds.backoff import Timing
from flows.feeds.capture import CaptureFeed
from flows.feeds.capture_files import read_capture
from flows.feeds.capture_lines import item_of
from flows.feeds.feed_state import Listeners
from flows.feeds.polygon import PolygonFeed
from flows.feeds.recorder import RecordedFeed, Recorder
from flows.feeds.tape_files import expand, open_tapes
from flows.mock import MockPolygon
from flows.warm_up import warm_up
from operators.records import Coverage
from tests.flows.files import write_parquet
from tests.flows.live import alerts, command, environment, ids, running
from tests.flows.market import expected_ids, market
from tests.flows.test_orderflow import Ids, Said, flow_of, ids_of

QUICK = Timing(open_s=30, reply_s=30, ack_s=30, first_pause_s=0.02, poll_s=0.05)


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a small market that keeps every rule busy."""
    folder = tmp_path_factory.mktemp("market")
    write_parquet(folder, market())
    return folder


@pytest.fixture(scope="module", autouse=True)
def _kernels() -> None:
    warm_up(lambda _: None)


def stop_at_the_end(mock: MockPolygon, feed: PolygonFeed) -> threading.Thread:
    """Stop the feed once all the mock had to send has gone through."""

    def watch() -> None:
        mock.finished.wait(60)
        frames = -1
        while frames != feed.state.frames:  # what the socket still holds
            frames = feed.state.frames
            time.sleep(0.3)
        feed.stop.set()

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


def recorded_live(tape: Path, folder: Path, *drops: int) -> tuple[Ids, list[Coverage]]:
    """Run live, recorded into `folder`, over connections dropped after so many frames."""
    with MockPolygon([tape], rate=4_000, drop_after=drops, hold=False) as mock:
        feed = PolygonFeed(
            mock.ws_url, mock.key, lambda: ("*",), timing=QUICK, listeners=Listeners()
        )
        recorder = Recorder(folder, lambda _: None)
        said = Said()
        watch = stop_at_the_end(mock, feed)
        run_main(flow_of(RecordedFeed(feed, recorder), said, "live"))
        watch.join()
    lines = [item_of(line) for path in recorder.files for line in read_capture(str(path))]
    return said.ids(), [item for item in lines if isinstance(item, Coverage)]


def test_without_a_gap_it_is_the_whole_market(tape: Path, tmp_path: Path) -> None:
    live, gaps = recorded_live(tape, tmp_path)
    assert (live, gaps) == (expected_ids(market()), [])
    assert ids_of(CaptureFeed(open_tapes(expand([str(tmp_path)])))) == live


def test_a_replay_of_a_live_run_with_gaps_raises_its_alerts(tape: Path, tmp_path: Path) -> None:
    live, gaps = recorded_live(tape, tmp_path, 300, 150)
    assert [gap.cause for gap in gaps] == ["disconnect", "disconnect"]
    tapes = open_tapes(expand([str(tmp_path)]))
    assert ids_of(CaptureFeed(tapes)) == live
    assert live != expected_ids(market())

    class Deaf(CaptureFeed):  # what a replay without the gaps would have found
        def build_part(self, *args: object) -> object:  # type: ignore[override]
            part = super().build_part(*args)  # type: ignore[arg-type]
            whole = part.next_batch
            part.next_batch = lambda: [x for x in whole() if not isinstance(x, Coverage)]  # type: ignore[method-assign]
            return part

    assert ids_of(Deaf(tapes)) != live


# The program.


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


@pytest.fixture
def mock(tape: Path) -> Iterator[MockPolygon]:
    with MockPolygon([tape], rate=1_000) as mock:
        yield mock


def test_a_run_records_beside_detecting_and_its_replay_agrees(
    mock: MockPolygon, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    env = environment(mock, data, ORDER_FLOW_RECORD="1")
    with running(tmp_path, env) as run:
        run.until(lambda: len(alerts(data / "live/alerts.jsonl")) > 60)
        mock.drop()
        run.until(mock.finished.is_set)
        time.sleep(0.5)
        assert run.stopped(signal.SIGTERM) == (0, "")
        assert "left out" not in run.said
    live = ids(data / "live/alerts.jsonl")
    out = tmp_path / "out"
    done = command("replay", str(data / "live/tapes"), "--out", str(out), cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stderr
    assert ids(out / "alerts.jsonl") == live
    assert (out / "coverage.jsonl").read_text().count('"cause":"disconnect"') == 1


def test_a_killed_recording_is_whole_but_for_its_last_moment(
    mock: MockPolygon, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    env = environment(mock, data, ORDER_FLOW_RECORD="1")
    with running(tmp_path, env) as run:
        run.until(lambda: len(alerts(data / "live/alerts.jsonl")) > 60)
        known = len(alerts(data / "live/alerts.jsonl"))
        for _ in range(2):  # the block that is being written now, and the next
            size = size_of(data / "live/tapes")
            run.until(lambda size=size: size_of(data / "live/tapes") > size)  # type: ignore[misc]
        run.stopped(signal.SIGKILL)
    live = ids(data / "live/alerts.jsonl")
    out = tmp_path / "out"
    done = command("replay", str(data / "live/tapes"), "--out", str(out), cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stderr
    replayed = ids(out / "alerts.jsonl")
    assert {s: found[: len(replayed[s])] for s, found in live.items() if s in replayed} == replayed
    assert sum(map(len, replayed.values())) >= known


def test_record_alone_writes_tapes_and_detects_nothing(mock: MockPolygon, tmp_path: Path) -> None:
    data = tmp_path / "data"
    env = environment(mock, data)
    with running(tmp_path, env, "record") as recording:
        recording.until(lambda: mock.played > 1_000)
        second = command("run", cwd=tmp_path, env=env)
        time.sleep(0.2)
        code, out = recording.stopped(signal.SIGINT)
        said = recording.said
    assert (second.returncode, second.stderr) == (
        1,
        f"orderflow: process {recording.process.pid} is running on {data}/live already: stop it, "
        "or set ORDER_FLOW_DATA_DIR to another folder for this run.\n",
    )
    tapes = [str(path) for path in sorted((data / "live/tapes").iterdir())]
    assert (code, out.splitlines()) == (0, tapes)
    lines = [item_of(line) for path in tapes for line in read_capture(path)]
    frames = sum(isinstance(item, bytes) for item in lines)  # the record of the start is none
    assert frames > 500
    assert said.splitlines()[0] == f"recording to {data}/live/tapes"
    assert said.splitlines()[-1].startswith(f"{frames:,} frames in 1 tapes, ")
    assert sorted(path.name for path in (data / "live").iterdir()) == ["run.lock", "tapes"]


def test_a_refused_key_ends_a_recording_with_3(mock: MockPolygon, tmp_path: Path) -> None:
    env = environment(mock, tmp_path / "data") | {"POLYGON_API_KEY": "wrong-key"}
    done = command("record", cwd=tmp_path, env=env)
    assert (done.returncode, done.stdout) == (3, "")
    assert "refused the login" in done.stderr
    assert "wrong-key" not in done.stderr
