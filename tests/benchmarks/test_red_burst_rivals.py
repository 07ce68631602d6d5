from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks import prints
from benchmarks.rivals import (
    red_burst_loop,
    red_burst_ours,
    red_burst_prints,
    red_burst_sliding,
    red_burst_sql,
)


@pytest.fixture(scope="module")
def path(inputs_folder: Path) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("flows.places.cache_folder", lambda: inputs_folder)
        return str(prints.prints_file(12_000, symbols=3))


@pytest.fixture(scope="module")
def truth(path: str) -> dict[str, Any]:
    return red_burst_ours.checks(path)


def test_there_are_bursts_of_both_kinds(truth: dict[str, Any]) -> None:
    assert {kind for _, _, kind in truth["fires"]} == {1, 2}
    assert truth["red"] > len(truth["fires"])


def test_the_operators_find_the_bursts(path: str, truth: dict[str, Any]) -> None:
    assert red_burst_ours.bursts(path)() == {"fires": truth["fires"]}


def test_the_bare_loop_agrees(path: str, truth: dict[str, Any]) -> None:
    assert red_burst_loop.loop(path)() == truth


def test_asof_joins_agree(path: str, truth: dict[str, Any]) -> None:
    sums = {key: truth[key] for key in ("v", "base", "red")}
    assert red_burst_sql.asof(path, threads=1)() == sums


def test_range_windows_agree(path: str, truth: dict[str, Any]) -> None:
    sums = {key: truth[key] for key in ("v", "base", "red")}
    assert red_burst_sql.ranges(path, threads=1)() == sums


def test_polars_agrees(path: str, truth: dict[str, Any]) -> None:
    pytest.importorskip("polars", reason="only compared with; pip install -e .[bench]")
    from benchmarks.rivals import red_burst_polars

    sums = {key: truth[key] for key in ("v", "base", "red")}
    assert red_burst_polars.rolling_sums(path)() == sums


def test_bytewax_print_by_print_agrees(path: str, truth: dict[str, Any]) -> None:
    assert red_burst_prints.flat_map(path)() == {"fires": truth["fires"]}
    assert red_burst_prints.batch(path)() == {"fires": truth["fires"]}


def test_sliding_windows_agree_at_the_end_of_each_second() -> None:
    few, _ = prints.few_symbols(prints.prints_file(600, symbols=3), 2)
    assert red_burst_sliding.sliding(str(few))() == red_burst_loop.at_second_ends(str(few))
