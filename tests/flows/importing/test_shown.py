"""The bar of an import, on a terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_the_bar_says_what_how_far_how_many_and_how_fast() -> None:
    code = (
        "import time\n"
        "from flows.importing.plan import Progress\n"
        "from flows.importing.shown import shown\n"
        "now = Progress(total=200, done=40, weight=20, fraction=0.5, rows=1234567, doing='a day')\n"
        "with shown(now, True):\n"
        "    time.sleep(0.6)\n"
    )
    terminal, end = os.openpty()
    environ = {**os.environ, "TERM": "xterm", "COLUMNS": "120", "PYTHONPATH": str(ROOT)}
    seen = b""
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=environ, stderr=end) as child:
        os.close(end)
        try:
            while more := os.read(terminal, 1 << 16):
                seen += more
        except OSError:  # the last to write there has left
            pass
        os.close(terminal)
    assert child.returncode == 0
    text = seen.decode()
    assert "a day" in text
    assert "25%" in text
    assert "1,234,567 rows, " in text
    assert "/s" in text
