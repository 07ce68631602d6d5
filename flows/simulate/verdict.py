"""Alerts against planted truth: precision and recall of each detector, by difficulty.

An alert belongs to the story of its symbol in whose time it fired, from its first print to
`until_ns`; one that belongs to no story is the background's, and false. A story's large seller
must be found by its last print; a burst and an exit signal may come until `until_ns`. An alert
that escalates another is no alert of its own. Nothing is matched by size or price.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from flows.simulate.catalogue import DETECTORS, DIFFICULTIES, SELLER_TYPE
from flows.simulate.planting import Label
from operators.records import Alert
from operators.ticks import MS

EVERY = "all"


class Tally(msgspec.Struct, kw_only=True):
    """One detector at one difficulty (or `all`).

    `planted` stories in which such an alert is right, `found` of them with one or more; `right`
    alerts in those, `wrong` alerts in other stories of the difficulty, `background` alerts of
    the whole tape in no story at all, charged to every difficulty. Alerts that a label sets
    aside are in none of them.
    """

    mode: str
    alert_type: str
    difficulty: str
    planted: int = 0
    found: int = 0
    right: int = 0
    wrong: int = 0
    background: int = 0

    @property
    def recall(self) -> float | None:
        """Stories found, of those planted."""
        return self.found / self.planted if self.planted else None

    @property
    def precision(self) -> float | None:
        """Alerts that are right, of all that are judged."""
        alerts = self.right + self.wrong + self.background
        return self.right / alerts if alerts else None


class Told(msgspec.Struct, kw_only=True):
    """One kind of story: how often it was planted, and in how many each detector fired.

    `truth`: the alert types that are right there; none makes it a decoy.
    """

    mode: str
    story: str
    difficulty: str
    truth: tuple[str, ...]
    planted: int = 0
    fired: dict[str, int] = {}


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """All rows of one mode."""

    mode: str
    tallies: list[Tally]
    stories: list[Told]


def judge(labels: Iterable[Label], alerts: Iterable[Alert], mode: str) -> Verdict:
    """Set the alerts of a tape beside what was planted on it.

    Args:
        labels: Of drawn stories; those without a `truth` are left out, with their alerts.
        alerts: All that the rules raised, in any order.
        mode: What the rows name as detection mode.
    """
    stories = sorted((one for one in labels), key=lambda one: one.start_ns)
    fired, stray = _by_story(stories, alerts)
    tallies = {
        (kind, difficulty): Tally(mode=mode, alert_type=kind, difficulty=difficulty)
        for kind in DETECTORS
        for difficulty in (*DIFFICULTIES, EVERY)
    }
    told: dict[str, Told] = {}
    for label, found in zip(stories, fired, strict=True):
        if label.truth is None:
            continue
        row = told.setdefault(label.kind, _told(label, mode))
        row.planted += 1
        for kind in DETECTORS:
            mine = [alert for alert in found if alert.alert_type == kind]
            row.fired[kind] += bool(mine)
            for difficulty in (label.difficulty, EVERY):
                _add(tallies[kind, difficulty], label, mine)
    for tally in tallies.values():
        tally.background = stray[tally.alert_type]
    order = {difficulty: i for i, difficulty in enumerate(DIFFICULTIES)}
    rows = sorted(told.values(), key=lambda row: (not row.truth, order[row.difficulty], row.story))
    return Verdict(mode=mode, tallies=list(tallies.values()), stories=rows)


def _told(label: Label, mode: str) -> Told:
    return Told(
        mode=mode,
        story=label.kind,
        difficulty=label.difficulty,
        truth=label.truth or (),
        fired=dict.fromkeys(DETECTORS, 0),
    )


def _add(tally: Tally, label: Label, alerts: Sequence[Alert]) -> None:
    """Judge the alerts of one type in one story."""
    kind = tally.alert_type
    if kind in label.aside:
        return
    right = [alert for alert in alerts if _in_time(label, alert)] if _true(label, kind) else []
    tally.planted += _true(label, kind)
    tally.found += bool(right)
    tally.right += len(right)
    tally.wrong += len(alerts) - len(right)


def _true(label: Label, kind: str) -> bool:
    return kind in (label.truth or ())


def _in_time(label: Label, alert: Alert) -> bool:
    return alert.alert_type != SELLER_TYPE or alert.ts_ns <= label.end_ns


def _by_story(
    stories: Sequence[Label], alerts: Iterable[Alert]
) -> tuple[list[list[Alert]], dict[str, int]]:
    """Return the alerts of each story, and how many of each type belong to none."""
    places: dict[str, list[int]] = defaultdict(list)
    for i, label in enumerate(stories):
        places[label.symbol].append(i)
    starts = {symbol: [stories[i].start_ns // MS for i in at] for symbol, at in places.items()}
    fired: list[list[Alert]] = [[] for _ in stories]
    stray: dict[str, int] = defaultdict(int)
    for alert in alerts:
        if alert.escalates is not None:
            continue
        before = bisect_right(starts.get(alert.symbol, []), alert.ts_ns // MS)
        at = places[alert.symbol][before - 1] if before else -1
        if at >= 0 and alert.ts_ns <= stories[at].until_ns:
            fired[at].append(alert)
        else:
            stray[alert.alert_type] += 1
    return fired, stray
