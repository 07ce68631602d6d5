"""A first item for outputs, so that they are open before there is anything to write.

Bytewax builds a sink partition when its first item arrives. A log must be open earlier: for
the heartbeats of a quiet morning, to heal a torn tail at the start, and to have a row in the
history for a run that found nothing.
"""

from __future__ import annotations

from typing import Any

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

Item = Any  # ("", None), which merges with a stream of anything


class Opening(FixedPartitionedSource[Item, None]):
    """Emit `("", None)` once a start: merge it into a stream whose sinks skip None."""

    def list_parts(self) -> list[str]:
        """Name the one partition: one worker opens for all."""
        return ["opening"]

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> _Partition:
        """Begin, also in a resumed run."""
        return _Partition()


class _Partition(StatefulSourcePartition[Item, None]):
    def __init__(self) -> None:
        self._emitted = False

    def next_batch(self) -> list[Item]:
        if self._emitted:
            raise StopIteration
        self._emitted = True
        return [("", None)]

    def snapshot(self) -> None:
        return None
