from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import duckdb

ROOT = Path(__file__).parents[2]


def test_the_mock_says_where_it_listens_and_sigterm_is_a_clean_stop(tmp_path: Path) -> None:
    tape = tmp_path / "acme.trades.parquet"
    with duckdb.connect() as db:
        db.execute(
            "COPY (SELECT 'ACME' AS symbol, 1795185000000000000 AS ts_ns, 1.0 AS price, "
            f"100.0 AS size) TO '{tape}' (FORMAT parquet)"
        )
    mock = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "mock-feed", str(tape), "--port", "0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert mock.stderr is not None
    said = mock.stderr.readline() + mock.stderr.readline()
    assert "POLYGON_WS_URL=ws://127.0.0.1:" in said
    mock.send_signal(signal.SIGTERM)
    out, err = mock.communicate(timeout=20)
    assert (mock.returncode, out, err) == (0, "", "")


def test_a_tape_that_is_not_there_is_one_sentence() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "flows.cli", "mock-feed", "gone.parquet", "--port", "0"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith("orderflow: No tape at gone.parquet: ")


def test_each_mistake_in_a_fault_file_is_one_sentence(tmp_path: Path) -> None:
    wrong = tmp_path / "faults.toml"
    wrong.write_text('[[fault]]\nkind = "silense"\n[[fault]]\nkind = "outage"\nfor_s = -1\n')
    done = subprocess.run(
        [sys.executable, "-m", "flows.cli", "mock-feed", "tape", "--faults", str(wrong)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "orderflow: Fault 1: there is no kind 'silense'; is it `silence`?",
        "Fault 2 (outage): `for_s` is -1, but must be `float` >= 0.0.",
    ]
