"""Fault files: what they say, and the sentence for each mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

import flows.mock
from flows.mock import FaultError, MockPolygon, read_faults
from flows.mock.fault_file import check_faults
from flows.mock.faults import KINDS, Disconnect, ExtraKeys, RestError, Silence, kind_of

EXAMPLE = Path(flows.mock.__file__).parent / "faults.example.toml"


def written(folder: Path, text: str) -> Path:
    path = folder / "faults.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_is_its_faults_in_order_and_a_seed(tmp_path: Path) -> None:
    read = read_faults(
        written(
            tmp_path,
            'seed = 3\n[[fault]]\nkind = "silence"\nat_s = 2\nfor_tape_s = 0.5\n'
            '[[fault]]\nkind = "rest_error"\nstatus = 429\nretry_after_s = 1\ncount = 2\n'
            '[[fault]]\nkind = "extra_keys"\nkeys = { c = [1] }\n',
        )
    )
    assert read.seed == 3
    assert read.faults == (
        Silence(at_s=2.0, for_tape_s=0.5),
        RestError(status=429, retry_after_s=1, count=2),
        ExtraKeys(keys={"c": [1]}),
    )


def test_the_example_shows_every_kind_and_is_without_a_mistake() -> None:
    example = read_faults(EXAMPLE)
    assert {kind_of(fault) for fault in example.faults} == set(KINDS)
    check_faults(example.faults)


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("seed = 1.5", ["`seed` must be a whole number, not 1.5."]),
        ("seeds = 1", ["The fault file has `seed` and `[[fault]]`, not `seeds`."]),
        ("fault = 1", ["Each fault begins with a line `[[fault]]`."]),
        (
            '[[fault]]\nkind = "silence"\n[[fault]]\nkind = "disconect"',
            ["Fault 2: there is no kind 'disconect'; is it `disconnect`?"],
        ),
        (
            '[[fault]]\nkind = "disconnect"\ncode = 1234\nafer_s = 3\nat_s = -1\nconnection = "a"',
            [
                "Fault 1 (disconnect): `code` is 1234, but it can be 1000, 1001, 1008, 1011, 1012.",
                "Fault 1 (disconnect): there is no `afer_s`; is it `after_s`?",
                "Fault 1 (disconnect): `at_s` is -1, but must be `float` >= 0.0.",
                "Fault 1 (disconnect): `connection` is 'a', but must be `int | null`, got `str`.",
            ],
        ),
        (
            '[[fault]]\nkind = "half_open"\nat_s = 1\nafter_s = 1\nfor_s = 1\nfor_events = 1',
            [
                "Fault 1 (half_open): it begins once: `at_s` or `after_s`.",
                "Fault 1 (half_open): it ends once: `for_s` or `for_events`.",
            ],
        ),
        (
            '[[fault]]\nkind = "large_frames"\nleast = 101',
            ["Fault 1 (large_frames): `least` (101) is more than `most` (100)."],
        ),
    ],
)
def test_each_mistake_is_a_sentence(tmp_path: Path, text: str, sentences: list[str]) -> None:
    with pytest.raises(FaultError) as wrong:
        read_faults(written(tmp_path, text))
    assert str(wrong.value).splitlines() == sentences


def test_what_is_no_file_or_no_toml_says_so(tmp_path: Path) -> None:
    gone = tmp_path / "gone.toml"
    with pytest.raises(FaultError) as missing:
        read_faults(gone)
    assert str(missing.value) == f"Cannot read the fault file {gone}: No such file or directory."
    torn = written(tmp_path, "[[fault]")
    with pytest.raises(FaultError) as broken:
        read_faults(torn)
    assert str(broken.value).startswith(f"The fault file {torn} is not TOML: ")


def test_faults_made_in_python_are_held_to_the_same() -> None:
    wrong = MockPolygon(faults=[Silence(), Disconnect(code=77, connection=0)])  # type: ignore[arg-type]
    with pytest.raises(FaultError) as refused:
        wrong.__enter__()
    assert str(refused.value).splitlines() == [
        "Fault 2 (disconnect): `connection` is 0, but must be `int` >= 1.",
        "Fault 2 (disconnect): `code` is 77, but it can be 1000, 1001, 1008, 1011, 1012.",
    ]
