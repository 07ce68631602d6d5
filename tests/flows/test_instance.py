from __future__ import annotations

import fcntl
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from flows import instance
from flows.errors import OrderflowError

HOLD = (
    "import sys, time\n"
    "from pathlib import Path\n"
    "from flows import instance\n"
    "instance.hold(Path(sys.argv[1]))\n"
    "print('held', flush=True)\n"
    "time.sleep(60)\n"
)


def test_a_folder_is_held_by_one_process_and_the_second_learns_its_pid(tmp_path: Path) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
    )
    assert other.stdout is not None
    with other.stdout as said:
        assert said.readline() == b"held\n"
        assert instance.holder(tmp_path) == other.pid
        sentence = f"process {other.pid} is running on {tmp_path} already: stop it, or set "
        with pytest.raises(instance.RunningError, match="^" + re.escape(sentence)):
            instance.hold(tmp_path)
        other.kill()  # which lets go
        other.wait()
    instance.hold(tmp_path)
    assert instance.holder(tmp_path) == os.getpid()
    instance.let_go(tmp_path)
    assert instance.holder(tmp_path) is None


def test_the_same_process_may_ask_again_and_lets_go_once(tmp_path: Path) -> None:
    instance.hold(tmp_path)
    instance.hold(tmp_path)
    instance.let_go(tmp_path)
    assert instance.holder(tmp_path) is None


def test_a_lock_that_was_deleted_is_made_again(tmp_path: Path) -> None:
    instance.hold(tmp_path)
    (tmp_path / instance.LOCK).unlink()
    instance.hold(tmp_path)
    assert instance.holder(tmp_path) == os.getpid()
    instance.let_go(tmp_path)


def test_who_only_looks_does_not_keep_a_run_from_starting(tmp_path: Path) -> None:
    looking = os.open(tmp_path / instance.LOCK, os.O_RDONLY | os.O_CREAT)
    fcntl.flock(looking, fcntl.LOCK_SH)
    done = threading.Timer(0.03, os.close, [looking])
    done.start()
    instance.hold(tmp_path)
    done.join()
    assert instance.holder(tmp_path) == os.getpid()
    instance.let_go(tmp_path)


def test_a_folder_that_is_gone_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(OrderflowError, match=r"cannot be written \(No such file"):
        instance.hold(tmp_path / "gone")
    assert instance.holder(tmp_path / "gone") is None
