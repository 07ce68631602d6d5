"""What all tests share: no settings of the developer's own, and the real tapes if there are any."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

_OF_A_FEED = {"MockPolygon", "Vendor", "running"}
REAL_DATA = os.environ.get("ORDER_FLOW_REAL_DATA", "")

# The first example compiles kernels, which no deadline should judge.
settings.register_profile("orderflow", deadline=None, print_blob=True)
settings.load_profile("orderflow")


_WARM_UP = "from flows.warm_up import warm_up; warm_up(live={live}, adaptive={adaptive})"

# Where a shell starts the tests in the background, all they start would be deaf to Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _no_settings_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("ORDER_FLOW_", "POLYGON_")):
            monkeypatch.delenv(name)


def pytest_configure(config: pytest.Config) -> None:
    """Compile the kernels before there are workers, who would each compile them all.

    A live run has machine code of its own, and a process of its own makes each. Both always
    run: a cache that was begun and not finished looks like one that is whole.
    """
    if not config.getoption("numprocesses", None) or hasattr(config, "workerinput"):
        return
    started = [
        subprocess.Popen(
            [sys.executable, "-c", _WARM_UP.format(live=live, adaptive=not live)],
            cwd=Path(__file__).parents[1],
        )
        for live in (False, True)
    ]
    for process in started:
        process.wait()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Let one worker have all that meets a feed: two of them at once would starve each other."""
    if isinstance(item, pytest.Function) and _OF_A_FEED & vars(item.module).keys():
        item.add_marker(pytest.mark.xdist_group("feed"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, with its reason, what needs tapes that are not here."""
    if REAL_DATA and Path(REAL_DATA).is_dir():
        return
    why = "ORDER_FLOW_REAL_DATA names no folder of real tapes"
    for item in items:
        if item.get_closest_marker("real_data"):
            item.add_marker(pytest.mark.skip(reason=why))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of the real tapes; for tests marked `real_data`."""
    return Path(REAL_DATA)
