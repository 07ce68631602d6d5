from __future__ import annotations

from pathlib import Path

import pytest

from tests.flows.importing.ordering import Import


@pytest.fixture
def imported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Import:
    """Imports into a folder of this test, started in it; no sorted copy in the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return Import(tmp_path / "tapes", capsys)
