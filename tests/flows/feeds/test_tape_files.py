"""Which files are a tape, and what is refused, in one sentence, before the start."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from flows.feeds.tape_files import TapeError, expand, open_tapes
from tests.flows.feeds.replaying import replayed
from tests.flows.files import FLAT_QUOTES, FLAT_TRADES, TRADES, flat_trade, parquet, write_gz
from tests.make import trade
from tests.reference_cases import ns


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep sorted copies of these files out of the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_a_folder_and_a_glob_name_their_files_once(tmp_path: Path) -> None:
    paths = [parquet(tmp_path / f"{n}.parquet", TRADES, ("X", ns(1), 1.0, 1.0)) for n in "ab"]
    assert expand([str(tmp_path), str(tmp_path / "*.parquet"), paths[1]])[:2] == paths


def test_a_flat_file_is_sorted_once(tmp_path: Path) -> None:
    path = write_gz(tmp_path / "t.csv.gz", FLAT_TRADES, flat_trade(trade(1, trade_id="1"), 1))
    said: list[str] = []
    open_tapes([path], said.append)
    open_tapes([path], said.append)
    assert said == [f"sorting {path} by time, once"]
    write_gz(tmp_path / "t.csv.gz", FLAT_TRADES, *[flat_trade(trade(1, trade_id="1"), 1)] * 2)
    assert open_tapes([path], said.append).rows == 2


def refusal(*paths: str) -> str:
    with pytest.raises(TapeError) as error:
        replayed(*expand(paths))
    text = str(error.value)
    assert "\n" not in text
    assert "Traceback" not in text
    return text


def test_a_name_that_leads_nowhere(tmp_path: Path) -> None:
    assert refusal(str(tmp_path / "none*")).startswith(f"no tape at {tmp_path}/none*")
    (tmp_path / "empty").mkdir()
    assert "no tape at" in refusal(str(tmp_path / "empty"))


@pytest.mark.parametrize("name", ["t.parquet", "t.csv.gz"])
def test_an_empty_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert refusal(str(tmp_path / name)) == f"{tmp_path / name} is empty: nothing to replay"


def test_a_parquet_file_cut_short(tmp_path: Path) -> None:
    rows = [("X", ns(i), 1.0 + i, 1.0) for i in range(3_000)]
    path = parquet(tmp_path / "t.parquet", TRADES, *rows)
    whole = Path(path).read_bytes()
    for size in (4, len(whole) // 2, len(whole) - 1):
        Path(path).write_bytes(whole[:size])
        assert f"{path} cannot be read" in refusal(path)


def test_a_parquet_file_with_broken_pages(tmp_path: Path) -> None:
    rows = [("X", ns(i), 1.0 + i * 1.7, 1.0) for i in range(3_000)]
    path = parquet(tmp_path / "t.parquet", TRADES, *rows)
    whole = bytearray(Path(path).read_bytes())
    whole[4 : len(whole) // 2] = bytes(len(whole) // 2 - 4)
    Path(path).write_bytes(bytes(whole))
    assert "cannot be read" in refusal(path)


@pytest.mark.parametrize("name", ["t.parquet", "t.csv.gz"])
def test_a_file_that_is_something_else(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"this is no tape at all\n" * 100)
    assert name in refusal(str(tmp_path / name))


def test_a_flat_file_cut_short(tmp_path: Path) -> None:
    rows = [flat_trade(trade(i, 1.0 + i * 0.37, trade_id=str(i * 7919)), i) for i in range(3_000)]
    path = write_gz(tmp_path / "t.csv.gz", FLAT_TRADES, *rows)
    whole = Path(path).read_bytes()
    Path(path).write_bytes(whole[: len(whole) // 2])
    assert f"{path} cannot be read" in refusal(path)


def test_a_flat_file_with_a_row_that_is_none(tmp_path: Path) -> None:
    path = write_gz(tmp_path / "t.csv.gz", FLAT_TRADES, "X,,0,four,1,1,1.0,1,1,1,3,,")
    assert f"{path} cannot be read" in refusal(path)


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        (
            ("symbol", "ts_ns", "price"),
            "has no column size: trades need symbol, ts_ns, price, size",
        ),
        (("symbol", "ts_ns"), "has no column price and no column size"),
        (("ts_ns", "bid", "ask"), "has no column symbol: quotes need symbol, ts_ns, bid, ask"),
        (("symbol", "ts_ns", "ask"), "has no column bid"),
        (("a", "b"), "has no column symbol and no column ts_ns"),
    ],
)
def test_a_parquet_file_without_a_column(
    tmp_path: Path, columns: tuple[str, ...], sentence: str
) -> None:
    path = parquet(tmp_path / "t.parquet", columns, tuple(None for _ in columns))
    assert sentence in refusal(path)


def test_a_time_that_is_no_whole_number(tmp_path: Path) -> None:
    path = parquet(tmp_path / "t.parquet", TRADES, ("X", 1.5, 1.0, 1.0), ts_ns="DOUBLE")
    assert refusal(path) == f"{path}: ts_ns is DOUBLE, not nanoseconds as BIGINT"


@pytest.mark.parametrize(
    ("header", "missing"), [(FLAT_TRADES, "sip_timestamp"), (FLAT_QUOTES, "bid_price")]
)
def test_a_flat_file_without_a_column(tmp_path: Path, header: str, missing: str) -> None:
    columns = [name for name in header.split(",") if name != missing]
    path = write_gz(tmp_path / "t.csv.gz", ",".join(columns), ",".join("1" for _ in columns))
    assert missing in refusal(path)


def test_a_side_that_is_to_be_stated_and_is_not_there(tmp_path: Path) -> None:
    path = parquet(tmp_path / "t.parquet", TRADES, ("X", ns(1), 1.0, 1.0))
    with pytest.raises(TapeError, match="states no side: it has no column side"):
        replayed(path, stated_side=True)


def test_captures_and_tape_files_together(tmp_path: Path) -> None:
    capture = tmp_path / "c.jsonl.gz"
    capture.write_bytes(gzip.compress(b'{"r":1,"f":"[]"}\n'))
    path = parquet(tmp_path / "t.parquet", TRADES, ("X", ns(1), 1.0, 1.0))
    assert "cannot be replayed together" in refusal(str(capture), path)
