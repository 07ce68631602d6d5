"""What can be planted on a tape: sellers, bursts, and the big prints that must stay silent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from flows.simulate.planting import BURST, MILLISECOND, SELLER, Expected, Planting
from flows.simulate.prints import (
    FAR,
    MID,
    OUT_OF_SEQUENCE,
    REOPENING,
    SHARE,
    TRF,
    blank_prints,
    draw_sizes,
    dress,
)
from flows.simulate.quotes import LOCKED, NORMAL
from flows.simulate.session import MINUTE, SECOND
from flows.simulate.volume import average_minute, minute_volume, volume_by_second

Array = npt.NDArray[Any]

VENUES_OF_A_SWEEP = (12, 11, 8, 19, 10, 21, 15, 18)

Story = Callable[[Planting, int], None]


def _run(rng: np.random.Generator, at_ns: int, shares: int, prints: int) -> Array:
    """Return one parent order: `prints` sells at the bid within 8 ms of each other, over venues."""
    gaps = rng.integers(200_000, 8 * MILLISECOND, size=prints)
    gaps[0] = 0
    run = blank_prints(at_ns + np.cumsum(gaps))
    weights = rng.integers(60, 140, size=prints)
    sizes = shares * weights // weights.sum()
    sizes[0] += shares - sizes.sum()
    run["size"] = sizes * SHARE
    run["exchange"] = np.resize(VENUES_OF_A_SWEEP, prints)
    run["sweep"] = run["exempt"] = prints > 1
    return run


def seller(
    shares: int,
    prints: int = 1,
    expected: tuple[Expected, ...] = (SELLER,),
    kind: str = "",
    why: str = "",
) -> Story:
    """Return a seller who hits the bid with `shares`, as one print or a run over venues."""
    story = kind or ("large_seller" if prints == 1 else "large_seller_split")
    said = why or f"{shares:,} shares hit the bid in {prints} print(s) of one parent order."

    def plant(day: Planting, at_ns: int) -> None:
        run = _run(day.rng, at_ns, shares, prints)
        day.clear(run)
        day.plant(story, run, expected, said)

    return plant


def buyer(shares: int, prints: int = 10) -> Story:
    """Return a buyer who lifts the offer with `shares`: counted, never alerted."""

    def plant(day: Planting, at_ns: int) -> None:
        run = _run(day.rng, at_ns, shares, prints)
        run["side"] = 1
        day.clear(run)
        day.plant(
            "large_buyer", run, (), f"{shares:,} shares lift the offer: a buyer, not a seller."
        )

    return plant


def cluster(sizes: tuple[int, ...], every_s: int, expected: tuple[Expected, ...]) -> Story:
    """Return several sellers, `every_s` seconds apart: enough of them is an exit signal."""

    def plant(day: Planting, at_ns: int) -> None:
        runs = [
            _run(day.rng, at_ns + number * every_s * SECOND, shares, 1)
            for number, shares in enumerate(sizes)
        ]
        for run in runs:
            day.clear(run)
        why = f"{len(sizes)} distinct large sellers within {every_s * (len(sizes) - 1)} seconds."
        day.plant("seller_cluster", np.concatenate(runs), expected, why)

    return plant


def interrupted(shares: int) -> Story:
    """Return two halves of a seller with a buyer between them: two parents, neither large."""

    def plant(day: Planting, at_ns: int) -> None:
        run = blank_prints(at_ns + np.array([0, 3, 6]) * MILLISECOND)
        run["size"] = np.array([shares // 2, 300, shares - shares // 2]) * SHARE
        run["side"] = np.array([-1, 1, -1])
        day.clear(run)
        why = f"A buyer at the offer parts {shares:,} shares sold into two parents below 10,000."
        day.plant("large_seller_interrupted", run, (), why)

    return plant


def two_parents(shares: int) -> Story:
    """Return two sells 15 ms apart: longer than the parent gap, so neither is large."""

    def plant(day: Planting, at_ns: int) -> None:
        run = blank_prints(at_ns + np.array([0, 15]) * MILLISECOND)
        run["size"] = np.array([shares // 2, shares - shares // 2]) * SHARE
        day.clear(run)
        why = f"{shares:,} shares in two sells 15 ms apart: beyond the 10 ms parent gap."
        day.plant("large_seller_apart", run, (), why)

    return plant


def silent_block(shares: int, kind: str, sale: int, why: str, *, stale_s: int = 0) -> Story:
    """Return one big sell off exchange whose condition or lateness takes it out of the flow.

    `stale_s` is the age of its price, and if `sale` is regular or 32 of its execution too.
    """

    def plant(day: Planting, at_ns: int) -> None:
        block = blank_prints(np.array([at_ns]))
        block["size"] = shares * SHARE
        block["exchange"], block["trf"] = TRF, 202
        block["latency_ns"] = 12 * MILLISECOND
        block["sale"] = sale
        if stale_s:
            block["quote_ns"] = at_ns - stale_s * SECOND
            if sale in (0, OUT_OF_SEQUENCE):
                block["latency_ns"] = stale_s * SECOND
        day.clear(block)
        day.plant(kind, block, (), why)

    return plant


def midpoint_block(shares: int) -> Story:
    """Return a dark cross at the midpoint: its side is a guess, and a guess is no seller."""

    def plant(day: Planting, at_ns: int) -> None:
        block = blank_prints(np.array([at_ns]))
        block["size"] = shares * SHARE
        block["exchange"], block["trf"], block["place"] = TRF, 202, MID
        block["latency_ns"] = 4 * MILLISECOND
        block["side"] = 0
        day.clear(block)
        why = f"{shares:,} shares cross at the midpoint: inside the quote no side is certain."
        day.plant("midpoint_block", block, (), why)

    return plant


def off_market(shares: int) -> Story:
    """Return a sell reported far below the bid: a misprint or an old price, not today's flow."""

    def plant(day: Planting, at_ns: int) -> None:
        block = blank_prints(np.array([at_ns]))
        block["size"] = shares * SHARE
        block["exchange"], block["trf"], block["place"] = TRF, 203, FAR
        day.clear(block)
        why = f"{shares:,} shares 0.6 % below a fresh bid: off market, not counted."
        day.plant("off_market", block, (), why)

    return plant


