"""A line chart in braille characters: two dots across and four down in each."""

from __future__ import annotations

from collections.abc import Sequence

_BLANK = 0x2800
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))


def binned(
    series: Sequence[tuple[int, float]], start: int, end: int, bins: int
) -> list[float | None]:
    """Return the last value in each of `bins` equal pieces of [start, end].

    A piece without a value repeats the one before it; before the first value there is None.

    Args:
        series: (time, value), sorted by time.
        start: Time of the left edge.
        end: Time of the right edge, inclusive.
        bins: Number of pieces.
    """
    out: list[float | None] = [None] * bins
    span = max(end - start, 1)
    for at, value in series:
        if start <= at <= end:
            out[min((at - start) * bins // span, bins - 1)] = value
    last: float | None = None
    for i, value_here in enumerate(out):
        last = last if value_here is None else value_here
        out[i] = last
    return out


def line_chart(values: Sequence[float | None], rows: int) -> list[str]:
    """Draw one value a dot column, two columns a character, the highest value at the top.

    Steps between neighbours are joined, so that a jump is a line and not two specks. A series
    that never moves is drawn in the middle.
    """
    dots = rows * 4
    levels = _levels(values, dots)
    cells = [[_BLANK] * ((len(values) + 1) // 2) for _ in range(rows)]
    for column, level in enumerate(levels):
        if level is None:
            continue
        before = levels[column - 1] if column else None
        top, bottom = level, level
        if before is not None and before < level:
            top = before + 1  # its own column has drawn the dot of the value before
        elif before is not None and before > level:
            bottom = before - 1
        for dot in range(top, bottom + 1):
            cells[dot // 4][column // 2] |= _DOTS[dot % 4][column % 2]
    return ["".join(map(chr, row)) for row in cells]


def _levels(values: Sequence[float | None], dots: int) -> list[int | None]:
    known = [value for value in values if value is not None]
    if not known:
        return [None] * len(values)
    low, high = min(known), max(known)
    if low == high:
        return [None if value is None else (dots - 1) // 2 for value in values]
    step = (dots - 1) / (high - low)
    return [None if value is None else round((high - value) * step) for value in values]
