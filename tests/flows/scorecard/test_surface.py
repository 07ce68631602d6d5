"""The surface of lift and alerts a day: every setting a cell, coloured by what it was worth."""

from __future__ import annotations

import re

from flows.scorecard.surface import Cell, Surface, colour, drawn

RED, BLUE = "#c34f46", "#4c7194"  # four fifths of the full colours


def test_a_lift_of_two_is_full_red_a_half_full_blue_and_one_white() -> None:
    lifts = (2.0, 9.0, 0.5, 1.0)
    assert [colour(Cell(1.0, lift, 50)) for lift in lifts] == [RED, RED, BLUE, "#ffffff"]


def test_a_lift_of_few_alerts_or_without_a_base_has_no_colour() -> None:
    assert colour(Cell(1.0, 3.0, 9)) == "#ffffff"
    assert colour(Cell(1.0, None, 500)) == "#ffffff"


def test_every_setting_has_its_cell_low_values_left_and_below() -> None:
    cells = (
        (Cell(12.34, 1.5, 40), Cell(3.0, None, 0)),
        (Cell(1_234.0, 0.75, 4_000), Cell(0.5, 1.25, 2)),
    )
    svg = drawn(
        Surface("large_seller", "size", (10.0, 2_000.0), "gap", (0.0, 5.0), cells, (0, 1)), "t"
    )
    texts = re.findall(r'x="([\d.]+)" y="([\d.]+)" [^>]*>([^<]+)</text>', svg)
    place = {words: (float(x), float(y)) for x, y, words in texts}
    assert {"1.50", "12.3 a day", "·", "3.0 a day", "1,234 a day", "2,000", "size"} <= set(place)
    assert place["1.50"][0] == place["0.75"][0] == place["10"][0] < place["·"][0]
    assert place["1.50"][1] > place["0.75"][1]
    own = re.search(r'class="own" x="([\d.]+)" y="([\d.]+)"', svg)
    assert own is not None
    assert float(own[1]) > place["1.50"][0]
    assert float(own[2]) + 14 == place["·"][1]
