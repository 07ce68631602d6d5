"""Tape files as a feed: order, numbering, ids, and what is refused before the start."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.feeds.tape import TapeFeed, TapeState
from flows.feeds.tape_files import TapeError, expand, open_tapes
from operators.firings import trade_key
from operators.state import StateVersionError
from operators.ticks import TRADE, Ticks
from tests.flows.files import (
    FLAT_QUOTES,
    FLAT_TRADES,
    QUOTES,
    TRADES,
    flat_trade,
    parquet,
    write_flat,
    write_gz,
)
from tests.make import quote, trade
from tests.reference_cases import ns


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep sorted copies of these files out of the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def batches(feed: TapeFeed, state: TapeState | None = None) -> Iterator[Ticks]:
    part = feed.build_part("feed", "tape", state)
    try:
        while True:
            yield from part.next_batch()
    except StopIteration:
        return
    finally:
        part.close()


def replayed(*paths: str, **options: Any) -> list[Ticks]:
    return list(batches(TapeFeed(open_tapes(paths), **options)))


def shown(chunks: list[Ticks]) -> list[tuple[str, str, float]]:
    """Symbol, kind and price (or bid) of each tick."""
    return [
        (c.names[t["symbol"]], "trade" if t["kind"] == TRADE else "quote", t["price"] / 1e6)
        for c in chunks
        for t in c.ticks
    ]


def keys(chunks: list[Ticks]) -> list[str]:
    return [trade_key(row, c.texts, c.venues) for c in chunks for row in c.details]


def prices(chunks: list[Ticks]) -> list[float]:
    return [price for _, _, price in shown(chunks)]


# The order of the merge.


def test_files_are_merged_by_time_and_ties_go_to_trades(tmp_path: Path) -> None:
    quotes = parquet(tmp_path / "q.parquet", QUOTES, ("X", ns(1), 1.0, 9.0), ("X", ns(3), 2.0, 9.0))
    trades = parquet(tmp_path / "t.parquet", TRADES, ("X", ns(1), 5.0, 1.0), ("X", ns(2), 6.0, 1.0))
    assert shown(replayed(quotes, trades)) == [
        ("X", "trade", 5.0),
        ("X", "quote", 1.0),
        ("X", "trade", 6.0),
        ("X", "quote", 2.0),
    ]


def test_a_sequence_all_files_have_goes_before_the_kind(tmp_path: Path) -> None:
    seq = "feed_seq"
    quotes = parquet(tmp_path / "q.parquet", (*QUOTES, seq), ("X", ns(1), 1.0, 9.0, 7))
    trades = parquet(tmp_path / "t.parquet", (*TRADES, seq), ("X", ns(1), 5.0, 1.0, 8))
    assert prices(replayed(trades, quotes)) == [1.0, 5.0]


def test_a_sequence_only_one_file_has_does_not_count(tmp_path: Path) -> None:
    quotes = parquet(tmp_path / "q.parquet", (*QUOTES, "feed_seq"), ("X", ns(1), 1.0, 9.0, 7))
    trades = parquet(tmp_path / "t.parquet", TRADES, ("X", ns(1), 5.0, 1.0))
    assert prices(replayed(trades, quotes)) == [5.0, 1.0]


def test_a_file_of_another_symbol_does_not_take_the_sequence_away(tmp_path: Path) -> None:
    quotes = parquet(tmp_path / "q.parquet", (*QUOTES, "feed_seq"), ("X", ns(1), 1.0, 9.0, 7))
    trades = parquet(tmp_path / "t.parquet", (*TRADES, "feed_seq"), ("X", ns(1), 5.0, 1.0, 8))
    other = parquet(tmp_path / "o.parquet", TRADES, ("Y", ns(1), 6.0, 1.0))
    got = [price for name, _, price in shown(replayed(trades, other, quotes)) if name == "X"]
    assert got == [1.0, 5.0]


def test_ties_keep_the_order_of_files_and_rows(tmp_path: Path) -> None:
    rows = [("X", ns(1), 1.0 + i, 1.0) for i in range(3_000)]
    later = parquet(tmp_path / "a.parquet", TRADES, *rows[2_000:])
    first = parquet(tmp_path / "z.parquet", TRADES, *rows[:2_000], group=2_048)
    assert prices(replayed(first, later)) == [1.0 + i for i in range(3_000)]


@pytest.mark.parametrize("group", [2_048, 122_880])
def test_a_parquet_file_out_of_order_is_sorted(tmp_path: Path, group: int) -> None:
    rows = [("X", ns((7 * i) % 5_000), 1.0 + (7 * i) % 5_000, 1.0) for i in range(5_000)]
    assert prices(replayed(parquet(tmp_path / "t.parquet", TRADES, *rows, group=group))) == [
        1.0 + i for i in range(5_000)
    ]


def test_row_groups_do_not_show(tmp_path: Path) -> None:
    trades = [("X", ns(i), 1.0 + i, 1.0) for i in range(9_000)]
    quotes = [("X", ns(i), 1.5 + i, 1e6) for i in range(9_000)]
    paths = [
        parquet(tmp_path / "t.parquet", TRADES, *trades, group=2_048),
        parquet(tmp_path / "q.parquet", QUOTES, *quotes, group=4_096),
    ]
    assert prices(replayed(*paths, batch=1_000)) == [1.0 + i / 2 for i in range(18_000)]


# Numbers and ids.


def test_prints_without_an_id_are_numbered_by_symbol_rejected_ones_included(tmp_path: Path) -> None:
    rows = [("X", 1, 1.0), ("Y", 2, 1.0), ("X", 3, -1.0), ("X", 4, 1.0), ("Y", 5, 1.0)]
    path = parquet(tmp_path / "t.parquet", TRADES, *[(s, ns(t), p, 1.0) for s, t, p in rows])
    assert keys(replayed(path, batch=2)) == ["#1", "#1", "#3", "#2"]


def test_numbers_go_on_over_files_and_row_groups(tmp_path: Path) -> None:
    one = parquet(
        tmp_path / "1.parquet", TRADES, *[("X", ns(i), 1.0, 1.0) for i in range(5_000)], group=2_048
    )
    two = parquet(
        tmp_path / "2.parquet", TRADES, *[("X", ns(6_000 + i), 1.0, 1.0) for i in range(9)]
    )
    assert keys(replayed(two, one)) == [f"#{i}" for i in range(1, 5_010)]


@pytest.mark.parametrize(
    ("kind", "given", "key"),
    [
        ("VARCHAR", "71675222901845", "4|0|71675222901845"),
        ("BIGINT", 71675222901845, "4|0|71675222901845"),
        ("UINTEGER", 71, "4|0|71"),
        ("VARCHAR", "x-1", "4|0|x-1"),
        ("VARCHAR", "007", "4|0|007"),
        ("VARCHAR", "+7", "4|0|+7"),
        ("VARCHAR", " 7", "4|0| 7"),
        ("VARCHAR", "-5", "4|0|-5"),
        ("BIGINT", -5, "4|0|-5"),
        ("VARCHAR", "9" * 25, "4|0|" + "9" * 25),
        ("VARCHAR", "", "#2"),
        ("VARCHAR", None, "#2"),
        ("BIGINT", None, "#2"),
        ("VARCHAR", "#17", "#17"),
    ],
)
def test_an_id_is_spelled_as_the_tape_spells_it(
    tmp_path: Path, kind: str, given: object, key: str
) -> None:
    columns = (*TRADES, "exchange", "id")
    rows = [("X", ns(i), 1.0, 1.0, 4, i if i == 0 else given) for i in range(2)]
    path = parquet(tmp_path / "t.parquet", columns, *rows, id=kind)
    assert keys(replayed(path)) == ["4|0|0", key]


def test_exchanges_can_be_letters(tmp_path: Path) -> None:
    columns = (*TRADES, "exchange", "id")
    rows = [("X", ns(i), 1.0, 1.0, x, str(i)) for i, x in enumerate(("D", "Q", None, "D"))]
    path = parquet(tmp_path / "t.parquet", columns, *rows, exchange="VARCHAR")
    assert keys(replayed(path)) == ["D|0|0", "Q|0|1", "|0|2", "D|0|3"]


def test_the_optional_columns_find_their_place(tmp_path: Path) -> None:
    columns = (*TRADES, "conditions", "exchange", "trf_id", "participant_ns")
    full = ("X", ns(9.5), 1.0, 1.0, [12, 14], 4, 202, ns(2.9))
    path = parquet(
        tmp_path / "t.parquet", columns, full, ("X", ns(10), 1.0, 1.0, None, None, None, None)
    )
    (chunk,) = replayed(path)
    names = ("sale_class", "sweep", "exchange", "trf", "lateness_ms", "stated_side", "received_ns")
    assert [[int(row[name]) for name in names] for row in chunk.details] == [
        [9, 1, 4, 202, 7, 0, 0],
        [0, 0, 0, 0, -(2**31), 0, 0],
    ]


def test_the_side_is_read_only_where_the_tape_states_it(tmp_path: Path) -> None:
    columns = (*TRADES, "side")
    rows = [("X", ns(i), 1.0, 1.0, s) for i, s in enumerate((1.0, -1.0, None, float("nan"), 0.0))]
    path = parquet(tmp_path / "t.parquet", columns, *rows)
    (chunk,) = replayed(path)
    assert chunk.details["stated_side"].tolist() == [0] * 5
    (chunk,) = replayed(path, stated_side=True)
    assert chunk.details["stated_side"].tolist() == [1, -1, 0, 0, 0]


# Rows that are no ticks.


def test_an_absent_side_of_a_quote_is_no_error(tmp_path: Path) -> None:
    rows = [("X", ns(1), None, 2.0), ("X", ns(2), float("nan"), 2.0), ("X", ns(3), 0.0, 2.0)]
    (chunk,) = replayed(parquet(tmp_path / "q.parquet", QUOTES, *rows))
    assert (chunk.ticks["price"].tolist(), chunk.rejected) == ([0, 0, 0], {})


def test_bad_rows_are_rejected_with_their_code_and_the_others_are_kept(tmp_path: Path) -> None:
    rows = [
        ("X", ns(1), 1.0, 1.0),
        ("X", ns(2), float("nan"), 1.0),
        ("X", ns(3), None, 1.0),
        ("X", ns(4), 1e300, 1.0),
        ("X", ns(5), 1.0, -1.0),
        ("X", ns(6), 1.0, None),
        ("A|B", ns(7), 1.0, 1.0),
        (None, ns(8), 1.0, 1.0),
        ("X", 0, 1.0, 1.0),
        ("X", ns(9) // 10**6, 1.0, 1.0),
        ("X", None, 1.0, 1.0),
        ("X", ns(10), 2.0, 1.0),
    ]
    chunks = replayed(parquet(tmp_path / "t.parquet", TRADES, *rows))
    counted: dict[tuple[str, str], int] = {}
    for chunk in chunks:
        for key, n in chunk.rejected.items():
            counted[key] = counted.get(key, 0) + n
    assert prices(chunks) == [1.0, 2.0]
    assert counted == {
        ("X", "bad_price"): 3,
        ("X", "bad_size"): 2,
        ("", "bad_symbol"): 2,
        ("X", "bad_time"): 3,
    }
    assert sum(len(chunk.rejects) for chunk in chunks) == 10


def test_rejects_of_a_tape_without_a_good_row_are_told(tmp_path: Path) -> None:
    chunks = replayed(parquet(tmp_path / "t.parquet", TRADES, ("X", ns(1), 0.0, 1.0)))
    assert [r.code for chunk in chunks for r in chunk.rejects] == ["bad_price"]


def test_only_the_symbols_asked_for_are_read(tmp_path: Path) -> None:
    rows = [(s, ns(i), 1.0 + i, 1.0) for i, s in enumerate("XYZXY")]
    path = parquet(tmp_path / "t.parquet", TRADES, *rows)
    assert prices(replayed(path, symbols=("X", "NONE"))) == [1.0, 4.0]
    assert replayed(path, symbols=("NONE",)) == []


# Flat files.


def test_flat_files_sorted_by_ticker_come_out_by_time(tmp_path: Path) -> None:
    events = [
        trade(1, 5.0, symbol="Y", trade_id="1", exchange=4, conditions=(14, 41)),
        quote(1, 1.0, 9.0),
        trade(2, 6.0, 0.037, trade_id="2", exchange=4, trf=202),
        quote(2.5, 2.0, 9.0, symbol="Y"),
    ]
    (chunk,) = replayed(*write_flat(tmp_path, events))
    assert shown([chunk]) == [
        ("Y", "trade", 5.0),
        ("X", "quote", 1.0),
        ("X", "trade", 6.0),
        ("Y", "quote", 2.0),
    ]
    assert keys([chunk]) == ["4|0|1", "4|202|2"]
    assert (chunk.details["sweep"].tolist(), chunk.ticks["size"].tolist()[2]) == ([1, 0], 37_000)


def test_cancelled_and_corrected_rows_of_a_flat_file_are_left_out(tmp_path: Path) -> None:
    one = trade(1, 5.0, trade_id="1")
    rows = [flat_trade(one, i, correction=c) for i, c in enumerate((0, 1, 7, 8, 10, 11, 12))]
    assert len(replayed(write_gz(tmp_path / "t.csv.gz", FLAT_TRADES, *rows))[0]) == 2


def test_a_flat_file_is_sorted_once(tmp_path: Path) -> None:
    path = write_gz(tmp_path / "t.csv.gz", FLAT_TRADES, flat_trade(trade(1, trade_id="1"), 1))
    said: list[str] = []
    open_tapes([path], said.append)
    open_tapes([path], said.append)
    assert said == [f"sorting {path} by time, once"]
    write_gz(tmp_path / "t.csv.gz", FLAT_TRADES, *[flat_trade(trade(1, trade_id="1"), 1)] * 2)
    assert open_tapes([path], said.append).rows == 2


# What is refused before the start, in one sentence.


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


# A feed among others.


def test_a_folder_and_a_glob_name_their_files_once(tmp_path: Path) -> None:
    paths = [parquet(tmp_path / f"{n}.parquet", TRADES, ("X", ns(1), 1.0, 1.0)) for n in "ab"]
    parquet(tmp_path / "a.book.parquet", ("symbol",), ("X",))
    assert expand([str(tmp_path), str(tmp_path / "*.parquet"), paths[1]])[:2] == paths


def test_a_resumed_feed_goes_on_where_it_was(tmp_path: Path) -> None:
    rows = [("X", ns(i), 1.0 + i, 1.0 if i % 7 else -1.0) for i in range(5_000)]
    path = parquet(tmp_path / "t.parquet", TRADES, *rows, group=2_048)
    feed = TapeFeed(open_tapes([path]), batch=300)
    whole = list(batches(feed))
    for stop in (0, 1, 5, 9, 100):
        part = feed.build_part("feed", "tape", None)
        before = []
        for _ in range(stop):
            try:
                before += part.next_batch()
            except StopIteration:
                break
        state = part.snapshot()
        part.close()
        after = list(batches(feed, state))
        assert prices(before) + prices(after) == prices(whole)
        assert keys(before) + keys(after) == keys(whole)
        told = [r for chunk in [*before, *after] for r in chunk.rejects]
        assert sum(r.code == "bad_size" for r in told) <= 10


def test_state_of_another_tape_or_version_is_refused(tmp_path: Path) -> None:
    path = parquet(tmp_path / "t.parquet", TRADES, ("X", ns(1), 1.0, 1.0))
    other = parquet(tmp_path / "o.parquet", TRADES, ("X", ns(1), 1.0, 1.0))
    feed = TapeFeed(open_tapes([path]))
    part = feed.build_part("feed", "tape", None)
    state = part.snapshot()
    part.close()
    with pytest.raises(TapeError, match="the recovery store belongs to another tape"):
        TapeFeed(open_tapes([other])).build_part("feed", "tape", state)
    with pytest.raises(StateVersionError, match="written by version 99"):
        feed.build_part("feed", "tape", state._replace(version=99))


def test_at_a_speed_nothing_is_lost_and_nothing_comes_before_its_time(tmp_path: Path) -> None:
    """The third tick is an hour of tape behind the others: at 1 x it is not due in this test."""
    rows = [("X", ns(i), 1.0 + i, 1.0) for i in (0, 1, 3_600_000)]
    tape = open_tapes([parquet(tmp_path / "t.parquet", TRADES, *rows)])
    assert prices(list(batches(TapeFeed(tape, speed=1e9)))) == [1.0, 2.0, 3_600_001.0]
    slow = TapeFeed(tape, speed=1.0).build_part("feed", "tape", None)
    got: list[Ticks] = []
    while len(prices(got)) < 2:
        got += slow.next_batch()
    assert slow.next_batch() == []
    assert slow.next_awake() is not None
    slow.close()
    assert prices(got) == [1.0, 2.0]


def test_a_feed_that_is_stopped_ends(tmp_path: Path) -> None:
    rows = [("X", ns(i), 1.0 + i, 1.0) for i in range(10)]
    feed = TapeFeed(open_tapes([parquet(tmp_path / "t.parquet", TRADES, *rows)]), batch=2)
    part = feed.build_part("feed", "tape", None)
    while not part.next_batch():
        pass
    feed.stop.set()
    with pytest.raises(StopIteration):
        part.next_batch()
    part.close()


def test_progress_tells_how_far_it_is(tmp_path: Path) -> None:
    rows = [("X", ns(i), 1.0 + i, 1.0) for i in range(10)]
    feed = TapeFeed(open_tapes([parquet(tmp_path / "t.parquet", TRADES, *rows)]))
    list(batches(feed))
    said = feed.progress
    assert (said.rows, said.ticks, said.first_ns, said.last_ns) == (10, 10, ns(0), ns(9))
