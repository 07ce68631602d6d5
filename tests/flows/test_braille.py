from __future__ import annotations

from flows.braille import binned, line_chart


def test_the_highest_value_is_at_the_top_and_two_values_share_a_character() -> None:
    assert line_chart([4, 3, 2, 1], 1) == ["⠑⢄"]


def test_a_jump_is_joined() -> None:
    assert line_chart([0, 7], 2) == ["⢸", "⡸"]
    assert line_chart([7, 0], 2) == ["⢱", "⢸"]


def test_a_price_that_never_moves_is_a_line_in_the_middle() -> None:
    assert line_chart([5, 5, 5, 5], 1) == ["⠒⠒"]


def test_before_the_first_value_nothing_is_drawn() -> None:
    assert line_chart([None, None, 1, 2], 1) == ["⠀⡸"]
    assert line_chart([None, None], 1) == ["⠀"]


def test_a_piece_shows_its_last_value_and_an_empty_one_the_value_before() -> None:
    series = [(2, 1.0), (3, 2.0), (9, 3.0), (10, 4.0), (11, 9.0)]
    assert binned(series, 0, 10, 5) == [None, 2.0, 2.0, 2.0, 4.0]
