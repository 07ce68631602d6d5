"""`python -m flows.simulate --out DIR`: write a synthetic tape."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from flows.simulate.generate import SEED, simulate
from flows.simulate.session import REGULAR_MINUTES


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m flows.simulate",
        description="Write a synthetic US session: trades, quotes, and what was planted in it.",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write to")
    parser.add_argument("--seed", type=int, default=SEED, help="same seed, same tape (%(default)s)")
    parser.add_argument("--symbols", nargs="+", metavar="SYMBOL", help="only these (all 20)")
    parser.add_argument(
        "--minutes",
        type=int,
        default=REGULAR_MINUTES,
        help="regular hours to write, from 09:30 New York (%(default)s)",
    )
    parser.add_argument(
        "--trades", type=int, help="expected trades in all; nothing is planted then"
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Write the tape, print the paths of its files, and return the exit code."""
    asked = _arguments(argv)
    try:
        tape = simulate(
            asked.seed, symbols=asked.symbols, trades=asked.trades, minutes=asked.minutes
        )
        paths = tape.write(asked.out)
    except (ValueError, OSError) as error:
        print(f"flows.simulate: {error}", file=sys.stderr)
        return 2
    for path in paths:
        print(path)
    counts = f"{len(tape.trades['ts_ns']):,} trades, {len(tape.quotes['ts_ns']):,} quotes"
    print(f"{counts}, {len(tape.labels)} labels, rows {tape.row_hash()}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
