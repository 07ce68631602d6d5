"""A market whose truth is known: what is there is found, what is not there is not."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import msgspec
import numpy as np
import pytest

from flows.errors import OrderflowError
from flows.scorecard import figures
from flows.scorecard.curves import OFFSETS_S, curve, paths
from flows.scorecard.figures import table
from flows.scorecard.judge import RESTING, Judged, Terms, judge
from flows.scorecard.log import Score
from flows.scorecard.recorded import COUNTED_PRINT, MARK, Recorded, SymbolDay
from flows.scorecard.report import report, verdict
from flows.settings import Settings
from operators.records import Alert
from tests.flows.alerts import alert
from tests.flows.scorecard.days import OPEN, SECOND, day

DAY = 86_400 * SECOND
HOURS = 6
FALL_BP = 25.0


def walk(seed: int, number: int, symbol: str, fired: list[int], fall_bp: float) -> SymbolDay:
    """A quote a second; after each alert the price falls evenly within five minutes."""
    steps = np.random.default_rng((seed, number)).normal(scale=0.2, size=HOURS * 3600)
    for second in fired:
        steps[second + 1 : second + 301] -= fall_bp / 300
    mids = 100 * np.exp(np.cumsum(steps) / 1e4)
    marks = np.zeros(len(mids), MARK)
    marks["ts_ns"] = OPEN + number * DAY + np.arange(len(mids)) * SECOND
    marks["mid"], marks["bid"], marks["ask"] = mids, mids - 0.01, mids + 0.01
    prints = np.zeros(1, COUNTED_PRINT)
    prints["average"] = np.nan
    prints["ts_ns"], prints["price"], prints["size"] = marks["ts_ns"][0], 100.0, 100.0
    base = day([(0, 1, 1)])
    on = date(2013, 10, 8) + timedelta(days=number)
    return replace(
        base, symbol=symbol, day=on, from_ns=int(marks["ts_ns"][0]),
        until_ns=int(marks["ts_ns"][-1]), marks=marks, prints=prints,
    )  # fmt: skip


def market(seed: int, fall_bp: float, days: int = 2) -> Recorded:
    """Two symbols, and alerts at random times that do not overlap."""
    out, alerts = [], list[Alert]()
    for number in range(days):
        for symbol in ("X", "Y"):
            random = np.random.default_rng((seed, number, ord(symbol)))
            fired = [int(s) for s in 900 * np.arange(1, 22) + random.integers(0, 500, 21)]
            out.append(walk(seed + ord(symbol), number, symbol, fired, fall_bp))
            for second in fired:
                at = OPEN + number * DAY + second * SECOND
                alerts.append(alert(symbol=symbol, ts_ns=at, escalates=None))
                alerts.append(alert(symbol=symbol, ts_ns=at + 1, escalates="5Q8Z"))
    return Recorded(out, alerts, trades=4, quotes=1, symbols={"X", "Y", "NONE"})


def row(judged: Judged, symbol: str, horizon: int, kind: str = "large_seller") -> Score:
    wanted = (kind, symbol, horizon)
    rows = judged.card.scores
    return next(r for r in rows if (r.alert_type, r.symbol, r.horizon_s) == wanted)


@pytest.fixture(scope="module")
def falling() -> Judged:
    return judge(market(1, FALL_BP), Settings(), Terms())


@pytest.fixture(scope="module")
def nothing() -> Judged:
    return judge(market(1, 0.0), Settings(), Terms())


def test_a_fall_after_every_alert_is_found(falling: Judged) -> None:
    """About a third of the controls' five minutes fall as well: an alert every quarter hour."""
    found = row(falling, "*", 300)
    assert (found.alerts, found.alerts_a_day, found.days, found.block) == (84, 21.0, 2, "hour")
    assert found.move_bp == pytest.approx(-FALL_BP, abs=1.5)
    assert found.abnormal_bp == pytest.approx(-FALL_BP * (1 - 1 / 3), abs=2.5)
    assert found.q is not None
    assert found.q < 0.01
    assert found.lift is not None
    assert found.lift > 2
    assert found.recall is not None
    assert found.recall > 0.95
    assert found.lead_s == pytest.approx(240, abs=30)  # 20 of 25 bp, at 5 bp a minute
    assert found.profitable is not None
    assert found.profitable > 0.9
    assert falling.card.discoveries > 0
    assert "large seller on all symbols (fell)" in verdict(falling.card)


