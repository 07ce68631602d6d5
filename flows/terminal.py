"""What the terminal at the other end can show."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import TextIO


def colours(stream: TextIO) -> bool:
    """Return whether `stream` is a terminal that shows colours and was not told not to."""
    if not stream.isatty():
        return False
    from rich.console import Console

    console = Console(file=stream)
    return console.color_system is not None and not console.no_color


def width() -> int:
    """Return the columns of the terminal, 80 where there is none."""
    return shutil.get_terminal_size((80, 24)).columns


def columns(head: Sequence[str], rows: Sequence[Sequence[str]], left: int) -> str:
    """Return aligned columns, the first `left` of them to the left and numbers to the right."""
    lines = [head, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            text.ljust(width) if i < left else text.rjust(width)
            for i, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


class Paint:
    """Colours as escape codes; without colour, text comes back as it is."""

    _CODES = {  # noqa: RUF012  # read only
        "bold": "1",
        "dim": "2",
        "red": "31",
        "green": "32",
        "yellow": "33",
        "magenta": "35",
        "cyan": "36",
    }

    def __init__(self, colour: bool) -> None:
        self._colour = colour

    def __call__(self, text: str, *styles: str) -> str:
        """Return `text` in the named styles."""
        if not (self._colour and styles and text):
            return text
        codes = ";".join(self._CODES[style] for style in styles)
        return f"\x1b[{codes}m{text}\x1b[0m"
