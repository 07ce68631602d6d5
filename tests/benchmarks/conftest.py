"""Inputs of the benchmarks go to a folder of the test run, not to the user's cache."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows import places


@pytest.fixture(scope="session")
def inputs_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("inputs")


@pytest.fixture(autouse=True)
def _inputs_in_the_test_folder(inputs_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "cache_folder", lambda: inputs_folder)
