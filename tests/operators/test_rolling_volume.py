"""Rolling volume by side, and the five minutes before it (detectors.md section 6)."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from operators.aggressor import BUY, SELL
from operators.nbbo import Prints
from operators.rolling_volume import RollingVolume
from operators.verdicts import BLOCK, COUNTED
from operators.volume_journal import NONE
from tests.make import P, behind, buy, gap, prints, sell, stored
from tests.operators.part_store import MemoryStore
from tests.reference_cases import OPEN_MS

MICRO = 1_000_000


def volumes(chunk: Prints) -> list[tuple[float, float, float, float]]:
    """V, 5 A, sells and buys of V in shares, at each print."""
    return [
        (v["current"] / MICRO, v["baseline"] / MICRO, v["sells"] / MICRO, v["buys"] / MICRO)
        for v in chunk.volume
    ]


def rolled(*rows: P) -> list[tuple[float, float, float, float]]:
    return volumes(RollingVolume()(prints(*rows)))


def test_a_print_counts_itself_and_by_its_side() -> None:
    assert rolled(sell(0, 7), buy(0, 2), P(1, 1)) == [(7, 0, 7, 0), (9, 0, 7, 2), (10, 0, 7, 2)]


@pytest.mark.parametrize(
    ("ms", "volume"),
    [
        (40_000, (8, 0, 7, 1)),
        (100_999, (8, 0, 7, 1)),  # second 41 is s - 59
        (101_000, (1, 7, 0, 1)),  # s - 60
        (400_999, (1, 7, 0, 1)),  # s - 359
        (401_000, (1, 0, 0, 1)),
        (9_000_000, (1, 0, 0, 1)),
    ],
)
def test_a_second_is_in_the_minute_then_in_the_five_before_then_gone(
    ms: int, volume: tuple[float, ...]
) -> None:
    assert rolled(sell(min(ms, 41_500), 7), buy(ms, 1))[-1] == volume


def test_buckets_are_aligned_to_the_second_of_the_clock() -> None:
    assert rolled(sell(999, 1), sell(60_000, 1))[-1] == (1, 1, 1, 0)
    assert rolled(sell(1_000, 1), sell(60_999, 1))[-1] == (2, 0, 2, 0)


def test_fractions_of_a_share_are_exact_over_a_day() -> None:
    rows = [sell(ms, 0.000001) for ms in range(0, 300_000, 100)]
    chunk = RollingVolume()(prints(*rows))
    assert chunk.volume["current"].tolist()[-1] == 600
    assert chunk.volume["baseline"].tolist()[-1] == 2_400


def test_what_does_not_count_adds_nothing() -> None:
    assert rolled(sell(0, 7), P(1, 9, verdict=BLOCK), sell(2, 1)) == [
        (7, 0, 7, 0),
        (0, 0, 0, 0),
        (8, 0, 8, 0),
    ]


@pytest.mark.parametrize(
    ("ms", "last"),
    [
        (99_000, (9, 100, 2, 0)),  # its own second, in the minute
        (41_000, (9, 100, 2, 0)),
        (40_999, (2, 107, 2, 0)),  # in the five before
        (0, (2, 107, 2, 0)),
        (70_000, (9, 100, 2, 0)),  # a second nobody traded in
        (30_000, (2, 107, 2, 0)),
    ],
)
def test_a_print_out_of_order_goes_unsigned_to_its_own_second(
    ms: int, last: tuple[float, ...]
) -> None:
    assert rolled(buy(0, 100), sell(100_000, 1), behind(ms, 7), sell(100_001, 1))[-1] == last


def test_volume_behind_leaves_with_its_second() -> None:
    rows = [buy(0, 100), sell(100_000, 1), behind(99_000, 7), behind(39_000, 3)]
    assert rolled(*rows, sell(160_000, 1), sell(398_999, 1), sell(460_000, 1))[-3:] == [
        (1, 111, 1, 0),
        (1, 12, 1, 0),
        (1, 2, 1, 0),
    ]


def test_a_reset_forgets_the_windows_of_its_symbol_alone() -> None:
    rows = [sell(0, 7), sell(0, 5, symbol="Y"), sell(1, 1, resets=True), sell(2, 1, symbol="Y")]
    assert rolled(*rows)[2:] == [(1, 0, 1, 0), (6, 0, 6, 0)]


def test_after_a_late_reopening_prints_behind_the_newest_start_the_windows() -> None:
    """The reopening print came late, so all after it is behind the newest counted print."""
    rows = [sell(100_000, 7), P(50_000, verdict=BLOCK, resets=True)]
    rows += [behind(60_000, 2), behind(90_000, 3), behind(55_000, 4), sell(100_001, 1)]
    assert rolled(*rows, sell(150_000, 1), sell(419_000, 1))[-3:] == [
        (10, 0, 1, 0),
        (2, 9, 2, 0),  # second 90 is s - 60
        (1, 7, 1, 0),  # second 60 is s - 359; 55 has gone
    ]


@pytest.mark.parametrize(("ms", "warm"), [(359_999, 0), (360_000, 1)])
def test_windows_are_warm_six_minutes_after_the_first_counted_print(ms: int, warm: int) -> None:
    chunk = RollingVolume()(prints(P(-9_000, verdict=BLOCK), sell(0), sell(ms)))
    assert chunk.volume["warm"].tolist() == [0, 0, warm]


def test_a_gap_starts_the_six_minutes_anew_and_keeps_the_volumes() -> None:
    chunk = RollingVolume()(
        prints(sell(0), sell(400_000, 1), gap(), sell(400_001, 2), sell(760_000), sell(760_001))
    )
    assert chunk.volume["warm"].tolist() == [0, 1, 0, 0, 0, 1]
    assert chunk.volume["current"].tolist()[3] == 3 * MICRO


def test_windows_of_a_suspended_symbol_are_not_warm() -> None:
    chunk = prints(sell(0, 1), sell(360_000, 1), sell(360_001, 1))
    chunk.rows["stale"][1] = 1
    volume = RollingVolume()(chunk).volume
    assert volume["warm"].tolist() == [0, 0, 1]
    assert volume["current"].tolist() == [MICRO, MICRO, 2 * MICRO]


def random_prints(seed: int, n: int) -> list[P]:
    rng = random.Random(seed)
    ms, rows = {"X": 0.0, "Y": 0.0, "Z": 0.0}, []
    for _ in range(n):
        symbol = rng.choice("XXXYZ")
        size = rng.choice((0.1, 1, 100, 333.333333))
        if rng.random() < 0.15:
            back = rng.choice((0, 900, 5_000, 59_000, 200_000))
            rows.append(behind(max(0, ms[symbol] - back), size, symbol=symbol))
            continue
        ms[symbol] += rng.choice((0, 0, 7, 400, 1_000, 2_500, 30_000, 59_000, 400_000))
        side = rng.choice((sell, buy, P))
        rows.append(side(ms[symbol], size, symbol=symbol, resets=rng.random() < 0.01))
    return rows


def brute(rows: list[P]) -> list[tuple[int, int, int, int]]:
    """Sum up from the start at every print."""
    kept: dict[str, list[tuple[int, int, int]]] = {}
    out = []
    for row in rows:
        mine = kept.setdefault(row.symbol, [])
        if row.resets:
            mine.clear()
        second, size = (OPEN_MS + int(row.ms)) // 1000, round(row.size * MICRO)
        mine.append((second, size, row.side))
        if row.verdict != COUNTED:
            out.append((0, 0, 0, 0))
            continue
        now = [(z, side) for s, z, side in mine if second - 60 < s]
        before = sum(z for s, z, _ in mine if second - 360 < s <= second - 60)
        sides = [sum(z for z, side in now if side == wanted) for wanted in (SELL, BUY)]
        out.append((sum(z for z, _ in now), before, sides[0], sides[1]))
    return out


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("chunk", [1, 37, 5_000])
def test_rolling_sums_are_those_of_a_brute_force(seed: int, chunk: int) -> None:
    rows = ordered_prints(seed)
    chunks = [rows[at : at + chunk] for at in range(0, len(rows), chunk)]
    operator = RollingVolume()
    got = [operator(prints(*rows, names=("X", "Y", "Z"))).volume for rows in chunks]
    assert sums(got) == brute(rows)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("epochs", [2, 7, 40])
@pytest.mark.parametrize("full", [False, True])
def test_sums_go_on_from_any_snapshot(
    seed: int, epochs: int, full: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With restarts on the way, after which symbols come in another order, or not for long."""
    monkeypatch.setattr("operators.parts.EPOCHS", epochs)
    rng, rows, store = random.Random(seed), ordered_prints(seed), MemoryStore(full=full)
    operator, got, names = RollingVolume(None, store), [], ["X", "Y", "Z"]
    at = 0
    while at < len(rows):
        chunk = rows[at : at + rng.randrange(1, 60)]
        at += len(chunk)
        got.append(operator(prints(*chunk, names=names)).volume)
        snapshot = stored(operator.snapshot())
        before = [chain(operator, name) for name in "XYZ"]
        other = RollingVolume(snapshot, store)
        first, second, third = rng.sample("XYZ", 3)
        rest = [second, third]
        other(prints(names=[first]))
        waiting = stored(other.snapshot())  # with two symbols that have not come yet
        other(prints(names=[first, third]))
        for saved in (snapshot, waiting, stored(other.snapshot())):
            other = RollingVolume(saved, store)
            other(prints(names=[first, *rest]))
            assert [chain(other, name) for name in "XYZ"] == before
        if rng.random() < 0.1:
            operator, names = RollingVolume(rng.choice([snapshot, waiting]), store), [first, *rest]
    assert sums(got) == brute(rows)
    assert full or len(store.gone) > 9


