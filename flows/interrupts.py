"""Ctrl-C ends a command as Ctrl-C, whatever a library made of it on the way.

Python raises `KeyboardInterrupt` wherever the main thread happens to be. DuckDB turns it into a
RuntimeError; so the signal is also remembered. A module that is being loaded is loaded to its
end first: numpy would say that it is not installed, and DuckDB abort the process.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

_AGAIN_S = 0.02


class Interrupted(KeyboardInterrupt):
    """Ctrl-C.

    Of a class of its own, because CPython notes where its own has left a piece of code, and at
    the end kills the process with SIGINT for it, even if it was caught since.
    """


@contextlib.contextmanager
def heard() -> Iterator[None]:
    """Let a block that Ctrl-C broke off end as such, whichever error it ends with.

    A handler that is not Python's own is left in its place: SIGINT is ignored, or somebody
    else's.

    Raises:
        Interrupted: Ctrl-C came, and an error after it.
    """
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)
        if not _loads(frame):
            raise Interrupted
        main = threading.main_thread().ident
        again = threading.Timer(_AGAIN_S, signal.pthread_kill, [main, number])
        again.daemon = True
        again.start()

    mine = threading.current_thread() is threading.main_thread()
    mine = mine and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if mine:
        signal.signal(signal.SIGINT, note)
    try:
        yield
    except BaseException:
        if came:
            raise Interrupted from None
        raise
    finally:
        if mine:
            signal.signal(signal.SIGINT, signal.default_int_handler)


@contextlib.contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end the program as done in a block that holds nothing to be closed.

    Kernels may compile for a minute before a run begins, and a service is stopped in that, too.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _done)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _done(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


def _loads(frame: FrameType | None) -> bool:
    """Return whether a module is being imported in `frame`, or in what has called it."""
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False
