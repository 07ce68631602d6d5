"""Questions to the history: named queries of `sql/` or SQL, answered as table, JSON or CSV.

The file is opened read-only for as long as one answer takes, because whoever has it open keeps
the flow's history waiting.
"""

from __future__ import annotations

import csv
import io
import json
import re
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import orjson

from flows.errors import OrderflowError

SQL = Path(__file__).resolve().parents[1] / "sql"
PATIENCE_S = 10.0
FORMATS = ("table", "json", "csv")

_HOLDER = re.compile(r"PID (\d+)")
_NAME = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Answer:
    """Column names and rows, as DuckDB gave them."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


def queries() -> dict[str, str]:
    """Return the named queries and what each says, by name: the first sentence of its file."""
    files = sorted(
        path for path in SQL.glob("*.sql") if not path.stem.startswith(("table_", "view_"))
    )
    return {path.stem: _promise(path.read_text()) for path in files}


def run_query(
    path: Path, name_or_sql: str, form: str = "table", *, patience_s: float = PATIENCE_S
) -> str:
    """Return the answer of the history at `path`, as text that ends in a newline.

    Args:
        path: the DuckDB file.
        name_or_sql: a name of `queries`, or one SQL statement.
        form: table (for people), json (one array of objects) or csv (with a header).
        patience_s: how long to wait for the flow to let go of the file; it takes milliseconds.

    Raises:
        OrderflowError: no such file, name or column, a statement that writes, several
            statements, or a file that somebody else keeps open for writing.
    """
    if form not in FORMATS:
        raise OrderflowError(f"the format is one of {', '.join(FORMATS)}, not {form!r}.")
    sql = _statement(name_or_sql)
    with closing(_open(path, patience_s)) as connection:
        try:
            answer = _ask(connection, sql)
        except duckdb.Error as error:
            raise OrderflowError(f"the history cannot answer that: {_said(error)}") from error
    return {"table": table_text, "json": json_text, "csv": csv_text}[form](answer)


def table_text(answer: Answer) -> str:
    """Return aligned columns, numbers to the right, and the number of rows."""
    cells = [[_cell(value) for value in row] for row in answer.rows]
    widths = [max(map(len, column)) for column in zip(answer.columns, *cells, strict=True)]
    right = [_is_numeric(column) for column in zip(*answer.rows, strict=True)]
    right += [False] * (len(widths) - len(right))
    lines = [
        "  ".join(
            text.rjust(width) if to_right else text.ljust(width)
            for text, width, to_right in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in [answer.columns, ["-" * width for width in widths], *cells]
    ]
    count = len(answer.rows)
    return "\n".join([*lines, f"({count:,} row{'' if count == 1 else 's'})", ""])


def json_text(answer: Answer) -> str:
    """Return one JSON array with an object a row, one row a line."""
    rows = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
    try:
        lines = [orjson.dumps(row, default=_plain).decode() for row in rows]
    except orjson.JSONEncodeError:  # an integer of more than 64 bits, a key that is no string
        lines = [json.dumps(row, default=_plain, skipkeys=True) for row in rows]
    return "[" + ",\n ".join(lines) + "]\n"


def csv_text(answer: Answer) -> str:
    """Return CSV with a header; null is empty, lists and structs are JSON."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(answer.columns)
    writer.writerows([_field(value) for value in row] for row in answer.rows)
    return out.getvalue()


def _promise(text: str) -> str:
    """Return the first sentence of the comment a query begins with."""
    comment = []
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        comment.append(line.removeprefix("--").strip())
    return re.split(r"(?<=\.)\s", " ".join(comment), maxsplit=1)[0]


def _statement(name_or_sql: str) -> str:
    text = name_or_sql.strip()
    if not _NAME.fullmatch(text):
        return text
    names = queries()
    if text not in names:
        known = ", ".join(names)
        raise OrderflowError(f"there is no query {text!r}: choose {known}, or write SQL.")
    return (SQL / f"{text}.sql").read_text()


def _open(path: Path, patience_s: float) -> duckdb.DuckDBPyConnection:
    if not path.is_file():
        raise OrderflowError(
            f"there is no history {path}: `orderflow rebuild-history` makes it from the logs."
        )
    deadline = time.monotonic() + patience_s
    while True:
        try:
            return duckdb.connect(path, read_only=True)
        except duckdb.Error as error:
            if "Could not set lock" not in str(error):
                raise OrderflowError(
                    f"{path} cannot be read ({_said(error)}): `orderflow rebuild-history` makes "
                    "it again from the logs."
                ) from error
            if time.monotonic() > deadline:
                holder = _HOLDER.search(str(error))
                who = f"process {holder[1]}" if holder else "another process"
                raise OrderflowError(
                    f"{path} is being written by {who}, and was for {patience_s:g} s: "
                    "try again when it is done."
                ) from None
            time.sleep(0.02)


def _ask(connection: duckdb.DuckDBPyConnection, sql: str) -> Answer:
    statements = connection.extract_statements(sql)
    if len(statements) != 1:
        raise OrderflowError(f"one statement at a time, please: these are {len(statements)}.")
    result = connection.execute(sql)
    columns = tuple(column[0] for column in result.description or ())
    zoned = [i for i, c in enumerate(result.description or ()) if "TIME ZONE" in str(c[1])]
    if zoned:
        result = connection.cursor().execute(_as_text(sql, len(columns), zoned))
    return Answer(columns, result.fetchall())


def _as_text(sql: str, columns: int, zoned: Sequence[int]) -> str:
    """Return `sql` with the numbered columns as text: Python reads no zoned time by itself."""
    names = [f"c{i}" for i in range(columns)]
    shown = [f"{name}::varchar" if i in zoned else name for i, name in enumerate(names)]
    inner = sql.rstrip().rstrip(";")
    return f"select {', '.join(shown)} from ({inner}\n) answer({', '.join(names)})"  # noqa: S608  # their own SQL


def _said(error: duckdb.Error) -> str:
    """Return what DuckDB said, in one line."""
    return str(error).split("\n\n", maxsplit=1)[0].replace("\n", " ")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:,.6f}".rstrip("0").rstrip(".") if abs(value) < 1e15 else repr(value)
    if isinstance(value, datetime):
        return value.isoformat(" ")
    if isinstance(value, list):
        return ", ".join(map(_cell, value))
    text = str(value)
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)


def _is_numeric(column: Sequence[Any]) -> bool:
    values = [value for value in column if value is not None]
    return bool(values) and all(
        isinstance(value, int | float | Decimal) and not isinstance(value, bool) for value in values
    )


def _field(value: Any) -> Any:
    if isinstance(value, list | dict | tuple):
        return orjson.dumps(value, default=_plain, option=orjson.OPT_NON_STR_KEYS).decode()
    return value.isoformat(" ") if isinstance(value, datetime) else value


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, bytes | bytearray):
        return value.hex()
    return str(value)
