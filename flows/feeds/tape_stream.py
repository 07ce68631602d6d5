"""The rows of a query as columns, batch after batch, without a copy.

DuckDB hands its results over as Arrow arrays, whose memory numpy can look at. So a whole file
is one query: it is planned once, its row groups follow each other, and neither DuckDB nor the
hand-over holds the interpreter.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import duckdb
import numpy as np
from nanoarrow import c_array_stream

from flows.feeds.tape_files import TapeError, reason
from operators.ticks import Array

NOTHING = np.empty(0, np.uint8)


class Texts(NamedTuple):
    """A column of texts: row i is `data[ends[i]:ends[i + 1]]`, UTF-8."""

    ends: Array
    data: Array

    def text(self, row: int) -> str:
        """Return a row as text."""
        return bytes(self.data[self.ends[row] : self.ends[row + 1]]).decode()


class Lists(NamedTuple):
    """A column of lists of whole numbers: row i is `values[ends[i]:ends[i + 1]]`, int32.

    `valid` is a bit a value, least significant first: unset where the value is null; empty where
    none is.
    """

    ends: Array
    values: Array
    valid: Array


Batch = dict[str, Any]  # name to Array, Texts or Lists


class _Memory:
    """Memory of a batch, as numpy takes it: whoever has an array of it keeps the batch alive."""

    def __init__(self, owner: Any, view: Any) -> None:
        self._owner = owner
        self.__array_interface__ = np.asarray(view).__array_interface__


def _array(owner: Any, view: Any, dtype: Any = None) -> Array:
    if len(view) == 0:
        return np.empty(0, dtype if dtype is not None else np.asarray(view).dtype)
    found: Array = np.asarray(_Memory(owner, view))
    return found if dtype is None else found.view(dtype)


def _column(owner: Any, column: Any) -> Array | Texts | Lists:
    buffers = [column.buffer(k) for k in range(column.n_buffers)]
    if column.n_children:
        values = column.child(0)
        nulls = _array(owner, values.buffer(0), np.uint8) if values.null_count else NOTHING
        return Lists(_array(owner, buffers[1]), _array(owner, values.buffer(1), np.int32), nulls)
    if len(buffers) == 3:  # validity, ends, characters
        return Texts(_array(owner, buffers[1]), _array(owner, buffers[2], np.uint8))
    return _array(owner, buffers[1])


def batches(db: duckdb.DuckDBPyConnection, sql: str, path: str) -> Iterator[Batch]:
    """Yield the result of a query in the order of its rows.

    Args:
        db: A connection of its own: it is busy until the last batch.
        sql: A query without nulls but inside lists; its columns are whole numbers, floats, texts
            or lists of INTEGER.
        path: The file it reads, for the sentence if that fails.

    Raises:
        TapeError: the file turns out unreadable.
    """
    try:
        stream = c_array_stream(db.sql(sql).__arrow_c_stream__())
        names = [child.name for child in stream.get_schema().children]
        for batch in stream:
            view = batch.view()
            yield {name: _column(batch, view.child(k)) for k, name in enumerate(names)}
    except duckdb.Error as error:
        raise TapeError(f"{path} cannot be read: {reason(error)}") from None
    except RuntimeError as error:  # what the reader of the stream raises
        raise TapeError(f"{path} cannot be read: {' '.join(str(error).split())[:300]}") from None
