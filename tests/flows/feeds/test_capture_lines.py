"""What a live feed handed on, as lines, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flows.feeds.capture import CaptureFeed
from flows.feeds.capture_lines import lines_of
from flows.feeds.tape_files import TapeError, open_tapes
from operators.frames import REFILL_FRAMES
from operators.records import Coverage
from operators.ticks import LATE, WARMING, Frames, Refill
from tests.flows.files import write_gz

GAP = Coverage("*", 10, 20, "disconnect", refilled=False)
WARM_UP = Refill("BRK.B", WARMING, 1, 2, 77, [b'[{"ev":"T"}]', b'["\\"\xc3\xa9"]'])
EMPTY = WARM_UP._replace(symbol="A", frames=[])


def replayed(capture: str, batch: int = 100, skip: int = 0) -> list[Any]:
    feed = CaptureFeed(open_tapes([capture]), batch=batch)
    part = feed.build_part("feed", "capture", None)
    items: list[Any] = []
    state = None
    try:
        while True:
            if len(items) == skip and state is None:
                state = part.snapshot()
                part = feed.build_part("feed", "capture", state)
            items += part.next_batch()
    except StopIteration:
        return items


def written(path: Path, *items: Any) -> str:
    return write_gz(path, *(line.decode() for item in items for line in lines_of(item, 5)))


@pytest.mark.parametrize("skip", [0, 1, 2, 3, 4])
def test_frames_gaps_and_refills_come_back_where_they_stood(tmp_path: Path, skip: int) -> None:
    frames = Frames([3, 4], [b"[]", b"[1]"]), Frames([9], [b"[2]"])
    capture = written(tmp_path / "c.jsonl.gz", EMPTY, frames[0], GAP, WARM_UP, frames[1])
    assert replayed(capture, skip=skip) == [
        EMPTY._replace(live=False),
        frames[0]._replace(live=False),
        GAP,
        WARM_UP._replace(live=False),
        frames[1]._replace(live=False),
    ]


def test_a_long_refill_is_several_lines_and_a_warm_up_is_one(tmp_path: Path) -> None:
    many = [b"[%d]" % i for i in range(REFILL_FRAMES + 3)]
    late = WARM_UP._replace(origin=LATE, frames=many)
    capture = written(tmp_path / "c.jsonl.gz", late, late._replace(origin=WARMING))
    assert replayed(capture) == [
        late._replace(frames=many[:REFILL_FRAMES], live=False),
        late._replace(frames=many[REFILL_FRAMES:], live=False),
        late._replace(origin=WARMING, live=False),
    ]


@pytest.mark.parametrize(
    "line",
    ['{"f":"[]"}', '{"r":1}', '{"r":1,"refill":{"symbol":"A"}}', '{"r":1,"gap":[]}'],
)
def test_a_line_of_something_else_is_no_capture(tmp_path: Path, line: str) -> None:
    capture = write_gz(tmp_path / "c.jsonl.gz", '{"r":1,"f":"[]"}', line)
    with pytest.raises(TapeError, match="is no capture: a line is not"):
        replayed(capture)
