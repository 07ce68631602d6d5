"""What all tests share: no settings of the developer's own, and the real tapes if there are any."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

REAL_DATA = os.environ.get("ORDER_FLOW_REAL_DATA", "")

# The first example compiles kernels, which no deadline should judge.
settings.register_profile("orderflow", deadline=None, print_blob=True)
settings.load_profile("orderflow")


# Where a shell starts the tests in the background, all they start would be deaf to Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _no_settings_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("ORDER_FLOW_", "POLYGON_")):
            monkeypatch.delenv(name)


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
