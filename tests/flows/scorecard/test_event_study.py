"""The study over whole tapes: the alerts are the flow's, the figures those of plain SQL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import duckdb
import numpy as np
import pytest

from flows.feeds.sample import SAMPLE_QUOTES, SAMPLE_TRADES
from flows.run import TapeFiles, replay
from flows.scorecard.judge import ALERT_TYPES, Judged, Terms
from flows.scorecard.run import score_tapes
from flows.settings import Settings
from sinks.iso import ns_of

SQL = Path(__file__).with_name("event_study.sql").read_text(encoding="utf-8")
SAMPLE = (str(SAMPLE_TRADES), str(SAMPLE_QUOTES))
TERMS = Terms(delay_ms=50.0)
REAL = (
    ("lean_IBM_20131007", "lean_IBM_20131008", "lean_AIG_20131008", "lean_SPY_20131008"),
    (("2013-10-07", 13.5, 20), ("2013-10-08", 13.5, 20)),
)


def by_sql(
    judged: Judged, history: Path, tapes: Sequence[str], hours: Sequence[tuple[str, float, float]]
) -> list[tuple[str, str, int, int, float | None, float | None]]:
    """Return what the SQL says of the alerts in `history`; `hours` are UTC."""
    midnights = [(ns_of(f"{d}T00:00:00.000000Z"), a, b) for d, a, b in hours]
    controls: list[list[object]] = [[], [], [], [], []]
    nth = Counter[tuple[str, str]]()
    for part in (m.events for m in judged.measured if m.events.kind in ALERT_TYPES):
        whose = (part.kind, part.day.symbol)
        for row in part.controls.tolist():
            nth[whose] += 1
            for number, at in enumerate(row):
                for column, value in zip(controls, (*whose, nth[whose], number, at), strict=True):
                    column.append(value)
    spy = [d.marks for d in judged.days if d.symbol == "SPY"]
    with closing(duckdb.connect()) as db:
        db.execute(f"attach '{history}' as history (read_only)")
        db.execute(
            "create table controls as select unnest($1::varchar[]) as kind,"
            " unnest($2::varchar[]) as symbol, unnest($3::bigint[]) as nth,"
            " unnest($4::bigint[]) as number, unnest($5::bigint[]) as ns",
            controls,
        )
        db.execute(
            "create table market as select ts_ns, arg_max(mid, n) as mid from (select"
            " unnest($1::bigint[]) as ts_ns, unnest($2::double[]) as mid,"
            " generate_subscripts($1::bigint[], 1) as n) group by ts_ns",
            [[x for d in spy for x in d[c].tolist()] for c in ("ts_ns", "mid")],
        )
        return db.execute(
            SQL,
            {
                "delay_ns": int(TERMS.delay_ms * 1e6),
                "quotes": [t for t in tapes if ".quotes." in t],
                "trades": [t for t in tapes if ".trades." in t],
                "open": [m + int(a * 3.6e12) for m, a, _ in midnights],
                "close": [m + int(b * 3.6e12) for m, _, b in midnights],
            },
        ).fetchall()


def by_study(judged: Judged) -> list[tuple[str, str, int, int, float | None, float | None]]:
    return sorted(
        (r.alert_type, r.symbol, r.horizon_s, r.alerts, r.move_bp, r.abnormal_bp)
        for r in judged.card.scores
        if not r.rival and r.symbol != "*" and r.alerts
    )


def assert_the_same(ours: list[tuple[object, ...]], theirs: list[tuple[object, ...]]) -> None:
    assert [row[:4] for row in ours] == [row[:4] for row in theirs]
    figures = [
        np.array([[np.nan if x is None else x for x in row[4:]] for row in rows], float)
        for rows in (ours, theirs)
    ]
    np.testing.assert_allclose(*figures, rtol=1e-9, atol=1e-9)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> tuple[Judged, Path]:
    root = tmp_path_factory.mktemp("replay") / "out"
    replay(Settings(), TapeFiles(SAMPLE), root)
    return score_tapes(Settings(), SAMPLE, TERMS), root / "alerts.duckdb"


def test_the_alerts_judged_are_those_the_dataflow_writes(sample: tuple[Judged, Path]) -> None:
    judged, history = sample
    with closing(duckdb.connect(history, read_only=True)) as db:
        written = db.execute(
            "select alert_type, symbol, timestamp_ns from alerts"
            " where escalates is null order by all"
        ).fetchall()
    events = [m.events for m in judged.measured if m.events.kind in ALERT_TYPES]
    assert len(written) > 40
    fired = [(e.kind, e.day.symbol, at - 50_000_000) for e in events for at in e.ns.tolist()]
    assert sorted((kind, symbol, at // 1000 * 1000) for kind, symbol, at in fired) == written


def test_plain_sql_gives_the_same_event_study_of_the_sample(sample: tuple[Judged, Path]) -> None:
    judged, history = sample
    theirs = by_sql(judged, history, SAMPLE, [("2026-11-18", 14.5, 21)])
    assert len(theirs) >= 80
    assert_the_same(by_study(judged), theirs)


@pytest.mark.real_data
def test_plain_sql_gives_the_same_event_study_of_real_days(real_data: Path, tmp_path: Path) -> None:
    tapes, hours = REAL
    files = [str(path) for t in tapes for path in sorted(real_data.glob(f"{t}.[qt]*.parquet"))]
    replay(Settings(), TapeFiles(tuple(files)), tmp_path / "out")
    judged = score_tapes(Settings(), tuple(files), TERMS)
    theirs = by_sql(judged, tmp_path / "out" / "alerts.duckdb", files, hours)
    assert {(row[0], row[1]) for row in theirs} >= {("large_seller", "IBM"), ("red_burst", "SPY")}
    assert_the_same(by_study(judged), theirs)


def test_another_delay_is_another_study(sample: tuple[Judged, Path]) -> None:
    """The figures above are of this delay and of no other."""
    judged, _ = sample
    later = score_tapes(Settings(), SAMPLE, Terms(delay_ms=1000.0))
    assert by_study(later) != by_study(judged)
