"""One run put together: a feed, the rules, the files it writes, and who looks after them."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, cast

from bytewax.dataflow import Dataflow
from bytewax.inputs import Source

from flows import __version__
from flows.errors import OrderflowError
from flows.feeds.capture import CaptureFeed
from flows.feeds.feed_state import FeedState, Outage
from flows.feeds.recorder import RecordedFeed, Recorder
from flows.feeds.tape import TapeFeed
from flows.health import Limits, free_bytes
from flows.history import PRINTS, REJECTS, History, Totals, new_run
from flows.latency import Latencies
from flows.learned import learned_of
from flows.learned_lines import LearnedLines
from flows.lines import (
    RunLine,
    coverage_line,
    eligibility_line,
    event_line,
    reject_line,
)
from flows.notices import NoticeSink
from flows.orderflow import Outputs, build, rules_of
from flows.part_files import PartFiles
from flows.places import ALERTS, COVERED, LEARNED, STATUS, live_folder, tape_folder
from flows.settings import Settings
from flows.track_record import TrackRecords, read_records
from flows.warm_up import settle
from operators.learned import DayPart
from operators.records import Alert, Coverage, Lagging, Ledger, Reject
from sinks.appendfile import LogError
from sinks.appendlog import ToLine, warn_stderr
from sinks.duckdb_table import HistoryKeeper
from sinks.iso import iso_utc
from sinks.jsonl import JsonlSink
from sinks.status import SUSPENDED, StatusSink, copied
from sinks.status import Totals as Counts

if TYPE_CHECKING:  # a replay has no use for sockets and HTTP, and they take 16 MiB
    from flows.feeds.polygon import PolygonFeed

MOST_NAMED = 1000  # suspended symbols, so that a heartbeat stays one write
LIVE_HISTORY_S, REPLAY_HISTORY_S = 1.0, 5.0  # each look opens the file, and takes a core
PATIENCE_S = 3.0  # with a disk that refuses the last alerts of a run
TapesFeed = TapeFeed | CaptureFeed
Feed: TypeAlias = "PolygonFeed | TapesFeed"
FEED_NAMES = {"polygon": "live", "tape": "replay", "sample": "sample"}


def _alert_id(alert: Alert) -> str:
    return alert.alert_id


@dataclass(slots=True)
class Assembly:
    """A run, ready to go. `feed.stop` ends it cleanly."""

    root: Path
    feed: Feed
    flow: Dataflow
    history: History
    status: StatusSink
    logs: _Logs
    recorder: Recorder | None
    served: Callable[[], None]  # ends it
    parts: PartFiles | None

    @property
    def counts(self) -> Counts:
        """What passed so far."""
        return self.status.totals

    @property
    def unwritten(self) -> LogError | None:
        """Why a log could not be completed, None if all were."""
        return next((log.unwritten for log in self.logs if log.unwritten is not None), None)

    def close(self) -> None:
        """Stop what goes on beside the dataflow."""
        if self.recorder is not None:
            self.recorder.close()
        if self.parts is not None:
            self.parts.close()
        self.served()

    def stop_on_signals(self) -> Callable[[], int | None]:
        """End cleanly on SIGTERM and SIGINT.

        Returns:
            What tells which signal came, and gives the handlers back.
        """
        seen: list[int] = []

        def stop(number: int, _: FrameType | None) -> None:
            seen.append(number)
            self.feed.stop.set()

        if threading.current_thread() is not threading.main_thread():
            return lambda: None
        before = {n: signal.signal(n, stop) for n in (signal.SIGTERM, signal.SIGINT)}

        def restore() -> int | None:
            for number, handler in before.items():
                signal.signal(number, handler)
            return seen[0] if seen else None

        return restore


class LiveLines:
    """The lines beside the alerts that tell a silent market from a dead pipeline."""

    def __init__(self, period_s: float, delay_s: float = 0.0) -> None:
        self._period_s = period_s
        self._delay_s = delay_s
        self._sink: JsonlSink[Any] | None = None
        self._state: FeedState | None = None
        self._counts: Callable[[], Counts] = dict

    def begin(self, sink: JsonlSink[Any], state: FeedState, counts: Callable[[], Counts]) -> None:
        """Know where to write and what to say; the lines begin when the sink is open."""
        self._sink, self._state, self._counts = sink, state, counts
        if self._period_s > 0:
            threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()

    def _beat(self) -> None:
        while self._state is None or self._state.condition != "closed":
            time.sleep(self._period_s)
            self._say("heartbeat", keep=False)

    def blind(self, outage: Outage) -> None:
        """Say that from now on silence means nothing."""
        self._say("feed_blind", cause=outage.cause, since_utc=iso_utc(outage.since_ns))

    def restored(self, outage: Outage) -> None:
        """Say that silence means something again."""
        self._say("feed_restored", cause=outage.cause, since_utc=iso_utc(outage.since_ns))

    def lagging(self, notice: Lagging) -> None:
        """Say that the feed begins to lag; those suspended for it are in every line."""
        self._say("feed_lagging", symbol=notice.symbol, late_ms=notice.lag_ns / 1e6)

    def _say(self, event: str, *, keep: bool = True, **fields: object) -> None:
        if self._sink is None or self._state is None:
            return
        condition = self._state.condition
        said = {
            "feed": "blind" if condition == "connecting" else condition,
            "lag_ms": lag_ms(self._counts(), self._delay_s),
            "suspended": suspended(self._counts()),
            "queue_frames": self._state.queue_frames,
            **fields,
        }
        self._sink.event(lambda emitted_ns: event_line(event, emitted_ns, said), keep=keep)


def lag_ms(counts: Counts, delay_s: float) -> float | None:
    """Return receipt minus event time of the newest trade, beyond the delay of the feed.

    None before there is a trade.
    """
    latest = counts.get("latest", {})
    if not latest.get("received_ns"):
        return None
    return (latest["received_ns"] - latest["event_ns"]) / 1e6 - delay_s * 1000


def suspended(counts: Counts) -> list[str]:
    """Return the symbols that are suspended, `*` where they are too many to name."""
    # A dict may grow while it is looked at from another thread: a copy is made in one go.
    named = sorted(symbol for symbol, n in counts.get(SUSPENDED, {}).copy().items() if n > 0)
    return named if len(named) <= MOST_NAMED else ["*"]


def totals(counts: Counts) -> Totals:
    """Return the counts as the row of `runs` has them."""
    return Totals(
        events=sum(counts.get("ticks", {}).values()),
        alerts=sum(counts.get("alerts", {}).values()),
        verdicts=dict(counts.get("verdicts", {})),
        rejects=dict(counts.get("rejects", {})),
    )


def made(root: Path) -> Path:
    """Return the folder, made if missing.

    Raises:
        OrderflowError: it cannot be made.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OrderflowError(
            f"{root} cannot be made ({error.strerror}): set ORDER_FLOW_DATA_DIR to a folder that "
            "can be written."
        ) from None
    return root


