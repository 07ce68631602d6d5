"""Playing: when the tape begins, how fast it goes, and connections that break on demand."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosedError

from flows.mock import MockError, MockPolygon, TapeError, serve
from tests.flows.mock import tapes
from tests.flows.mock.tapes import (
    Client,
    at,
    log_in,
    open_client,
    small_tape,
    subscribed,
    until_closed,
    write_tape,
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def times_of(client: Client, trades: int) -> list[tuple[int, float]]:
    """Return the tape time (ms) and the arrival (s) of each of the next trades."""
    seen: list[tuple[int, float]] = []
    while len(seen) < trades:
        seen += [(event["t"], time.monotonic()) for event in client.hear()]
    return seen


def test_the_tape_waits_for_all_chunks_of_a_subscription(tmp_path: Path) -> None:
    with MockPolygon([small_tape(tmp_path, trades=4)]) as mock:
        client = log_in(mock.ws_url)
        for topic in ("T.AAPL", "T.MSFT"):
            client.say("subscribe", topic)
            assert client.hear()[0]["message"] == f"subscribed to: {topic}"
            time.sleep(0.05)
        assert [event["sym"] for event in client.hear()] == ["AAPL", "MSFT", "AAPL", "MSFT"]
        client.close()


def test_or_begins_without_anyone(tmp_path: Path) -> None:
    with MockPolygon([small_tape(tmp_path, trades=4)], wait=False) as mock:
        assert mock.finished.wait(5)
        assert mock.played == 12


def test_speed_is_tape_time(tmp_path: Path) -> None:
    write_tape(
        tmp_path / "t.parquet", tapes.TRADES, *(("A", at(ms), 1.0, 1) for ms in (0, 400, 1200))
    )
    with MockPolygon([tmp_path], speed=4) as mock:
        client = subscribed(mock.ws_url)
        (_, first), (_, second), (_, third) = times_of(client, 3)
        assert second - first > 0.08
        assert third - second > 0.18
        client.close()


def test_rate_is_events_a_second(tmp_path: Path) -> None:
    with MockPolygon([small_tape(tmp_path, trades=10)], rate=100) as mock:
        client = subscribed(mock.ws_url)
        arrivals = [arrival for _, arrival in times_of(client, 30)]
        assert arrivals[-1] - arrivals[0] > 0.25
        client.close()


def test_a_connection_is_aborted_after_so_many_frames_and_the_tape_waits(tmp_path: Path) -> None:
    with MockPolygon([small_tape(tmp_path, trades=600)], drop_after=(3,)) as mock:
        client = subscribed(mock.ws_url)
        first = [client.hear() for _ in range(3)]
        with pytest.raises(ConnectionClosedError):
            client.hear()
        again = subscribed(mock.ws_url)
        later = times_of(again, 8)
        assert sum(map(len, first)) == 24
        assert later[0][0] > first[-1][-1]["t"]  # what was on its way is lost, as in life
        assert mock.connections == 2
        again.close()


def test_connections_are_dropped_and_refused_on_demand(tmp_path: Path) -> None:
    with MockPolygon([small_tape(tmp_path)], rate=50) as mock:
        client = subscribed(mock.ws_url)
        mock.refuse()
        client.hear()  # those that stand go on
        with pytest.raises(ConnectionRefusedError):
            open_client(mock.ws_url)
        mock.drop()
        with pytest.raises(ConnectionClosedError):
            times_of(client, 600)
        mock.accept()
        subscribed(mock.ws_url).close()


def test_what_cannot_start_says_so_in_a_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(MockError, match=f"Cannot listen on 127.0.0.1, ports {port} and 0"):
            MockPolygon(port=port).__enter__()
    with pytest.raises(MockError, match="Cannot play so: speed must be above 0, not 0"):
        MockPolygon(speed=0).__enter__()
    with pytest.raises(MockError, match="give a speed or a rate, not both"):
        MockPolygon(speed=1, rate=1).__enter__()
    with pytest.raises(TapeError, match="No tape at"):
        MockPolygon([tmp_path / "gone"]).__enter__()


def test_serve_says_where_to_connect_and_ends_when_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stop = threading.Event()
    stop.set()
    assert serve([small_tape(tmp_path)], port=0, stop=stop) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "POLYGON_WS_URL=ws://127.0.0.1:" in said.err
    assert "POLYGON_API_KEY=mock-key" in said.err


def test_serve_takes_a_file_of_faults_and_says_how_often_each_struck(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tape, stop, port = small_tape(tmp_path), threading.Event(), free_port()
    wrong = tmp_path / "faults.toml"
    wrong.write_text(
        '[[fault]]\nkind = "disconnect"\nconnection = 1\ncode = 1012\nafter_events = 5\n'
        '[[fault]]\nkind = "late_prints"\n[[fault]]\nkind = "silence"\nafter_events = 1000\n'
    )
    serving = threading.Thread(
        target=serve, args=([tape],), kwargs={"port": port, "faults": wrong, "stop": stop}
    )
    serving.start()
    heard: list[Any] = []
    while serving.is_alive() and not heard:
        with contextlib.suppress(ConnectionRefusedError):
            heard = until_closed(subscribed(f"ws://127.0.0.1:{port}"))
    assert len(heard) == 5
    stop.set()
    serving.join()
    assert capsys.readouterr().err.splitlines()[2:] == [
        "  fault 1 (disconnect): 1 strikes",
        "  fault 3 (silence): 0 strikes",
    ]
