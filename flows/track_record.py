"""What alerts were worth so far, for alerts to say: read once, before the feed is opened.

The scorecard is that of the live history: `orderflow scorecard TAPE... --out data/live` puts it
there, also while the flow runs. Live alerts and those of replays carry it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import orjson

from flows.answers import run_query
from flows.errors import OrderflowError
from flows.lines import TrackRecord, alert_line
from flows.places import HISTORY
from flows.scorecard.inference import FEWEST_EVENTS
from flows.scorecard.log import ALL
from operators.records import Alert

PATIENCE_S = 2.0  # with whoever writes to the history; a start does not wait for long
Records = Mapping[tuple[str, str], TrackRecord]


class TrackRecords:
    """The newest scorecard, by alert type and symbol.

    Args:
        records: By alert type and symbol, `*` for all symbols together.
    """

    def __init__(self, records: Records) -> None:
        self._records = records

    def of(self, alert_type: str, symbol: str) -> TrackRecord | None:
        """Return the record of a kind on a symbol, or of the kind where that is too thin.

        Too thin are fewer alerts than an interval takes (ten); without a record of all symbols
        a thin one is better than none, and no alert at all is no record.
        """
        own, pooled = (self._records.get((alert_type, name)) for name in (symbol, ALL))
        found = own if own is not None and own.n >= FEWEST_EVENTS else pooled or own
        return found if found is not None and found.n else None

    def line(self, alert: Alert, seq: int, emitted_ns: int) -> bytes:
        """Return the line of an alert, with its track record."""
        return alert_line(alert, seq, emitted_ns, self.of(alert.alert_type, alert.symbol))


def read_records(root: Path, mode: str, said: Callable[[str], object]) -> TrackRecords:
    """Read the newest scorecard of a history; what cannot be read is none, and is said.

    Args:
        root: Folder of the history, which may have none and need not exist.
        mode: Detection mode: another one's alerts are other alerts.
        said: Told why there is none though there is a scorecard.
    """
    if not (root / HISTORY).is_file():
        return TrackRecords({})
    try:
        rows = orjson.loads(
            run_query(root / HISTORY, "track_record", "json", patience_s=PATIENCE_S)
        )
    except OrderflowError as error:
        said(f"alerts will carry no track record: {error}")
        return TrackRecords({})
    return TrackRecords(
        {
            (row["alert_type"], row["symbol"]): msgspec.convert(row, TrackRecord)
            for row in rows
            if row["mode"] == mode
        }
    )
