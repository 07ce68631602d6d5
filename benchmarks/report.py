"""What a benchmark found: figures beside their targets, as JSON and as a table."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.sides import BenchmarkError, Runs

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("bytewax", "duckdb", "msgspec", "numba", "numpy", "orjson", "polars", "websockets")


@dataclass(frozen=True, slots=True)
class Figure:
    """One number: promised to be at least (or `at_most`) `minimum`, hoped for `aim`, if any."""

    what: str
    value: float
    unit: str
    minimum: float | None = None
    aim: float | None = None
    at_most: bool = False

    def reaches(self, target: float) -> bool:
        """Return whether the value is on the right side of `target`."""
        return self.value <= target if self.at_most else self.value >= target

    @property
    def verdict(self) -> str:
        """Where the value stands; empty where nothing was promised."""
        if self.minimum is None:
            return ""
        if not self.reaches(self.minimum):
            return "MISS"
        return "pass, aim reached" if self.aim is not None and self.reaches(self.aim) else "pass"

    @property
    def promise(self) -> str:
        """The target as text, the aim in brackets."""
        if self.minimum is None:
            return ""
        aim = "" if self.aim is None else f" ({short(self.aim)})"
        return f"{'<=' if self.at_most else '>='} {short(self.minimum)}{aim}"


@dataclass(frozen=True, slots=True)
class Result:
    """A benchmark's outcome. `details` is anything worth keeping, as plain JSON values."""

    name: str
    said: str
    figures: tuple[Figure, ...]
    sides: tuple[Runs, ...] = ()
    details: dict[str, Any] | None = None


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return median, min and max."""
    return {
        "median": statistics.median(values),
        "min": min(values),
        "max": max(values),
    }


def ratio(ours: Runs, other: Runs) -> float:
    """Return how many times the other's rate ours is: the median over the rounds.

    Rounds are paired, because the speed of a machine drifts over minutes.
    """
    pairs = zip(ours.rates, other.rates, strict=True)
    return statistics.median(a / b for a, b in pairs)


def rate(runs: Runs) -> float:
    """Return the median rate of a side, items a second."""
    return statistics.median(runs.rates)


def machine() -> dict[str, Any]:
    """Return what the figures were measured on."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "absent"
    return {
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
        "packages": versions,
    }


def as_json(result: Result, runs: int, quick: bool) -> dict[str, Any]:
    """Return a result as plain JSON values."""
    return {
        "name": result.name,
        "what": result.said,
        "runs": runs,
        "quick": quick,
        "machine": machine(),
        "figures": [{**asdict(f), "verdict": f.verdict} for f in result.figures],
        "sides": {
            r.side.name: {
                "items": r.side.items,
                "items_per_s": spread(r.rates),
                "seconds": spread(r.seconds),
                "peak_mib": round(r.peak_mib, 1),
                "answer": r.answer,
            }
            for r in result.sides
        },
        "details": result.details or {},
    }


def save(results: Sequence[Result], runs: int, quick: bool, latest: bool = True) -> None:
    """Write one file a benchmark, and into `latest.json`, if asked, the newest of each."""
    RESULTS.mkdir(exist_ok=True)
    saved = {result.name: as_json(result, runs, quick) for result in results}
    reports: dict[str, Any] = dict(saved)
    if latest:
        known = RESULTS / "latest.json"
        reports["latest"] = {**(json.loads(known.read_text()) if known.exists() else {}), **saved}
    for name, report in reports.items():
        (RESULTS / f"{name}.json").write_text(json.dumps(report, indent=1) + "\n")


def alone(name: str, measure: Callable[[], Result]) -> int:
    """Run one benchmark as a command of its own: table, file, exit code."""
    try:
        result = measure()
    except BenchmarkError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    print(table(result))
    save([result], 1, False, latest=False)
    return 0


def short(value: float) -> str:
    """Return a number as people read it: 5.2 M, 412 k, 3.1."""
    for size, letter in ((1e6, " M"), (1e3, " k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def table(result: Result) -> str:
    """Return a result as text: the sides' rates, then the figures and their targets."""
    lines = [f"\n{result.name}: {result.said}"]
    for r in result.sides:
        found = spread(r.rates)
        bounds = f"{short(found['min'])} to {short(found['max'])}"
        lines.append(
            f"  {r.side.name:<44} {short(found['median']):>8}/s   ({bounds};"
            f" {short(r.side.items)} items, {r.peak_mib:.0f} MiB)"
        )
    for f in result.figures:
        value = f"{short(f.value)} {f.unit}"
        lines.append(f"  {f.what:<44} {value:<18} {f.promise:<18} {f.verdict}".rstrip())
    return "\n".join(lines)
