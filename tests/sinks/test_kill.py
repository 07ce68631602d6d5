"""Writers that are killed with -9 while they write, and what the next one makes of the file."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.sinks.notes import numbered, open_log, parsed, write_notes

ROOT = Path(__file__).parents[2]

WRITER = """
import sys
from pathlib import Path
from sinks.appendlog import AppendLog
from tests.sinks.notes import id_of, to_line

log = AppendLog(Path(sys.argv[1]), to_line, id_of)
print("open", flush=True)
for first in range(0, 2_000_000, 700):  # as a resumed flow does: all from the start
    log.write([f"{n:0200}" for n in range(first, first + 700)])
"""

# Three halves of what a crash can leave, made by a real process that dies inside a line.
TORN = """
import os, signal, sys
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND)
os.write(fd, sys.argv[2].encode())
os.kill(os.getpid(), signal.SIGKILL)
"""


def start(code: str, *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": "."},
        stdout=subprocess.PIPE,
    )


def test_writers_killed_at_any_moment_leave_each_line_once(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    for round_ in range(5):
        with start(WRITER, str(path)) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(0.03 + 0.04 * round_)
            writer.kill()
    log = open_log(path)
    last = log.counters.seq
    log.write([f"{n:0200}" for n in range(last + 1)])
    log.close()
    assert last > 700
    assert numbered(path) == [(n + 1, f"{n:0200}") for n in range(last + 1)]


def test_a_tail_torn_by_a_kill_is_healed_and_nothing_before_it_touched(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    write_notes(path, "a")
    fragments = ['{"event":"note","alert_id":"b","seq":2,', "{", '{"event":"note"}']
    for n, fragment in enumerate(fragments):
        before = path.read_bytes()
        with start(TORN, str(path), fragment) as torn:
            torn.wait()
        write_notes(path, f"n{n}")
        assert path.read_bytes().startswith(before + fragment.encode() + b"\n{")
    assert numbered_ids(path) == [(1, "a"), (2, "n0"), (3, "n1"), (4, "n2")]
    assert parsed(path).count(None) == 2


def numbered_ids(path: Path) -> list[tuple[int, str]]:
    return [(line["seq"], line["alert_id"]) for line in parsed(path) if line and "seq" in line]