def sent_twice(shares: int) -> Story:
    """Return one sell reported twice under one trade id: half the size it seems."""

    def plant(day: Planting, at_ns: int) -> None:
        run = blank_prints(at_ns + np.array([0, 2]) * MILLISECOND)
        run["size"] = shares * SHARE
        run["quote_ns"] = at_ns
        run["again"][1] = True
        day.clear(run)
        why = f"One sell of {shares:,} shares reported twice: the second is a duplicate."
        day.plant("duplicate", run, (), why)

    return plant


def locked_seller(shares: int) -> Story:
    """Return a sell into a locked market, where the quote says nothing about sides."""

    def plant(day: Planting, at_ns: int) -> None:
        run = blank_prints(np.array([at_ns]))
        run["size"] = shares * SHARE
        day.clear(run)
        day.quotes += [(at_ns - MILLISECOND, LOCKED), (at_ns + 20 * MILLISECOND, NORMAL)]
        why = f"{shares:,} shares sold while bid equals ask: the side is inferred, not certain."
        day.plant("locked_market_seller", run, (), why)

    return plant


def burst(
    ratio: float,
    expected: tuple[Expected, ...],
    *,
    side: int = -1,
    seconds: int = 45,
    shares: int = 0,
    kind: str = "red_burst",
    why: str = "",
    mix: Callable[[np.random.Generator, Array], None] | None = None,
) -> Story:
    """Return a flow of one-sided prints that lifts volume to `ratio` times its average.

    The prints are scaled so that the largest ratio of any second comes out as asked, whatever
    the background did; `shares` is the least to trade. `mix` may turn some of them, in place.
    """
    said = why or f"One-sided flow lifts one-minute volume to {ratio:g} x its average."

    def plant(day: Planting, at_ns: int) -> None:
        if BURST in expected:
            day.lead_in(at_ns, 2_400)
        flow = _flow(day, at_ns, ratio, seconds, shares)
        flow["side"] = side
        if mix is not None:
            mix(day.rng, flow)
        day.plant(kind, flow, expected, said)

    return plant


def _flow(day: Planting, at_ns: int, ratio: float, seconds: int, least: int) -> Array:
    average = average_minute(day.volume())[(at_ns - day.session.open_ns) // SECOND]
    usual = draw_sizes(day.rng, day.listing, 200).mean() / SHARE
    count = int(np.clip(max((ratio - 1) * average, least) / usual, 30, 220))
    step = seconds * SECOND // count
    flow = blank_prints(
        at_ns + np.arange(count) * step + day.rng.integers(0, step // 2, size=count)
    )
    # No print so large that the ratio leaps over a threshold.
    most = int(np.clip(0.4 * average, 50, 2_500)) * SHARE
    flow["size"] = np.minimum(draw_sizes(day.rng, day.listing, count), most)
    dress(day.rng, flow, off_exchange=np.zeros(count, bool))
    scale = max(_scale_to(day, flow, ratio), least / (flow["size"].sum() / SHARE))
    flow["size"] = np.maximum((flow["size"] / SHARE * scale).astype(np.int64), 1) * SHARE
    return flow


def _scale_to(day: Planting, flow: Array, ratio: float) -> float:
    """Return the factor on the sizes of `flow` at which volume peaks at `ratio` x its average.

    The second that needs least decides, in the minute and three quarters from the start: by
    then what was planted has itself raised the average.
    """
    volume = day.volume()
    flowed = volume_by_second(flow, day.session)
    first = int(flow["ts_ns"][0] - day.session.open_ns) // SECOND
    span = slice(first, first + 105)
    need = ratio * average_minute(volume)[span] - minute_volume(volume)[span]
    gain = minute_volume(flowed)[span] - ratio * average_minute(flowed)[span]
    tight = gain > 0
    return float(np.min(need[tight] / gain[tight]))


def halted(minutes: int, cross: int, sold: int) -> Story:
    """Return a trading halt, the reopening cross, and a burst before the windows are warm."""

    def plant(day: Planting, at_ns: int) -> None:
        reopens = at_ns + minutes * MINUTE
        day.quiet.append((at_ns, reopens + 50 * MILLISECOND))
        day.quotes.append((reopens - 5 * MILLISECOND, NORMAL))
        auction = blank_prints(np.array([reopens]))
        auction["size"] = cross * SHARE
        auction["side"] = 0
        auction["sale"] = REOPENING
        auction["exchange"] = day.listing.exchange
        count = 60
        flow = blank_prints(reopens + 90 * SECOND + np.arange(count) * 600 * MILLISECOND)
        flow["size"] = sold // count * SHARE
        why = f"Halted {minutes} minutes; a burst 90 s after the reopening finds cold windows."
        day.plant("halt", np.concatenate([auction, flow]), (), why)

    return plant
