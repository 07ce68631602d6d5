"""Start a run, let it go to its end, and say what it did."""

from __future__ import annotations

import itertools
import os
import signal
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple, cast

from bytewax.dataflow import Dataflow
from bytewax.run import cli_main

from flows import instance
from flows.assembly import FEED_NAMES, Assembly, LiveLines, TapesFeed, assemble, made
from flows.errors import OrderflowError
from flows.feeds import sample
from flows.feeds.capture import CaptureFeed
from flows.feeds.feed_state import Listeners
from flows.feeds.tape import TapeFeed
from flows.feeds.tape_files import expand, open_tapes
from flows.learned import is_adaptive, learned_of
from flows.orderflow import Outputs, build, rules_of
from flows.part_files import PartFiles
from flows.places import PARTS, RECOVERY, live_folder
from flows.progress import shown
from flows.recovery import StoreError, recovery_config
from flows.settings import Settings, resolve_feed, resolve_watch
from flows.summary import Summary
from flows.warm_up import warm_up
from operators.state import StateError
from sinks.appendfile import LogError
from sinks.elsewhere import SinkElsewhere, SourceElsewhere

SWITCH_S = 0.00005
EPOCH_S = 10.0

SAMPLE_BANNER = """\
No POLYGON_API_KEY is set, so this is the embedded sample tape: nothing here is the market.
To go live, set POLYGON_API_KEY and ORDER_FLOW_POSITIONS_FILE (see .env.example), then run again.
"""


class TapeFiles(NamedTuple):
    """The files of a replay, and whether its `side` column is the feed's own statement."""

    paths: tuple[str, ...]
    stated_side: bool = False


class StoppedError(OrderflowError):
    """The user stopped it; what was written so far is whole."""

    exit_code = 130


def say(text: str) -> None:
    """Say something to the person, never among the data."""
    sys.stderr.write(text)
    sys.stderr.flush()


def new_folder(parent: Path) -> Path:
    """Return the folder of a new run, with a link `latest` beside it."""
    parent.mkdir(parents=True, exist_ok=True)
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    folder = next(
        path
        for n in range(1, 1000)
        if not (path := parent / (stamp if n == 1 else f"{stamp}-{n}")).exists()
    )
    folder.mkdir()
    _link(parent, folder)
    return folder


def _link(parent: Path, folder: Path) -> None:
    beside = parent / f".latest.{os.getpid()}"
    beside.unlink(missing_ok=True)
    beside.symlink_to(folder.name)
    beside.replace(parent / "latest")


def replay_folder(data_dir: Path, kind: str, out: Path | None, recovery: Path | None) -> Path:
    """Return where a replay writes.

    Raises:
        OrderflowError: `out` holds something already and nothing is to be resumed.
    """
    if out is None and recovery is None:
        return new_folder(data_dir / kind)
    folder = out if out is not None else data_dir / kind / (recovery or Path()).absolute().name
    if recovery is None and folder.exists() and any(folder.iterdir()):
        raise OrderflowError(
            f"{folder} is not empty: name a new folder, or the --recovery folder that resumes it."
        )
    folder.mkdir(parents=True, exist_ok=True)
    if out is None:
        _link(folder.parent, folder)
    return folder


def tape_feed(
    settings: Settings, tapes: TapeFiles, kind: str, speed: float | None
) -> TapeFeed | CaptureFeed:
    """Open tapes as a feed: of the symbols the settings watch, or of all that was captured.

    Raises:
        TapeError: a file is no tape.
    """
    tape = open_tapes(expand(tapes.paths), lambda text: say(f"{text}\n"))
    if tape.captures:
        return CaptureFeed(tape, speed)
    watch = resolve_watch(settings, "sample" if kind == "sample" else "tape")
    symbols = settings.symbols if watch == "watchlist" else ()
    return TapeFeed(tape, symbols, speed, stated_side=tapes.stated_side, depths=settings.context)


def run_through(
    run: Assembly, recovery: Path | None, snapshots: timedelta = timedelta(seconds=EPOCH_S)
) -> int | None:
    """Run to the end; return the signal that stopped it, if one did.

    Args:
        run: What `assemble` or `prepare` has put together.
        recovery: Folder of the recovery store; None: keep none.
        snapshots: Time between two snapshots of the state; the flow stands still for each.

    Raises:
        StoreError: the recovery store failed.
        OrderflowError: lines could not be written, or a part of the run stopped it.
    """
    # The engine prints a backtrace when a step or its store fails; one sentence of ours follows.
    os.putenv("RUST_BACKTRACE", "0")
    restore = run.stop_on_signals()
    how = "failed"
    try:
        cli_main(run.flow, epoch_interval=snapshots, recovery_config=recovery_config(recovery))
        how = "finished"
    except (RuntimeError, OSError) as error:
        cause = _cause(error) or error
        if not (isinstance(cause, StoreError) and run.feed.stop.is_set()):
            raise cause from None
        how = "finished"  # it was on its way out; only the last state is not kept
        say(f"{recovery}: the last state of the run was not kept ({cause.reason}).\n")
    finally:
        number = restore()
        run.history.finish("stopped" if number is not None and how == "finished" else how)
        run.close()
    if run.unwritten is not None:
        raise OrderflowError(str(run.unwritten))
    return number


