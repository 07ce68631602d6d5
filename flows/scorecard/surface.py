"""Surfaces: alerts a day and lift over two thresholds, as a drawing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

WIDTH, CELL_H, LEFT, TOP, BOTTOM = 450.0, 34.0, 56.0, 6.0, 34.0
FEWEST = 10  # alerts below which a lift is shown, but not coloured
DEEPEST = math.log(2)  # a lift of 2, or of a half, has the full colour


class Cell(NamedTuple):
    """What one setting gives: alerts a symbol-day, lift (None: no base), and how many alerts."""

    alerts_a_day: float
    lift: float | None
    alerts: int


class Surface(NamedTuple):
    """Cells of one kind of alert, a row for each value of y from low to high.

    `own` is the place (row, column) of the setting in force.
    """

    kind: str
    x: str
    xs: tuple[float, ...]
    y: str
    ys: tuple[float, ...]
    cells: tuple[tuple[Cell, ...], ...]
    own: tuple[int, int]


def colour(cell: Cell) -> str:
    """Return the fill of a cell: red for a lift above 1, blue below, white for too few alerts."""
    if cell.lift is None or cell.alerts < FEWEST:
        return "#ffffff"
    depth = min(abs(math.log(max(cell.lift, 1e-9))) / DEEPEST, 1.0)
    full = (180, 35, 24) if cell.lift > 1 else (31, 78, 121)
    mixed = (round(255 + (part - 255) * depth * 0.8) for part in full)
    return "#" + "".join(f"{part:02x}" for part in mixed)


def drawn(surface: Surface, title: str) -> str:
    """Return the surface as SVG: a cell a setting, the one in force outlined."""
    wide = (WIDTH - LEFT - 8) / len(surface.xs)
    height = TOP + CELL_H * len(surface.ys) + BOTTOM
    parts: list[str] = []
    for row, y in enumerate(reversed(surface.ys)):
        top = TOP + row * CELL_H
        parts.append(_text(LEFT - 6, top + CELL_H / 2 + 3, f"{y:,g}", "y"))
        for column, cell in enumerate(surface.cells[len(surface.ys) - 1 - row]):
            parts += _cell(LEFT + column * wide, top, wide, cell)
    for column, x in enumerate(surface.xs):
        at = LEFT + (column + 0.5) * wide
        parts.append(_text(at, height - BOTTOM + 13, f"{x:,g}", "x"))
    parts.append(_text((LEFT + WIDTH - 8) / 2, height - 6, surface.x, "x axis"))
    middle = TOP + CELL_H * len(surface.ys) / 2
    turned = f'transform="rotate(-90 12 {middle:.0f})"'
    parts.append(_text(12, middle, surface.y, "x axis", turned))
    row, column = len(surface.ys) - 1 - surface.own[0], surface.own[1]
    parts.append(
        f'<rect class="own" x="{LEFT + column * wide:g}" y="{TOP + row * CELL_H:g}" '
        f'width="{wide:g}" height="{CELL_H:g}"/>'
    )
    return (
        f'<svg viewBox="0 0 {WIDTH:g} {height:g}" role="img" aria-label="{escape(title)}">'
        f"{''.join(parts)}</svg>"
    )


def _cell(left: float, top: float, wide: float, cell: Cell) -> Sequence[str]:
    lift = "·" if cell.lift is None else f"{cell.lift:.2f}"
    fill = colour(cell)
    style = "dark" if _dark(fill) else "light"
    a_day = f"{cell.alerts_a_day:,.1f}" if cell.alerts_a_day < 100 else f"{cell.alerts_a_day:,.0f}"
    return (
        f'<rect class="cell" x="{left:g}" y="{top:g}" width="{wide:g}" height="{CELL_H:g}" '
        f'fill="{fill}"/>',
        _text(left + wide / 2, top + 14, lift, f"x {style} lift"),
        _text(left + wide / 2, top + 27, f"{a_day} a day", f"x {style}"),
    )


def _dark(fill: str) -> bool:
    red, green, blue = (int(fill[i : i + 2], 16) for i in (1, 3, 5))
    return 0.3 * red + 0.59 * green + 0.11 * blue < 140


def _text(x: float, y: float, words: str, style: str, more: str = "") -> str:
    return f'<text class="{style}" x="{x:g}" y="{y:g}" {more}>{escape(words)}</text>'
