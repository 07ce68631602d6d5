"""`orderflow tune`, from tapes to an answer, a config file and rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np
import orjson
import pytest

from flows.cli import main
from flows.errors import OrderflowError
from flows.feeds.sample import SAMPLE_QUOTES, SAMPLE_TRADES
from flows.scorecard.judge import Terms
from flows.scorecard.run import score_tapes
from flows.settings import Settings, load
from flows.simulate import simulate
from flows.simulate.catalogue import chosen
from flows.simulate.programme import Programme
from flows.tune import days as tune_days
from flows.tune.choose import Tuned
from flows.tune.days import observe
from flows.tune.grid import DEFAULT, current, grid_of
from flows.tune.run import Wanted, tune
from flows.tune.show import text
from flows.tune.study import KINDS, count
from tests.sinks.shelf import ask

SAMPLE = (str(SAMPLE_TRADES), str(SAMPLE_QUOTES))
SMALL = ("large_order_size=10000,12000", "parent_gap_ms=10", "volume_spike_threshold=3",
         "red_burst_threshold=4", "sell_share=0.6", "min_burst_volume=5000",
         "exit_sellers=2,3", "alert_window_seconds=120")  # fmt: skip
DAYS = (date(2026, 11, 18), date(2026, 11, 19))


@pytest.fixture(scope="module")
def two_days(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """Return tapes of two days of one symbol, an hour and a half each, in a folder."""
    folder = tmp_path_factory.mktemp("two_days")
    stories = Programme(chosen(("print", "cluster")))
    for day in DAYS:
        simulate(3, symbols=["ZORB"], minutes=90, day=day, programme=stories).write_ticks(
            folder, day.isoformat()
        )
    return (str(folder),)


def found_on(tapes: Sequence[str], target: float = 20.0, **changes: object) -> Tuned:
    settings = Settings(**changes)  # type: ignore[arg-type]
    wanted = Wanted(tuple(tapes), grid_of(settings, SMALL), target, Terms())
    return tune(settings, wanted)[0]


def test_the_settings_in_force_have_the_alerts_of_the_scorecard() -> None:
    settings, terms = (
        Settings(symbols=("KRVO", "QALT", "WEXO"), monitoring_mode="watchlist"),
        Terms(),
    )
    judged = score_tapes(settings, SAMPLE, terms)
    grid = grid_of(settings, SMALL)
    observed = observe(settings, SAMPLE, grid.lowest(), terms)
    counted = count(observed, [current(settings)])
    for kind in KINDS:
        (row,) = [r for r in judged.card.scores
                  if (r.alert_type, r.symbol, r.horizon_s) == (kind, "*", 300)]  # fmt: skip
        mine = counted.figures(0, counted.days, (kind,))
        assert (mine.alerts, mine.fall_share) == (row.alerts, pytest.approx(row.fall_share))
        assert mine.base_share == pytest.approx(row.base_share, abs=0.1)  # both are drawn
    for surface in judged.surfaces:
        (row,) = [r for r in judged.card.scores
                  if (r.alert_type, r.symbol, r.horizon_s) == (surface.kind, "*", 300)]  # fmt: skip
        assert surface.cells[surface.own[0]][surface.own[1]].alerts == row.alerts


def test_what_is_chosen_on_the_first_day_is_reported_on_the_second(
    two_days: tuple[str, ...],
) -> None:
    found = found_on(two_days)
    assert (found.tuned_on, found.reported_on) == (("2026-11-18",), ("2026-11-19",))
    assert found.tried == 4
    assert found.recommended.later is not None
    one_day = found_on([str(path) for path in Path(two_days[0]).glob("2026-11-18.*")])
    assert one_day.recommended.tuned == found.recommended.tuned
    other_day = found_on([str(path) for path in Path(two_days[0]).glob("2026-11-19.*")])
    later, alone = found.current.later, other_day.current.tuned
    assert (later.alerts, later.lift) == (alone.alerts, alone.lift)  # type: ignore[union-attr]


def test_with_one_day_nothing_is_claimed(two_days: tuple[str, ...]) -> None:
    found = found_on([str(path) for path in Path(two_days[0]).glob("2026-11-18.*")])
    assert (found.reported_on, found.recommended.later, found.current.later) == ((), None, None)
    assert "There is one day only" in text(found)
    assert "nothing is claimed" in text(found)


def test_a_day_that_was_replayed_is_not_replayed_again(
    two_days: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped after the first day, a run goes on with the second, to the same answer."""
    replayed = tune_days._replayed
    seen: list[str] = []

    def stopping(*args: object) -> object:
        seen.append(Path(args[1][0].path).name)  # type: ignore[index]
        if len(seen) == 2:
            raise KeyboardInterrupt
        return replayed(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(tune_days, "_replayed", stopping)
    with pytest.raises(KeyboardInterrupt):
        found_on(two_days)
    again = found_on(two_days)
    assert seen == [f"{day}.trades.parquet" for day in (DAYS[0], DAYS[1], DAYS[1])]
    monkeypatch.setattr(tune_days, "cache_folder", lambda: Path("/nowhere/at/all"))
    assert found_on(two_days) == again  # and where nothing can be kept, all is replayed
    assert len(seen) == 5


def test_what_is_kept_of_a_day_depends_on_its_rules_but_not_on_the_thresholds_tried(
    two_days: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    found_on(two_days)
    monkeypatch.setattr(tune_days, "_replayed", lambda *_: pytest.fail("it was replayed again"))
    found_on(two_days, target=3.0)
    found_on(two_days, exit_sellers=2)
    with pytest.raises(pytest.fail.Exception):
        found_on(two_days, late_print_ms=5)


def test_a_damaged_copy_is_made_again(two_days: tuple[str, ...], tmp_path: Path) -> None:
    first = found_on(two_days)
    for path in (tmp_path / "cache" / "tune").iterdir():
        path.write_bytes(path.read_bytes()[:100])
    assert found_on(two_days) == first


def test_the_command_answers_writes_rows_and_a_config_that_loads(
    two_days: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grid = [word for values in SMALL for word in ("--grid", values)]
    out, config = tmp_path / "out", tmp_path / "tuned.toml"
    asked = ["tune", *two_days, *grid, "--alerts-a-day", "20", "--out", str(out)]
    assert main([*asked, "--write", str(config), "--json"]) == 0
    found = orjson.loads(capsys.readouterr().out)
    point = found["recommended"]["point"]
    settings = load({"ORDER_FLOW_CONFIG": str(config)}, tmp_path)
    assert {name: getattr(settings, name) for name in DEFAULT} == point
    columns = "count(*), count(*) filter (recommended), count(*) filter (current), max(tried)"
    assert ask(out / "alerts.duckdb", f"select {columns} from tune") == [(4, 1, 1, 4)]
    asked_lift = "select large_order_size, lift, later_lift from tune where recommended"
    assert ask(out / "alerts.duckdb", asked_lift) == [
        (point["large_order_size"], found["recommended"]["tuned"]["lift"],
         found["recommended"]["later"]["lift"])
    ]  # fmt: skip
    assert main(["query", "tune_front", "--db", str(out / "alerts.duckdb")]) == 0
    assert "later_lift" in capsys.readouterr().out
    assert main([*asked, "--write", str(config)]) == 1
    assert capsys.readouterr().err == f"orderflow: {config} is there already: name a new file.\n"


def test_a_config_in_use_goes_along_and_is_not_touched(
    two_days: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    used = tmp_path / "used.toml"
    used.write_text('large_order_size = 12000\nlate_print_ms = 900\nsymbols = ["ZORB"]\n')
    monkeypatch.setenv("ORDER_FLOW_CONFIG", str(used))
    before = used.read_bytes()
    grid = [word for values in SMALL for word in ("--grid", values)]
    assert main(["tune", *two_days, *grid, "--write", "new.toml", "--out", "out"]) == 0
    written = load({"ORDER_FLOW_CONFIG": "new.toml"}, tmp_path)
    assert (written.late_print_ms, written.symbols) == (900, ("ZORB",))
    assert used.read_bytes() == before


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ("large_order=1", "'large_order' is none of large_order_size, "),
        ("large_order_size=10", "large_order_size must be at least 1000 shares"),
        ("sell_share=0.9,2", "sell_share must be between 0.5 and 1"),
    ],
)
def test_a_grid_out_of_bounds_is_refused(wanted: str, sentence: str) -> None:
    with pytest.raises(OrderflowError, match=sentence):
        grid_of(Settings(), [wanted])


def test_the_thresholds_in_force_are_on_the_grid_and_critical_is_never_below_spike() -> None:
    settings = Settings(large_order_size=7_000, volume_spike_threshold=5.0, red_burst_threshold=5.0)
    points = list(grid_of(settings).points())
    assert current(settings) in points
    assert all(p.red_burst_threshold >= p.volume_spike_threshold for p in points)
    assert len(points) == len(set(points))


def test_files_of_one_day_are_replayed_together_and_others_apart(
    two_days: tuple[str, ...],
) -> None:
    from flows.feeds.tape_files import expand, open_tapes

    files = open_tapes(expand(two_days)).files
    groups = [[Path(f.path).name for f in g] for g in tune_days.groups_of(files, "regular")]
    assert groups == [[f"{day}.trades.parquet", f"{day}.quotes.parquet"] for day in DAYS]
    assert len(list(tune_days.groups_of(files, "all"))) == 1


def test_what_is_kept_comes_back_as_it_was(two_days: tuple[str, ...], tmp_path: Path) -> None:
    found = observe(Settings(), two_days, grid_of(Settings(), SMALL).lowest(), Terms())
    tune_days.save(found, tmp_path / "one.npz")
    back = tune_days.load(tmp_path / "one.npz")
    assert back is not None
    assert (back.symbol_days, back.trades) == (found.symbol_days, found.trades)
    for one, other in zip(found.shards, back.shards, strict=True):
        assert one.condensed.names == other.condensed.names
        assert np.array_equal(one.condensed.rows, other.condensed.rows)
        assert np.array_equal(one.fall, other.fall, equal_nan=True)
