from __future__ import annotations

import threading
import time
from pathlib import Path

import orjson
import pytest

from flows.answers import queries, run_query
from flows.errors import OrderflowError
from flows.history import history_file
from tests.flows.alerts import alert, write_alerts
from tests.sinks.shelf import held


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("history")
    write_alerts(root, alert("a"), alert("b", symbol="BRK.B", order_size=9.5, evidence=("x", "y")))
    history = history_file(root)
    history.catch_up()
    return history.path


SQL = "select seq, symbol, order_size, late, escalates, evidence from alerts order by seq"


def test_a_table_has_aligned_columns_and_says_how_many_rows(db: Path) -> None:
    assert run_query(db, SQL.replace("escalates", "null as escalates")) == (
        "seq  symbol  order_size  late   escalates  evidence\n"
        "---  ------  ----------  -----  ---------  --------\n"
        "  1  AAPL        24,100  false\n"
        "  2  BRK.B          9.5  false             x, y\n"
        "(2 rows)\n"
    )


def test_a_table_without_rows_has_its_head(db: Path) -> None:
    assert run_query(db, "select 1 as one where false") == "one\n---\n(0 rows)\n"


def test_json_is_an_array_of_objects(db: Path) -> None:
    assert orjson.loads(run_query(db, SQL, "json")) == [
        {
            "seq": 1,
            "symbol": "AAPL",
            "order_size": 24100.0,
            "late": False,
            "escalates": "5Q8X",
            "evidence": [],
        },
        {
            "seq": 2,
            "symbol": "BRK.B",
            "order_size": 9.5,
            "late": False,
            "escalates": "5Q8X",
            "evidence": ["x", "y"],
        },
    ]


def test_json_without_rows_is_an_empty_array(db: Path) -> None:
    assert run_query(db, "select 1 where false", "json") == "[]\n"


def test_csv_has_a_header_empty_nulls_and_json_lists(db: Path) -> None:
    assert run_query(db, SQL.replace("escalates", "null as escalates"), "csv") == (
        "seq,symbol,order_size,late,escalates,evidence\n"
        "1,AAPL,24100.0,False,,[]\n"
        '2,BRK.B,9.5,False,,"[""x"",""y""]"\n'
    )


@pytest.mark.parametrize("form", ["table", "json", "csv"])
def test_every_type_of_duckdb_can_be_shown(db: Path, form: str) -> None:
    sql = (
        "select 170141183460469231731687303715884105727::hugeint as huge, 1.5::decimal(9,2) as d, "
        "timestamptz '2026-11-20 15:04:05+00' as zoned, date '2026-11-20' as day, "
        "time '15:04:05' as clock, interval 1 day as span, uuid() as u, 'e'::blob as b, "
        "{'a': 1} as s, map {1: 2} as m, null as n, 'a\tb' as t;"
    )
    answer = run_query(db, sql, form)
    assert "170" in answer
    assert "2026-11-20" in answer


def test_a_name_runs_the_query_of_that_name(db: Path) -> None:
    assert run_query(db, "largest_sellers").endswith("(2 rows)\n")


def test_the_named_queries_say_what_they_answer() -> None:
    assert queries() == {
        "alert_worth": queries()["alert_worth"],
        "alerts_by_day": "Alerts per symbol, day (New York) and mode; the sum leaves resting "
        "sellers out.",
        "alerts_by_hour": "Alerts per symbol, type and hour (New York).",
        "exit_signals": (
            "Exit signals, each with the alerts it rests on: one row a piece of evidence."
        ),
        "false_exit_candidates": queries()["false_exit_candidates"],
        "largest_sellers": "The 50 largest executed sellers by money.",
        "latency_percentiles": (
            "Latency per run: milliseconds from the frame's receipt to the line's write."
        ),
        "own_sizes": queries()["own_sizes"],
        "prints_by_verdict": (
            "Prints of each symbol and day by what became of them: `counted` is what the rules saw."
        ),
        "rejects_by_code": (
            "Rejected messages by code: counted in ended runs, and written "
            "(at most 10 a minute and code)."
        ),
        "resting_sellers": queries()["resting_sellers"],
        "track_record": queries()["track_record"],
        "tune_front": queries()["tune_front"],
    }
    assert queries()["false_exit_candidates"].startswith("Exit signals worth a second look")


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("no_such_name", r"there is no query 'no_such_name': choose alert_worth, alerts_by_day, "),
        ("select nothing from alerts", "the history cannot answer that: Binder Error: .*nothing"),
        ("selec 1", "the history cannot answer that: Parser Error"),
        ("delete from alerts", "the history cannot answer that: .*read-only"),
        ("select 1; select 2", "one statement at a time, please: these are 2"),
        ("", "one statement at a time, please: these are 0"),
    ],
)
def test_what_cannot_be_answered_is_refused_in_a_sentence(
    db: Path, question: str, sentence: str
) -> None:
    with pytest.raises(OrderflowError, match=sentence) as caught:
        run_query(db, question)
    assert "\n" not in str(caught.value)


def test_a_history_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(OrderflowError, match=r"there is no history .* rebuild-history"):
        run_query(tmp_path / "alerts.duckdb", "select 1")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_history_is_refused_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "alerts.duckdb"
    path.write_bytes(b"broken" * 5000)
    with pytest.raises(OrderflowError, match=r"cannot be read .* rebuild-history"):
        run_query(path, "select 1")


def test_a_reader_does_not_keep_another_from_reading(db: Path) -> None:
    with held(db, "reader"):
        assert run_query(db, "select count(*) as n from alerts", "csv") == "n\n2\n"


def test_a_question_waits_until_the_writer_lets_go(db: Path) -> None:
    with held(db, "writer") as pid:
        with pytest.raises(OrderflowError, match=f"is being written by process {pid}, and was"):
            run_query(db, "select 1", patience_s=0.2)
        answers: list[str] = []
        asking = threading.Thread(
            target=lambda: answers.append(run_query(db, "select 1 as one", "csv"))
        )
        asking.start()
        time.sleep(0.2)
        assert answers == []
    asking.join()
    assert answers == ["one\n1\n"]
