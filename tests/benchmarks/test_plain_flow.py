from __future__ import annotations

from pathlib import Path

import orjson
from bytewax.testing import run_main

from benchmarks import inputs, tape_replay, wire_path
from benchmarks.market import Shape
from benchmarks.rivals import plain_flow
from benchmarks.wire_frames import frames, frames_file

SHAPE = Shape(symbols=40, ticks=40_000, ticks_a_plant=400)


def lines(path: Path) -> list[dict[str, object]]:
    """Alerts in file order, without when they were written."""
    found = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    for line in found:
        del line["emitted_utc"], line["seq"], line["timestamp_utc"], line["first_ts_utc"]
    return sorted(found, key=lambda line: str(line["alert_id"]))


def test_the_plain_flow_writes_the_same_alerts_as_a_replay(tmp_path: Path) -> None:
    from flows.run import TapeFiles, replay
    from flows.settings import Settings

    tape = inputs.tape(SHAPE)
    replay(Settings(), TapeFiles(tuple(tape.files.values())), tmp_path / "ours")
    plain = tmp_path / "plain.jsonl"
    run_main(plain_flow.tape_flow(**tape.files, alerts=plain))
    alerts = lines(plain)
    assert {line["alert_type"] for line in alerts} == {"large_seller", "red_burst", "exit_signal"}
    assert {line["severity"] for line in alerts} == {"warning", "critical"}
    assert alerts == lines(tmp_path / "ours" / "alerts.jsonl")


def test_frames_hold_the_first_events_of_a_tape_eight_to_a_frame() -> None:
    held = frames(str(frames_file(inputs.tape(SHAPE), 2_000)), 2_000)
    assert [len(orjson.loads(frame)) for frame in held] == [8] * 250


def test_frames_lead_to_the_same_alerts_in_both_flows() -> None:
    path = str(frames_file(inputs.tape(SHAPE), SHAPE.ticks))
    ours, plain = wire_path.flow(path, SHAPE.ticks)(), wire_path.plain(path, SHAPE.ticks)()
    del ours["seconds"]
    assert ours["alerts"] > 100
    assert ours == plain


def test_the_kernels_alone_find_as_many_alerts_as_the_flow() -> None:
    files = inputs.tape(SHAPE).files
    assert tape_replay.kernels(**files)()["alerts"] == tape_replay.plain(**files)()["alerts"]
