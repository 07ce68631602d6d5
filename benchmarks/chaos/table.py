"""The verdicts as text: a line a run, and a table of all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

_SUMS = (
    ("alerts expected, by a replay without faults", "expected"),
    ("of these next to a gap REST refused to fill", "left_out"),
    ("alerts found", "found"),
    ("of these late, from a refill", "late"),
    ("missing", "missing"),
    ("extra", "extra"),
    ("duplicates", "duplicates"),
    ("torn lines, healed", "torn"),
    ("torn lines, unhealed", "unhealed"),
    ("alerts the tailing reader saw not exactly once", "reader_off"),
    ("rows in which history and file differ", "history_off"),
    ("coverage records", "gaps"),
    ("of these refilled", "refilled"),
    ("not refilled without cause", "unexcused"),
    ("starts of the process", "starts"),
    ("connections", "connections"),
)


def progress(verdict: dict[str, Any], done: int, runs: int) -> str:
    """Return one line on a run."""
    said = "; ".join(verdict["wrong"]) or "ok"
    seen = (
        f"{verdict.get('found', 0)} alerts, {verdict.get('late', 0)} late, "
        f"{verdict.get('starts', 0)} starts, {verdict.get('connections', 0)} connections, "
        f"{verdict.get('seconds', 0):g} s"
    )
    return f"[{done}/{runs}] seed {verdict['seed']}: {said} ({seen})"


def table(verdicts: Sequence[dict[str, Any]], speed: float, seconds: float) -> str:
    """Return what all runs come to."""
    failed = [verdict for verdict in verdicts if verdict["wrong"]]
    rows = [
        f"{len(verdicts)} runs at {speed:g} x tape time in {seconds:.0f} s, {len(failed)} failed",
        *(f"  {what:<52}{sum(v.get(key, 0) for v in verdicts):>9,}" for what, key in _SUMS),
        "  what went wrong                                        times     runs   failed",
    ]
    times: Counter[str] = Counter()
    runs: Counter[str] = Counter()
    bad: Counter[str] = Counter()
    for verdict in verdicts:
        struck = verdict.get("struck", {})
        times.update(struck)
        runs.update(struck.keys())
        bad.update(struck.keys() if verdict["wrong"] else ())
    rows += [f"    {n:<48}{times[n]:>8,} {runs[n]:>8,} {bad[n]:>8,}" for n in sorted(times)]
    rows += [f"  seed {v['seed']}: {'; '.join(v['wrong'])}" for v in failed]
    return "\n".join(rows)
