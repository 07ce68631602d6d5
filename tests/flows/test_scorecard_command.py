"""`orderflow scorecard` as a user meets it."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from flows.cli import main
from flows.feeds.sample import SAMPLE_QUOTES, SAMPLE_TRADES
from flows.history import rebuild_history
from flows.scorecard.log import ScoreLine, score_line, score_row
from sinks.tailer import parse_lines
from tests.sinks.shelf import ask

SAMPLE = (str(SAMPLE_TRADES), str(SAMPLE_QUOTES))


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scorecard") / "out"
    assert main(["scorecard", *SAMPLE, "--symbols", "KRVO,QALT,WEXO", "--out", str(folder)]) == 0
    return folder


def test_it_prints_a_table_and_writes_report_log_and_history(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["scorecard", *SAMPLE, "--symbols", "KRVO,QALT", "--out", str(tmp_path / "out")])
    said = capsys.readouterr()
    assert said.out.splitlines()[0].split()[:4] == ["alert", "symbol", "alerts", "a"]
    assert "large seller  KRVO" in said.out
    assert "hypotheses" in said.out
    assert said.err.splitlines()[-2:] == [
        f"report   {tmp_path}/out/scorecard.html",
        f"history  {tmp_path}/out/alerts.duckdb",
    ]
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == ["alerts.duckdb", "scorecard.html", "scorecard.jsonl"]


def test_json_has_every_row_and_its_history_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["scorecard", *SAMPLE, "--symbols", "KRVO,QALT", "--out", str(tmp_path), "--json"])
    card = orjson.loads(capsys.readouterr().out)
    assert card["symbols"] == ["KRVO", "QALT"]
    assert len(card["scores"]) == 7 * 3 * 4  # kinds, symbols and all of them, horizons
    columns = ("alert_type", "symbol", "horizon_s", "alerts", "abnormal_bp", "lift", "q")
    rows = [tuple(row[name] for name in columns) for row in card["scores"]]
    asked = f"select {', '.join(columns)} from scorecard order by seq"
    assert ask(tmp_path / "alerts.duckdb", asked) == rows
    about = "select distinct mode, delay_ms, first_day::varchar, hypotheses from scorecard"
    assert ask(tmp_path / "alerts.duckdb", about) == [
        ("fixed", 50.0, "2026-11-18", card["hypotheses"])
    ]


def test_a_second_scorecard_stands_beside_the_first(out: Path) -> None:
    count = "select count(distinct scorecard_id), count(*) from scorecard"
    ((before, rows),) = ask(out / "alerts.duckdb", count)
    main(["scorecard", *SAMPLE, "--symbols", "KRVO,QALT,WEXO", "--out", str(out)])
    assert ask(out / "alerts.duckdb", count) == [(before + 1, 2 * rows)]


def test_the_history_of_scorecards_can_be_made_again(out: Path) -> None:
    rows = ask(out / "alerts.duckdb", "select * from scorecard order by all")
    assert rows
    (out / "alerts.duckdb").unlink()
    rebuild_history(out)
    assert ask(out / "alerts.duckdb", "select * from scorecard order by all") == rows


def test_a_line_of_another_shape_is_no_row(out: Path) -> None:
    (line, *_) = (out / "scorecard.jsonl").read_bytes().splitlines(keepends=True)
    (record,) = parse_lines(line)
    assert score_row(record) is not None
    for change in ({"event": "alert"}, {"alerts": "many"}, {"first_day": "soon"}):
        assert score_row({**record, **change}) is None


def test_a_line_is_numbered_and_stamped_by_the_log(out: Path) -> None:
    (line, *_) = (out / "scorecard.jsonl").read_bytes().splitlines()
    (record,) = parse_lines(line + b"\n")
    again = score_line(ScoreLine(**{**record, "seq": 0, "emitted_utc": ""}), 7, 0)
    assert orjson.loads(again) == {
        **record, "seq": 7, "emitted_utc": "1970-01-01T00:00:00.000000Z",
    }  # fmt: skip


def test_nothing_that_counts_is_said_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["scorecard", *SAMPLE, "--sessions", "05:00-05:01", "--out", str(tmp_path)])
    assert code == 1
    assert capsys.readouterr().err == (
        "orderflow: no print on these tapes counts in the sessions `05:00-05:01`: "
        "a market that never closes needs --sessions all.\n"
    )


def test_a_folder_that_cannot_be_written_is_said_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    out = str(tmp_path / "file" / "out")
    assert main(["scorecard", *SAMPLE, "--symbols", "KRVO", "--out", out]) == 1
    assert capsys.readouterr().err.startswith(f"orderflow: {out} cannot be written")