def test_what_escalates_an_alert_is_not_counted_again(falling: Judged) -> None:
    assert row(falling, "X", 10).alerts == 42


def test_resting_sellers_are_judged_on_the_days_with_books() -> None:
    """X has books on its first day, Y never: what it fired elsewhere is nobody's to judge."""
    held = market(1, FALL_BP)
    held.alerts = [msgspec.structs.replace(a, alert_type=RESTING) for a in held.alerts]
    held.days = [replace(d, has_books=d is held.days[0]) for d in held.days]
    judged = judge(held, Settings(), Terms())
    found = row(judged, "X", 300, RESTING)
    assert (found.days, found.alerts, found.alerts_a_day) == (1, 21, 21.0)
    assert found.move_bp is not None
    assert found.move_bp < -0.8 * FALL_BP
    assert row(judged, "*", 300, RESTING).alerts == 21
    assert ("Y", RESTING) not in {(r.symbol, r.alert_type) for r in judged.card.scores}
    assert "judged on the 1 of 4 symbol-days that have order books" in table(judged.card)
    assert "resting seller" in report(judged)


def test_without_books_resting_sellers_have_no_rows(falling: Judged) -> None:
    kinds = {r.alert_type for r in falling.card.scores} | {
        r.alert_type for r in falling.card.splits
    }
    assert RESTING not in kinds
    assert "Resting sellers are not judged: these tapes have no order books." in report(falling)


def test_nothing_is_found_where_nothing_is(nothing: Judged) -> None:
    found = row(nothing, "*", 300)
    assert found.low_bp is not None
    assert found.high_bp is not None
    assert found.low_bp < 0 < found.high_bp
    assert nothing.card.discoveries == 0
    assert nothing.card.hypotheses > 10
    assert verdict(nothing.card).startswith(f"None of {nothing.card.hypotheses} tested moves")


def test_the_same_seed_gives_the_same_scorecard(nothing: Judged) -> None:
    again = judge(market(1, 0.0), Settings(), Terms())
    assert again.card == nothing.card
    assert judge(market(1, 0.0), Settings(), Terms(seed=2)).card != nothing.card


def test_a_rise_is_reported_as_what_it_is() -> None:
    judged = judge(market(1, -FALL_BP), Settings(), Terms())
    found = row(judged, "*", 300)
    assert found.abnormal_bp is not None
    assert found.abnormal_bp > 10
    assert found.q is not None
    assert found.q < 0.01
    assert "large seller on all symbols (rose)" in verdict(judged.card)


def test_a_delay_costs_what_the_price_did_meanwhile() -> None:
    late = judge(market(1, FALL_BP), Settings(), Terms(delay_ms=60_000.0))
    assert row(late, "*", 300).move_bp == pytest.approx(-FALL_BP * 4 / 5, abs=1.5)


def test_earlier_days_stand_beside_later_ones(falling: Judged, nothing: Judged) -> None:
    held = [h for h in falling.card.held_out if h.alert_type == "large_seller"]
    assert [(h.symbol, h.earlier_days, h.later_days) for h in held] == [("X", 1, 1), ("Y", 1, 1)]
    assert all(h.earlier_alerts == h.later_alerts == 21 for h in held)
    assert all(h.earlier_bp is not None and h.earlier_bp < -10 for h in held)
    single = judge(market(1, 0.0, days=1), Settings(), Terms())
    assert single.card.held_out == []
    assert "no symbol has a second day" in table(single.card)