def assemble(
    root: Path,
    feed: Feed,
    kind: str,
    settings: Settings,
    live: LiveLines | None,
    said: Callable[[str], object] = warn_stderr,
    parts: PartFiles | None = None,
) -> Assembly:
    """Put a run together that writes below `root`.

    Args:
        root: Folder of its files; made if missing.
        feed: Where ticks come from.
        kind: `polygon`, `tape` or `sample`.
        settings: Checked settings.
        live: Writer of heartbeats, for the live feed.
        said: Gets sentences for the user while the run goes on.
        parts: Keeps large state beside the recovery store; None: that holds all.

    Raises:
        OrderflowError: the folder cannot be written, or the port of the metrics is taken.
    """
    made(root)
    is_live = kind == "polygon"
    live_feed = cast("PolygonFeed", feed) if is_live else None
    tapes = () if is_live else cast(TapesFeed, feed).tape.paths
    run = new_run(FEED_NAMES[kind], settings.public(), tapes)
    status = StatusSink(root / STATUS)
    history = History(
        root,
        run,
        lambda: totals(status.totals),
        period_s=LIVE_HISTORY_S if is_live else REPLAY_HISTORY_S,
    )
    latencies = Latencies()
    records = _records(settings, kind, said)
    logs = _logs(root, history.keeper, is_live, latencies, records, LearnedLines.of(settings))
    state = live_feed.state if live_feed is not None else None
    recorder = Recorder(tape_folder(root), said) if is_live and settings.record else None
    status.describe = _describer(
        run, history, state, logs.alerts, recorder, settings.feed_delay_seconds
    )
    if live is not None and state is not None:
        live.begin(logs.alerts, state, lambda: status.totals)
    notices = NoticeSink() if live is None else NoticeSink(lagging=live.lagging)
    outputs = _outputs(logs, history, status, notices)
    source: Source[Any] = feed
    if recorder is not None and live_feed is not None:
        source = RecordedFeed(live_feed, recorder)
    learned = learned_of(settings, root, live=is_live)
    flow = build(source, rules_of(settings, FEED_NAMES[kind], learned), outputs, parts)
    served = _nothing
    if is_live and settings.metrics_port:
        served = _serve(settings, latencies, lambda: status.describe(copied(status.totals)))
    settle(live=is_live)
    return Assembly(root, feed, flow, history, status, logs, recorder, served, parts)


