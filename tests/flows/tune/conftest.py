"""Kernels are compiled once, and what a tuning keeps stays in the test's own cache folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from flows.warm_up import warm_up


@pytest.fixture(scope="session", autouse=True)
def _kernels() -> None:
    warm_up(lambda _: None)


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cache_folder() -> Path:
        return tmp_path / "cache"

    folder: Callable[[], Path] = cache_folder
    monkeypatch.setattr("flows.tune.days.cache_folder", folder)
