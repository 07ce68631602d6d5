"""A tape as rows: trades and quotes of the normalised Parquet schema, in the order they happened.

The order is the specification's: event time, then `feed_seq` where all files of a symbol have
it, then trades before quotes, then file and row. It is total: two readings are the same tape.
"""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import duckdb

from flows.errors import OrderflowError

TRADES, QUOTES = 0, 1

_TRADE_COLUMNS = frozenset(("symbol", "ts_ns", "price", "size"))
_QUOTE_COLUMNS = frozenset(("symbol", "ts_ns", "bid", "ask"))


class TapeError(OrderflowError):
    """A tape that cannot be served."""


class TapeFile(NamedTuple):
    """One Parquet file: what it holds and the columns it has."""

    path: Path
    kind: int
    columns: frozenset[str]


class Row(NamedTuple):
    """A trade or a quote as it stands on the tape; what a kind does not have is None.

    `number` is the 1-based row of the symbol's trades (or of its quotes) in tape order.
    Prices in dollars, sizes in shares, times in ns since epoch.
    """

    kind: int
    ts_ns: int
    symbol: str
    price: float | None
    size: float | None
    conditions: list[int] | None
    exchange: str | None
    trade_id: str | None
    trf: int | None
    participant_ns: int | None
    bid: float | None
    bid_size: float | None
    ask: float | None
    ask_size: float | None
    number: int


class Span(NamedTuple):
    """Which rows of a symbol to read: `low_ns` inclusive, `high_ns` exclusive, from `after` on.

    `after` is the number of the row before the first one wanted, in the direction of reading;
    `last` the highest number there is yet.
    """

    symbol: str
    low_ns: int
    high_ns: int
    ascending: bool
    after: int | None
    limit: int
    last: int = 2**62


def tape_paths(tapes: Iterable[str | Path]) -> list[Path]:
    """Return the Parquet files that files, globs, folders and tape names stand for.

    A tape name is the part its files share: `lean_IBM_20131008` for its trades and quotes.
    Files of one glob, folder or name come in the order of their names, each file once.

    Raises:
        TapeError: one of them stands for no file.
    """
    found: dict[Path, None] = {}
    for tape in tapes:
        path = Path(tape)
        if path.is_dir():
            files = sorted(path.glob("*.parquet"))
        elif path.is_file():
            files = [path]
        else:
            files = sorted(map(Path, _matches(str(tape)) or _matches(f"{tape}.*.parquet")))
        if not files:
            raise TapeError(f"No tape at {tape}: give Parquet files, a folder of them or a glob.")
        found.update(dict.fromkeys(files))
    return list(found)


def _matches(pattern: str) -> list[str]:
    return glob.glob(pattern)  # noqa: PTH207 (Path.glob refuses an absolute pattern)


