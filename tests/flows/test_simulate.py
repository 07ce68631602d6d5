from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pytest

from flows.cli import main
from flows.feeds.sample import LABELS, SAMPLE_QUOTES, SAMPLE_TRADES, load_labels
from flows.simulate import DAY, LISTINGS, Label, Tape, simulate
from flows.simulate.session import MINUTE, Session
from tests.reference import Rules, read_tape, run

TRADE_COLUMNS = [
    ("symbol", "VARCHAR"),
    ("ts_ns", "BIGINT"),
    ("price", "DOUBLE"),
    ("size", "DOUBLE"),
    ("conditions", "INTEGER[]"),
    ("exchange", "INTEGER"),
    ("id", "VARCHAR"),
    ("trf_id", "INTEGER"),
    ("participant_ns", "BIGINT"),
    ("feed_seq", "BIGINT"),
    ("side", "TINYINT"),
]
QUOTE_COLUMNS = [
    ("symbol", "VARCHAR"),
    ("ts_ns", "BIGINT"),
    ("bid", "DOUBLE"),
    ("bid_size", "DOUBLE"),
    ("ask", "DOUBLE"),
    ("ask_size", "DOUBLE"),
    ("feed_seq", "BIGINT"),
]

Array = npt.NDArray[Any]


def query(sql: str, **values: object) -> list[tuple[Any, ...]]:
    with duckdb.connect() as db:
        return db.execute(sql, values).fetchall()


def share(condition: str) -> float:
    sql = f"SELECT avg(({condition})::INT) FROM '{SAMPLE_TRADES}'"
    return float(query(sql)[0][0])


def has(*conditions: int) -> str:
    return f"coalesce(list_has_any(conditions, {list(conditions)}), false)"


@pytest.fixture(scope="module")
def tape() -> Tape:
    return simulate()


# The same seed, the same tape.


def test_a_seed_gives_the_same_rows_on_every_machine_and_in_every_version() -> None:
    hashes = [simulate(7, trades=2_000, minutes=20).row_hash() for _ in range(2)]
    assert hashes == ["5a57fb1f2adce9fb0223db5028314d3f"] * 2


def test_another_seed_gives_another_tape() -> None:
    first, second = (simulate(seed, trades=500, minutes=20).row_hash() for seed in (7, 8))
    assert first != second


def test_a_symbol_trades_the_same_whatever_else_is_on_the_tape() -> None:
    alone, beside = simulate(symbols=["NYQO"]), simulate(symbols=["PYXQ", "NYQO"])
    for one, other in ((alone.trades, beside.trades), (alone.quotes, beside.quotes)):
        names = ("ts_ns", "size") if one is alone.trades else ("ts_ns", "bid", "ask", "ask_size")
        here = other["symbol"] == 1
        assert [one[n].tolist() for n in names] == [other[n][here].tolist() for n in names]


def test_the_embedded_tape_is_the_one_the_generator_makes(tape: Tape, tmp_path: Path) -> None:
    trades, quotes, labels = tape.write(tmp_path)
    for made, shipped in ((trades, SAMPLE_TRADES), (quotes, SAMPLE_QUOTES)):
        count = "SELECT count(*) FROM"
        assert query(f"{count} '{made}'") == query(f"{count} '{shipped}'")
        assert query(f"{count} (FROM '{made}' EXCEPT FROM '{shipped}')") == [(0,)]
    assert labels.read_bytes() == LABELS.read_bytes()
    assert load_labels() == tape.labels


# What the files hold.


@pytest.mark.parametrize(
    ("path", "columns"), [(SAMPLE_TRADES, TRADE_COLUMNS), (SAMPLE_QUOTES, QUOTE_COLUMNS)]
)
def test_the_columns_are_those_of_the_normalised_schema(
    path: Path, columns: list[tuple[str, str]]
) -> None:
    described = query(f"DESCRIBE FROM '{path}'")
    assert [(name, kind) for name, kind, *_ in described] == columns


def test_the_tape_is_small_and_long_enough_to_be_interesting(tape: Tape) -> None:
    ticks = len(tape.trades["ts_ns"]) + len(tape.quotes["ts_ns"])
    assert 250_000 <= ticks <= 400_000
    assert 3.0 <= len(tape.quotes["ts_ns"]) / len(tape.trades["ts_ns"]) <= 4.0
    assert SAMPLE_TRADES.stat().st_size + SAMPLE_QUOTES.stat().st_size <= 6_000_000


