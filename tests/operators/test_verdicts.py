"""The class of a print by its sale conditions (detectors.md section 2)."""

from __future__ import annotations

import pytest

from operators.verdicts import (
    MOST_UNKNOWN,
    VERDICTS,
    UnknownConditions,
    is_known_condition,
    sale_class,
)


@pytest.mark.parametrize(
    ("conditions", "verdict", "sweep"),
    [
        ((), "counted", False),
        ((14, 37, 41), "counted", True),
        ((57, 60, 62, 71, 30, 31), "counted", False),
        ((12, 37), "extended_hours", False),
        ((9,), "block", False),
        ((12, 24), "block", False),
        ((8, 9), "auction_close", False),
        ((19,), "auction_close", False),
        ((8, 17), "auction_open", False),
        ((25, 55), "auction_open", False),
        ((17, 28), "auction_reopen", False),
        ((18,), "auction_reopen", False),
        ((28, 2), "non_flow", False),
        ((14, 53), "non_flow", True),
        ((16, 53), "summary_drop", False),
        ((61, 15), "unknown_condition", False),
        ((-1,), "unknown_condition", False),
    ],
)
def test_the_class_is_the_strictest_among_the_conditions(
    conditions: tuple[int, ...], verdict: str, sweep: bool
) -> None:
    kind, is_sweep = sale_class(conditions)
    assert (VERDICTS[kind], is_sweep) == (verdict, sweep)


def test_what_has_a_class_is_known() -> None:
    assert [c for c in range(-1, 80) if not is_known_condition(c)] == [
        -1, 26, *range(39, 41), *range(42, 52), 54, 56, 61, *range(72, 80)
    ]  # fmt: skip


def test_each_id_without_a_class_is_news_once() -> None:
    unknown = UnknownConditions()
    assert [unknown.meet(ids) for ids in ([99, 14, 99], [61, 99], [])] == [[99], [61], []]
    assert [unknown.take(), unknown.take()] == [[99, 61], []]


def test_a_feed_that_invents_ids_is_not_followed_for_ever() -> None:
    unknown = UnknownConditions()
    for n in range(2 * MOST_UNKNOWN):
        unknown.meet([1000 + n])
    assert unknown.take() == [*range(1000, 1256)]
