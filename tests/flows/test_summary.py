from __future__ import annotations

from flows.summary import Summary, summary_text


def test_a_summary_names_every_count_the_most_frequent_first() -> None:
    summary = Summary(
        out="data/replay/latest",
        ticks=1_234_567,
        seconds=0.5,
        ticks_per_s=2_469_134.0,
        first_ns=1,
        last_ns=2,
        alerts={"red_burst": 2, "large_seller": 12},
        severities={"warning": 10, "critical": 4},
        symbols={f"S{i:02}": 1 for i in range(12)} | {"ACME": 2},
        verdicts={"counted": 100, "late": 3, "block": 0},
        rejects={},
    )
    assert summary_text(summary).splitlines() == [
        "alerts      12 large_seller, 2 red_burst",
        "severity    10 warning, 4 critical",
        "symbols     2 ACME, 1 S00, 1 S01, 1 S02, 1 S03, 1 S04, 1 S05, 1 S06, 1 S07, 1 S08 "
        "and 3 symbols more",
        "prints      100 counted, 3 late",
        "rejects     none",
        "ticks       1,234,567 in 0.50 s, 2,469,134 ticks/s",
        "written to  data/replay/latest",
    ]
