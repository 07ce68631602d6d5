"""The recorder: nothing waits for it, and what it leaves out is on the tape as a gap."""

from __future__ import annotations

import gzip
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows.feeds.capture_files import read_capture
from flows.feeds.capture_lines import item_of
from flows.feeds.recorder import NOT_RECORDED, Recorder
from flows.feeds.tape_writer import TapeWriter
from operators.records import Coverage
from operators.ticks import Frames
from tests.disks import fill, small

HOUR = 3_600 * 10**9
START = 1_795_185_000 * 10**9  # 2026-11-20 09:30 New York
GAP = Coverage("AAPL", 1, 2, "unsubscribed", refilled=False)


def frame(n: int, size: int = 0) -> Frames:
    filler = random.Random(n).randbytes(size // 2).hex()  # which no compression makes vanish
    text = f'[{{"ev":"T","t":{1_795_185_000_000 + n},"x":"{filler}"}}]'
    return Frames([START + n], [text.encode()])


def items(*paths: Path) -> list[Any]:
    return [item_of(line) for path in paths for line in read_capture(str(path))]


def until(done: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def recorder(folder: Path, **options: Any) -> tuple[Recorder, list[str]]:
    said: list[str] = []
    made = Recorder(folder, said.append, **{"flush_s": 0.05, **options})
    made.start()
    return made, said


def test_what_is_handed_over_stands_on_the_tape_in_order(tmp_path: Path) -> None:
    made, said = recorder(tmp_path / "tapes")
    for n in range(100):
        made.put([frame(n), GAP] if n == 50 else [frame(n)])
    made.close()
    (tape,) = made.files
    expected: list[Any] = [frame(n).frames[0] for n in range(100)]
    assert items(tape) == [*expected[:51], GAP, *expected[51:]]
    assert (made.state.frames, made.state.dropped_frames, said) == (100, 0, [])
    assert made.state.bytes == tape.stat().st_size


def test_a_tape_is_whole_to_any_tool_while_it_is_written(tmp_path: Path) -> None:
    """What a kill would leave behind: blocks come once a pause, each a gzip member."""
    made, _ = recorder(tmp_path)
    made.put([frame(0)])
    until(lambda: made.state.frames == 1)
    made.put([frame(1)])
    until(lambda: made.state.frames == 2)
    assert gzip.decompress(made.files[0].read_bytes()).count(b"\n") == 2
    made.close()


def test_a_new_file_each_hour_named_by_its_time(tmp_path: Path) -> None:
    writer = TapeWriter(tmp_path)
    for n, ns in enumerate((START, START + 1, START + HOUR // 2, START + HOUR // 2)):
        writer.write([b"%d" % n], ns)
    writer.close()
    assert [path.name for path in writer.files] == [
        "20261120T143000.000Z.jsonl.gz",
        "20261120T150000.000Z.jsonl.gz",
    ]
    assert sorted(tmp_path.iterdir()) == writer.files
    assert [gzip.decompress(path.read_bytes()) for path in writer.files] == [b"0\n1\n", b"2\n3\n"]


def test_two_tapes_begun_in_one_moment_are_two_files(tmp_path: Path) -> None:
    writers = [TapeWriter(tmp_path), TapeWriter(tmp_path)]
    for n, writer in enumerate(writers):
        writer.write([b"%d" % n], START)
        writer.close()
    assert [gzip.decompress(path.read_bytes()) for path in sorted(tmp_path.iterdir())] == [
        b"0\n",
        b"1\n",
    ]


def test_a_folder_that_is_deleted_is_made_again(tmp_path: Path) -> None:
    made, said = recorder(tmp_path / "tapes")
    made.put([frame(0)])
    until(lambda: made.state.frames == 1)
    shutil.rmtree(tmp_path / "tapes")
    made.put([frame(1)])
    made.close()
    assert items(made.files[1]) == frame(1).frames
    assert said == []


def test_a_disk_that_is_full_costs_what_memory_does_not_hold_and_leaves_a_gap(
    tmp_path: Path,
) -> None:
    with small(tmp_path / "disk", "size=1m") as disk:
        made, said = recorder(disk / "tapes", max_bytes=20_000)
        made.put([frame(0)])
        until(lambda: made.state.frames == 1)
        ballast = fill(disk)
        started = time.monotonic()
        for n in range(1, 41):
            made.put([frame(n, size=1_000)])
        assert time.monotonic() - started < 0.5
        until(lambda: made.state.trouble)
        assert made.state.dropped_frames >= 20
        kept = 40 - made.state.dropped_frames
        ballast.unlink()
        until(lambda: made.state.frames == 1 + kept)
        made.put([frame(99)])
        made.close()
        seen = items(*made.files)
    lost_ns = (1_795_185_000_000 + kept + 1) * 10**6
    back_ns = (1_795_185_000_000 + 99) * 10**6
    assert seen == [
        *(frame(n, size=1_000 if n else 0).frames[0] for n in range(kept + 1)),
        Coverage("*", lost_ns, back_ns, NOT_RECORDED, refilled=False),
        frame(99).frames[0],
    ]
    assert said == [
        f"{disk}/tapes: the tape cannot be written (No space left on device): alerts go on, and "
        "what does not fit into memory meanwhile is left out and counted.",
        f"{disk}/tapes: the tape is written again; {made.state.dropped_frames} frames were left "
        "out so far.",
    ]


def test_the_end_on_a_full_disk_counts_what_is_lost_and_does_not_wait(tmp_path: Path) -> None:
    with small(tmp_path / "disk", "size=64k") as disk:
        fill(disk)
        made, said = recorder(disk / "tapes")
        made.put([frame(0), GAP, frame(1)])
        started = time.monotonic()
        made.close()
        assert time.monotonic() - started < 1
    assert (made.state.frames, made.state.dropped_frames) == (0, 2)
    assert said[-1] == f"{disk}/tapes: 2 frames could not be recorded before the end."


@pytest.mark.parametrize("limit", [1, 30, 60])
def test_half_a_block_is_taken_back(limit: int, tmp_path: Path) -> None:
    """A short write would hide all blocks after it from a reader."""
    code = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from flows.feeds.tape_writer import TapeWriter\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "writer = TapeWriter(Path(sys.argv[1]))\n"
        "writer.write([b'a'], 10**18)\n"
        "size = writer.files[0].stat().st_size\n"
        "most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (size + int(sys.argv[2]), most))\n"
        "try:\n"
        "    writer.write([b'%d' % n for n in range(1000)], 10**18)\n"
        "except OSError as error:\n"
        "    print(type(error).__name__)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))\n"
        "writer.write([b'b'], 10**18)\n"
        "writer.close()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), str(limit)],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("OSError\n", "")
    (tape,) = tmp_path.iterdir()
    assert gzip.decompress(tape.read_bytes()) == b"a\nb\n"
