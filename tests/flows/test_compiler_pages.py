"""The compiler's memory is given back, and it still compiles afterwards."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
from pathlib import Path
import numba

def resident_kib():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return 4 * pages

@numba.njit
def before(x):
    return x + 1

before(1)
from flows.compiler_pages import give_back

had = resident_kib()
given = give_back()
assert given > 20_000, given
assert resident_kib() < had - 20_000, (had, resident_kib())

@numba.njit
def after(x):
    return x * 2.5

assert before(2) == 3
assert after(2.0) == 5.0
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="madvise of Linux")
def test_memory_goes_and_what_is_called_again_comes_back() -> None:
    subprocess.run([sys.executable, "-c", SCRIPT], check=True)
