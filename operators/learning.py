"""What sessions that are over taught, as records for the history."""

from __future__ import annotations

import bytewax.operators as op
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream

from operators.learned import DayPart
from operators.nbbo import Prints


@operator
def learning(step_id: str, up: KeyedStream[Prints]) -> KeyedStream[DayPart]:
    """Take out of the columns what a symbol's day taught.

    Args:
        step_id: Name of the step.
        up: `(shard, chunk)` with `learned`.

    Returns:
        `(symbol, part)`, a `SizeDay` and a `VolumeDay` when a symbol's day is over, and at the
        end of the feed.
    """
    return op.flat_map("days", up, lambda keyed: [(part.symbol, part) for part in keyed[1].learned])
