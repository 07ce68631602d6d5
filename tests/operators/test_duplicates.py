"""A print reported twice counts once, whatever happens to the table of keys meanwhile."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from operators import duplicates
from operators.duplicates import TradeKeys
from operators.eligibility import Eligibility, EligibilityRules
from operators.key_journal import LOOK_BACK_MS, SEEN
from operators.nbbo import PRINT, Prints
from operators.sessions import parse_sessions
from operators.ticks import ID_NUMBER, MS, TRADE
from operators.verdicts import DUPLICATE
from tests.make import stored
from tests.operators.part_store import MemoryStore
from tests.reference_cases import OPEN_MS

NAMES = list("UVWXYZ")
RULES = EligibilityRules(parse_sessions("all"), 1_000, live=True)


def prints(rng: random.Random, n: int) -> Any:
    """Prints of an hour that grows busier, a fifth of them seen before, some far out of order."""
    rows = np.zeros(n, PRINT)
    rows["kind"], rows["id_kind"], rows["price"], rows["size"] = TRADE, ID_NUMBER, 10**7, 10**8
    ms = OPEN_MS
    for i, row in enumerate(rows):
        ms += rng.choice([0, 1, 3_000 * n // (n + 20 * i)])
        row["symbol"], row["exchange"] = rng.randrange(len(NAMES)), rng.randrange(2)
        row["trade_id"] = i // 9  # which other symbols have, too
        if i and rng.random() < 0.2:
            before = rows[max(0, i - rng.choice([1, 90, 900, 3_000]))]
            for name in ("symbol", "exchange", "trade_id"):
                row[name] = before[name]
        row["ts_ns"] = (ms - rng.choice([0, 0, 0, 500, 100_000, 300_000])) * MS
    return rows


def brute(rows: Any) -> list[bool]:
    """Remember everything."""
    seen: dict[tuple[int, ...], int] = {}
    newest = [0] * len(NAMES)
    out = []
    for row in rows:
        symbol, ms = int(row["symbol"]), int(row["ts_ns"]) // MS
        key = (symbol, int(row["exchange"]), int(row["trade_id"]))
        newest[symbol] = max(newest[symbol], ms)
        out.append(key in seen and seen[key] >= newest[symbol] - LOOK_BACK_MS)
        seen[key] = max(ms, seen.get(key, 0))
    return out


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("pace", [(0, 1), (16, 2), (1024, 8)])
def test_duplicates_are_those_of_who_remembers_everything(
    seed: int, pace: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While keys move to larger tables, slower and faster than they come."""
    monkeypatch.setattr(duplicates, "PER_CHUNK", pace[0])
    monkeypatch.setattr(duplicates, "PER_PRINT", pace[1])
    if seed % 2:  # know how many are young from a part of them
        for name, value in (("COUNTED", 2_048), ("SAMPLES", 16), ("SAMPLED", 16)):
            monkeypatch.setattr(duplicates, name, value)
    rng = random.Random(seed)
    rows = prints(rng, 9_000)
    judge, got, at, moving = Eligibility(RULES), [], 0, 0
    while at < len(rows):
        chunk = rows[at : at + rng.choice([1, 8, 50, 400])].copy()
        at += len(chunk)
        got += (judge(Prints(NAMES, chunk, {}, [])).verdict == DUPLICATE).tolist()
        moving += len(judge._keys.old) > 0
        if rng.random() < 0.02:
            judge.snapshot()
    assert got == brute(rows)
    keys = {(row["symbol"], row["exchange"], row["trade_id"]) for row in rows}
    assert 1_000 < sum(got) < len(rows) - len(keys) - 50  # some came again after six minutes
    assert moving > 0


@pytest.mark.parametrize("seed", range(12))
def test_duplicates_go_on_from_any_snapshot(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With restarts, after which symbols come in another order, or not for long."""
    rng = random.Random(seed)
    monkeypatch.setattr("operators.parts.EPOCHS", rng.choice([2, 5, 40]))
    monkeypatch.setattr("operators.key_journal.BLOCK", rng.choice([16, 128, 1 << 14]))
    monkeypatch.setattr("operators.key_journal.MOST", rng.choice([100, 1_000, 1 << 21]))
    store = rng.choice([None, MemoryStore(), MemoryStore(full=True)])
    rows = prints(rng, 4_000)
    rules = replace(RULES, live=rng.random() < 0.5)
    judge, order, named, at, restarts = (
        Eligibility(rules, None, store),
        [*range(len(NAMES))],
        0,
        0,
        0,
    )
    got: list[bool] = []
    played: list[Any] = []
    while at < len(rows):
        chunk = rows[at : at + rng.choice([1, 8, 50, 200])].copy()
        at += len(chunk)
        if rng.random() < 0.7:  # a few alone, or none would ever be quiet
            chunk = chunk[np.isin(chunk["symbol"], rng.sample(order, 2))]
        came = [order.index(code) for code in chunk["symbol"].tolist()]
        named = max([named, *(place + 1 for place in came)])
        played.append(chunk.copy())
        chunk["symbol"] = came
        names = [NAMES[code] for code in order[:named]]
        got += (judge(Prints(names, chunk, {}, [])).verdict == DUPLICATE).tolist()
        if rng.random() < 0.3:
            snapshot = stored(judge.snapshot())
            if rng.random() < 0.3:
                judge, named = Eligibility(rules, snapshot, store), 0
                rng.shuffle(order)
                restarts += 1
    assert got == brute(np.concatenate(played))
    assert restarts > 1


def test_keys_that_are_too_old_take_no_room() -> None:
    """And a table that grew for a busy minute is as large afterwards, not larger."""
    keys = TradeKeys()
    newest_ms = np.zeros(1, np.int64)
    largest = 0
    for minute in range(200):
        newest_ms[0] = OPEN_MS + minute * 60_000
        keys.make_ready(300, newest_ms)
        new = np.array([(minute * 300 + i, newest_ms[0], 0, 1, 0) for i in range(300)], SEEN)
        cells = duplicates._move(new, newest_ms, keys.table)
        keys.noted(np.empty(0, PRINT), cells)
        largest = max(largest, len(keys.table))
    assert largest == 8192  # 2,100 young keys, three times as many cells
