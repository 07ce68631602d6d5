"""A replay in as many processes as bytewax starts: `python -m bytewax.testing ...:flow -p 2`.

As `flows.run.dataflow`, but at a speed and into one folder, so that it can be killed half-way.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from bytewax.dataflow import Dataflow

from flows.assembly import assemble
from flows.orderflow import build, rules_of
from flows.run import TapeFiles, elsewhere, process_index, tape_feed
from flows.warm_up import warm_up
from sinks.elsewhere import SourceElsewhere
from tests.flows.market import SETTINGS


def flow() -> Dataflow:
    warm_up(lambda _: None)
    if process_index(sys.argv):
        return build(SourceElsewhere(), rules_of(SETTINGS, "replay"), elsewhere())
    speed = os.environ["SPEED"]
    tapes = TapeFiles(tuple(os.environ["TAPES"].split(",")))
    feed = tape_feed(SETTINGS, tapes, "tape", float(speed) if speed else None)
    feed.batch = 97
    return assemble(Path(os.environ["ROOT"]), feed, "tape", SETTINGS, None).flow
