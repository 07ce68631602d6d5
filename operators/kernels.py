"""Compiled kernels: the decorator, and where their machine code is kept.

numba keys its disk cache by the file of the outer kernel alone, so an edited helper in another
file would leave old machine code running. The cache folder is therefore named by a hash of
every file of this package and of the library versions. Nothing is compiled, and no disk is
touched, before `use_cache` and the first call.
"""

from __future__ import annotations

import functools
import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import llvmlite
import numba
import numpy as np

F = TypeVar("F", bound=Callable[..., Any])

_config: Any = numba.config  # its attributes are set at run time
# numba counts the references to each array at each call; a kernel keeps none, and makes none.
_compile: Any = functools.partial(numba.njit, _nrt=False)
_kernels: list[Any] = []


def kernel(function: F) -> F:
    """Compile `function` with numba on its first call: no checks, no new arrays."""
    compiled: Any = _compile(function)
    _kernels.append(compiled)
    return compiled  # type: ignore[no-any-return]


def step(function: F) -> F:
    """Compile `function` into the kernels that call it, never as a call of its own.

    For the small steps of a loop, where handing the arrays over costs more than the step.
    """
    return _compile(function, forceinline=True)  # type: ignore[no-any-return]


def fingerprint() -> str:
    """Return a hash of all operator sources and of what compiles them."""
    digest = hashlib.blake2b(digest_size=8)
    for part in (sys.version, numba.__version__, llvmlite.__version__, np.__version__):
        digest.update(part.encode())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()


def _place(folder: Path, parallel: bool) -> Path:
    return folder / f"{fingerprint()}-{'parallel' if parallel else 'live'}"


def is_compiled(folder: Path, parallel: bool = True) -> bool:
    """Return whether `folder` holds machine code of this version; see `use_cache`."""
    return bool(_config.DISABLE_JIT) or any(_place(folder, parallel).rglob("*.nbi"))


def use_cache(folder: Path, parallel: bool = True) -> bool:
    """Keep machine code below `folder`, and return whether any is there for this version.

    A folder that cannot be written is no error: the kernels are then compiled at each start.

    Args:
        folder: Where machine code of all versions is kept.
        parallel: Let other threads run Python beside a kernel. Right where chunks are large;
            a live feed has dozens of tiny calls a batch, and each would queue for the
            interpreter again behind the socket's thread. Decided before the first call.
    """
    for compiled in _kernels:
        if not _config.DISABLE_JIT:
            compiled.targetoptions["nogil"] = parallel
    if _config.DISABLE_JIT:
        return True
    here = _place(folder, parallel)
    try:
        here.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    found = any(here.rglob("*.nbi"))
    _config.CACHE_DIR = str(here)
    for compiled in _kernels:
        compiled.enable_caching()
    return found
