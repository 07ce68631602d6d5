"""When each fault is there: begun and over by the tape's clock, by ours, or by a count."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from flows.mock.faults import (
    AuthFailed,
    AuthTimeout,
    ConnectionFault,
    Disconnect,
    Fault,
    HalfOpen,
    MaxConnections,
    Outage,
    RestFault,
    Silence,
    TimedFault,
)

_S = 10**9
_NEVER = 2**62
_AWAY = (AuthFailed, AuthTimeout, Disconnect, HalfOpen, MaxConnections, Outage, Silence)

F = TypeVar("F", bound=TimedFault)


class Moment(NamedTuple):
    """A point in the play: events played, tape time (ns), our clock (s)."""

    events: int
    tape_ns: int
    wall_s: float


class Course:
    """One fault on its way from the beginning to the end.

    Args:
        fault: what it is.
    """

    def __init__(self, fault: TimedFault) -> None:
        self.fault = fault
        self.begun: Moment | None = None
        self.over = False
        self.exhausted = False
        self.strikes = 0
        ends = (fault.for_s, fault.for_tape_s, fault.for_events)
        self.bounded = any(end is not None for end in ends)
        self._once = isinstance(fault, Disconnect) and not self.bounded

    @property
    def there(self) -> bool:
        """Whether the fault has begun and not ended."""
        return self.begun is not None and not self.over

    @property
    def active(self) -> bool:
        """Whether it is there and has strikes left."""
        return self.there and not self.exhausted

    @property
    def of_connection(self) -> bool:
        """Whether it begins when one connection was sent so many events."""
        fault = self.fault
        return (
            isinstance(fault, ConnectionFault)
            and fault.connection is not None
            and fault.after_events is not None
        )

    def concerns(self, connection: int) -> bool:
        """Whether it is about the n-th connection."""
        fault = self.fault
        if not isinstance(fault, ConnectionFault) or fault.connection is None:
            return True
        return fault.connection <= connection < fault.connection + (fault.count or 1)

    def struck(self, all_at_once: bool = False) -> None:
        """Count a strike; it may be the last. One of several `all_at_once` is not."""
        self.strikes += 1
        if not all_at_once:
            self.happened()
        if self.fault.count == self.strikes:
            self.exhausted = True

    def happened(self) -> None:
        """Exhaust a fault that happens once, if it has happened."""
        if self._once and self.strikes and self.fault.count is None:
            self.exhausted = True

    def edge(self, first_ns: int, play_s: float | None) -> Moment:
        """Return where it begins next, or ends: in events, or tape time, or on our clock."""
        fault, begun = self.fault, self.begun
        events, tape_ns, wall_s = _NEVER, _NEVER, float("inf")
        if begun is None:
            if fault.after_events is not None and not self.of_connection:
                events = fault.after_events
            if fault.at_s is not None:
                tape_ns = first_ns + int(fault.at_s * _S)
            if fault.after_s is not None and play_s is not None:
                wall_s = play_s + fault.after_s
        else:
            if fault.for_events is not None:
                events = begun.events + fault.for_events
            if fault.for_tape_s is not None:
                tape_ns = begun.tape_ns + int(fault.for_tape_s * _S)
            if fault.for_s is not None:
                wall_s = begun.wall_s + fault.for_s
        return Moment(events, tape_ns, wall_s)


class Timeline:
    """All faults of a play that come and go.

    Its clocks are set by the player; everything but `rest_fault` belongs to its event loop.

    Args:
        faults: what is to happen; those of the tape itself are passed over.
        first_ns: when the tape begins, in its own time.
    """

    def __init__(self, faults: Iterable[Fault], first_ns: int) -> None:
        self._first_ns = first_ns
        self._play_s: float | None = None
        self.now = Moment(0, first_ns, time.monotonic())
        self._courses = [Course(f) if isinstance(f, TimedFault) else None for f in faults]
        self.courses = [course for course in self._courses if course is not None]
        for course in self.courses:
            fault = course.fault
            starts = (fault.at_s, fault.after_s, fault.after_events)
            late = isinstance(fault, RestFault) and fault.after_requests is not None
            if all(start is None for start in starts) and not late:
                course.begun = self.now

    @property
    def strikes(self) -> list[int]:
        """How often each fault has struck, in their order; 0 for those of the tape."""
        return [course.strikes if course else 0 for course in self._courses]

    @property
    def away(self) -> bool:
        """Whether a fault that ends keeps clients away: then the tape goes on without them."""
        return any(
            course.bounded and course.there and isinstance(course.fault, _AWAY)
            for course in self.courses
        )

    def add(self, fault: TimedFault, events: int, tape_ns: int) -> Course:
        """Add a fault that begins now, and set the clocks."""
        self.now = Moment(events, tape_ns, time.monotonic())
        course = Course(fault)
        course.begun = self.now
        self._courses.append(course)
        self.courses.append(course)
        return course

    def play_begins(self) -> None:
        """Take note that the tape begins to play."""
        self._play_s = time.monotonic()

    def cross(self, events: int, tape_ns: int) -> list[Course]:
        """Set the clocks, and return what has begun or ended since."""
        self.now = Moment(events, max(tape_ns, self.now.tape_ns), time.monotonic())
        return [course for course in self.courses if self._crossed(course)]

    def _crossed(self, course: Course) -> bool:
        if course.over:
            return False
        edge = course.edge(self._first_ns, self._play_s)
        if all(now < then for now, then in zip(self.now, edge, strict=True)):
            return False
        if course.begun is None:
            course.begun = Moment(
                min(edge.events, self.now.events), min(edge.tape_ns, self.now.tape_ns),
                self.now.wall_s,
            )  # fmt: skip
        else:
            course.over = True
        return True

    def begin(self, course: Course) -> None:
        """Begin a fault whose connection was sent what it takes."""
        course.begun = self.now._replace(wall_s=time.monotonic())

    def stop(self, ts_ns: npt.NDArray[np.int64], start: int, stop: int) -> int:
        """Return the end of the events from `start` before which no fault begins or ends."""
        for course in self.courses:
            if not course.over:
                edge = course.edge(self._first_ns, self._play_s)
                stop = min(stop, start + edge.events - self.now.events)
                if edge.tape_ns != _NEVER:
                    stop = min(stop, int(np.searchsorted(ts_ns, edge.tape_ns)))
        return max(start, stop)

    def tape_ends(self) -> list[Course]:
        """Return what the end of the tape ends: a fault counted in its events or its time."""
        ended = [
            course
            for course in self.courses
            if course.there and (course.fault.for_events or course.fault.for_tape_s is not None)
        ]
        for course in ended:
            course.over = True
        return ended

    def active(self, kind: type[F], connection: int) -> Iterator[tuple[Course, F]]:
        """Yield the faults of a kind that are there for the n-th connection."""
        for course in self.courses:
            fault = course.fault
            if isinstance(fault, kind) and course.active and course.concerns(connection):
                yield course, fault

    def rest_fault(self, route: str, requests: int, of_route: int) -> RestFault | None:
        """Return the fault a request meets, if any, and count it; from one thread at a time.

        Args:
            route: which route it asks.
            requests: how many requests have come before it.
            of_route: how many of them to that route.
        """
        for course in self.courses:
            fault = course.fault
            if not isinstance(fault, RestFault) or fault.route not in (None, route):
                continue
            before = requests if fault.route is None else of_route
            if course.begun is None and before >= (fault.after_requests or _NEVER):
                self.begin(course)
            if course.active:
                course.struck()
                return fault
        return None