def test_feed_order_is_time_order_and_numbers_every_tick_once(tape: Tape) -> None:
    ts_ns = np.concatenate([tape.trades["ts_ns"], tape.quotes["ts_ns"]])
    feed_seq = np.concatenate([tape.trades["feed_seq"], tape.quotes["feed_seq"]])
    order = np.argsort(feed_seq)
    assert feed_seq[order].tolist() == list(range(1, len(feed_seq) + 1))
    assert (np.diff(ts_ns[order]) >= 0).all()
    assert (np.diff(tape.trades["feed_seq"]) > 0).all()


def test_prices_are_on_the_grid_and_sizes_exact_in_millionths() -> None:
    off_grid = "SELECT count(*) FROM '{}' WHERE {} <> 0"
    assert query(off_grid.format(SAMPLE_TRADES, "price - round(price, 4)")) == [(0,)]
    assert query(off_grid.format(SAMPLE_TRADES, "size - round(size, 6)")) == [(0,)]
    assert query(off_grid.format(SAMPLE_QUOTES, "bid - round(bid, 2) + ask - round(ask, 2)")) == [
        (0,)
    ]
    assert query(f"SELECT count(*) FROM '{SAMPLE_TRADES}' WHERE size <= 0 OR price <= 0") == [(0,)]


# What makes it look like a tape.


