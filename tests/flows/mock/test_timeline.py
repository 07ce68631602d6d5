"""When faults begin and end."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from flows.mock.faults import Disconnect, Outage, RestError, Silence, TimedFault
from flows.mock.timeline import Course, Timeline

S = 10**9
OPEN_NS = 1_000 * S


def timeline(*faults: TimedFault) -> Timeline:
    return Timeline(faults, OPEN_NS)


def crossed(line: Timeline, *moments: tuple[int, float]) -> list[tuple[bool, bool]]:
    """Return, after each moment (events played, tape seconds), whether the fault is there."""
    seen = []
    for events, tape_s in moments:
        turned = line.cross(events, OPEN_NS + int(tape_s * S))
        seen.append((line.courses[0].active, bool(turned)))
    return seen


THERE, GONE, TURN, STAY = True, False, True, False


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        (Silence(), [(THERE, STAY), (THERE, STAY), (THERE, STAY), (THERE, STAY)]),
        (Silence(at_s=2), [(GONE, STAY), (THERE, TURN), (THERE, STAY), (THERE, STAY)]),
        (
            Silence(at_s=1.5, for_tape_s=1),
            [(GONE, STAY), (THERE, TURN), (THERE, STAY), (GONE, TURN)],
        ),
        (Silence(after_events=20), [(GONE, STAY), (THERE, TURN), (THERE, STAY), (THERE, STAY)]),
        (
            Silence(after_events=15, for_events=14),
            [(GONE, STAY), (THERE, TURN), (GONE, TURN), (GONE, STAY)],
        ),
        (Silence(for_events=20), [(THERE, STAY), (GONE, TURN), (GONE, STAY), (GONE, STAY)]),
        (Silence(after_s=600), [(GONE, STAY), (GONE, STAY), (GONE, STAY), (GONE, STAY)]),
    ],
)
def test_a_fault_begins_and_ends_by_tape_time_and_by_events(
    fault: TimedFault, seen: list[tuple[bool, bool]]
) -> None:
    line = timeline(fault)
    line.play_begins()
    assert crossed(line, (10, 1), (20, 2), (29, 2.4), (30, 3)) == seen


def test_no_event_is_played_beyond_a_beginning_or_an_end() -> None:
    ts_ns = OPEN_NS + np.arange(100) * S // 10  # ten a second
    line = timeline(Silence(at_s=2, for_events=5), Outage(after_events=50))
    stops = [0]
    for _ in range(4):
        line.cross(stops[-1], int(ts_ns[stops[-1]]))
        stops.append(line.stop(ts_ns, stops[-1], 60))
    assert stops == [0, 20, 25, 50, 60]


def test_by_the_clock_too() -> None:
    line = timeline(Silence(after_s=0.05, for_s=0.05), RestError(for_s=60))
    assert crossed(line, (0, 0)) == [(GONE, STAY)]  # the tape has not begun
    time.sleep(0.06)
    assert crossed(line, (0, 0)) == [(GONE, STAY)]
    line.play_begins()
    time.sleep(0.06)
    assert crossed(line, (0, 0)) == [(THERE, TURN)]
    assert line.away
    time.sleep(0.06)
    assert crossed(line, (0, 0)) == [(GONE, TURN)]
    assert not line.away


def test_the_end_of_the_tape_ends_what_is_counted_in_it() -> None:
    line = timeline(
        Silence(for_events=5), Silence(for_tape_s=5), Silence(), Silence(for_s=60), Silence(at_s=9)
    )
    assert line.tape_ends() == line.courses[:2]
    assert [course.active for course in line.courses] == [False, False, True, True, False]


@pytest.mark.parametrize(
    ("fault", "concerned"),
    [
        (Silence(), [1, 2, 3, 4]),
        (Silence(connection=2), [2]),
        (Silence(connection=2, count=2), [2, 3]),
    ],
)
def test_a_fault_is_about_all_connections_or_some(fault: Any, concerned: list[int]) -> None:
    assert [n for n in range(1, 5) if Course(fault).concerns(n)] == concerned


def test_a_fault_is_spent_after_its_count() -> None:
    line = timeline(RestError(count=2), RestError(route="quotes", after_requests=1))
    met = [line.rest_fault("trades", n, n) for n in range(3)]
    assert met == [RestError(count=2)] * 2 + [None]
    assert [line.rest_fault("quotes", 3 + n, n) is None for n in range(3)] == [True, False, False]
    assert line.strikes == [2, 2]


def test_a_disconnect_without_an_end_is_spent_at_once() -> None:
    once, thrice, lasting = (
        Course(fault) for fault in (Disconnect(), Disconnect(count=3), Disconnect(for_s=1))
    )
    for course in (once, thrice, lasting):
        course.struck()
    assert [course.exhausted for course in (once, thrice, lasting)] == [True, False, False]
