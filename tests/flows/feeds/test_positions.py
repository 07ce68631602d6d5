"""The positions file: its forms, its faults, and its changes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from flows.feeds.positions import PositionsError, PositionsFile, read_positions


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
    held = PositionsFile(path, pytest.fail)
    assert held.symbols() == ("AAPL", "MSFT")
    write(path, '{"TSLA": 1}')
    assert held.symbols() == ("TSLA",)


def test_a_file_in_disorder_changes_nothing_until_it_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "positions.json"
    write(path, '["AAPL"]')
    said: list[str] = []
    held = PositionsFile(path, said.append)
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
    assert gone.endswith("The symbols last read from it stay.")