def _literal(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


class Tape:
    """The trades and quotes of some Parquet files; order books among them are passed over.

    Args:
        tapes: files, globs, folders or tape names. None at all is an empty tape.

    Raises:
        TapeError: a file is missing, is not Parquet, or holds neither trades nor quotes.
    """

    def __init__(self, tapes: Iterable[str | Path]) -> None:
        self._db = duckdb.connect(config={"threads": 1, "memory_limit": "1GB"})
        try:
            files = [self._inspect(path) for path in tape_paths(tapes)]
            self._files = [file for file in files if file is not None]
            self._numbered = self._in_one_feed()
            self._db.execute(f"CREATE VIEW tape AS {self._union()}")
        except TapeError:
            self._db.close()
            raise

    def _inspect(self, path: Path) -> TapeFile | None:
        try:
            described = self._db.execute(f"DESCRIBE FROM read_parquet({_literal(path)})").fetchall()
        except duckdb.Error as error:
            reason = str(error).splitlines()[0]
            raise TapeError(f"Cannot read {path} as Parquet: {reason}") from error
        columns = frozenset(row[0] for row in described)
        if columns >= _TRADE_COLUMNS:
            return TapeFile(path, TRADES, columns)
        if columns >= _QUOTE_COLUMNS:
            return TapeFile(path, QUOTES, columns)
        if "bid_px_1" in columns:
            return None
        raise TapeError(
            f"{path} holds neither trades (symbol, ts_ns, price, size) nor quotes "
            f"(symbol, ts_ns, bid, ask), but: {', '.join(sorted(columns))}."
        )

    def _in_one_feed(self) -> set[Path]:
        """Return the files of which every symbol has a `feed_seq` in all its files.

        Only the files of one symbol share a numbering: those of another tape have their own.
        """
        numbered = [file for file in self._files if "feed_seq" in file.columns]
        if len(numbered) == len(self._files):
            return {file.path for file in numbered}
        unnumbered: set[str] = set()
        for file in self._files:
            if "feed_seq" not in file.columns:
                unnumbered |= self._symbols(file)
        return {file.path for file in numbered if not self._symbols(file) & unnumbered}

    def _symbols(self, file: TapeFile) -> set[str]:
        found = self._db.execute(f"SELECT DISTINCT symbol FROM read_parquet({_literal(file.path)})")
        return {row[0] for row in found.fetchall()}

    def _union(self) -> str:
        selects = [self._select(index, file) for index, file in enumerate(self._files)]
        if not selects:
            selects = [f"SELECT {_COLUMNS_OF_NOTHING} WHERE false"]
        return " UNION ALL ".join(selects)

    def _select(self, index: int, file: TapeFile) -> str:
        # Every name in these statements is one of ours; only the path is not, and it is quoted.
        columns = []
        for name, sql_type in _TAPE_COLUMNS.items():
            present = name in file.columns and (name not in _KIND_COLUMNS[1 - file.kind])
            value = f"CAST({name} AS {sql_type})" if present else f"NULL::{sql_type}"
            columns.append(f"{value} AS {name}")
        seq = "coalesce(feed_seq, -1)" if file.path in self._numbered else "-1::BIGINT"
        return (
            f"SELECT {file.kind} AS kind, coalesce(ts_ns, 0) AS ts_ns, "
            f"coalesce(symbol, '') AS symbol, {', '.join(columns)}, {seq} AS seq, "
            f"{index} AS file, file_row_number AS row "
            f"FROM read_parquet({_literal(file.path)}, file_row_number = true)"
        )

    @property
    def files(self) -> list[Path]:
        """The files served, in order."""
        return [file.path for file in self._files]

    def first_ns(self) -> int:
        """Return the time of the first event, 0 for an empty tape."""
        found = self._db.cursor().execute("SELECT coalesce(min(ts_ns), 0) FROM tape").fetchone()
        return int(found[0]) if found else 0

    def batches(self, size: int) -> Iterator[list[Row]]:
        """Yield the whole tape in order, at most `size` rows at a time.

        Raises:
            TapeError: a file turns out to be damaged on the way.
        """
        cursor = self._db.cursor()
        seen: tuple[dict[str, int], dict[str, int]] = ({}, {})
        try:
            cursor.execute(f"SELECT {_ROW_COLUMNS} FROM tape ORDER BY ts_ns, seq, kind, file, row")
            while values := cursor.fetchmany(size):
                yield [_numbered(value, seen[value[0]]) for value in values]
        except duckdb.Error as error:
            raise TapeError(f"Cannot read on in the tape: {str(error).splitlines()[0]}") from error
        finally:
            cursor.close()

    def rows(self, kind: int, span: Span) -> list[Row]:
        """Return the rows of one kind and symbol in `span`, as the REST routes need them."""
        beyond, order = (">", "ASC") if span.ascending else ("<", "DESC")
        cursor = self._db.cursor()
        try:
            cursor.execute(
                f"""
                SELECT {_ROW_COLUMNS}, number FROM (
                    SELECT *, row_number() OVER (ORDER BY ts_ns, seq, file, row) AS number
                    FROM tape WHERE kind = $kind AND symbol = $symbol
                )
                WHERE ts_ns >= $low AND ts_ns < $high AND number <= $last
                  AND ($after::BIGINT IS NULL OR number {beyond} $after::BIGINT)
                ORDER BY number {order} LIMIT $limit
                """,
                {
                    "kind": kind,
                    "symbol": span.symbol,
                    "low": span.low_ns,
                    "high": span.high_ns,
                    "after": span.after,
                    "limit": span.limit,
                    "last": span.last,
                },
            )
            return [Row(*value) for value in cursor.fetchall()]
        finally:
            cursor.close()

    def close(self) -> None:
        """Let go of the files."""
        self._db.close()


def _numbered(value: tuple[object, ...], seen: dict[str, int]) -> Row:
    symbol = str(value[2])
    number = seen.get(symbol, 0) + 1
    seen[symbol] = number
    return Row._make((*value, number))


_TAPE_COLUMNS = {
    "price": "DOUBLE",
    "size": "DOUBLE",
    "conditions": "INTEGER[]",
    "exchange": "VARCHAR",
    "id": "VARCHAR",
    "trf_id": "INTEGER",
    "participant_ns": "BIGINT",
    "bid": "DOUBLE",
    "bid_size": "DOUBLE",
    "ask": "DOUBLE",
    "ask_size": "DOUBLE",
}
_KIND_COLUMNS = (
    frozenset(("price", "size", "conditions", "exchange", "id", "trf_id", "participant_ns")),
    frozenset(("bid", "bid_size", "ask", "ask_size")),
)
"""Of trades and of quotes: a column of that name in a file of the other kind is an extra one."""

_ROW_COLUMNS = ", ".join(("kind", "ts_ns", "symbol", *_TAPE_COLUMNS))
_COLUMNS_OF_NOTHING = ", ".join(
    (
        "0 AS kind",
        "0::BIGINT AS ts_ns",
        "'' AS symbol",
        *(f"NULL::{sql_type} AS {name}" for name, sql_type in _TAPE_COLUMNS.items()),
        "0::BIGINT AS seq",
        "0 AS file",
        "0::BIGINT AS row",
    )
)