def ordered_prints(seed: int) -> list[P]:
    rows = [row for row in random_prints(seed, 1_500) if row.verdict == COUNTED or row.ms > 0]
    first = next(i for i, row in enumerate(rows) if row.verdict == COUNTED)
    return _behind_only_what_was_seen(rows[first:])


def sums(volumes: list[Any]) -> list[tuple[int, ...]]:
    out = np.concatenate(volumes)
    return [(v[0], v[1], v[2], v[3]) for v in out.tolist()]


def chain(operator: RollingVolume, symbol: str) -> list[Any]:
    """All that is known of a symbol: its sums, then its buckets, oldest first."""
    mine = operator._state.rows[operator._state.names.index(symbol)]
    found, at = [mine[name] for name in ("current", "baseline", "sells", "buys", "first_ms")], []
    bucket = mine["oldest"]
    while bucket != NONE:
        at.append(bucket)
        row = operator._buckets[bucket]
        found.append([row[name] for name in ("second", "volume", "sells", "buys")])
        bucket = row["next"]
    places = [at.index(mine[name]) if mine[name] != NONE else NONE for name in ("middle", "newest")]
    return [*found, places]


def _behind_only_what_was_seen(rows: list[P]) -> list[P]:
    """Leave out prints behind a symbol's first print, or its last reset: those are too late."""
    since: dict[str, float] = {}
    kept = []
    for row in rows:
        if row.verdict == COUNTED:
            if row.resets or row.symbol not in since:
                since[row.symbol] = row.ms
            kept.append(row)
        elif row.symbol in since and row.ms >= since[row.symbol]:
            kept.append(row)
    return kept


def test_buckets_are_used_again_so_a_day_takes_no_more_than_the_windows_need() -> None:
    operator = RollingVolume()
    for start in range(0, 20_000_000, 1_000_000):
        operator(prints(*[sell(start + 1_000 * i) for i in range(1_000)]))
    assert len(operator.snapshot().parts[0]) < 6 * 360  # bytes, five a second


def test_the_pool_grows_with_the_symbols() -> None:
    operator = RollingVolume()
    names = [f"S{i}" for i in range(50)]
    for start in range(0, 360_000, 12_000):
        rows = [sell(start + 1_000 * k, symbol=s) for k in range(12) for s in names]
        last = operator(prints(*rows, names=names)).volume
    assert [(int(v["current"]), int(v["baseline"])) for v in last[-50:]] == [
        (6_000 * MICRO, 30_000 * MICRO)
    ] * 50
