from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from flows.cli import cli, describe, main
from flows.commands.replay import repeated

ROOT = Path(__file__).parents[2]


def orderflow(*args: str, cwd: Path = ROOT, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "flows.cli", *args],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_lists_every_command_with_a_whole_sentence() -> None:
    done = orderflow("--help")
    assert (done.returncode, done.stderr) == (0, "")
    listed = done.stdout.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in listed] == list(cli.commands)
    assert [line for line in listed if line.endswith("...")] == []


def test_help_comes_at_once() -> None:
    """Within 0.3 s of processor time: other work on the machine is not the command's fault."""

    def seconds() -> float:
        before = os.times()
        orderflow("--help")
        after = os.times()
        used_by_child = after.children_user + after.children_system
        return used_by_child - before.children_user - before.children_system

    assert any(seconds() < 0.3 for _ in range(8))


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys, flows.cli\n"
        "heavy = {'bytewax', 'duckdb', 'numpy', 'numba', 'polygon', 'rich', 'websockets'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("command", list(cli.commands))
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"Usage: orderflow {command} ")


def test_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    from flows import __version__

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"orderflow, version {__version__}\n"


@pytest.mark.parametrize(
    "args", [["nonsense"], ["tail", "--severity", "loud"], ["replay"], ["replay", "--speed", "0"]]
)
def test_wrong_usage_is_2_and_leaves_stdout_empty(
    args: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(args) == 2
    out, err = capsys.readouterr()
    assert (out, err.startswith("Usage: orderflow ")) == ("", True)


def test_a_wrong_setting_is_2_and_one_sentence(tmp_path: Path) -> None:
    done = orderflow("config", cwd=tmp_path, ORDER_FLOW_EXIT_SELLERS="99")
    assert (done.returncode, done.stdout, done.stderr) == (
        2,
        "",
        "orderflow: ORDER_FLOW_EXIT_SELLERS is 99 (environment), but must be between 2 and 20.\n",
    )


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    done = orderflow("--debug", "config", cwd=tmp_path, ORDER_FLOW_EXIT_SELLERS="99")
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback")


def test_an_error_nobody_foresaw_is_1_and_one_sentence(tmp_path: Path) -> None:
    code = (
        "import sys, click\n"
        "from flows import cli\n"
        "@click.command()\n"
        "def boom():\n"
        "    try:\n"
        "        1 / 0\n"
        "    except ZeroDivisionError as why:\n"
        "        raise RuntimeError('wrapped') from why\n"
        "cli.cli.add_command(boom)\n"
        "sys.exit(cli.main(['boom']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (
        1,
        "",
        "orderflow: ZeroDivisionError: division by zero "
        "(`orderflow --debug ...` shows where it happened)\n",
    )


def test_an_error_of_the_system_names_the_file_and_not_its_class() -> None:
    wrong = PermissionError(13, "Permission denied", "alerts.jsonl")
    assert describe(wrong) == "Permission denied: alerts.jsonl"


def test_no_run_yet_is_1_and_says_how_to_get_one(tmp_path: Path) -> None:
    done = orderflow("tail", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (
        1,
        "",
        "orderflow: there is no alerts.jsonl below data yet: `orderflow demo` makes one from the "
        "embedded tape.\n",
    )


def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path) -> None:
    log = tmp_path / "alerts.jsonl"
    log.write_bytes(orjson.dumps({"event": "order_flow_alert", "message": "x" * 200}) * 1)
    log.write_bytes((log.read_bytes() + b"\n") * 5000)
    teller = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "tail", str(log)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert teller.stdout is not None
    assert teller.stderr is not None
    teller.stdout.readline()
    teller.stdout.close()
    said = teller.stderr.read()
    teller.stderr.close()
    assert (teller.wait(timeout=10), said) == (0, "")


def test_config_shows_each_value_and_its_source_and_hides_the_key(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("POLYGON_API_KEY=pk_secret\n")
    done = orderflow("config", "--format", "json", cwd=tmp_path, ORDER_FLOW_SYMBOLS="AAPL, MSFT")
    shown = {row["name"]: (row["value"], row["source"]) for row in orjson.loads(done.stdout)}
    assert (
        shown["POLYGON_API_KEY"],
        shown["ORDER_FLOW_SYMBOLS"],
        shown["ORDER_FLOW_SELL_SHARE"],
        "pk_secret" in done.stdout,
    ) == (("(set, hidden)", ".env line 1"), ("AAPL,MSFT", "environment"), ("0.6", "default"), False)


def test_the_table_of_settings_is_aligned(tmp_path: Path) -> None:
    lines = orderflow("config", cwd=tmp_path).stdout.splitlines()
    column = lines[0].index("value")
    assert {line[column - 1] for line in lines} == {" "}
    assert " " not in {line[column] for line in lines if "POLYGON" in line}


def test_an_option_takes_all_files_up_to_the_next_one() -> None:
    words = ["t.parquet", "--trades", "a", "b", "--quotes", "c", "d", "e", "--out", "x", "y", "z"]
    assert repeated(words) == [
        *("t.parquet", "--trades", "a", "--trades", "b"),
        *("--quotes", "c", "--quotes", "d", "--quotes", "e", "--out", "x", "y", "z"),
    ]


# The contract's example, as it stands in a file.
ALERT_LINE = (
    b'{"event":"order_flow_alert","schema":1,"alert_id":"0ERR5WJQGKECZBJZ12FWSFXPTR","seq":1,'
    b'"symbol":"AAPL","alert_type":"large_seller","severity":"critical",'
    b'"timestamp_utc":"2026-11-20T15:04:05.123000Z",'
    b'"emitted_utc":"2026-11-20T15:04:05.131402Z","latency_ms":8.4,"feed":"live",'
    b'"mode":"fixed","session":"regular","order_size":24100.0,"price_level":175.5,'
    b'"notional":4229312.0,"vwap":175.49,"prints":7,"venues":4,"bid":175.5,"ask":175.52,'
    b'"quote_age_ms":12.0,"side_evidence":"at_bid","volume_ratio":null,"volume_1m":null,'
    b'"avg_volume_1m":null,"sell_share":null,"large_sells":2,"large_buys":0,'
    b'"threshold":10000.0,"reasons":[],"evidence":[],"escalates":null,"valid_until":null,'
    b'"late":false,"first_ts_utc":"2026-11-20T15:04:05.101000Z","percentile":null,'
    b'"baseline":null,"market_wide":null,"track_record":null,'
    b'"message":"Large seller detected: AAPL 24,100 @ 175.50 (7 prints, 4 venues)"}\n'
)


def test_a_history_is_rebuilt_from_the_lines_and_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "alerts.jsonl").write_bytes(ALERT_LINE)
    assert main(["rebuild-history", str(tmp_path)]) == 0
    capsys.readouterr()
    history = str(tmp_path / "alerts.duckdb")
    asked = "select symbol, order_size, prints from alerts"
    assert main(["query", "--db", history, "--format", "json", asked]) == 0
    assert orjson.loads(capsys.readouterr().out) == [
        {"symbol": "AAPL", "order_size": 24100.0, "prints": 7}
    ]
    assert main(["query", "--db", history, "--format", "csv", "largest_sellers"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split(",")[1] == "AAPL"


def test_query_without_a_question_lists_the_named_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["query"]) == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert names == sorted(
        path.stem
        for path in (ROOT / "sql").glob("*.sql")
        if not path.stem.startswith(("table_", "view_"))
    )


def test_a_query_that_is_none_is_1_and_names_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "alerts.jsonl").write_bytes(ALERT_LINE)
    main(["rebuild-history", str(tmp_path)])
    capsys.readouterr()
    assert main(["query", "--db", str(tmp_path / "alerts.duckdb"), "nonsense"]) == 1
    out, err = capsys.readouterr()
    assert (out, err.startswith("orderflow: there is no query 'nonsense': choose ")) == ("", True)
