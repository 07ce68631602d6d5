"""The queue between the socket and the dataflow."""

from __future__ import annotations

import threading
import time

from flows.feeds import frame_queue
from flows.feeds.frame_queue import BATCH_FRAMES, FRAME_OVERHEAD, FrameQueue, event_times_ns
from operators.records import Coverage
from operators.ticks import Frames

OPEN_MS = 1_795_185_000_000
GAP = Coverage("*", 1, 2, "disconnect", refilled=False)


def frame(second: int, size: int = 100) -> bytes:
    head = f'[{{"ev":"T","t":{OPEN_MS + 1000 * second}}}'.encode()
    return head + b" " * (size - len(head) - 1) + b"]"


def second_ns(second: int) -> int:
    return (OPEN_MS + 1000 * second) * 1_000_000


def test_all_that_is_queued_is_one_item() -> None:
    queue = FrameQueue()
    for i in range(1000):
        queue.put(i, [b"%d" % i])
    assert queue.frames == 1000
    assert queue.take(0) == [Frames(list(range(1000)), [b"%d" % i for i in range(1000)])]
    assert (queue.frames, queue.bytes, queue.take(0)) == (0, 0, [])


def test_a_record_stays_between_the_frames_it_came_between() -> None:
    queue = FrameQueue()
    queue.put(1, [b"a"])
    queue.mark(GAP)
    queue.put(2, [b"b"])
    queue.put(3, [b"c"])
    assert queue.take(0) == [Frames([1], [b"a"]), GAP, Frames([2, 3], [b"b", b"c"])]


def test_a_batch_has_a_bound() -> None:
    queue = FrameQueue()
    for i in range(BATCH_FRAMES + 300):
        queue.put(i, [b"x"])
    (first,), (second,) = queue.take(0), queue.take(0)
    assert isinstance(first, Frames)
    assert isinstance(second, Frames)
    assert (len(first.frames), len(second.frames)) == (BATCH_FRAMES, 300)
    assert second.received_ns[0] == BATCH_FRAMES


def test_a_full_queue_drops_the_oldest_frames_and_says_so() -> None:
    per_chunk = frame_queue._CHUNK_FRAMES
    queue = FrameQueue(max_bytes=3 * per_chunk * (100 + FRAME_OVERHEAD))
    for second in range(5 * per_chunk):
        queue.put(second, [frame(second)])
    assert queue.dropped_frames == 2 * per_chunk
    hole, kept = queue.take(0)
    assert hole == Coverage("*", second_ns(0), second_ns(2 * per_chunk), "shed", False)
    assert isinstance(kept, Frames)
    assert kept.received_ns == list(range(2 * per_chunk, 5 * per_chunk))


def test_a_record_among_dropped_frames_is_kept() -> None:
    queue = FrameQueue(max_bytes=2 * 300_000)
    queue.put(1, [frame(1, 290_000)])
    queue.mark(GAP)
    for second in (2, 3):
        queue.put(second, [frame(second, 290_000)])
    queue.put(4, [frame(4, 290_000)])
    assert queue.take(0)[:2] == [
        GAP,
        Coverage("*", second_ns(1), second_ns(3), "shed", False),
    ]


def test_a_frame_larger_than_the_queue_is_handed_out() -> None:
    queue = FrameQueue(max_bytes=1000)
    queue.put(1, [frame(1, 5000)])
    assert queue.take(0) == [Frames([1], [frame(1, 5000)])]


def test_who_waits_is_woken_by_the_first_item() -> None:
    queue = FrameQueue()
    began = time.monotonic()
    threading.Timer(0.05, queue.put, (7, [b"x"])).start()
    assert queue.take(60) == [Frames([7], [b"x"])]
    threading.Timer(0.05, queue.mark, (GAP,)).start()
    assert queue.take(60) == [GAP]
    assert time.monotonic() - began < 30  # and not by the end of the wait


def test_event_times_are_those_that_can_be_read() -> None:
    good = second_ns(1)
    assert event_times_ns(frame(1)) == [good]
    assert event_times_ns(b'[{"t":1.5},{"t":"x"},{},3,{"t":12},{"t":%d}]' % (good // 10**6)) == [
        good
    ]
    for unreadable in (b"[{", b"{}", b"\xff", b"3", b"[" * 5000):
        assert event_times_ns(unreadable) == []


def test_a_burst_is_queued_in_chunks_of_a_bounded_number_of_frames() -> None:
    per_chunk = frame_queue._CHUNK_FRAMES
    queue = FrameQueue(max_bytes=2 * per_chunk * (100 + FRAME_OVERHEAD))
    queue.put(1, [frame(1)] * (3 * per_chunk))
    assert queue.frames == 2 * per_chunk
    assert queue.dropped_frames == per_chunk
