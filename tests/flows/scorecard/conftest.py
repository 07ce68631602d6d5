"""Kernels are compiled once for all tests, into the user's cache."""

from __future__ import annotations

import pytest

from flows.warm_up import warm_up


@pytest.fixture(scope="session", autouse=True)
def _kernels() -> None:
    warm_up(lambda _: None)
