"""Record the live feed without detecting anything."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import msgspec

from flows import instance
from flows.assembly import made
from flows.feeds.feed_state import Listeners
from flows.feeds.polygon import polygon_feed
from flows.feeds.recorder import RecordedFeed, Recorder, items_of
from flows.places import live_folder, tape_folder
from flows.settings import Settings, resolve_feed

_IDLE_S = 0.02


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def record(settings: Settings) -> tuple[Path, ...]:
    """Record until SIGTERM or SIGINT; return the tapes written.

    Raises:
        SettingsError: there is no key, or nothing to watch.
        OrderflowError: another process runs on the folder, or it cannot be written.
        FeedRefusedError: the vendor does not let this key in.
    """
    settings = msgspec.structs.replace(settings, data_source="polygon")
    resolve_feed(settings)
    root = made(live_folder(settings.data_dir))
    instance.hold(root)
    feed = polygon_feed(settings, Listeners(said=_say), raise_refusal=False)
    recorder = Recorder(tape_folder(root), _say)
    stop = {n: signal.signal(n, lambda *_: feed.stop.set()) for n in _SIGNALS}
    _say(f"recording to {recorder.folder}")
    try:
        part = RecordedFeed(feed, recorder).build_part("feed", "polygon", None)
        for _ in items_of(part, _IDLE_S):
            pass
    finally:
        for number, handler in stop.items():
            signal.signal(number, handler)
        instance.let_go(root)
    if feed.failure is not None:
        raise feed.failure
    done = recorder.state
    left_out = f", {done.dropped_frames:,} left out" if done.dropped_frames else ""
    _say(f"{done.frames:,} frames in {len(recorder.files)} tapes, {done.bytes:,} bytes{left_out}")
    return recorder.files


_SIGNALS = (signal.SIGTERM, signal.SIGINT)
