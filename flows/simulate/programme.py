"""When stories happen: those of the sample by the clock, drawn ones by chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter

import numpy as np

from flows.simulate.catalogue import MARKET_FALL, Tale, told
from flows.simulate.listings import Listing
from flows.simulate.planting import ECHO_NS
from flows.simulate.schedule import FALL_AT, SCENES
from flows.simulate.session import MINUTE, SECOND, Session
from flows.simulate.stories import Story

PAUSE_MINUTES = 8  # each story finds a clean five-minute average
FIRST_AFTER_NS = 10 * MINUTE  # of the open: windows are warm after six

Scenes = list[tuple[int, Story]]


@dataclass(frozen=True)
class Programme:
    """Which stories a symbol gets; `tales` None: those of the sample.

    `pause_minutes` lie between two stories of a symbol, at least `PAUSE_MINUTES`.
    """

    tales: tuple[Tale, ...] | None = None
    pause_minutes: float = PAUSE_MINUTES

    @property
    def falls(self) -> bool:
        """Whether the whole market falls at 14:20."""
        return self.tales is None or any(tale.name == MARKET_FALL for tale in self.tales)

    def scenes(self, rng: np.random.Generator, listing: Listing, session: Session) -> Scenes:
        """Return when and what to plant on a symbol, by time, as far as the tape reaches."""
        if self.tales is None:
            found = [
                (session.at(at), told) for at, symbol, told in SCENES if symbol == listing.symbol
            ]
        else:
            found = _drawn(rng, self.tales, session, self.pause_minutes)
        return sorted(
            ((at, story) for at, story in found if at + 2 * ECHO_NS < session.end_ns),
            key=itemgetter(0),
        )


def _drawn(
    rng: np.random.Generator, tales: Sequence[Tale], session: Session, pause_minutes: float
) -> Scenes:
    """Return stories in a drawn order, each as often as the others, a pause after each."""
    pause_ns = int(max(pause_minutes, PAUSE_MINUTES) * MINUTE)
    fall_ns = session.at(FALL_AT)
    fall = [tale for tale in tales if tale.name == MARKET_FALL]
    scenes: Scenes = [(fall_ns, told(tale)) for tale in fall]
    pool = [tale for tale in tales if tale.name != MARKET_FALL]
    if not pool:
        return scenes
    at_ns = session.open_ns + FIRST_AFTER_NS + int(rng.integers(0, pause_ns))
    waiting: list[Tale] = []
    while at_ns < session.end_ns:
        if not waiting:
            waiting = [pool[i] for i in rng.permutation(len(pool))]
        ends_ns = at_ns + waiting[-1].lasts_s * SECOND
        if fall and at_ns < fall_ns + PAUSE_MINUTES * MINUTE and ends_ns > fall_ns - pause_ns:
            at_ns = fall_ns + PAUSE_MINUTES * MINUTE
            continue
        scenes.append((at_ns, told(waiting.pop())))
        at_ns = ends_ns + pause_ns + int(rng.integers(0, MINUTE))
    return scenes
