"""Books through the whole flow: the same alerts whatever the batch, the workers and the stops."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import pytest
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import cluster_main, run_main

from flows.feeds.tape import TapeFeed
from flows.feeds.tape_files import open_tapes
from flows.settings import Settings
from flows.warm_up import warm_up
from tests.flows.files import write_books, write_parquet
from tests.flows.test_orderflow import Said, finished, flow_of, lines, started, written
from tests.operators.random_books import made
from tests.reference import run
from tests.reference_rules import Rules, bad_time
from tests.reference_tape import Book, Event, Quote

RULES = Rules(large_order_size=1_000, sessions="all", alert_window_seconds=30)
SETTINGS = Settings(large_order_size=1_000, sessions="all", alert_window_seconds=30)
ENVIRONMENT = {
    "ORDER_FLOW_LARGE_ORDER_SIZE": "1000",
    "ORDER_FLOW_SESSIONS": "all",
    "ORDER_FLOW_ALERT_WINDOW_SECONDS": "30",
    # The defaults again: those of the other market are not meant here.
    "ORDER_FLOW_MIN_BURST_VOLUME": "5000",
    "ORDER_FLOW_VOLUME_SPIKE_THRESHOLD": "3.0",
    "ORDER_FLOW_RED_BURST_THRESHOLD": "4.0",
}
SEED = 24  # three symbols, ten levels
Facts = dict[str, list[tuple[str, float | None, int]]]


def market() -> list[Event]:
    """Three symbols with prints, quotes and books of ten levels, in the order of a tape."""
    events = [event for event in made(SEED, 3_000) if not bad_time(event.ts_ns)]  # type: ignore[union-attr]
    rank = {Quote: 1, Book: 2}
    events.sort(key=lambda event: (event.ts_ns, rank.get(type(event), 0)))  # type: ignore[union-attr]
    return events


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    warm_up(lambda _: None)
    folder = tmp_path_factory.mktemp("market")
    books = [event for event in market() if isinstance(event, Book)]
    return [
        *write_parquet(folder, market(), group=2_048),
        write_books(folder / "made.book.parquet", books, group=2_048),
    ]


@pytest.fixture(scope="module")
def expected() -> Facts:
    out: Facts = {}
    for a in run(market(), RULES).alerts:
        fact = a["alert_id"], a["book_imbalance"], a["large_sells"]
        out.setdefault(a["symbol"], []).append(fact)
    return out


def facts(said: Said) -> Facts:
    """Also what depends on the order of books and prints: the imbalance, and the sellers so far."""
    out: Facts = {}
    for symbol, alert in said:
        fact = alert.alert_id, alert.book_imbalance, alert.large_sells
        out.setdefault(symbol, []).append(fact)
    return out


def flow(tape: list[str], said: Said, **options: Any) -> Any:
    return flow_of(TapeFeed(open_tapes(tape), **options), said, settings=SETTINGS)


def test_the_market_has_sellers_of_both_kinds_in_every_symbol(expected: Facts) -> None:
    kinds = {(a["symbol"], a["alert_type"]) for a in run(market(), RULES).alerts}
    both = {"large_seller", "large_resting_seller"}
    assert kinds >= {(symbol, kind) for symbol in ("X", "Y", "BRK.B") for kind in both}
    assert {fact[2] > 0 for facts_ in expected.values() for fact in facts_} == {True, False}


@pytest.mark.parametrize("batch", [1, 7, 65_536])
def test_whatever_the_batch(tape: list[str], expected: Facts, batch: int) -> None:
    said = Said()
    run_main(flow(tape, said, batch=batch))
    assert facts(said) == expected


@pytest.mark.parametrize("workers", [2, 3])
def test_whatever_the_number_of_workers(tape: list[str], expected: Facts, workers: int) -> None:
    said = Said()
    cluster_main(flow(tape, said, batch=100), [], 0, worker_count_per_proc=workers)
    assert facts(said) == expected


def test_books_alone_raise_the_alerts_on_levels(tape: list[str]) -> None:
    said = Said()
    run_main(flow(tape[-1:], said, batch=100))
    books = run([event for event in market() if isinstance(event, Book)], RULES)
    assert facts(said) == {
        symbol: [
            (a["alert_id"], a["book_imbalance"], 0) for a in books.alerts if a["symbol"] == symbol
        ]
        for symbol in ("X", "Y", "BRK.B")
    }


@pytest.mark.parametrize("alerts", [1, 60])
def test_a_replay_stopped_and_resumed_goes_on_as_if_nothing_had_been(
    tape: list[str], expected: Facts, tmp_path: Path, alerts: int
) -> None:
    (tmp_path / "recovery").mkdir()
    init_db_dir(tmp_path / "recovery", 1)
    kept = RecoveryConfig(str(tmp_path / "recovery"))
    feed = TapeFeed(open_tapes(tape), batch=97)
    before, after = Said(feed, alerts), Said()
    run_main(flow_of(feed, before, settings=SETTINGS), epoch_interval=None, recovery_config=kept)
    run_main(flow(tape, after, batch=41), recovery_config=kept)
    assert len(before) >= alerts
    assert len(after) > 0
    before.extend(after)
    assert facts(before) == expected


def test_a_replay_killed_and_resumed_writes_every_alert_once(
    tape: list[str], expected: Facts, tmp_path: Path
) -> None:
    alerts = tmp_path / "out" / "alerts.jsonl"
    command = ["flows.cli", "replay", *tape[:2], "--book", tape[2], "--out", str(tmp_path / "out")]
    command += ["--recovery", str(tmp_path / "recovery")]
    first = started(tape, tmp_path, *command, "--speed", "20000", **ENVIRONMENT)
    deadline = time.monotonic() + 60
    while sum(1 for _ in lines(alerts)) < 10 and time.monotonic() < deadline:
        assert first.poll() is None, first.communicate()
        time.sleep(0.02)
    first.send_signal(signal.SIGKILL)
    first.communicate(timeout=60)
    assert 10 <= sum(1 for _ in lines(alerts)) < sum(map(len, expected.values()))
    finished(started(tape, tmp_path, *command, **ENVIRONMENT))
    ids = {symbol: [fact[0] for fact in found] for symbol, found in expected.items()}
    assert written(alerts) == ids
    assert {one["alert_type"] for one in lines(alerts)} >= {"large_resting_seller"}