def _outputs(logs: _Logs, history: History, status: StatusSink, notices: NoticeSink) -> Outputs:
    return Outputs(
        logs.alerts,
        history.sink(),
        logs.rejects,
        logs.coverage,
        logs.eligibility,
        status,
        notices,
        logs.learned,
    )


def _records(settings: Settings, kind: str, said: Callable[[str], object]) -> TrackRecords:
    if kind == "sample":  # what was found on the market says nothing of a made-up tape
        return TrackRecords({})
    return read_records(live_folder(settings.data_dir), settings.detection_mode, said)


class _Logs(NamedTuple):
    alerts: JsonlSink[Alert]
    rejects: JsonlSink[Reject]
    coverage: JsonlSink[Coverage]
    eligibility: JsonlSink[Ledger]
    learned: JsonlSink[DayPart]


def _logs(
    root: Path,
    keeper: HistoryKeeper,
    is_live: bool,
    latencies: Latencies,
    records: TrackRecords,
    learned: LearnedLines,
) -> _Logs:
    def beside(name: str, to_line: ToLine[Any]) -> JsonlSink[Any]:
        return JsonlSink(
            root / name, to_line, sync_each_batch=False, follower=keeper, close_timeout_s=0.5
        )

    alerts: JsonlSink[Alert] = JsonlSink(
        root / ALERTS,
        records.line,
        _alert_id,
        rotate=is_live,
        sync_each_batch=is_live,
        follower=keeper,
        close_timeout_s=PATIENCE_S,
        written=latencies.note,
    )
    return _Logs(
        alerts,
        beside(REJECTS, reject_line),
        beside(COVERED, coverage_line),
        beside(PRINTS, eligibility_line),
        beside(LEARNED, learned.line),
    )


def _nothing() -> None:
    return None


def _serve(
    settings: Settings, latencies: Latencies, describe: Callable[[], Mapping[str, Any]]
) -> Callable[[], None]:
    from flows.metrics import serve  # costs a tenth of a second, and is off by default

    return serve(settings.metrics_port, describe, latencies, Limits.of(settings))


def _describer(
    run: RunLine,
    history: History,
    state: FeedState | None,
    alerts: JsonlSink[Alert],
    recorder: Recorder | None,
    delay_s: float,
) -> Callable[[Counts], dict[str, Any]]:
    def describe(counts: Counts) -> dict[str, Any]:
        latest = counts.get("latest", {}).get("event_ns")
        alerted = counts.get("latest", {}).get("alert_ns")
        return {
            "run_id": run.run_id,
            "pid": os.getpid(),
            "written_utc": iso_utc(time.time_ns()),
            "started_utc": run.started_utc,
            "feed": run.feed,
            "feed_state": state.public() if state is not None else None,
            "last_event_utc": iso_utc(latest) if latest else None,
            "lag_ms": lag_ms(counts, delay_s),
            "queue_frames": state.queue_frames if state is not None else 0,
            "still_s": state.still_s if state is not None else None,
            "ticks": counts.get("ticks", {}),
            "alerts": counts.get("alerts", {}),
            "verdicts": counts.get("verdicts", {}),
            "rejects": counts.get("rejects", {}),
            "gaps": counts.get("gaps", {}),
            "refills": counts.get("refills", {}),
            "last_alert_utc": iso_utc(alerted) if alerted else None,
            "alerts_waiting": len(alerts.log.pending()) if alerts.log is not None else 0,
            "suspended": suspended(counts),
            "history_behind": history.state.behind,
            "history_held_by": history.state.held_by,
            "history_trouble": history.state.trouble,
            "recording": asdict(recorder.state) if recorder is not None else None,
            "disk_free_bytes": free_bytes(alerts.path.parent),
            "versions": {"orderflow": __version__, **run.versions},
        }

    return describe
