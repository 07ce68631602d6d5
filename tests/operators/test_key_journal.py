"""Trade keys packed for a snapshot, part by part: whatever the parts, the table is the same."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators import key_journal
from operators.key_journal import SEEN, KeyJournal, pack, unpack
from operators.nbbo import PRINT
from operators.packing import LONGEST, get, get_change, get_shares, put, put_change, put_shares
from operators.parts import bytes_of
from operators.ticks import GAP, ID_MOCK_ROW, ID_NUMBER, ID_ROW, ID_TEXT, MS, TRADE
from tests.operators.part_store import MemoryStore

Key = tuple[int, int, int, int, int]  # as SEEN


@pytest.mark.parametrize(
    ("write", "read", "numbers"),
    [
        (put, get, [0, 1, 127, 128, 2**32, 2**63, 2**64 - 1]),
        (put_change, get_change, [0, -1, 1, 63, -64, 2**61, -(2**61)]),
        (put_shares, get_shares, [0, 1, 999_999, 10**6, 10**15, 10**15 + 1, 2**61]),
    ],
)
def test_numbers_come_back_whatever_their_length(write: Any, read: Any, numbers: list[int]) -> None:
    out = np.zeros(LONGEST * len(numbers), np.uint8)
    end = 0
    for number in numbers:
        kind = np.uint64 if write is put else np.int64
        end = write(out, end, kind(number))
    n, found = 0, []
    while n < end:
        number, n = read(out, n)
        found.append(int(number))
    assert found == numbers


key = st.tuples(
    st.integers(-(2**63), 2**63 - 1),
    st.integers(946_684_800_000, 4_102_444_800_000),
    st.integers(0, 2**31 - 1),
    st.integers(0, 2**15 - 1),
    st.integers(-1, 2**15 - 1),
)


@given(st.lists(key, max_size=20))
def test_keys_come_back_as_they_were(keys: list[Key]) -> None:
    assert unpack(pack(np.array(keys, SEEN))).tolist() == keys


def test_noting_from_the_start_never_reads_the_table() -> None:
    journal, newest_ms = KeyJournal(at_once=True), np.zeros(4, np.int64)
    rows = prints(random.Random(3), 0, 9)
    journal.note(rows)
    table = np.ones(5, SEEN)
    noted = np.empty(len(rows), SEEN)
    (part,) = journal.parts(lambda: table, newest_ms)
    assert unpack(part).tolist() == noted[: key_journal._note(rows, noted, 0)].tolist()


def prints(rng: random.Random, at_ms: int, n: int) -> Any:
    """Prints of four symbols within a minute from `at_ms`, of every kind of id; and gap marks."""
    rows = np.zeros(n, PRINT)
    for row in rows:
        row["kind"] = rng.choice([TRADE, TRADE, TRADE, GAP])
        row["id_kind"] = rng.choice([ID_ROW, ID_NUMBER, ID_MOCK_ROW, ID_TEXT])
        row["trade_id"] = rng.choice([rng.randrange(50), -(2**63) + rng.randrange(3)])
        row["symbol"], row["exchange"] = rng.randrange(4), rng.randrange(3)
        row["trf"] = rng.choice([0, 0, 202])
        row["ts_ns"] = (at_ms + rng.randrange(60_000)) * MS
    return rows


def youngest(keys: Any, newest_ms: Any) -> dict[tuple[int, ...], int]:
    """What a table of keys knows: the youngest time of each key that still counts."""
    found: dict[tuple[int, ...], int] = {}
    for trade_id, ms, symbol, exchange, trf in keys.tolist():
        if ms >= newest_ms[symbol] - key_journal.LOOK_BACK_MS:
            name = (trade_id, symbol, exchange, trf)
            found[name] = max(ms, found.get(name, 0))
    return found


@pytest.mark.parametrize("store", [None, "keeps", "full"])
@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(("parts", "block", "most"), [(3, 7, 999), (99, 7, 999), (3, 7, 20)])
def test_the_parts_hold_what_was_noted_and_is_young(
    at_once: bool,
    store: str | None,
    parts: int,
    block: int,
    most: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Parts given up by their number and by their age; and so many keys that none are noted."""
    monkeypatch.setattr("operators.parts.EPOCHS", parts)
    monkeypatch.setattr(key_journal, "BLOCK", block)
    monkeypatch.setattr(key_journal, "MOST", most)
    rng = random.Random(1)
    kept = MemoryStore(full=store == "full") if store is not None else None
    journal, every = KeyJournal(at_once, kept), np.empty(0, SEEN)
    newest_ms = np.zeros(4, np.int64)
    largest = 0
    snapshots: list[tuple[Any, ...]] = []
    for minute in range(60):
        rows = prints(rng, minute * 60_000, 30)
        journal.note(rows)
        noted = np.empty(len(rows), SEEN)
        every = np.concatenate([every, noted[: key_journal._note(rows, noted, 0)]])
        for row in rows[rows["kind"] == TRADE]:
            newest_ms[row["symbol"]] = max(newest_ms[row["symbol"]], row["ts_ns"] // MS)
        if minute % 2:
            snapshots.append(journal.parts(every.copy, newest_ms))
            found = keys_of(snapshots[-1], kept)
            assert youngest(found, newest_ms) == youngest(every, newest_ms)
            largest = max(largest, len(found))
            for snapshot in snapshots[-2:]:  # which the engine may resume from
                keys_of(snapshot, kept)
    assert 0 < largest < 220  # of more than 1,000 noted
    if store == "keeps":
        assert kept is not None
        assert len(kept.gone) > len(kept.kept) / 3
        assert not any(isinstance(part, np.ndarray) for part in snapshots[-1])


def keys_of(snapshot: tuple[Any, ...], store: MemoryStore | None) -> Any:
    """The keys of a snapshot, wherever they are."""
    return np.concatenate([unpack(bytes_of(part, store)) for part in snapshot])


def test_a_part_is_packed_once() -> None:
    journal, newest_ms = KeyJournal(at_once=False), np.zeros(4, np.int64)
    none = np.zeros(1, SEEN)
    rng = random.Random(2)
    first = journal.parts(none.copy, newest_ms)
    journal.note(prints(rng, 0, 5))
    second = journal.parts(none.copy, newest_ms)
    journal.note(prints(rng, 0, 5))
    third = journal.parts(none.copy, newest_ms)
    assert [part is same for part, same in zip(third, (*first, second[1]), strict=False)] == [
        *(True, True)
    ]
    assert len(third) == 3