def test_spy_on_the_tapes_is_taken_off() -> None:
    recorded = market(1, 0.0)
    spy = [replace(d, symbol="SPY") for d in recorded.days if d.symbol == "X"]
    recorded.days = sorted([*recorded.days, *spy], key=lambda d: (d.day, d.symbol))
    judged = judge(recorded, Settings(), Terms())
    assert row(judged, "X", 300).net_bp == 0.0
    assert row(judged, "Y", 300).net_bp != 0.0
    assert row(judged, "SPY", 300).net_bp is None


def test_days_are_drawn_where_there_are_enough() -> None:
    judged = judge(market(1, 0.0, days=6), Settings(), Terms())
    assert (row(judged, "X", 300).block, row(judged, "X", 300).blocks) == ("day", 6)
    assert "block bootstrap by day." in table(judged.card)


def test_tapes_on_which_nothing_counts_are_refused() -> None:
    with pytest.raises(OrderflowError, match="needs --sessions all"):
        judge(Recorded([]), Settings(), Terms())


def test_the_table_says_how_many_were_tested_and_by_chance(nothing: Judged) -> None:
    card = msgspec.structs.replace(
        nothing.card, hypotheses=40, below_5_percent=3, chance_below_5_percent=2.0
    )
    text = table(card)
    assert "40 hypotheses: 3 have p < 0.05, where chance alone gives 2; 0 remain" in text
    assert "by hour: too few days to draw days." in text
    assert "not judged: NONE." in text


def test_a_curve_is_nought_at_the_alert_and_down_behind_it(falling: Judged) -> None:
    mine = [m for m in falling.measured if m.events.kind == "large_seller"]
    found = curve(mine, [paths(m.events) for m in mine], 1)
    at = {int(s): float(v) for s, v in zip(found.offsets_s, found.mean, strict=True)}
    assert found.events == 84
    assert at[0] == 0.0
    abnormal = row(falling, "*", 300).abnormal_bp
    assert at[300] == pytest.approx(abnormal)
    assert (found.low[OFFSETS_S == 300] < at[300]).all()


def test_the_report_fetches_nothing_and_draws_everything(falling: Judged) -> None:
    page = report(falling)
    for address in ("http:", "https:", "//", "src=", "@import", "url("):
        assert address not in page, address
    assert page.count('<figure class="day">') == 4
    assert page.count('aria-label="large seller, all symbols') == 1
    assert page.count("<svg") == page.count("</svg>")
    assert 'href="data:,"' in page
    assert "nan" not in page.replace("finance", "")


def test_names_in_the_report_cannot_be_markup() -> None:
    recorded = market(1, 0.0, days=1)
    recorded.days = [replace(d, symbol=f"<b>{d.symbol}") for d in recorded.days]
    assert "<b>" not in report(judge(recorded, Settings(), Terms()))


def test_of_many_symbols_and_days_the_most_alerted_are_shown(
    falling: Judged, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X and Y have as many alerts, so the alphabet decides; of equal days the first."""
    monkeypatch.setattr(figures, "MOST_SYMBOLS", 1)
    monkeypatch.setattr("flows.scorecard.report.MOST_DAYS", 1)
    text, page = table(falling.card), report(falling)
    assert "large seller  X " in text
    assert "large seller  Y " not in text
    assert "The 1 most alerted of 2 symbols are shown" in text
    assert page.count('<figure class="day">') == 1
    assert "The 1 of 4 symbol-days with the most alerts." in page
    assert "large seller, Y" not in page
    assert [r.symbol for r in falling.card.scores if r.horizon_s == 10][:3] == ["*", "X", "Y"]


def test_a_list_of_symbols_stays_short() -> None:
    assert figures.some(["A", "B"]) == "A, B"
    assert figures.some(["A"] * 1025).endswith(", A and 1,005 more")


@pytest.mark.parametrize(
    ("value", "said"), [(-0.04, "+0.0"), (-0.06, "-0.1"), (1234.56, "+1,234.6"), (None, "·")]
)
def test_a_figure_has_its_sign_and_no_minus_before_a_nought(value: float | None, said: str) -> None:
    assert figures.number(value, sign=True) == said
