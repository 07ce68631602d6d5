"""Flat files to tapes: what is in them, what a replay makes of them, what is refused."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from flows.feeds.tape_files import expand, open_tapes
from tests.disks import small
from tests.flows.feeds.replaying import keys, replayed, shown
from tests.flows.files import (
    FLAT_QUOTES,
    FLAT_TRADES,
    flat_quote,
    flat_trade,
    write_flat,
    write_gz,
)
from tests.flows.importing.ordering import DAY, Import, flat
from tests.make import quote, trade
from tests.reference_cases import ns


def market() -> list[object]:
    """A small market of three symbols, with ties in time."""
    random = Random(7)
    return [
        event
        for i in range(400)
        for symbol in random.sample(["A", "BRK.B", "ZVZZT"], 2)
        for event in (
            quote(i // 2, 10 + i % 7 / 100, 10.1, symbol),
            trade(
                i // 2, 10 + i % 9 / 100, i + 0.25, symbol=symbol, trade_id=str(7 * i),
                conditions=(14, 41)[: i % 3], exchange=i % 19 + 1, trf=(0, 202)[i % 2],
            ),
        )
    ]  # fmt: skip


def test_a_replay_of_the_tapes_is_a_replay_of_the_flat_files(
    imported: Import, tmp_path: Path
) -> None:
    files = write_flat(tmp_path / "flat", market())  # type: ignore[arg-type]
    assert imported(*files).code == 0
    direct, tapes = replayed(*sorted(files, reverse=True)), replayed(*expand([str(imported.out)]))
    assert len(shown(tapes)) == 1600
    assert sorted(shown(tapes)) == sorted(shown(direct))
    for symbol in ("A", "BRK.B", "ZVZZT"):  # ties of two symbols may fall either way
        assert [s for s in shown(tapes) if s[0] == symbol] == [
            s for s in shown(direct) if s[0] == symbol
        ]
    assert sorted(keys(tapes)) == sorted(keys(direct))


def test_a_replay_takes_the_tapes_as_they_are(imported: Import, tmp_path: Path) -> None:
    imported(*write_flat(tmp_path / "flat", market()))  # type: ignore[arg-type]
    said: list[str] = []
    tapes = open_tapes(expand([str(imported.out)]), said.append)
    assert [file.path for file in tapes.files] == [
        str(imported.out / DAY / f"{kind}.parquet") for kind in ("trades", "quotes")
    ]
    assert said == []
    assert "ts_ns" in tapes.files[0].full


def test_the_tape_has_the_columns_of_the_schema(imported: Import, tmp_path: Path) -> None:
    print_ = trade(1, 10.5, 0.25, symbol="BRK.B", conditions=(14, 37), exchange=4, trf=202,
                   trade_id="71675222901845", participant_ns=ns(0))  # fmt: skip
    book = quote(2, 0.0, 10.1, "BRK.B")
    imported(*write_flat(tmp_path, [print_, book]))
    assert imported.rows(columns="COLUMNS(*)") == [
        ("BRK.B", ns(1), 10.5, 0.25, [14, 37], 4, 71675222901845, 202, ns(0))
    ]
    assert imported.rows("quotes") == [("BRK.B", ns(2), 0.0, 100.0, 10.1, 100.0)]


@pytest.mark.parametrize("odd", ["52983525A", "007", "-1"])
def test_ids_that_are_no_plain_numbers_stay_text(
    imported: Import, tmp_path: Path, odd: str
) -> None:
    prints = [trade(1, trade_id="12"), trade(2, trade_id=odd)]
    path = write_flat(tmp_path, prints)[0]
    assert imported(path, "--kind", "trades").code == 0
    assert imported.rows(columns="id") == [("12",), (odd,)]


def test_corrections_are_applied_and_counted_by_code(imported: Import, tmp_path: Path) -> None:
    codes = [0, 1, 7, 8, 8, 10, 11, 12]
    rows = [flat_trade(trade(i, 10.0 + i), i, code) for i, code in enumerate(codes)]
    rows[0] = rows[0].replace(",,0,", ",,,", 1)  # an empty code is a regular one
    imported(write_gz(tmp_path / f"{DAY}.csv.gz", FLAT_TRADES, *rows))
    assert imported.rows(columns="price") == [(10.0,), (17.0,)]
    record = imported.manifest()[f"{DAY}/trades.parquet"]
    assert record["dropped"] == {"1": 1, "7": 1, "8": 2, "10": 1, "11": 1}
    assert (record["rows_in"], record["rows"]) == (8, 2)


def test_rows_without_a_symbol_or_a_time_are_counted(imported: Import, tmp_path: Path) -> None:
    good = flat_trade(trade(1), 1)
    rows = [good, good.replace("X,", ",", 1), good.replace(f",{ns(1)},100", ",,100", 1)]
    done = imported(write_gz(tmp_path / f"{DAY}.csv.gz", FLAT_TRADES, *rows))
    record = imported.manifest()[f"{DAY}/trades.parquet"]
    assert (record["rows"], record["unusable"]) == (1, 2)
    assert "1 rows of 3" in done.err
    assert "2 unusable" in done.err


def test_symbols_kinds_and_days_choose(imported: Import, tmp_path: Path) -> None:
    write_flat(tmp_path / "flat", market())  # type: ignore[arg-type]
    flat(tmp_path / "flat" / "2024-01-03_trades.csv.gz", 1.0)
    done = imported(tmp_path / "flat", "--from", DAY, "--kind", "trades", "--symbols", "A,BRK.B")
    assert (done.code, imported.tapes()) == (0, [f"{DAY}/trades.parquet"])
    record = imported.manifest()[f"{DAY}/trades.parquet"]
    assert set(record["symbols"]) == {"A", "BRK.B"}
    assert sum(record["symbols"].values()) == record["rows"] == 800 - record["other_symbols"]
    assert {symbol for (symbol,) in imported.rows(columns="symbol")} == {"A", "BRK.B"}


def test_a_symbol_nobody_printed_is_a_failure_that_keeps_the_rest(
    imported: Import, tmp_path: Path
) -> None:
    done = imported(flat(tmp_path / f"{DAY}.csv.gz", 1.0), "--symbols", "X,NOSUCH")
    assert done.code == 1
    assert done.err.endswith(
        f"orderflow: nothing of NOSUCH on {DAY}: check the symbol and the days\n"
    )
    assert imported.tapes() == [f"{DAY}/trades.parquet"]


def test_no_tape_is_written_for_symbols_without_a_print(imported: Import, tmp_path: Path) -> None:
    path = flat(tmp_path / f"{DAY}.csv.gz", 1.0)
    assert imported(path, "--symbols", "NOSUCH").code == 1
    assert imported.tapes() == []
    assert "was there" in imported(path, "--symbols", "NOSUCH").out


def test_the_day_is_that_of_new_york_where_the_name_says_none(
    imported: Import, tmp_path: Path
) -> None:
    evening = trade(14 * 3_600_000)  # 23:30 New York, the next day in UTC
    imported(write_gz(tmp_path / "trades.csv.gz", FLAT_TRADES, flat_trade(evening, 1)))
    assert imported.tapes() == [f"{DAY}/trades.parquet"]


def test_files_of_one_day_become_one_tape(imported: Import, tmp_path: Path) -> None:
    for folder, price in (("a", 2.0), ("b", 1.0)):
        flat(tmp_path / folder / f"{DAY}.csv.gz", price, price + 2)
    imported(tmp_path / "b", tmp_path / "a")
    assert sorted(imported.rows(columns="price")) == [(1.0,), (2.0,), (3.0,), (4.0,)]
    assert len(imported.manifest()[f"{DAY}/trades.parquet"]["sources"]) == 2


def test_a_gzip_of_several_members_and_a_last_line_without_an_end(
    imported: Import, tmp_path: Path
) -> None:
    rows = [flat_trade(trade(i), i) for i in range(3)]
    path = tmp_path / f"{DAY}.csv.gz"
    text = f"{FLAT_TRADES}\n{rows[0]}\n".encode()
    path.write_bytes(gzip.compress(text) + gzip.compress(f"{rows[1]}\n{rows[2]}".encode()))
    assert imported(path).code == 0
    assert imported.manifest()[f"{DAY}/trades.parquet"]["rows_in"] == 3


def test_a_column_the_vendor_adds_is_passed_over(imported: Import, tmp_path: Path) -> None:
    row = flat_trade(trade(1), 1)
    path = write_gz(tmp_path / f"{DAY}.csv.gz", f"new'one,{FLAT_TRADES}", f"abc,{row}")
    assert imported(path).code == 0
    assert imported.rows(columns="symbol") == [("X",)]


# What is refused.


def many(path: Path, rows: int = 3_000) -> Path:
    return Path(flat(path, *(1.0 + i * 0.37 for i in range(rows))))


@pytest.mark.parametrize("kept", [12, 0.5, -1, -9])
def test_a_file_cut_short(imported: Import, tmp_path: Path, kept: float) -> None:
    """Even where only the checksum is missing and all rows are there."""
    path = many(tmp_path / f"{DAY}.csv.gz")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept) if kept == 0.5 else int(kept)])
    assert imported.refused(path) == f"{path} is cut short: its gzip stream does not end"


def test_a_file_with_a_bad_checksum(imported: Import, tmp_path: Path) -> None:
    path = many(tmp_path / f"{DAY}.csv.gz")
    whole = bytearray(path.read_bytes())
    whole[-6] ^= 1
    path.write_bytes(bytes(whole))
    assert imported.refused(path).startswith(f"{path} cannot be read: Error -3 ")


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (["this is no flat file"], "is no trades flat file: it has no column "),
        ([FLAT_TRADES.replace("sip_timestamp,", "")], "it has no column sip_timestamp"),
        ([FLAT_QUOTES.replace(",bid_price", "")], "is no quotes flat file: it has no column bid_"),
        ([FLAT_TRADES], "holds no rows: an empty day is no trading day"),
        ([FLAT_TRADES, "X,,0,four,1,1,1.0,1,1,1,3,,"], "cannot be read: "),
        ([FLAT_TRADES, "X,,0,4"], "cannot be read: "),
        ([FLAT_TRADES, flat_trade(trade(1), 1), ""], "has 2 lines of data but 1 rows"),
        ([FLAT_TRADES, flat_trade(trade(86_400_000), 1)], "holds rows of another day than "),
    ],
)
def test_a_file_that_is_no_flat_file(
    imported: Import, tmp_path: Path, lines: list[str], sentence: str
) -> None:
    path = write_gz(tmp_path / f"{DAY}.csv.gz", *lines)
    told = imported.refused(path)
    assert told.startswith(path)
    assert sentence in told
    assert "/dev/fd" not in told
    assert "Error: " not in told


def test_a_file_that_does_not_say_its_day(imported: Import, tmp_path: Path) -> None:
    row = flat_quote(quote(1), 1).replace(f",1,{ns(1)},3,", ",1,,3,")
    path = write_gz(tmp_path / "q.csv.gz", FLAT_QUOTES, row)
    assert imported.refused(path).startswith(f"{path} does not say its day: ")


def test_what_is_no_file_at_all(imported: Import, tmp_path: Path) -> None:
    (tmp_path / "x.csv.gz").write_bytes(b"no gzip")
    (tmp_path / "t.parquet").touch()
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00" * 99)
    assert "no flat file at" in imported.refused(tmp_path / "none*")
    assert "cannot be read: Not a gzipped file" in imported.refused(tmp_path / "x.csv.gz")
    assert "those end in .csv.gz or .csv" in imported.refused(tmp_path / "t.parquet")
    assert "it is not text" in imported.refused(tmp_path / "binary.csv")


@pytest.mark.parametrize(
    "args", [[], ["x", "--kind", "bars"], ["x", "--to", DAY], ["rest"], ["rest", "--symbols", "A"],
             ["s3://flatfiles"], ["x", "--from", DAY, "--to", "2023-12-29"]]
)  # fmt: skip
def test_wrong_usage_is_2(imported: Import, args: list[str]) -> None:
    assert imported(*args).code == 2


# Killed, full, held.


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with small(tmp_path / "disk", "size=256k") as disk:
        yield disk


def test_a_full_disk_is_a_sentence_and_leaves_room_again(
    imported: Import, tmp_path: Path, small_disk: Path
) -> None:
    random = Random(3)
    path = flat(tmp_path / f"{DAY}.csv.gz", *(random.random() for _ in range(60_000)))
    imported.out = small_disk / "tapes"
    assert imported.refused(path).startswith(f"no space left on the disk of {imported.out}: ")
    assert sum(p.stat().st_size for p in small_disk.rglob("*") if p.is_file()) < 1000