def _cause(error: BaseException) -> OrderflowError | None:
    """Return the sentence for the user behind an error of the engine, if there is one."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OrderflowError):
            return seen
        if isinstance(seen, StateError | LogError):
            return OrderflowError(str(seen))
        if isinstance(seen, RuntimeError) and (of_store := StoreError.of(seen)):
            return of_store
        seen = seen.__cause__ or seen.__context__
    return None


def replay(
    settings: Settings,
    tapes: TapeFiles,
    out: Path | None = None,
    speed: float | None = None,
    recovery: Path | None = None,
    progress: bool = False,
) -> Summary:
    """Replay tapes through the dataflow.

    Args:
        settings: Checked settings.
        tapes: The files.
        out: Write straight into this folder; None: a new one of the data folder.
        speed: Multiple of tape time; None: as fast as possible.
        recovery: Folder of the recovery store; None: keep none.
        progress: Show a bar on stderr.

    Raises:
        TapeError: a file cannot be read.
        OrderflowError: `out` is not empty.
        StoppedError: a signal stopped it.
    """
    kind = "sample" if tapes.paths == sample_tape().paths else "tape"
    feed = tape_feed(settings, tapes, kind, speed)
    warm_up(say, adaptive=is_adaptive(settings))
    folder = "sample" if kind == "sample" else "replay"
    root = replay_folder(settings.data_dir, folder, out, recovery)
    parts = PartFiles(recovery / PARTS) if recovery is not None else None
    run = assemble(root, feed, kind, settings, None, parts=parts)
    started = time.perf_counter()
    with shown(feed.progress, progress):
        number = run_through(run, recovery)
    seconds = time.perf_counter() - started
    if number == signal.SIGINT:
        raise StoppedError(f"stopped; what was found so far is in {root}")
    return summarise(run, seconds)


def summarise(run: Assembly, seconds: float) -> Summary:
    """Return what a finished replay did."""
    counts = run.counts
    ticks = sum(counts.get("ticks", {}).values())
    progress = cast(TapesFeed, run.feed).progress
    return Summary(
        out=str(run.root),
        ticks=ticks,
        seconds=seconds,
        ticks_per_s=ticks / seconds if seconds else 0.0,
        first_ns=progress.first_ns or None,
        last_ns=progress.last_ns or None,
        alerts=counts.get("alerts", {}),
        severities=counts.get("severities", {}),
        symbols=counts.get("symbols", {}),
        verdicts=counts.get("verdicts", {}),
        rejects=counts.get("rejects", {}),
    )


def sample_tape() -> TapeFiles:
    """Return the embedded tape."""
    return TapeFiles((str(sample.SAMPLE_TRADES), str(sample.SAMPLE_QUOTES)))


def prepare(
    settings: Settings, raise_refusal: bool = True, keep_parts: bool = False, **feed_options: Any
) -> Assembly:
    """Put together the run the settings ask for, kernels compiled, nothing opened yet.

    Args:
        settings: Checked settings.
        raise_refusal: A refused login, or a disk that refuses lines to the end, raises inside
            the dataflow, for a runner that does not look at the run afterwards.
        keep_parts: Of the live feed, beside the recovery store of its folder. Otherwise they are
            only read there, for a runner whose store may be elsewhere, or nowhere.
        feed_options: Of the live feed, over what the settings say: how long it waits for what.

    Raises:
        OrderflowError: another process runs on the folder, or it cannot be written.
    """
    kind = resolve_feed(settings)
    warm_up(say, live=kind == "polygon", adaptive=is_adaptive(settings))
    if kind == "polygon":
        from flows.feeds.polygon import polygon_feed  # a replay has no use for it

        root = made(live_folder(settings.data_dir))
        instance.hold(root)
        # Threads take turns by this clock. The dataflow asks for the interpreter a dozen times
        # a batch; by default each could wait 5 ms for a thread that is at work.
        sys.setswitchinterval(SWITCH_S)
        lines = LiveLines(settings.heartbeat_seconds, settings.feed_delay_seconds)
        listeners = Listeners(lines.blind, lines.restored, lambda text: say(f"{text}\n"))
        live = polygon_feed(settings, listeners, raise_refusal=raise_refusal, **feed_options)
        parts = PartFiles(root / RECOVERY / PARTS, keeps=keep_parts)
        run = assemble(root, live, kind, settings, lines, listeners.said, parts)
        for log in run.logs:
            log.raise_unwritten = raise_refusal
        return run
    if kind == "sample":
        if settings.data_source == "auto":
            say(SAMPLE_BANNER)
        tapes, folder = sample_tape(), "sample"
    else:
        tapes, folder = TapeFiles(settings.tape), "replay"
    feed = tape_feed(settings, tapes, kind, None)
    return assemble(new_folder(settings.data_dir / folder), feed, kind, settings, None)


def process_index(argv: Sequence[str]) -> int:
    """Return which process of a cluster `bytewax.run` was told to be."""
    for flag, value in itertools.pairwise(argv):
        if flag in ("-i", "--process-id") and value.isdigit():
            return int(value)
    return 0


def dataflow(settings: Settings) -> Dataflow:
    """Return the dataflow of `prepare`, with clean stops on signals; for `bytewax.run`.

    In a cluster the first process has the feed and the files, the others compute.
    """
    if process_index(sys.argv):
        kind = resolve_feed(settings)
        warm_up(say, adaptive=is_adaptive(settings))
        live = live_folder(settings.data_dir) if kind == "polygon" else None
        learned = learned_of(settings, live, live=live is not None)
        parts = PartFiles(live / RECOVERY / PARTS, keeps=False) if live is not None else None
        rules = rules_of(settings, FEED_NAMES[kind], learned)
        return build(SourceElsewhere(), rules, elsewhere(), parts)
    run = prepare(settings)
    run.stop_on_signals()
    say(f"writing to {run.root}\n")
    return run.flow


def elsewhere() -> Outputs:
    """Return outputs for a process that has none."""
    sink = SinkElsewhere()
    return Outputs(sink, sink, sink, sink, sink, sink, sink, sink, SourceElsewhere())


def paths_of(tapes: Sequence[Path]) -> tuple[str, ...]:
    """Return paths as the reader takes them."""
    return tuple(str(path) for path in tapes)
