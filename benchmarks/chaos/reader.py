"""The reader the README ships: the very text of it, so that what is shown is what is proved."""

from __future__ import annotations

import re

from benchmarks.sides import ROOT

_BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


def reader_text() -> str:
    """Return the program of the README that follows the alerts."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (text,) = (block for block in _BLOCK.findall(readme) if "def alerts(" in block)
    return str(text)
