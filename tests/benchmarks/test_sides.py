from __future__ import annotations

import pytest

from benchmarks.report import Figure, rate, ratio, short, spread
from benchmarks.sides import Answer, BenchmarkError, Runs, Side, Timed, in_turn

HERE = "tests.benchmarks.test_sides"


def counting(answer: int) -> Timed:
    return lambda: {"answer": answer, "seconds": 0.5}


def growing() -> Timed:
    answers = iter(range(9))
    return lambda: {"answer": next(answers)}


def failing() -> Timed:
    def run() -> Answer:
        raise SystemExit(3)

    return run


def side(function: str, **arguments: int) -> Side:
    return Side(function, f"{HERE}:{function}", arguments, items=10)


def test_sides_run_in_turn_and_the_warm_up_is_not_counted() -> None:
    one, two = in_turn([side("counting", answer=1), side("counting", answer=2)], runs=3)
    assert (one.answer, two.answer) == ({"answer": 1}, {"answer": 2})
    assert one.rates == two.rates == [20.0, 20.0, 20.0]


def test_a_side_that_answers_differently_each_time_is_no_side() -> None:
    with pytest.raises(BenchmarkError, match="growing answers differently each time"):
        in_turn([side("growing")], runs=1)


def test_a_side_that_dies_is_named() -> None:
    with pytest.raises(BenchmarkError, match="failing ended with 3"):
        in_turn([side("failing")], runs=1)


def test_a_ratio_is_the_median_of_the_rounds() -> None:
    ours = Runs(side("counting"), seconds=[1.0, 2.0, 1.0])
    other = Runs(side("counting"), seconds=[4.0, 4.0, 3.0])
    assert ratio(ours, other) == 3.0
    assert rate(ours) == 10.0
    assert spread(ours.rates) == {"median": 10.0, "min": 5.0, "max": 10.0}


@pytest.mark.parametrize(
    ("value", "at_most", "verdict"),
    [
        (4.9, False, "MISS"),
        (5.0, False, "pass"),
        (12.0, False, "pass, aim reached"),
        (12.1, True, "MISS"),
        (12.0, True, "pass"),
        (5.0, True, "pass, aim reached"),
    ],
)
def test_a_figure_stands_beside_its_targets(value: float, at_most: bool, verdict: str) -> None:
    minimum, aim = (12.0, 5.0) if at_most else (5.0, 12.0)
    assert Figure("rate", value, "x", minimum, aim, at_most).verdict == verdict


def test_a_figure_without_a_target_has_no_verdict() -> None:
    figure = Figure("rate", 3.0, "x")
    assert (figure.verdict, figure.promise) == ("", "")


def test_numbers_are_short() -> None:
    assert [short(n) for n in (5_230_000, 412_300, 12.34, 0.123)] == [
        "5.23 M",
        "412 k",
        "12.3",
        "0.123",
    ]
