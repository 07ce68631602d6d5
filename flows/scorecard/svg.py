"""Plots as inline SVG: axes, lines, bands and ticks, enough for the report and no more."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

LEFT, RIGHT, TOP, BOTTOM = 46.0, 16.0, 8.0, 20.0
STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Return round values within the bounds, at most so many and at least one."""
    if not high > low:
        return [low]
    rough = (high - low) / most
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(s * magnitude for s in STEPS if s * magnitude >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [i * step for i in range(first, last + 1)] or [low]


@dataclass(slots=True)
class Plot:
    """One plot; add to it from the back to the front.

    Args:
        width: In SVG units, which the page scales.
        height: Likewise.
        x: Lowest and highest value.
        y: Lowest and highest value.
    """

    width: float
    height: float
    x: tuple[float, float]
    y: tuple[float, float]
    parts: list[str] = field(default_factory=list)

    def at_x(self, value: float) -> float:
        """Return where a value of x stands."""
        low, high = self.x
        return LEFT + (value - low) / ((high - low) or 1.0) * (self.width - LEFT - RIGHT)

    def at_y(self, value: float) -> float:
        """Return where a value of y stands; up is more."""
        low, high = self.y
        room = self.height - TOP - BOTTOM
        return TOP + (high - value) / ((high - low) or 1.0) * room

    def _points(self, xs: Sequence[float], ys: Sequence[float]) -> str:
        known = [(x, y) for x, y in zip(xs, ys, strict=True) if math.isfinite(y)]
        return " ".join(f"{self.at_x(x):.1f},{self.at_y(y):.1f}" for x, y in known)

    def axes(
        self, labels: Sequence[tuple[float, str]], values: Sequence[float], form: str = "g"
    ) -> None:
        """Draw a grid line a value, and the labels below."""
        for value in values:
            y = self.at_y(value)
            self.parts.append(
                f'<line class="grid" x1="{LEFT}" x2="{self.width - RIGHT}" '
                f'y1="{y:.1f}" y2="{y:.1f}"/>'
                f'<text class="y" x="{LEFT - 5}" y="{y + 3:.1f}">{value:{form}}</text>'
            )
        for at, label in labels:
            self.parts.append(
                f'<text class="x" x="{self.at_x(at):.1f}" y="{self.height - 6}">'
                f"{escape(label)}</text>"
            )

    def rule(self, x: float | None = None, y: float | None = None) -> None:
        """Draw a line across the plot at a value of x, or of y."""
        x1, x2 = (LEFT, self.width - RIGHT) if x is None else (self.at_x(x),) * 2
        y1, y2 = (TOP, self.height - BOTTOM) if y is None else (self.at_y(y),) * 2
        self.parts.append(
            f'<line class="rule" x1="{x1:.1f}" x2="{x2:.1f}" y1="{y1:.1f}" y2="{y2:.1f}"/>'
        )

    def line(self, xs: Sequence[float], ys: Sequence[float], style: str) -> None:
        """Draw a line; what is not finite is left out."""
        self.parts.append(f'<polyline class="{style}" points="{self._points(xs, ys)}"/>')

    def band(self, xs: Sequence[float], low: Sequence[float], high: Sequence[float]) -> None:
        """Fill between two lines."""
        there, back = self._points(xs, low), self._points(xs[::-1], high[::-1])
        if there:
            self.parts.append(f'<polygon class="band" points="{there} {back}"/>')

    def strokes(self, xs: Sequence[float], top: float, height: float, style: str) -> None:
        """Draw short upright strokes at values of x, at a place in SVG units."""
        path = "".join(f"M{self.at_x(x):.1f} {top:.1f}v{height:g}" for x in xs)
        if path:
            self.parts.append(f'<path class="{style}" d="{path}"/>')

    def text(self, x: float, y: float, words: str, style: str) -> None:
        """Write at a place in SVG units."""
        self.parts.append(f'<text class="{style}" x="{x:g}" y="{y:g}">{escape(words)}</text>')

    def svg(self, title: str) -> str:
        """Return the drawing; the title is for who cannot see it."""
        return (
            f'<svg viewBox="0 0 {self.width:g} {self.height:g}" role="img" '
            f'aria-label="{escape(title)}">{"".join(self.parts)}</svg>'
        )
