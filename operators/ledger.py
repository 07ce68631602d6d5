"""The account of every print: by symbol, day and verdict."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import bytewax.operators as op
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream

from operators.nbbo import Prints
from operators.records import Ledger
from operators.verdicts import VERDICTS


def ledger_of(chunk: Prints) -> Iterator[tuple[str, Ledger]]:
    """Yield `(symbol, ledger)` for each day of a symbol that ended in this chunk."""
    for row in chunk.ledger:
        symbol = chunk.names[row["symbol"]]
        day = date(1970, 1, 1) + timedelta(days=int(row["day"]))
        prints = dict(zip(VERDICTS, row["counts"].tolist(), strict=True))
        yield symbol, Ledger(symbol, day.isoformat(), prints)


@operator
def ledger(step_id: str, up: KeyedStream[Prints]) -> KeyedStream[Ledger]:
    """Account for every print: by symbol, day and verdict.

    Args:
        step_id: Name of the step.
        up: `(shard, chunk)` as judged.

    Returns:
        `(symbol, ledger)`, when a symbol's day is over and at the end of the feed.
    """
    return op.flat_map("days", up, lambda keyed: ledger_of(keyed[1]))
