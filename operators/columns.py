"""The step that carries a columnar operator: one instance a shard, chunk in, chunk out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

import bytewax.operators as op
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream, StatefulBatchLogic

from operators.state import Snapshot

X_contra = TypeVar("X_contra", contravariant=True)
Y_co = TypeVar("Y_co", covariant=True)
X = TypeVar("X")
Y = TypeVar("Y")


class Columnar(Protocol[X_contra, Y_co]):
    """State of one shard: takes a chunk, returns it with more columns."""

    def __call__(self, chunk: X_contra, /) -> Y_co:
        """Return the chunk with the operator's columns."""

    def finish(self) -> Y_co | None:
        """Return what is left to say at the end of the feed."""

    def snapshot(self) -> Snapshot:
        """Return the state to save, a copy."""


class _Shard(StatefulBatchLogic[X, Y, Snapshot]):
    def __init__(self, logic: Columnar[X, Y]) -> None:
        self._logic = logic

    def on_batch(self, values: list[X]) -> tuple[list[Y], bool]:
        return [self._logic(chunk) for chunk in values], StatefulBatchLogic.RETAIN

    def on_eof(self) -> tuple[list[Y], bool]:
        last = self._logic.finish()
        return [] if last is None else [last], StatefulBatchLogic.RETAIN

    def snapshot(self) -> Snapshot:
        return self._logic.snapshot()


@operator
def columns(
    step_id: str,
    up: KeyedStream[X],
    build: Callable[[Snapshot | None], Columnar[X, Y]],
) -> KeyedStream[Y]:
    """Add an operator's columns to each chunk.

    Args:
        step_id: Name of the step, and the key of its saved state.
        up: `(shard, chunk)`, the chunks of a shard in arrival order.
        build: Makes the operator of one shard, anew (None) or from what was saved.

    Returns:
        `(shard, chunk)`, one for each chunk, in order.
    """
    return op.stateful_batch("shard", up, lambda saved: _Shard(build(saved)))
