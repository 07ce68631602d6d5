"""Captures: what is written is read again, also after a kill."""

from __future__ import annotations

import gzip
import shutil
import subprocess
import zlib
from pathlib import Path

import pytest

from flows.feeds.capture import CaptureFeed
from flows.feeds.capture_files import read_capture
from flows.feeds.capture_lines import CaptureLine, item_of, lines_of
from flows.feeds.tape_files import TapeError, open_tapes
from operators.decode import Past
from operators.records import Coverage
from operators.ticks import Frames

GAP = Coverage("*", 5, 9, "disconnect", refilled=False)
ITEMS = [Frames([1, 2], [b'[{"ev":"T"}]', "[ä]".encode()]), GAP, Frames([3], [b"[]"])]
LINES = [line for item in ITEMS for line in lines_of(item, 7)]


def found(path: Path) -> list[tuple[int, object]]:
    return [(line.r, item_of(line)) for line in read_capture(str(path))]


ALL = [(1, b'[{"ev":"T"}]'), (2, "[ä]".encode()), (7, GAP), (3, b"[]")]


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.jsonl.zst"])
def test_frames_and_gaps_come_back_in_order_from_every_kind_of_file(
    name: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    text = b"\n".join(LINES) + b"\n"
    if name.endswith(".gz"):  # in members, as a recorder writes it
        path.write_bytes(b"".join(gzip.compress(line + b"\n") for line in LINES))
    elif name.endswith(".zst"):
        if shutil.which("zstd") is None:
            pytest.skip("zstd is not installed")
        packed = subprocess.run(["zstd", "-q"], input=text, capture_output=True, check=True)
        path.write_bytes(packed.stdout)
    else:
        path.write_bytes(text)
    assert found(path) == ALL


def test_who_knows_frames_only_reads_a_gap_as_an_empty_one() -> None:
    line = LINES[2]
    assert line.startswith(b'{"r":7,"f":"[]","gap":{"symbol":"*",')


def test_bytes_that_are_no_text_stay_no_json() -> None:
    (line,) = lines_of(Frames([1], [b'[{"ev":"\xff"}]']), 0)
    assert b"xff" in line
    assert item_of(CaptureLine(1, '[{"ev":"\\xff"}]')) == b'[{"ev":"\\xff"}]'


def test_a_torn_end_costs_the_torn_line_wherever_it_is_cut(tmp_path: Path) -> None:
    members = [gzip.compress(line + b"\n") for line in LINES]
    whole, last = b"".join(members[:3]), members[3]
    for cut in range(len(last)):
        path = tmp_path / "torn.jsonl.gz"
        path.write_bytes(whole + last[:cut])
        said: list[str] = []
        read = [(line.r, item_of(line)) for line in read_capture(str(path), said.append)]
        assert read in (ALL[:3], ALL), cut
        assert len(said) <= 1, cut


def test_a_plain_file_cut_in_a_line_says_so(tmp_path: Path) -> None:
    path, said = tmp_path / "torn.jsonl", list[str]()
    path.write_bytes(b"\n".join(LINES)[:-3])
    read = [(line.r, item_of(line)) for line in read_capture(str(path), said.append)]
    assert read == ALL[:3]
    assert said == [f"{path} ends in the middle of a line: the replay goes on without that line"]


@pytest.mark.parametrize(
    "data",
    [
        b'{"event":"coverage"}\n',
        b"no json\n",
        b'{"r":1}\n',
        b'{"r":1,"f":null}\n',
        b'{"r":1,"f":"[]"}\n\xff\n',
    ],
)
def test_another_file_is_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "other.jsonl.gz"
    path.write_bytes(gzip.compress(data))
    with pytest.raises(TapeError, match=r"other\.jsonl\.gz is no capture: a line is not"):
        found(path)


def test_a_file_damaged_in_its_middle_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl.gz"
    members = [gzip.compress(line + b"\n") for line in LINES]
    members[1] = b"x" * len(members[1])
    path.write_bytes(b"".join(members))
    with pytest.raises(TapeError, match=r"bad\.jsonl\.gz cannot be read: Error -3"):
        found(path)


def test_a_long_capture_is_read_piece_by_piece(tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl.gz"
    lines = [line for n in range(30_000) for line in lines_of(Frames([n], [b"[%d]" % n]), 0)]
    cuts = range(0, len(lines), 777)
    path.write_bytes(
        b"".join(zlib.compress(b"\n".join(lines[c : c + 777]) + b"\n", 1, 31) for c in cuts)
    )
    assert found(path) == [(n, b"[%d]" % n) for n in range(30_000)]


def test_a_replay_resumed_in_the_middle_hands_out_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join(LINES) + b"\n")
    feed = CaptureFeed(open_tapes([str(path)]), batch=1)
    part = feed.build_part("feed", "capture", None)
    before = [*part.next_batch(), *part.next_batch()]
    resumed = feed.build_part("feed", "capture", part.snapshot())
    known = [*resumed.next_batch(), *resumed.next_batch()]  # for what they teach, not said again
    assert [type(item) for item in known] == [Past, Past]
    assert [type(item) for item in [*before, *resumed.next_batch()]] == [Frames, Frames, Coverage]
    assert resumed.next_batch() == [Frames([3], [b"[]"], live=False)]
    with pytest.raises(StopIteration):
        resumed.next_batch()
