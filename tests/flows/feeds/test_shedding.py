"""Overload: which frames go first, and what is said of them."""

from __future__ import annotations

import random

import pytest

from flows.feeds.frame_queue import FRAME_OVERHEAD, FrameQueue
from flows.feeds.shedding import RECORD_NS, ShedLog, quoted_symbols
from operators.records import Coverage
from operators.ticks import Frames

OPEN_MS = 1_795_185_000_000
MS = 1_000_000
CHUNK = 256  # frames looked at, or dropped, at a time
SIZE = 100 + FRAME_OVERHEAD


def event(kind: str, symbol: str, ms: int) -> str:
    return f'{{"ev":"{kind}","sym":"{symbol}","t":{OPEN_MS + ms}}}'


def frame(ms: int, *events: str) -> bytes:
    """A frame of 100 bytes: `Q.A` is a quote of A."""
    parts = [text.partition(".") for text in events]
    said = ",".join(event(kind, symbol, ms) for kind, _, symbol in parts)
    return f"[{said}".encode().ljust(99) + b"]"


def ns(ms: int) -> int:
    return (OPEN_MS + ms) * MS


def shed(symbol: str, from_ms: int, to_ms: int) -> Coverage:
    return Coverage(symbol, ns(from_ms), ns(to_ms), "shed", refilled=False)


def filled(queue: FrameQueue, *texts: str, chunks: int, start: int = 0) -> None:
    """Queue so many chunks of 100-byte frames, one a millisecond, of these events in turn."""
    for i in range(start, start + chunks * CHUNK):
        queue.put(i * MS, [frame(i, texts[i % len(texts)])])


def drained(queue: FrameQueue) -> tuple[list[Coverage], list[Frames]]:
    items = []
    while taken := queue.take(0):
        items += taken
    return (
        [item for item in items if isinstance(item, Coverage)],
        [item for item in items if isinstance(item, Frames)],
    )


def held_back(found: list[Frames]) -> list[bytes]:
    return [frame for item in found for frame in item.frames]


@pytest.mark.parametrize(
    ("text", "symbols"),
    [
        (b'[{"ev":"Q","sym":"A","t":1},{"ev":"Q","sym":"BRK.B","t":1}]', [b"A", b"BRK.B"]),
        (b'[{"ev":"Q","sym":"A","t":1},{"ev":"T","sym":"B","t":1}]', []),
        (b'[{"ev":"Q","sym":"A","t":1},{"ev":"LULD","T":"B"}]', []),
        (b'[{"ev":"T","sym":"A","t":1}]', []),
        (b'[{"ev": "Q", "sym": "A"}]', []),  # not as the vendor spells it
        (b'[{"ev":"Q","sym":"A,B"}]', []),  # no symbol
        (b'[{"ev":"Q"}]', []),
        (b"[]", []),
        (b'\xff"ev"', []),
    ],
)
def test_frames_of_nothing_but_quotes_are_told_by_their_bytes(
    text: bytes, symbols: list[bytes]
) -> None:
    assert quoted_symbols(text) == symbols


