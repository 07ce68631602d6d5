"""What a run outlives: more or fewer processes, kills at any moment, another version."""

from __future__ import annotations

import importlib
import os
import random
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from bytewax.recovery import init_db_dir
from bytewax.testing import run_main

from flows.feeds.capture import CaptureFeed
from flows.feeds.tape import TapeFeed
from flows.feeds.tape_files import open_tapes
from flows.recovery import PAGE_BYTES, recovery_config
from flows.run import _cause
from flows.warm_up import warm_up
from operators.state import StateVersionError
from tests.flows.files import write_capture, write_parquet
from tests.flows.live import Ids, alerts, ids
from tests.flows.market import ENVIRONMENT, expected_ids, market
from tests.flows.test_orderflow import Said, flow_of
from tests.reference_tape import Trade

ROOT = Path(__file__).parents[2]
KEEPING = (
    "operators.nbbo",
    "operators.eligibility",
    "operators.aggressor",
    "operators.rolling_volume",
    "operators.large_orders",
    "operators.red_burst",
    "operators.exit_signal",
    "flows.feeds.tape",
)
"""The modules whose state is in the recovery store of a replay."""


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    warm_up(lambda _: None)
    return write_parquet(tmp_path_factory.mktemp("market"), market(), group=2_048)


@pytest.fixture(scope="module")
def expected() -> Ids:
    return expected_ids(market())


def program(folder: Path, *arguments: str, **more: str) -> subprocess.Popen[bytes]:
    """Start a command in a process group of its own."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("ORDER_FLOW_", "POLYGON_"))}
    return subprocess.Popen(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env={**clean, **ENVIRONMENT, "ORDER_FLOW_DATA_DIR": str(folder), **more},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def killed_at(run: subprocess.Popen[bytes], log: Path, wanted: int, linger_s: float) -> None:
    """Kill a run and its processes some time after so many alerts are on file."""
    deadline = time.monotonic() + 60
    while len(alerts(log)) < wanted and run.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(linger_s)
    if run.poll() is None:
        os.killpg(run.pid, signal.SIGKILL)
    run.communicate(timeout=60)


def ended(run: subprocess.Popen[bytes]) -> None:
    _, said = run.communicate(timeout=120)
    assert run.returncode == 0, said.decode()


def written_once(log: Path, expected: Ids) -> None:
    assert ids(log) == expected
    assert [a["seq"] for a in alerts(log)] == [*range(1, 1 + sum(map(len, expected.values())))]


def test_one_process_then_two_then_one_keep_the_alerts(
    tape: list[str], expected: Ids, tmp_path: Path
) -> None:
    """Each is killed without warning; the next one goes on from the store of the one before."""
    store, out = tmp_path / "recovery", tmp_path / "out"
    store.mkdir()
    init_db_dir(store, 2)
    total = sum(map(len, expected.values()))
    for processes, until in ((1, total // 4), (2, total // 2), (1, None)):
        run = program(
            tmp_path,
            *("bytewax.testing", "tests.flows.rescaled:flow"),
            *("-p", str(processes), "-r", str(store), "-s", "0", "-b", "0"),
            TAPES=",".join(tape),
            ROOT=str(out),
            SPEED="" if until is None else "400",
        )
        if until is None:
            ended(run)
        else:
            killed_at(run, out / "alerts.jsonl", until, 0.0)
            assert until <= len(alerts(out / "alerts.jsonl")) < total
    written_once(out / "alerts.jsonl", expected)


def test_a_replay_killed_at_any_moment_several_times_ends_as_if_nothing_had_been(
    tape: list[str], expected: Ids, tmp_path: Path
) -> None:
    """The same command each time: killed while it starts, in mid tape, and near its end."""
    log, rng = tmp_path / "out" / "alerts.jsonl", random.Random(3)
    command = ["flows.cli", "replay", *tape, "--out", str(log.parent)]
    command += ["--recovery", str(tmp_path / "recovery")]
    total = sum(map(len, expected.values()))
    killed_at(program(tmp_path, *command, "--speed", "300"), log, 0, 0.5 + rng.random())
    for share in (0.1, 0.5, 0.9):
        run = program(tmp_path, *command, "--speed", "300")
        killed_at(run, log, int(share * total), rng.random() / 4)
        assert len(alerts(log)) < total
    ended(program(tmp_path, *command))
    written_once(log, expected)


@pytest.mark.parametrize("module", KEEPING)
def test_state_of_another_version_is_refused_in_a_sentence(
    module: str, tape: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = recovery_config(tmp_path / "recovery")
    feed = TapeFeed(open_tapes(tape), batch=97)
    run_main(flow_of(feed, Said(feed, 5)), epoch_interval=timedelta(0), recovery_config=kept)
    keeper = importlib.import_module(module)
    saved = keeper.VERSION
    monkeypatch.setattr(keeper, "VERSION", 99)
    with pytest.raises((StateVersionError, RuntimeError)) as raised:
        run_main(flow_of(TapeFeed(open_tapes(tape)), Said()), recovery_config=kept)
    sentence = _cause(raised.value)  # the engine may have put its own error around it
    said = f"holds state of version {saved}, .* version 99: remove it"
    assert re.search(said, str(sentence)), sentence


@pytest.mark.parametrize("alerts", [3, 60])
def test_a_capture_resumed_knows_what_its_first_part_taught(alerts: int, tmp_path: Path) -> None:
    """Prints without an id are numbered from the start of the tape, wherever it is gone on."""
    events = [replace(e, trade_id=None) if isinstance(e, Trade) else e for e in market()]
    capture = write_capture(tmp_path / "day.jsonl.gz", events)
    whole = Said()
    run_main(flow_of(CaptureFeed(open_tapes([capture])), whole))
    kept = recovery_config(tmp_path / "recovery")
    first = CaptureFeed(open_tapes([capture]), batch=20)
    said = Said(first, alerts)
    run_main(flow_of(first, said), epoch_interval=None, recovery_config=kept)
    assert alerts <= len(said) < len(whole)
    run_main(flow_of(CaptureFeed(open_tapes([capture])), said), recovery_config=kept)
    assert said.ids() == whole.ids()


def test_a_store_has_pages_of_16_kib(tmp_path: Path) -> None:
    """Of 4 KiB there are too many, of 64 KiB each commit writes too much: so it was measured."""
    recovery_config(tmp_path / "recovery")
    (part,) = (tmp_path / "recovery").iterdir()
    assert int.from_bytes(part.read_bytes()[16:18], "big") == PAGE_BYTES
    assert PAGE_BYTES == 16_384
