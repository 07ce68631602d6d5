"""Ctrl-C at any moment ends a command with 130, without a traceback."""

from __future__ import annotations

import importlib
import signal
import subprocess
import sys
import threading
from pathlib import Path

import click
import duckdb
import pytest

from flows.cli import cli, main
from flows.interrupts import Interrupted, heard

ROOT = Path(__file__).parents[2]


def ctrl_c() -> None:
    signal.raise_signal(signal.SIGINT)


def test_an_error_that_ctrl_c_has_become_is_ctrl_c() -> None:
    with pytest.raises(Interrupted), heard():  # noqa: PT012 - what a library does
        try:
            ctrl_c()
        except KeyboardInterrupt:
            raise RuntimeError("Query interrupted") from None


def test_an_error_without_ctrl_c_stays_what_it_is() -> None:
    with pytest.raises(RuntimeError, match="broken"), heard():
        raise RuntimeError("broken")


def test_the_handlers_of_others_stay() -> None:
    heard_by_others: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: heard_by_others.append(number))
    try:
        with heard():
            ctrl_c()
    finally:
        signal.signal(signal.SIGINT, before)
    assert heard_by_others == [signal.SIGINT]


def test_a_module_is_loaded_to_its_end_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "half.py").write_text(
        "import signal\nsignal.raise_signal(signal.SIGINT)\nloaded = True\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(Interrupted), heard():  # noqa: PT012 - it comes behind the import
        half = importlib.import_module("half")
        threading.Event().wait(60)
    assert half.loaded


def test_ctrl_c_in_the_middle_of_a_query_is_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """DuckDB asks for signals while it works, and raises an error of its own for one."""

    @click.command()
    def ask() -> None:
        db = duckdb.connect()
        db.create_function("ctrl_c", lambda _: ctrl_c(), ["BIGINT"], "BIGINT")
        db.execute("SELECT ctrl_c(range) FROM range(9)").fetchall()

    monkeypatch.setitem(cli.commands, "ask", ask)
    assert main(["ask"]) == 130
    assert "".join(capsys.readouterr()).strip() == ""
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("moment", ["flows.commands.replay", "flows.interrupts"])
def test_ctrl_c_while_the_command_is_loaded_is_130(moment: str) -> None:
    """Also where the module that is being loaded takes it for an error of its own."""
    code = (
        "import signal, sys\n"
        "class Loading:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == '{moment}':\n"
        "            try:\n"
        "                signal.raise_signal(signal.SIGINT)\n"
        "            except KeyboardInterrupt:\n"
        "                raise RuntimeError\n"
        "sys.meta_path.insert(0, Loading())\n"
        "from flows.__main__ import main\n"
        "sys.exit(main())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "--help"], cwd=ROOT, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


def test_ctrl_c_once_all_is_done_changes_nothing() -> None:
    code = (
        "import atexit, signal, sys\n"
        "from flows.__main__ import main\n"
        "atexit.register(signal.raise_signal, signal.SIGINT)\n"
        "sys.argv = ['orderflow', '--version']\n"
        "sys.exit(main())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("orderflow, version ")