def test_quotes_go_first_then_nothing_if_that_is_enough() -> None:
    queue = FrameQueue(max_bytes=4 * CHUNK * SIZE)
    filled(queue, "T.A", "Q.A", chunks=6)
    assert (queue.dropped_frames, queue.shed_frames) == (0, 4 * CHUNK // 2)
    assert queue.bytes <= 4 * CHUNK * SIZE
    records, found = drained(queue)
    kept = held_back(found)
    assert sum(b'"T"' in one for one in kept) == 6 * CHUNK // 2
    assert sum(b'"Q"' in one for one in kept) == CHUNK
    assert records == [shed("A", 1, CHUNK - 1), shed("A", CHUNK + 1, 4 * CHUNK - 1)]


def test_what_is_shed_is_the_oldest_and_order_is_kept() -> None:
    queue = FrameQueue(max_bytes=2 * CHUNK * SIZE)
    filled(queue, "Q.A", "T.A", "Q.A", chunks=3)
    _, found = drained(queue)
    received = [at for item in found for at in item.received_ns]
    assert received == sorted(received)
    kept = [at // MS for item in found for at in item.received_ns if at // MS % 3 != 1]
    assert len(kept) > CHUNK / 2
    assert kept[0] >= CHUNK


def test_quotes_of_a_symbol_that_is_held_stay_as_long_as_there_are_others() -> None:
    queue = FrameQueue(max_bytes=4 * CHUNK * SIZE)
    queue.hold(["HELD"])
    filled(queue, "T.X", "Q.OTHER", "Q.HELD", "Q.OTHER", chunks=6)
    records, found = drained(queue)
    kept = held_back(found)
    assert sum(b"HELD" in one for one in kept) == 6 * CHUNK // 4
    assert {record.symbol for record in records} == {"OTHER"}
    assert (queue.shed_frames, queue.dropped_frames) == (6 * CHUNK - len(kept), 0)


def test_a_frame_with_one_quote_of_a_symbol_held_stays() -> None:
    queue = FrameQueue(max_bytes=2 * CHUNK * SIZE)
    queue.hold(["B"])
    for i in range(3 * CHUNK):
        queue.put(i * MS, [frame(i, "Q.A", "Q.B")])
    assert queue.shed_frames == 0
    assert queue.dropped_frames == CHUNK


def test_the_oldest_frames_go_when_no_quotes_are_left() -> None:
    queue = FrameQueue(max_bytes=2 * CHUNK * SIZE)
    filled(queue, "T.A", chunks=5)
    assert (queue.shed_frames, queue.dropped_frames) == (0, 3 * CHUNK)
    records, found = drained(queue)
    assert records == [shed("*", 0, 3 * CHUNK)]
    assert len(held_back(found)) == 2 * CHUNK


def test_a_feed_of_quotes_alone_that_nobody_takes_stays_within_its_bounds() -> None:
    queue = FrameQueue(max_bytes=2 * CHUNK * SIZE)
    filled(queue, "Q.A", "Q.B", chunks=200)
    assert queue.bytes <= 2 * CHUNK * SIZE
    assert len(queue._items) < 5
    assert (queue.shed_frames, queue.dropped_frames) == (198 * CHUNK, 0)
    records, found = drained(queue)
    assert records == [shed("A", 0, 198 * CHUNK - 1), shed("B", 0, 198 * CHUNK - 1)]
    assert len(held_back(found)) == 2 * CHUNK
    assert queue.bytes == queue.frames == 0


def test_frames_that_may_miss_quotes_are_marked_until_a_second_after() -> None:
    queue = FrameQueue(max_bytes=3 * CHUNK * SIZE)
    filled(queue, "T.A", chunks=2)
    filled(queue, "Q.A", chunks=1, start=2 * CHUNK)
    filled(queue, "T.A", chunks=1, start=3 * CHUNK)
    before, record, after = queue.take(0)
    assert isinstance(before, Frames)
    assert isinstance(after, Frames)
    assert record == shed("A", 2 * CHUNK, 3 * CHUNK - 1)
    assert (len(before.frames), before.quotes_shed) == (CHUNK, False)
    assert (len(after.frames), after.quotes_shed) == (2 * CHUNK, True)
    last_ms = 3 * CHUNK - 1 + 1000
    for ms, marked in ((last_ms, True), (last_ms + 1, False)):
        queue.put(ms * MS, [frame(ms, "T.A")])
        assert queue.take(0) == [Frames([ms * MS], [frame(ms, "T.A")], quotes_shed=marked)]


def test_a_record_at_once_then_every_ten_seconds_then_at_the_end() -> None:
    log = ShedLog()
    assert (log.due(0), log.end()) == ([], [])
    log.add({b"A"}, ns(0), ns(1))
    assert log.due(5) == [shed("A", 0, 1)]
    log.add({b"B"}, ns(2), ns(3))
    log.add({b"A"}, ns(4), ns(9))
    assert log.due(5 + RECORD_NS - 1) == []
    assert log.due(5 + RECORD_NS) == [shed("A", 2, 9), shed("B", 2, 9)]
    log.add({b"C"}, ns(11), ns(12))
    assert log.due(6 + RECORD_NS) == []
    assert log.end() == [shed("C", 11, 12)]
    assert log.end() == []
    log.add({b"A"}, ns(20), ns(21))
    assert log.due(7 + RECORD_NS) == [shed("A", 20, 21)]


def test_many_symbols_or_whole_frames_are_the_whole_market() -> None:
    log = ShedLog()
    log.add({b"S%d" % n for n in range(51)}, ns(0), ns(1))
    assert log.end() == [shed("*", 0, 1)]
    log.add({b"A"}, ns(0), ns(1))
    log.add(None, ns(2), ns(3))
    assert log.end() == [shed("*", 0, 3)]


@pytest.mark.parametrize("seed", range(8))
def test_every_frame_is_handed_out_in_order_or_shed_or_dropped_and_then_on_record(
    seed: int,
) -> None:
    """Whatever comes and however it is taken, the queue stays within its bounds."""
    rng = random.Random(seed)
    queue = FrameQueue(max_bytes=rng.choice((1, 3, 5)) * CHUNK * SIZE)
    queue.hold(["A"])
    found: list[Frames | Coverage] = []
    texts = rng.choice((("T.A", "Q.A", "Q.B"), ("Q.B", "Q.C"), ("T.A",), ("T.A", *["Q.B"] * 20)))
    total, marks = 12 * CHUNK, 0
    for ms in range(total):
        queue.put(ms * MS, [frame(ms, rng.choice(texts))])
        assert queue.bytes <= max(queue._max_bytes, (CHUNK + 1) * SIZE)
        if rng.random() < 0.001:
            queue.mark(Coverage("MARK", marks, marks, "disconnect", refilled=False))
            marks += 1
        if rng.random() < 0.0005:
            found += queue.take(0)
    while taken := queue.take(0):
        found += taken
    received = [at for item in found if isinstance(item, Frames) for at in item.received_ns]
    assert received == sorted(set(received))
    assert len(received) + queue.shed_frames + queue.dropped_frames == total
    assert (queue.frames, queue.bytes) == (0, 0)
    records = [item for item in found if isinstance(item, Coverage)]
    assert [r.from_ns for r in records if r.symbol == "MARK"] == [*range(marks)]
    missing = [OPEN_MS * MS + at * MS for at in {*range(total)} - {at // MS for at in received}]
    gaps = [(r.from_ns, r.to_ns) for r in records if r.cause == "shed"]
    assert all(any(a <= at <= b for a, b in gaps) for at in missing)
