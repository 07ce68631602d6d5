"""The reader of the README, word by word: each alert once, through kills, torn lines, midnight."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.chaos.reader import reader_text
from sinks.iso import iso_utc
from sinks.tailer import parse_lines, rotated_files

ROOT = Path(__file__).parents[2]
DAY_NS = 86_400 * 10**9
NOON_NS = 1_795_194_000 * 10**9

WRITER = """
import sys
from pathlib import Path
import orjson
from sinks.appendlog import AppendLog
from sinks.iso import iso_utc

path, day_ns, first = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])

def to_line(n, seq, emitted_ns):
    line = {"event": "order_flow_alert", "alert_id": f"A{n}", "seq": seq, "message": "x" * 300}
    return orjson.dumps(line | {"emitted_utc": iso_utc(emitted_ns)})

log = AppendLog(path, to_line, lambda n: f"A{n}", rotate=True, clock=lambda: day_ns)
log.write(range(first, first + 100))
print("begun", flush=True)
for start in range(first, 10**9, 20):
    log.write(range(start, start + 20))
    log.event(lambda ns: orjson.dumps({"event": "beat", "seq": None, "emitted_utc": iso_utc(ns)}))
"""


@pytest.fixture
def seen(tmp_path: Path) -> Iterator[Path]:
    """What the reader prints; it is there before the file is."""
    out = tmp_path / "seen"
    with out.open("wb") as stream:
        reader = subprocess.Popen(
            [sys.executable, "-c", reader_text(), str(tmp_path / "alerts.jsonl")], stdout=stream
        )
    yield out
    reader.kill()
    reader.wait()


def write_until_killed(path: Path, day: int, first: int) -> None:
    """Write alerts, the numbers before `first` having been written, until a kill."""
    arguments = [str(path), str(NOON_NS + day * DAY_NS), str(max(0, first - 30))]  # some again
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": "."},
        stdout=subprocess.PIPE,
    ) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(0.03)
        writer.kill()


def tear(path: Path, day: int, whole: bool) -> None:
    """Leave what a power cut leaves: half a line, or one that misses its newline alone."""
    data = path.read_bytes()
    if not data.endswith(b"\n"):
        return  # the kill has done it
    number = len(ids(path))
    line = (
        f'{{"event":"order_flow_alert","alert_id":"A{number}","seq":{number + 1},"message":"x",'
        f'"emitted_utc":"{iso_utc(NOON_NS + day * DAY_NS)}"}}'
    )
    with path.open("ab") as file:
        file.write(line.encode() if whole else line[:40].encode())


def ids(path: Path) -> list[str]:
    found = [
        line for file in [*rotated_files(path), path] for line in parse_lines(file.read_bytes())
    ]
    return [line["alert_id"] for line in found if "alert_id" in line]


def test_it_sees_each_alert_once_through_kills_torn_lines_and_midnight(
    tmp_path: Path, seen: Path
) -> None:
    path = tmp_path / "alerts.jsonl"
    for n, day in enumerate((0, 0, 1, 2, 2)):
        write_until_killed(path, day, len(ids(path)) if path.exists() else 0)
        tear(path, day, whole=n % 2 == 1)
        time.sleep(0.1)  # the reader meets the half line
    write_until_killed(path, 2, len(ids(path)))
    written = ids(path)
    assert len(rotated_files(path)) == 2
    assert written == [f"A{n}" for n in range(len(written))]
    deadline = time.monotonic() + 30
    while len(seen.read_text().splitlines()) < len(written) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [line.split()[0] for line in seen.read_text().splitlines()] == written
