"""`orderflow run`: what `bytewax.run` does, and on after the recovery store has failed."""

from __future__ import annotations

import shutil
import signal
from datetime import timedelta
from typing import Any

from flows import instance
from flows.assembly import Assembly
from flows.feeds.earlier import earlier_run
from flows.feeds.polygon import PolygonFeed
from flows.interrupts import ended_by_sigterm
from flows.places import RECOVERY, live_folder
from flows.recovery import StoreError
from flows.run import EPOCH_S, prepare, run_through, say
from flows.settings import Settings


def run_live(
    settings: Settings, snapshots: timedelta = timedelta(seconds=EPOCH_S), **feed_options: Any
) -> int:
    """Run what the settings ask for until it ends or is stopped; return the exit code.

    Args:
        settings: Checked settings.
        snapshots: Time between two snapshots of the state.
        feed_options: Of the live feed, over what the settings say: how long it waits for what.

    Raises:
        FeedRefusedError: the vendor does not let this key in.
    """
    root = live_folder(settings.data_dir)
    feed_options = {"earlier": lambda: earlier_run(root), **feed_options}
    with ended_by_sigterm():
        run = prepare(settings, raise_refusal=False, keep_parts=True, **feed_options)
    say(f"writing to {run.root}\n")
    recovery = None
    if isinstance(run.feed, PolygonFeed):
        recovery, run.feed.goes_on = run.root / RECOVERY, True
    try:
        run_through(run, recovery, snapshots)
    except StoreError as error:
        run = _without_store(settings, run, error, **feed_options)
    finally:
        instance.let_go(run.root)
    if isinstance(run.feed, PolygonFeed) and run.feed.failure is not None:
        raise run.feed.failure
    return 0


def _without_store(
    settings: Settings, died: Assembly, why: StoreError, **feed_options: Any
) -> Assembly:
    """Go on after the recovery store failed: alerts matter more than being able to resume.

    What `died` could not write is taken over by the new run's log of the same file.
    """
    store = died.root / RECOVERY
    say(
        f"{store}: the state of the run cannot be kept ({why.reason}): the run begins anew "
        "without it, and red bursts need five minutes of prints again; see to the disk, and "
        "restart when it suits.\n"
    )
    shutil.rmtree(store, ignore_errors=True)
    asked: list[int] = []  # to stop, while no run is there that could be stopped
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: asked.append(number))
    run = prepare(settings, raise_refusal=False, **feed_options)
    if asked:
        run.feed.stop.set()
    run_through(run, None)
    return run
