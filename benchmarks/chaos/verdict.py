"""What a run left behind, held against the alerts of a run without faults.

What counts as covered is judged from the plan, not from what the flow says of itself: a gap may
stay unrefilled only where REST refused, by the plan, when it would have been fetched. What such a
gap touches is left out on both sides; everything else must be there, once, and nothing more.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from benchmarks.chaos.plan import Plan
from benchmarks.chaos.tape import WINDOW_S
from benchmarks.market import OPEN_NS
from sinks.iso import ns_of

COLD_S = 360.0  # windows after an unrefilled gap
QUOTES_S = 15.0  # until each symbol has been quoted again, generously
SLACK_S = 5.0  # between the tape's clock and the feed's

Line = dict[str, Any]


class Known(NamedTuple):
    """An alert as far as it is compared: tape second, symbol, kind, id."""

    at_s: float
    symbol: str
    kind: str
    alert_id: str


class Unseen(NamedTuple):
    """A gap that was not refilled, in tape seconds; `*` is every symbol."""

    symbol: str
    from_s: float
    to_s: float
    cause: str
    noted_s: float  # when it was put on record


@dataclass
class Verdict:
    """What is wrong with a run (nothing, if it passed), and what happened in it."""

    seed: int
    wrong: list[str] = field(default_factory=list)
    expected: int = 0
    found: int = 0
    late: int = 0
    left_out: int = 0
    missing: int = 0
    extra: int = 0
    duplicates: int = 0
    torn: int = 0
    unhealed: int = 0
    reader_off: int = 0
    history_off: int = 0
    gaps: int = 0
    refilled: int = 0
    unexcused: int = 0
    starts: int = 0
    connections: int = 0
    struck: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    def public(self) -> Line:
        """Return it as plain JSON values."""
        return asdict(self)


def second(utc: str) -> float:
    """Return a time of a line as a second of the tape."""
    return (ns_of(utc) - OPEN_NS) // 10**6 / 1000  # the socket says no more than ms


def known(line: Line) -> Known:
    """Return what is compared of an alert."""
    at_s = second(line["timestamp_utc"])
    return Known(at_s, line["symbol"], line["alert_type"], line["alert_id"])


def lines(path: Path) -> tuple[list[Line], int, int]:
    """Return the lines of a log that parse, how many do not, and how many of them are unended."""
    data = path.read_bytes() if path.exists() else b""
    found, torn = [], 0
    *whole, rest = data.split(b"\n")
    for line in whole:
        try:
            found.append(json.loads(line))
        except ValueError:
            torn += 1
    return found, torn, int(rest != b"")


def alerts(root: Path) -> list[Line]:
    """Return the alerts on file."""
    return [line for line in lines(root / "alerts.jsonl")[0] if "alert_id" in line]


def judge(
    plan: Plan,
    expected: Sequence[Known],
    root: Path,
    read: Iterable[str],
    speed: float,
    wall_s: float,
    begun_late: bool = False,
) -> Verdict:
    """Return the verdict on a run.

    Args:
        plan: What went wrong in it.
        expected: Alerts of the run without faults, from when the play begins.
        root: Its live folder.
        read: Ids as a reader of the file saw them, in order.
        speed: Tape seconds a second.
        wall_s: When the tape would have begun, by its speed and our clock.
        begun_late: It was killed before it had once seen the feed whole: it begins later.
    """
    if begun_late:
        from_s = begins_s(root)
        expected = [alert for alert in expected if alert.at_s >= from_s]
    said, torn, unhealed = lines(root / "alerts.jsonl")
    found = [line for line in said if line["event"] == "order_flow_alert"]
    verdict = Verdict(plan.seed, torn=torn, unhealed=unhealed, expected=len(expected))
    verdict.found, verdict.late = len(found), sum(line["late"] for line in found)
    ids = [line["alert_id"] for line in found]
    verdict.duplicates = len(ids) - len(set(ids))
    numbered = [line["seq"] for line in said if line.get("seq") is not None]
    if numbered != list(range(1, len(numbered) + 1)):
        verdict.wrong.append("seq has gaps or repeats")
    _judge_coverage(verdict, plan, expected, [known(line) for line in found], root, speed, wall_s)
    verdict.reader_off = _off(ids, list(read))
    verdict.history_off = _history_off(root, found)
    for name in (
        "missing",
        "extra",
        "duplicates",
        "unhealed",
        "reader_off",
        "history_off",
        "unexcused",
    ):
        if getattr(verdict, name):
            verdict.wrong.append(f"{name.replace('_', ' ')}: {getattr(verdict, name)}")
    return verdict


def begins_s(root: Path) -> float:
    """Return when the feed was first seen, as the flow has it on record."""
    records = lines(root / "coverage.jsonl")[0]
    return min((second(r["to_utc"]) for r in records if r["cause"] == "start"), default=0.0)


def _off(written: list[str], read: list[str]) -> int:
    """Return by how much a reader's list differs from what was written, order included."""
    return 0 if written == read else max(1, len(set(written) ^ set(read)))


