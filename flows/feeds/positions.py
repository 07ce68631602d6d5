"""The positions file: which symbols are held, as the bot that trades them writes it."""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec

from flows.errors import OrderflowError
from operators.exit_signal import never_short
from operators.symbols import valid_symbol

SETTLE_S = 0.3
_PATIENCE = 3
_Stamp = tuple[int, int, int]  # modified, size, inode


class PositionsError(OrderflowError):
    """A positions file that cannot be read."""


def read_positions(path: Path) -> dict[str, float]:
    """Return symbol to quantity, in shares, of a positions file; flat positions left out.

    JSON: `[{"symbol": "AAPL", "quantity": 300}, ...]`, `{"AAPL": 300, ...}` or `["AAPL", ...]`.
    CSV: a header that names `symbol`, and `quantity` if it is known. A symbol without a
    quantity counts as held (1 share); a short position is a position. Repeats add up.

    Raises:
        PositionsError: the file is missing, or holds something else.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise PositionsError(
            f"Cannot read the positions file {path}: {error.strerror}. "
            "Set ORDER_FLOW_POSITIONS_FILE to a JSON or CSV file with symbol and quantity."
        ) from error
    except UnicodeDecodeError as error:
        raise PositionsError(f"The positions file {path} is not UTF-8 text.") from error
    stated = _from_json(path, text) if text.lstrip()[:1] in ("[", "{") else _from_csv(path, text)
    held: dict[str, float] = {}
    for symbol, quantity in stated:
        name, shares = _position(path, symbol, quantity)
        held[name] = held.get(name, 0.0) + shares
    return {symbol: quantity for symbol, quantity in held.items() if quantity != 0}


def _from_json(path: Path, text: str) -> Iterable[tuple[Any, Any]]:
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise PositionsError(f"The positions file {path} is not whole JSON: {error}.") from error
    if isinstance(value, dict):
        return list(value.items())
    return [
        (item.get("symbol"), item.get("quantity", 1)) if isinstance(item, dict) else (item, 1)
        for item in value
    ]


def _from_csv(path: Path, text: str) -> Iterable[tuple[Any, Any]]:
    rows = csv.DictReader(io.StringIO(text), skipinitialspace=True)
    columns = {name.strip().lower(): name for name in rows.fieldnames or ()}
    if "symbol" not in columns:
        raise PositionsError(
            f"The positions file {path} is neither JSON nor CSV with a header: "
            "its first line must name a column 'symbol' and a column 'quantity'."
        )
    quantity = columns.get("quantity")
    return [(row[columns["symbol"]], row[quantity] if quantity else 1) for row in rows]


def _position(path: Path, symbol: Any, quantity: Any) -> tuple[str, float]:
    name = symbol.strip() if isinstance(symbol, str) else ""
    if not valid_symbol(name):
        raise PositionsError(f"The positions file {path} has {symbol!r} where a symbol belongs.")
    try:
        shares = float(quantity)
    except (TypeError, ValueError):
        shares = math.nan
    if not math.isfinite(shares):
        raise PositionsError(
            f"The positions file {path} has {quantity!r} as the quantity of {name}."
        )
    return name, shares


class PositionsFile:
    """The positions held, kept up to date as the file changes.

    A file that is being written, or has gone, or was written wrongly, changes nothing: the
    positions last read stay until it can be read again. A file that has just been touched may
    be half written and read well all the same, so it is left alone for a moment.

    Args:
        path: the file.
        said: gets a sentence when the file cannot be read any more, once for each problem.
        settle_s: how long a changed file must have stood still to be read; one that never
            does is read after `_PATIENCE` times as long.

    Raises:
        PositionsError: it cannot be read now, at the start.
    """

    def __init__(self, path: Path, said: Callable[[str], None], settle_s: float = SETTLE_S) -> None:
        self._path = path
        self._said = said
        self._settle_s = settle_s
        self._stamp = self._look()
        self._held = read_positions(path)
        self._symbols = tuple(sorted(self._held))
        self._problem: str | None = None
        self._moving_since: float | None = None

    def _look(self) -> _Stamp | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def symbols(self) -> tuple[str, ...]:
        """Return the symbols held, reading the file again if it has changed."""
        self._refresh()
        return self._symbols

    def is_short(self, symbol: str) -> bool:
        """Return whether a symbol is held short, reading the file again if it has changed."""
        self._refresh()
        return self._held.get(symbol, 0.0) < 0

    def _refresh(self) -> None:
        stamp = self._look()
        if stamp == self._stamp or self._still_moving(stamp):
            return
        self._stamp = stamp
        self._moving_since = None
        try:
            self._held = read_positions(self._path)
        except PositionsError as error:
            if str(error) != self._problem:
                self._said(f"{error} The positions last read from it stay.")
            self._problem = str(error)
            return
        self._symbols = tuple(sorted(self._held))
        self._problem = None

    def _still_moving(self, stamp: _Stamp | None) -> bool:
        if stamp is None:
            return False
        age_s = time.time() - stamp[0] / 1e9
        if not 0 <= age_s < self._settle_s:  # below zero: the clock of another machine
            return False
        now = time.monotonic()
        if self._moving_since is None:
            self._moving_since = now
        return now - self._moving_since < _PATIENCE * self._settle_s


def shorts(path: Path | None) -> Callable[[str], bool]:
    """Return what tells whether a symbol is held short, by a positions file if there is one.

    It looks at the file by itself, so that each process of a cluster can ask; what is wrong
    with the file is the feed's to say.

    Raises:
        PositionsError: the file cannot be read.
    """
    return never_short if path is None else PositionsFile(path, lambda _: None).is_short
