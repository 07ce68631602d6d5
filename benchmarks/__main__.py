"""`python -m benchmarks [NAME...] [--runs N] [--quick]`: run, print a table, keep the figures."""

from __future__ import annotations

import argparse
import importlib
import sys

from benchmarks.report import Result, save, table
from benchmarks.sides import BenchmarkError

NAMES = (
    "tape_replay",
    "wire_path",
    "red_burst",
    "latency",
    "footprint",
    "adaptive",
    "snapshot",
    "overhead",
    "import_day",
)
RUNS = 5


def measure(name: str, runs: int, quick: bool) -> Result:
    """Run one benchmark."""
    module = importlib.import_module(f"benchmarks.{name}")
    result: Result = module.run(runs, quick)
    return result


def main() -> int:
    """Run the benchmarks named, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--runs", type=int, default=RUNS, help="counted rounds (default 5)")
    parser.add_argument("--quick", action="store_true", help="small inputs, for a first look")
    asked = parser.parse_args()
    unknown = sorted(set(asked.names) - set(NAMES))
    if unknown or asked.runs < 1:
        parser.error(f"no such benchmark: {unknown[0]}" if unknown else "--runs is at least 1")
    results = []
    for name in asked.names or NAMES:
        try:
            result = measure(name, asked.runs, asked.quick)
        except BenchmarkError as error:
            print(f"{name}: {error}", file=sys.stderr)
            return 1
        print(table(result), flush=True)
        results.append(result)
        save(results, asked.runs, asked.quick)
    return 0


if __name__ == "__main__":
    sys.exit(main())
