"""Where machine code is kept, and that the kernels are plain Python too."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from operators import kernels

ROOT = Path(__file__).resolve().parents[2]
IN_PROCESS = "NUMBA_DISABLE_JIT" not in os.environ
"""Not within the run of plain Python that a test below starts."""

OWN_CACHE = """
import sys
from pathlib import Path
from operators import kernels
from operators.kernels import kernel
import operators.eligibility, operators.rolling_volume

print(kernels.use_cache(Path(sys.argv[1])), kernels._config.CACHE_DIR)
"""


def cache_of(folder: Path) -> list[str]:
    """Choose a cache folder in a process of its own: the choice holds for a whole process."""
    run = subprocess.run(
        [sys.executable, "-c", OWN_CACHE, str(folder)],
        cwd=ROOT, capture_output=True, text=True, check=True,
        env={k: v for k, v in os.environ.items() if k != "NUMBA_DISABLE_JIT"},
    )  # fmt: skip
    return run.stdout.split()


def test_the_cache_folder_is_named_by_the_sources_and_the_versions(tmp_path: Path) -> None:
    found, folder = cache_of(tmp_path)
    assert (found, folder) == ("False", str(tmp_path / f"{kernels.fingerprint()}-parallel"))


def test_a_folder_with_machine_code_is_known(tmp_path: Path) -> None:
    here = tmp_path / f"{kernels.fingerprint()}-parallel"
    here.mkdir()
    (here / "kernel.nbi").touch()
    assert cache_of(tmp_path)[0] == "True"


def test_where_a_file_is_in_the_way_of_the_folder_nothing_is_kept(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert cache_of(tmp_path / "file")[0] == "False"


@pytest.mark.skipif(not IN_PROCESS, reason="this is that run")
def test_the_rules_hold_without_numba() -> None:
    """The same tests of the rules, with the kernels as the plain Python they are written in."""
    names = ("nbbo", "eligibility", "aggressor", "large_orders", "red_burst", "values", "shards")
    files = [f"tests/operators/test_{name}.py" for name in names]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files,
         "-k", "not thousands"],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
    )  # fmt: skip
    assert run.returncode == 0, run.stdout[-3_000:]