def test_volume_is_heavy_at_both_ends_of_the_day(tape: Tape) -> None:
    session = Session(DAY, 390)
    minute = (tape.trades["ts_ns"] - session.open_ns) // MINUTE
    half_hours = np.bincount(minute[(minute >= 0) & (minute < 390)] // 30)
    assert half_hours[0] > 2 * half_hours[6] < half_hours[12]


def test_prints_excite_prints(tape: Tape) -> None:
    session = Session(DAY, 390)
    since_open = tape.trades["ts_ns"][tape.trades["symbol"] == 0] - session.open_ns
    lunch = since_open[(since_open > 150 * MINUTE) & (since_open < 210 * MINUTE)]
    a_second = np.bincount((lunch - 150 * MINUTE) // 1_000_000_000, minlength=3_600)
    assert a_second.var() > 1.5 * a_second.mean()  # equal in a Poisson process


def test_shares_of_prints_are_those_of_a_consolidated_tape() -> None:
    assert 0.55 < share(has(37)) < 0.70
    assert 0.22 < share(has(14)) < 0.33
    assert 0.28 < share(has(41)) < 0.38
    assert 0.30 < share("exchange = 4") < 0.42
    assert 0.05 < share("size <> floor(size)") < 0.15
    assert 0.001 < share("ts_ns - participant_ns > 1000000000") < 0.006


def test_a_sweep_is_exempt_and_an_odd_lot_is_below_the_round_lot() -> None:
    assert share(f"{has(14)} AND NOT {has(41)}") == 0
    lot = "CASE WHEN symbol = 'PYXQ' THEN 10 WHEN symbol IN ('UQEN', 'TUVI') THEN 40 ELSE 100 END"
    one_of_a_kind = has(15, 16, 17, 8, 18)
    assert share(f"NOT {one_of_a_kind} AND {has(37)} <> (size < {lot})") == 0


def test_off_exchange_prints_name_their_facility_and_arrive_later() -> None:
    assert share("(exchange = 4) <> (trf_id IS NOT NULL)") == 0
    assert share("trf_id NOT IN (201, 202, 203)") == 0
    assert share("participant_ns >= ts_ns") == 0
    latency = (
        f"SELECT exchange = 4, median(ts_ns - participant_ns) FROM '{SAMPLE_TRADES}' GROUP BY 1"
    )
    median = dict(query(latency))
    assert median[False] < 1_000_000 < median[True]


def test_only_off_exchange_prints_and_midpoints_cost_fractions_of_a_cent() -> None:
    sub_penny = "price <> round(price, 2)"
    half_cents = "round(price * 10000)::INT % 50 = 0"
    assert share(f"exchange <> 4 AND {sub_penny} AND NOT {half_cents}") == 0
    assert share(f"exchange = 4 AND {sub_penny}") > 0.1


def test_trade_ids_are_digits_and_unique_but_for_the_planted_duplicate() -> None:
    key = "symbol, exchange, trf_id, id"
    twice = f"SELECT symbol, count(*) FROM '{SAMPLE_TRADES}' GROUP BY {key} HAVING count(*) > 1"
    assert query(twice) == [("JUNQ", 2)]
    assert share("NOT regexp_full_match(id, '[0-9]+')") == 0


def test_the_morning_is_form_t_and_starts_with_one_sided_quotes(tape: Tape) -> None:
    open_ns = Session(DAY, 390).open_ns
    assert share(f"(ts_ns < {open_ns}) <> {has(12)}") == 0
    first = tape.quotes["symbol"] == 0
    sides = zip(tape.quotes["bid"][first][:3], tape.quotes["ask"][first][:3], strict=True)
    assert sorted((bool(bid), bool(ask)) for bid, ask in sides) == [
        (False, True),
        (True, False),
        (True, True),
    ]


def test_quotes_lock_now_and_then_and_cross_rarely(tape: Tape) -> None:
    bid, ask = tape.quotes["bid"], tape.quotes["ask"]
    both = (bid > 0) & (ask > 0)
    locked, crossed = (both & (bid == ask)).sum(), (both & (bid > ask)).sum()
    assert 0.005 < locked / len(bid) < 0.02
    assert 0.0003 < crossed / len(bid) < 0.003


def test_the_official_open_and_close_repeat_the_cross() -> None:
    crosses = f"""
        SELECT symbol, list(DISTINCT price), list(DISTINCT size), count(*) FROM '{SAMPLE_TRADES}'
        WHERE list_has_any(conditions, $ids) GROUP BY symbol
    """
    for ids, count in (([17, 16], 2), ([8, 15], 4)):
        found = query(crosses, ids=ids)
        assert len(found) == len(LISTINGS)
        assert {(len(prices), len(sizes), n) for _, prices, sizes, n in found} == {(1, 1, count)}


def test_the_close_is_the_largest_print_of_the_day() -> None:
    shares = f"""
        SELECT sum(size) FILTER ({has(8)}) / sum(size) FILTER (NOT {has(15, 16)})
        FROM '{SAMPLE_TRADES}'
    """
    assert 0.05 < query(shares)[0][0] < 0.12


# What is planted.


def test_the_stories_are_all_there(tape: Tape) -> None:
    assert Counter(label.kind for label in tape.labels) == {
        "opening_cross": 20,
        "closing_cross": 20,
        "market_fall": 10,
        "red_burst": 7,
        "large_seller": 3,
        "large_seller_split": 2,
        "large_seller_escalating": 2,
        "large_seller_below": 2,
        "seller_cluster": 2,
        "large_buyer": 2,
        "contingent": 2,
        "late_print": 2,
        "average_price": 1,
        "dear_seller": 1,
        "derivatively_priced": 1,
        "duplicate": 1,
        "green_burst": 1,
        "halt": 1,
        "large_seller_apart": 1,
        "large_seller_interrupted": 1,
        "locked_market_seller": 1,
        "midpoint_block": 1,
        "off_market": 1,
        "pre_market_seller": 1,
        "prior_reference": 1,
        "red_burst_below": 1,
    }


def test_a_label_says_how_many_shares_were_planted_where(tape: Tape) -> None:
    sellers = [label for label in tape.labels if label.kind.startswith("large_seller")]
    trades = tape.trades
    for label in sellers:
        inside = (
            (trades["symbol"] == tape.symbols.index(label.symbol))
            & (trades["ts_ns"] >= label.start_ns)
            & (trades["ts_ns"] <= label.end_ns)
        )
        assert trades["size"][inside].sum() == label.size * 1_000_000, label


def test_planted_sellers_hit_the_bid_of_an_ordinary_quote(tape: Tape) -> None:
    kinds = ("large_seller", "large_seller_split", "large_seller_escalating", "seller_cluster")
    for label in tape.labels:
        if label.kind not in kinds:
            continue
        code = tape.symbols.index(label.symbol)
        quotes = {n: column[tape.quotes["symbol"] == code] for n, column in tape.quotes.items()}
        for ts_ns, price in _large_prints(tape, code, label):
            last = np.searchsorted(quotes["ts_ns"], ts_ns) - 1
            assert quotes["bid"][last] == price < quotes["ask"][last], label


def _large_prints(tape: Tape, code: int, label: Label) -> list[tuple[int, int]]:
    trades = tape.trades
    inside = (trades["symbol"] == code) & (trades["size"] >= label.size * 1_000_000 / 50)
    inside &= (trades["ts_ns"] >= label.start_ns) & (trades["ts_ns"] <= label.end_ns)
    if label.kind == "seller_cluster":
        inside &= trades["size"] >= 10_000_000_000
    return list(
        zip(trades["ts_ns"][inside].tolist(), trades["price"][inside].tolist(), strict=True)
    )


def test_the_market_falls_and_half_recovers(tape: Tape) -> None:
    session = Session(DAY, 390)

    def mids(clock: str) -> Array:
        found = []
        for code in range(len(tape.symbols)):
            here = tape.quotes["symbol"] == code
            last = np.searchsorted(tape.quotes["ts_ns"][here], session.at(clock)) - 1
            found.append((tape.quotes["bid"][here] + tape.quotes["ask"][here])[last] / 2)
        return np.array(found)

    before, low, later = mids("14:19:30"), mids("14:22:30"), mids("14:50:00")
    assert -0.02 < np.median(low / before - 1) < -0.006
    assert np.median(later / low - 1) > 0.001


def test_with_a_number_of_trades_nothing_is_planted() -> None:
    tape = simulate(trades=5_000)
    assert tape.labels == ()
    assert 0.8 < len(tape.trades["ts_ns"]) / 5_000 < 1.2


def test_a_short_tape_has_only_the_stories_that_end_on_it() -> None:
    tape = simulate(minutes=45, symbols=["ZORB", "QALT"])
    assert [(label.kind, label.symbol) for label in tape.labels] == [
        ("pre_market_seller", "QALT"),
        ("opening_cross", "QALT"),
        ("opening_cross", "ZORB"),
        ("large_seller", "ZORB"),
        ("seller_cluster", "QALT"),
    ]


# What must come of it, by the reference of the rules.


def alerts_of(symbols: list[str], folder: Path) -> tuple[Tape, list[tuple[str, int, str, str]]]:
    tape = simulate(symbols=symbols)
    trades, quotes, _ = tape.write(folder)
    result = run(read_tape([trades], [quotes]), Rules())
    return tape, [
        (one["symbol"], one["ts_ms"] * 1_000_000, one["alert_type"], one["severity"])
        for one in result.alerts
    ]


def assert_alerts_are_exactly_those_of_the_labels(symbols: list[str], folder: Path) -> None:
    tape, alerts = alerts_of(symbols, folder)
    expected, explained = [], []
    for label in tape.labels:
        expected += [(label.why, one.alert_type, one.severity) for one in label.expected]
        start_ms = label.start_ns // 1_000_000 * 1_000_000
        explained += [
            (label.why, kind, severity)
            for symbol, ts_ns, kind, severity in alerts
            if symbol == label.symbol and start_ms <= ts_ns <= label.until_ns
        ]
    assert explained == expected
    assert len(alerts) == len(expected)


def test_the_reference_raises_the_alerts_of_the_labels_and_no_other(tmp_path: Path) -> None:
    assert_alerts_are_exactly_those_of_the_labels(["KRVO", "BOQE", "NYQO"], tmp_path)


@pytest.mark.slow
def test_the_reference_raises_the_alerts_of_all_labels_and_no_other(tmp_path: Path) -> None:
    assert_alerts_are_exactly_those_of_the_labels([one.symbol for one in LISTINGS], tmp_path)


# The command.


def test_the_command_writes_the_tape_and_prints_its_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "it's new"
    asked = ["--out", str(folder), "--seed", "3", "--symbols", "NYQO,XYZ", "--minutes", "5"]
    assert main(["simulate", "--stories", "sample", *asked]) == 0
    paths = [folder / name for name in ("sample.trades.parquet", "sample.quotes.parquet")]
    paths.append(folder / "labels.json")
    out, err = capsys.readouterr()
    assert out == "".join(f"{path}\n" for path in paths)
    assert err.endswith(f"rows {simulate(3, symbols=['NYQO', 'XYZ'], minutes=5).row_hash()}\n")
    with duckdb.connect() as db:
        found = db.read_parquet(str(paths[0])).aggregate("list(DISTINCT symbol ORDER BY symbol)")
        assert found.fetchall() == [(["NYQO", "XYZ"],)]


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"minutes": 0}, "minutes must be from 1 to 390, not 0"),
        ({"minutes": 391}, "minutes must be from 1 to 390, not 391"),
        ({"trades": 0}, "trades must be at least 1, not 0"),
        ({"symbols": ["A", "A"]}, "symbols must be one or more different tickers"),
        ({"seed": -1}, "seed must be 0 or more, not -1"),
    ],
)
def test_a_tape_that_cannot_be_made_is_refused_in_a_sentence(
    asked: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        simulate(**asked)


def test_the_command_refuses_what_makes_no_tape(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", "--out", str(tmp_path / "none"), "--symbols", "A,A"]) == 1
    refused = "orderflow: no tape was made: symbols must be one or more different tickers\n"
    assert capsys.readouterr().err == refused
    assert not (tmp_path / "none").exists()
