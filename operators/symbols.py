"""Symbols: what can be a ticker, and the codes a feed's symbols get in the order they are met."""

from __future__ import annotations

import re

MOST_SYMBOLS = 65_536  # five times what is listed: a hostile feed may invent them without end
_SYMBOL = re.compile(r"[A-Za-z0-9][A-Za-z0-9./:_+$^=*-]{0,31}")


def valid_symbol(symbol: object) -> bool:
    """Return whether `symbol` can be a ticker: letters, digits and `./:_+$^=*-`, at most 32."""
    return isinstance(symbol, str) and _SYMBOL.fullmatch(symbol) is not None


class SymbolCodes(dict[str, int]):
    """Symbol to code, learnt on sight; a text that cannot be a symbol has code -1.

    So has a new one when there are MOST_SYMBOLS: every operator keeps a row for each.
    """

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __missing__(self, symbol: str) -> int:
        if not valid_symbol(symbol) or len(self.names) >= MOST_SYMBOLS:
            return -1
        code = self[symbol] = len(self.names)
        self.names.append(symbol)
        return code

    def catch_up(self) -> None:
        """Take in the symbols that were learnt by scanning."""
        for code in range(len(self), len(self.names)):
            self[self.names[code]] = code
