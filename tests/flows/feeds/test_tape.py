"""Tape files as a feed: order, numbering, ids, and what is refused before the start."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.feeds.tape import TapeFeed
from flows.feeds.tape_files import TapeError, open_tapes
from operators.records import UnknownCondition
from operators.state import StateVersionError
from operators.ticks import Ticks
from tests.flows.feeds.replaying import batches, keys, prices, replayed, shown
from tests.flows.files import (
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
from tests.reference_tape import Event


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep sorted copies of these files out of the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


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
    events: list[Event] = [
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


# A feed among others.


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
    with pytest.raises(StateVersionError, match="holds state of version 99"):
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


def test_a_condition_nobody_knows_is_news_once_a_tape(tmp_path: Path) -> None:
    columns = (*TRADES, "conditions")
    rows = [("X", ns(i), 5.0, 1.0, [14, 99] if i % 2 else [61]) for i in range(6)]
    tapes = [parquet(tmp_path / f"{n}.parquet", columns, *rows) for n in "ab"]
    chunks = replayed(*tapes, batch=2)
    assert [one for chunk in chunks for one in chunk.notices] == [
        UnknownCondition(61),
        UnknownCondition(99),
    ]
