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
    if not len(chunk.ledger):
        return
    columns = (chunk.ledger[name].tolist() for name in ("symbol", "day", "counts"))
    for code, days, counts in zip(*columns, strict=True):
        day = date(1970, 1, 1) + timedelta(days=days)
        prints = {verdict: n for verdict, n in zip(VERDICTS, counts, strict=True) if n}
        yield chunk.names[code], Ledger(chunk.names[code], day.isoformat(), prints)


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
