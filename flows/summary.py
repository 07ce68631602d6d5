"""What a replay did, in figures: for people as text, for programs as one JSON object."""

from __future__ import annotations

import msgspec


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of one run over tapes. Times are ns since epoch, None on an empty tape.

    `ticks` are trades and quotes; `seconds` is wall time without compiling kernels. `verdicts`
    counts prints by what became of them, `rejects` messages by code.
    """

    out: str
    ticks: int
    seconds: float
    ticks_per_s: float
    first_ns: int | None
    last_ns: int | None
    alerts: dict[str, int]
    severities: dict[str, int]
    symbols: dict[str, int]
    verdicts: dict[str, int]
    rejects: dict[str, int]


def counts_text(counts: dict[str, int], none: str = "none") -> str:
    """Return `12 large_seller, 3 red_burst`, the most frequent first."""
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count:,} {name}" for name, count in ranked if count) or none


def summary_text(summary: Summary) -> str:
    """Return the summary as aligned lines for a terminal or a log."""
    rows = [
        ("alerts", counts_text(summary.alerts)),
        ("severity", counts_text(summary.severities)),
        ("symbols", _top(summary.symbols)),
        ("prints", counts_text(summary.verdicts)),
        ("rejects", counts_text(summary.rejects)),
        (
            "ticks",
            f"{summary.ticks:,} in {summary.seconds:.2f} s, {summary.ticks_per_s:,.0f} ticks/s",
        ),
        ("written to", summary.out),
    ]
    return "\n".join(f"{name:<11} {text}" for name, text in rows)


def _top(symbols: dict[str, int], most: int = 10) -> str:
    ranked = sorted(symbols.items(), key=lambda item: (-item[1], item[0]))
    text = counts_text(dict(ranked[:most]))
    return text + (f" and {len(ranked) - most} symbols more" if len(ranked) > most else "")
