from __future__ import annotations

from xml.etree import ElementTree as ET

import numpy as np
import pytest

from flows.scorecard.svg import Plot, ticks


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 10.0, [0, 2, 4, 6, 8, 10]),
        (-2.2, 1.3, [-2, -1, 0, 1]),
        (99.93, 100.41, [100.0, 100.1, 100.2, 100.3, 100.4]),
        (5.0, 5.0, [5.0]),
    ],
)
def test_ticks_are_round_and_within_bounds(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == pytest.approx(expected)


def test_a_plot_is_well_formed_and_up_is_more() -> None:
    plot = Plot(300, 100, (0.0, 10.0), (0.0, 1.0))
    plot.axes([(0.0, "<start>")], [0.0, 1.0])
    plot.band([0.0, 10.0], [0.2, np.nan], [0.4, np.nan])
    plot.line([0.0, 5.0, 10.0], [0.0, float("nan"), 1.0], "mean")
    plot.strokes([1.0, 2.0], 80.0, 9.0, "ours")
    plot.rule(x=5.0)
    root = ET.fromstring(plot.svg('a "title" & more'))  # noqa: S314 - our own
    assert root.get("aria-label") == 'a "title" & more'
    line = next(node for node in root if node.get("class") == "mean")
    assert line.get("points") == "46.0,80.0 284.0,8.0"
    assert [node.text for node in root if node.get("class") == "x"] == ["<start>"]
    assert plot.at_y(1.0) < plot.at_y(0.0)
