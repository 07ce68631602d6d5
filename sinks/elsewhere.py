"""Inputs and outputs of a process that has none: they are all at the first one of the cluster.

Bytewax assigns a partition to a worker that lists it. A process that lists none computes, and
what it finds travels to the process that has the files open.
"""

from __future__ import annotations

from typing import Any, NoReturn

from bytewax.inputs import FixedPartitionedSource
from bytewax.outputs import FixedPartitionedSink


class SourceElsewhere(FixedPartitionedSource[Any, Any]):
    """A source whose partitions other processes have."""

    def list_parts(self) -> list[str]:
        """Name none."""
        return []

    def build_part(self, step_id: str, for_part: str, resume_state: Any) -> NoReturn:
        """Never be asked."""
        raise LookupError(f"{step_id} has no partition {for_part} in this process")


class SinkElsewhere(FixedPartitionedSink[Any, Any]):
    """A sink whose partition another process has."""

    def list_parts(self) -> list[str]:
        """Name none."""
        return []

    def part_fn(self, item_key: str) -> int:
        """Send every key to the one partition there is."""
        return 0

    def build_part(self, step_id: str, for_part: str, resume_state: Any) -> NoReturn:
        """Never be asked."""
        raise LookupError(f"{step_id} has no partition {for_part} in this process")
