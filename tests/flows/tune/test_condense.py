"""The rules over a condensed tape do what they do over all of it, alert by alert."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest

from flows.feeds.sample import SAMPLE_QUOTES, SAMPLE_TRADES
from flows.feeds.tape import TapeFeed
from flows.feeds.tape_files import expand, open_tapes
from flows.orderflow import rules_of
from flows.pipeline import Pipeline
from flows.scorecard.recorded import chunks
from flows.settings import Settings
from flows.tune.condense import Condensed, Condenser
from flows.tune.evaluate import alerts, bursts, events, exits, parents
from flows.tune.grid import Grid, Point, current, grid_of
from operators.records import Alert
from tests.flows.files import write_parquet
from tests.make import quote, trade
from tests.operators.random_tapes import selling
from tests.reference_tape import Event

SAMPLE = (str(SAMPLE_TRADES), str(SAMPLE_QUOTES))
BATCH = 4_096  # ticks a chunk, so that runs and episodes cross from one to the next
POINTS = 3


def settings_at(point: Point) -> Settings:
    return Settings(**msgspec.structs.asdict(point))


def replayed(paths: Iterable[str], settings: Settings, symbols: tuple[str, ...]) -> list[Alert]:
    feed = TapeFeed(open_tapes(list(paths)), symbols)
    pipeline = Pipeline(rules_of(settings, "replay"))
    return [alert for ticks in chunks(feed) for alert in pipeline(ticks)]


def condensed(
    paths: Iterable[str], grid: Grid, symbols: tuple[str, ...] = (), batch: int = BATCH
) -> list[Condensed]:
    feed = TapeFeed(open_tapes(list(paths)), symbols, batch=batch)
    condenser = Condenser(grid.lowest())
    pipeline = Pipeline(rules_of(Settings(), "replay"), condenser)
    for ticks in chunks(feed):
        pipeline(ticks)
    return list(condenser.condensed())


def told(found: Iterable[Alert]) -> list[Alert]:
    """Leave out the count of large buyers, who are not kept, and the order across symbols."""
    bare = [msgspec.structs.replace(alert, large_buys=0) for alert in found]
    return sorted(bare, key=lambda alert: (alert.symbol, alert.ts_ns, alert.alert_id))


def counted(shards: Iterable[Condensed], point: Point) -> Counter[str]:
    out: Counter[str] = Counter()
    for shard in shards:
        sold, burst = parents(shard, point.parents), bursts(shard, point.bursts)
        left = exits(
            events(shard, sold, burst), point.exit_sellers, point.alert_window_seconds * 1000
        )
        out += Counter(
            large_seller=len(sold.rows), red_burst=len(burst.rows), exit_signal=len(left)
        )
    return out


def assert_equal_at(
    points: Iterable[Point],
    shards: list[Condensed],
    paths: Iterable[str],
    symbols: tuple[str, ...] = (),
) -> int:
    """Compare with real replays; return how many alerts were compared."""
    compared = 0
    for point in points:
        settings = settings_at(point)
        real = replayed(paths, settings, symbols)
        assert told(alerts(shards, rules_of(settings, "replay"))) == told(real), point
        first = Counter(alert.alert_type for alert in real if alert.escalates is None)
        assert counted(shards, point) == first, point
        compared += len(real)
    return compared


def test_the_grid_is_evaluated_as_real_replays_would() -> None:
    symbols = ("KRVO", "QALT", "WEXO", "ZORB", "NYQO")
    grid = grid_of(Settings())
    shards = condensed(SAMPLE, grid, symbols)
    points = random.Random(4).sample(sorted(grid.points()), POINTS)
    assert assert_equal_at([current(Settings()), *points], shards, SAMPLE, symbols) > 80


@pytest.mark.real_data
def test_the_grid_is_evaluated_as_real_replays_would_on_real_tapes(real_data: Path) -> None:
    names = ("lean_IBM_20131007", "lean_IBM_20131008", "lean_BAC_20131008", "taq_ETR_20190508")
    paths = expand([str(real_data / f"{name}.*") for name in names])
    grid = grid_of(Settings())
    shards = condensed(paths, grid, batch=65_536)
    points = random.Random(5).sample(sorted(grid.points()), 3)
    assert assert_equal_at([current(Settings()), *points], shards, paths) > 1_000


def test_what_cannot_fire_is_left_out() -> None:
    shards = condensed(SAMPLE, grid_of(Settings()), ("KRVO", "QALT", "WEXO"))
    assert 0 < sum(len(shard.rows) for shard in shards) < 2_000  # of 28,000 prints


def test_waves_of_selling_begin_and_end_episodes_as_they_did(tmp_path: Path) -> None:
    paths = write_parquet(tmp_path, selling(3))
    wanted = ("min_burst_volume=0,2000", "large_order_size=1000", "sell_share=0.5")
    grid = grid_of(Settings(), (*wanted, "volume_spike_threshold=1.5,2", "exit_sellers=2"))
    shards = condensed(paths, grid, batch=65_536)
    points = random.Random(3).sample(sorted(grid.points()), 3)
    assert assert_equal_at(points, shards, paths) > 20


# Small tapes: a sell at the bid every so many milliseconds, sizes in shares.


def sells(*prints: tuple[float, float, float]) -> list[Event]:
    """Quote 10.00 to 10.02, then prints of (millisecond, price, size)."""
    return [quote(0, 10.0, 10.02), *(trade(1 + ms, price, size) for ms, price, size in prints)]


SMALL = {"large_order_size": (1_000, 2_000), "parent_gap_ms": (5, 20)}


def small_grid() -> Grid:
    values = dict(grid_of(Settings()).values)
    return Grid(values | SMALL)  # type: ignore[arg-type]


@pytest.mark.parametrize("batch", [1, 4])
def test_runs_are_parted_as_they_were(tmp_path: Path, batch: int) -> None:
    """By a pause, by a buyer, at a chunk's end; and a shorter gap parts them further."""
    tape = sells(
        (0, 10.0, 600), (4, 10.0, 600), (15, 10.0, 600),  # one run at 20 ms, two at 5
        (16, 10.02, 100),
        (17, 10.0, 900), (18, 10.01, 9_000), (19, 10.0, 300),  # inside: neither joins nor parts
        (60, 10.0, 400), (200, 10.0, 1_000), (221, 10.0, 1_000),
    )  # fmt: skip
    paths = write_parquet(tmp_path, tape)
    grid = small_grid()
    shards = condensed(paths, grid, batch=batch)
    points = [
        msgspec.structs.replace(current(Settings()), large_order_size=size, parent_gap_ms=gap)
        for size in SMALL["large_order_size"]
        for gap in SMALL["parent_gap_ms"]
    ]
    assert assert_equal_at(points, shards, paths) > 3


def test_an_episode_that_ends_between_two_bursts_ends_on_the_condensed_tape(
    tmp_path: Path,
) -> None:
    """All in one chunk: calm prints after the first burst are kept, or the second were none."""
    second = 1_000
    quotes = [quote(n * 30 * second, 10.0, 10.02) for n in range(30)]
    steady = [trade(n * second + 1, 10.0 if n % 2 else 10.02, 50) for n in range(850)]
    sold = [trade((at + n) * second + 2, 10.0, 2_000) for at in (400, 700) for n in range(20)]
    tape = sorted([*quotes, *steady, *sold], key=lambda event: event.ts_ns)
    paths = write_parquet(tmp_path, tape)
    grid = grid_of(Settings(), ("volume_spike_threshold=2",))
    shards = condensed(paths, grid, batch=65_536)
    own = current(Settings())
    points = [own, msgspec.structs.replace(own, volume_spike_threshold=2.0, sell_share=0.7)]
    assert assert_equal_at(points, shards, paths) > 5
    assert counted(shards, own)["red_burst"] == 2
