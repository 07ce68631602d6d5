"""The positions file: its forms, its faults, and its changes."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from flows.feeds.positions import PositionsError, PositionsFile, read_positions, shorts
from flows.orderflow import rules_of
from flows.settings import Settings


@pytest.mark.parametrize(
    ("text", "positions"),
    [
        ('[{"symbol": "AAPL", "quantity": 300}, {"symbol": "BRK.B"}]', {"AAPL": 300, "BRK.B": 1}),
        ('{"AAPL": 300, "MSFT": -2.5, "FLAT": 0}', {"AAPL": 300, "MSFT": -2.5}),
        ('["AAPL", "MSFT"]', {"AAPL": 1, "MSFT": 1}),
        ("[]", {}),
        ("symbol,quantity\nAAPL,300\nBApA,1e2\n", {"AAPL": 300, "BApA": 100}),
        ("\ufeffQuantity, Symbol\r\n5, AAPL\r\n-5, AAPL\r\n1, MSFT\r\n", {"MSFT": 1}),
        ("symbol\nAAPL\n", {"AAPL": 1}),
        ("symbol,quantity\n", {}),
    ],
)
def test_a_file_is_json_or_csv(tmp_path: Path, text: str, positions: dict[str, float]) -> None:
    path = tmp_path / "positions"
    path.write_text(text, encoding="utf-8", newline="")
    assert read_positions(path) == positions


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[{"symbol": "AAPL"', "is not whole JSON"),
        ('[{"quantity": 3}]', "has None where a symbol belongs"),
        ('["A,B"]', "has 'A,B' where a symbol belongs"),
        ('["*"]', "has '*' where a symbol belongs"),
        ("[3]", "has 3 where a symbol belongs"),
        ('{"AAPL": "many"}', "has 'many' as the quantity of AAPL"),
        ('{"AAPL": null}', "has None as the quantity of AAPL"),
        ("symbol,quantity\nAAPL,nan\n", "has 'nan' as the quantity of AAPL"),
        ("symbol,quantity\nAAPL\n", "has None as the quantity of AAPL"),
        ("AAPL,300\n", "its first line must name a column 'symbol'"),
        ("", "its first line must name a column 'symbol'"),
    ],
)
def test_what_is_no_positions_file_is_refused_in_a_sentence(
    tmp_path: Path, text: str, problem: str
) -> None:
    path = tmp_path / "positions.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PositionsError) as refused:
        read_positions(path)
    assert problem in str(refused.value)
    assert str(path) in str(refused.value)


def test_a_missing_file_is_refused_with_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(PositionsError) as refused:
        PositionsFile(tmp_path / "gone.json", print)
    assert str(refused.value) == (
        f"Cannot read the positions file {tmp_path / 'gone.json'}: No such file or directory. "
        "Set ORDER_FLOW_POSITIONS_FILE to a JSON or CSV file with symbol and quantity."
    )


def write(path: Path, text: str) -> None:
    """Replace a file as a bot does, so that it is never seen half written."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text, encoding="utf-8")
    os.replace(fresh, path)  # noqa: PTH105 (the call the test is about)


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "positions.json"
    write(path, '{"MSFT": 1, "AAPL": 2}')
    held = PositionsFile(path, pytest.fail, settle_s=0)
    assert held.symbols() == ("AAPL", "MSFT")
    write(path, '{"TSLA": 1}')
    assert held.symbols() == ("TSLA",)


def test_a_negative_quantity_is_a_short_position_and_zero_is_none(tmp_path: Path) -> None:
    path = tmp_path / "positions.csv"
    write(path, "symbol,quantity\nAAPL,-100\nMSFT,5\nTSLA,0\n")
    held = PositionsFile(path, pytest.fail, settle_s=0)
    asked = ("AAPL", "MSFT", "TSLA", "GONE")
    assert [held.is_short(symbol) for symbol in asked] == [True, False, False, False]
    assert held.symbols() == ("AAPL", "MSFT")
    write(path, "symbol,quantity\nAAPL,100\nMSFT,-5\n")
    assert [held.is_short(symbol) for symbol in asked] == [False, True, False, False]


def test_who_asks_for_shorts_without_a_file_has_none(tmp_path: Path) -> None:
    path = tmp_path / "positions.json"
    write(path, '{"AAPL": -1}')
    assert (shorts(path)("AAPL"), shorts(None)("AAPL")) == (True, False)


def test_only_a_live_run_knows_of_shorts(tmp_path: Path) -> None:
    path = tmp_path / "positions.json"
    write(path, '{"AAPL": -1}')
    settings = Settings(positions_file=path)
    told = [rules_of(settings, feed).alerts.is_short("AAPL") for feed in ("live", "replay")]
    assert told == [True, False]


def test_a_file_in_disorder_changes_nothing_until_it_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "positions.json"
    write(path, '["AAPL"]')
    said: list[str] = []
    held = PositionsFile(path, said.append, settle_s=0)
    write(path, '["AAPL", "MS')
    assert held.symbols() == ("AAPL",)
    write(path, '["AAPL", "MS')
    assert held.symbols() == ("AAPL",)
    path.unlink()
    assert held.symbols() == ("AAPL",)
    write(path, "[]")
    assert held.symbols() == ()
    torn, gone = said  # each once
    assert "is not whole JSON" in torn
    assert "No such file" in gone
    assert gone.endswith("The positions last read from it stay.")


def test_half_a_file_that_reads_well_is_left_alone_until_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "positions.csv"
    whole = "symbol,quantity\nAAPL,100\nMSFT,50\n"
    path.write_text(whole, encoding="utf-8")
    held = PositionsFile(path, pytest.fail, settle_s=1.0)
    seen = set()
    with path.open("w", encoding="utf-8") as file:
        for part in ("symbol,quantity\nAAPL,1", "00\nTSLA,5", "0\n"):
            file.write(part)
            file.flush()
            seen.add(held.symbols())
    assert seen == {("AAPL", "MSFT")}
    deadline = time.monotonic() + 5
    while held.symbols() != ("AAPL", "TSLA"):
        assert time.monotonic() < deadline


def test_a_file_that_is_never_still_is_read_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "positions.json"
    write(path, '["AAPL"]')
    held = PositionsFile(path, pytest.fail, settle_s=1.0)
    changed = time.monotonic()
    while held.symbols() == ("AAPL",):
        write(path, '["MSFT"]')  # every few microseconds
        assert time.monotonic() < changed + 20
    assert time.monotonic() - changed >= 2.9


def test_a_file_dated_in_the_future_is_read_at_once(tmp_path: Path) -> None:
    path = tmp_path / "positions.json"
    write(path, '["AAPL"]')
    held = PositionsFile(path, pytest.fail, settle_s=60)
    write(path, '["MSFT"]')
    soon = time.time() + 3600
    os.utime(path, (soon, soon))
    assert held.symbols() == ("MSFT",)
