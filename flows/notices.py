"""What the data gives occasion to tell a person once, in a sentence."""

from __future__ import annotations

import sys
from collections.abc import Callable

from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from operators.records import Lagging, Notice, UnknownCondition


def sentence(notice: Notice) -> str:
    """Return what there is to say."""
    if isinstance(notice, UnknownCondition):
        return (
            f"Sale condition {notice.condition} is none we know: prints that carry it do not "
            "count, and the summary shows them as unknown_condition."
        )
    return (
        f"The feed lags: {notice.symbol} came {notice.lag_ns / 1e9:,.0f} s later than it should. "
        "From ORDER_FLOW_LAG_SUSPEND_SECONDS on, a symbol raises no alerts until it has caught up."
    )


def _to_stderr(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _nothing(_: Lagging) -> None:
    return None


class NoticeSink(FixedPartitionedSink[Notice, None]):
    """Say notices as they come; whoever finds them finds each once.

    Args:
        said: gets the sentences.
        lagging: told when the feed begins to lag, for whoever cannot read sentences.
    """

    def __init__(
        self,
        said: Callable[[str], None] = _to_stderr,
        lagging: Callable[[Lagging], None] = _nothing,
    ) -> None:
        self._said = said
        self._lagging = lagging

    def list_parts(self) -> list[str]:
        """Name the one partition: a person is told once."""
        return ["notices"]

    def part_fn(self, item_key: str) -> int:
        """Send every key to it."""
        return 0

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> _Partition:
        """Be ready to speak."""
        return _Partition(self._tell)

    def _tell(self, notice: Notice) -> None:
        self._said(sentence(notice))
        if isinstance(notice, Lagging):
            self._lagging(notice)


class _Partition(StatefulSinkPartition[Notice, None]):
    def __init__(self, tell: Callable[[Notice], None]) -> None:
        self._tell = tell

    def write_batch(self, values: list[Notice]) -> None:
        for notice in values:
            self._tell(notice)

    def snapshot(self) -> None:
        return None
