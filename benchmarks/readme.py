"""`python -m benchmarks.readme`: put the latest figures into the README's table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.report import RESULTS

README = Path(__file__).resolve().parents[1] / "README.md"
HEAD = "| measured | value | target | |\n|---|---|---|---|\n"


def number(value: float) -> str:
    """Return a figure as the table spells it: three digits, millions by name."""
    if abs(value) >= 1e6:
        return f"{value / 1e6:.2f} million"
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"


def row(name: str, figure: dict[str, Any]) -> str:
    """Return the line of a figure."""
    target, verdict = "", ""
    if figure["minimum"] is not None:
        side = "at most" if figure["at_most"] else "at least"
        target = f"{side} {number(figure['minimum'])}"
        verdict = "not met yet" if figure["verdict"] == "MISS" else "met"
    measured = f"{name.replace('_', ' ')}: {figure['what']}"
    return f"| {measured} | {number(figure['value'])} {figure['unit']} | {target} | {verdict} |"


def table() -> str:
    """Return the table of the latest figures."""
    latest = json.loads((RESULTS / "latest.json").read_text())
    rows = [row(name, figure) for name, found in latest.items() for figure in found["figures"]]
    return HEAD + "".join(f"{line}\n" for line in rows)


def main() -> None:
    """Replace the table."""
    text = README.read_text(encoding="utf-8")
    before, _, rest = text.partition(HEAD)
    _, _, after = rest.partition("\n\n")
    README.write_text(f"{before}{table()}\n{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