def _judge_coverage(
    verdict: Verdict,
    plan: Plan,
    expected: Sequence[Known],
    found: Sequence[Known],
    root: Path,
    speed: float,
    wall_s: float,
) -> None:
    records = lines(root / "coverage.jsonl")[0]
    length_s = max(
        (alert.at_s for alert in expected), default=0.0
    )  # what is silent after that is no gap
    unseen = [
        Unseen(
            r["symbol"],
            second(r["from_utc"]),
            second(r["to_utc"]),
            r["cause"],
            (ns_of(r["emitted_utc"]) / 1e9 - wall_s) * speed,
        )
        for r in records
        if not r["refilled"] and second(r["from_utc"]) < length_s
    ]
    verdict.gaps, verdict.refilled = len(records), len(records) - len(unseen)
    excused = [gap for gap in unseen if _is_excused(gap, plan)]
    verdict.unexcused = len(unseen) - len(excused)
    both = sorted({*expected, *found})
    beside = {alert for gap in excused for alert in touched(gap, both)}
    missing = {*expected} - {*found} - beside
    extra = {*found} - {*expected} - beside
    verdict.left_out = len(beside & {*expected})
    verdict.missing, verdict.extra = len(missing), len(extra)
    for name, some in (("missing", missing), ("extra", extra)):
        if some:
            verdict.wrong.append(f"{name}: {[tuple(alert) for alert in sorted(some)[:3]]}")


def _is_excused(gap: Unseen, plan: Plan) -> bool:
    """Whether REST refused while the gap was to be fetched: from its end until it was noted."""
    noted_s = gap.noted_s + SLACK_S
    return any(from_s < noted_s and gap.to_s - SLACK_S < to_s for from_s, to_s in plan.refused)


def touched(gap: Unseen, both: Sequence[Known]) -> Iterable[Known]:
    """Yield the alerts a gap may have changed.

    A large seller, until every symbol has been quoted again; a burst, until the windows are warm
    and then until the symbol has been quiet for the alert window, because an episode may be open
    or begin anew; an exit signal with either.
    """
    until: dict[str, float] = {}
    for alert in both:
        if gap.symbol not in ("*", alert.symbol) or alert.at_s < gap.from_s - 1:
            continue
        if alert.kind == "large_seller":
            if alert.at_s <= gap.to_s + QUOTES_S:
                yield alert
            continue
        end_s = until.get(alert.symbol, gap.to_s + COLD_S + WINDOW_S)
        if alert.at_s <= end_s:
            until[alert.symbol] = max(end_s, alert.at_s + 4 * WINDOW_S)
            yield alert


def _history_off(root: Path, found: Sequence[Line]) -> int:
    """Return in how many rows history and file differ."""
    columns = (
        "alert_id, seq, symbol, alert_type, severity, timestamp_ns, emitted_ns, price_level, "
        "order_size, late, message"
    )
    with closing(duckdb.connect(str(root / "alerts.duckdb"), read_only=True)) as db:
        rows = {row[0]: row for row in db.execute(f"select {columns} from alerts").fetchall()}
    written = {
        line["alert_id"]: (
            line["alert_id"],
            line["seq"],
            line["symbol"],
            line["alert_type"],
            line["severity"],
            ns_of(line["timestamp_utc"]),
            ns_of(line["emitted_utc"]),
            line["price_level"],
            line["order_size"],
            line["late"],
            line["message"],
        )
        for line in found
    }
    return sum(rows.get(name) != written.get(name) for name in rows.keys() | written.keys())
