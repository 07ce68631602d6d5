"""Stories by name: how hard each is to see, what is true of it, and how to draw a fresh one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec
import numpy as np

from flows.errors import OrderflowError
from flows.simulate import sellers as s
from flows.simulate.planting import BURST, EXIT, SELLER, Planting
from flows.simulate.prints import (
    AVERAGE_PRICE,
    DERIVATIVE,
    INSIDE,
    MID,
    OUT_OF_SEQUENCE,
    PRIOR_REFERENCE,
    QUALIFIED_CONTINGENT,
    TRF,
    Array,
)
from flows.simulate.stories import (
    Story,
    burst,
    buyer,
    locked_seller,
    midpoint_block,
    off_market,
    seller,
    sent_twice,
    silent_block,
)

EASY, MEDIUM, HARD = DIFFICULTIES = ("easy", "medium", "hard")
SELLER_TYPE, BURST_TYPE, EXIT_TYPE = (one.alert_type for one in (SELLER, BURST, EXIT))
DETECTORS = (SELLER_TYPE, BURST_TYPE, EXIT_TYPE)
MARKET_FALL = "market_fall"
_VOLUME = (BURST_TYPE, EXIT_TYPE)  # what any sell may rightly raise by its size alone
LARGE = 10_000  # shares from which a planted seller is large; the shipped threshold

Random = np.random.Generator


class Tale(NamedTuple):
    """A story by name.

    Attributes:
        name: Of the story; the `kind` of its labels.
        difficulty: How hard it is to see, or, of a decoy, not to see.
        truth: Alert types that are right; none: a decoy.
        aside: Alert types that may follow and are not judged.
        about: What happens, in a line.
        draw: A fresh one, its sizes drawn.
        lasts_s: How long it may take.
    """

    name: str
    difficulty: str
    truth: tuple[str, ...]
    aside: tuple[str, ...]
    about: str
    draw: Callable[[Random], Story]
    lasts_s: int = 1


def _large(rng: Random) -> int:
    """Return the shares of a large seller: 1.05 to 3.5 times the bar, small ones more often."""
    return int(LARGE * 1.05 * np.exp(rng.random() * np.log(3.5 / 1.05)))


def _block(rng: Random) -> int:
    return int(rng.integers(15, 90)) * 1_000


def _mixed(every: int) -> Callable[[Random, Array], None]:
    """Let every so manieth print of a flow, counted from the largest, be a buyer's instead."""

    def mix(_: Random, flow: Array) -> None:
        flow["side"][np.argsort(-flow["size"], kind="stable")[every - 1 :: every]] = 1

    return mix


def _dark(rng: Random, flow: Array) -> None:
    """Move three quarters of a flow inside the spread, a third of those to the midpoint."""
    draw = rng.random(len(flow))
    hidden = draw < 0.75
    flow["place"][hidden] = np.where(draw[hidden] < 0.25, MID, INSIDE)
    flow["exchange"][hidden], flow["trf"][hidden] = TRF, 202
    flow["sweep"][hidden] = flow["exempt"][hidden] = False


def _silent(sale: int, why: str, stale_s: int = 0) -> Callable[[Random], Story]:
    return lambda rng: silent_block(_block(rng), "silent", sale, why, stale_s=stale_s)


def _seller(
    name: str, difficulty: str, about: str, draw: Callable[[Random], Story], lasts_s: int = 1
) -> Tale:
    # A large sell is volume, too: where it makes a burst, that burst proves nothing.
    return Tale(name, difficulty, (SELLER_TYPE,), _VOLUME, about, draw, lasts_s)


def _decoy(
    name: str,
    difficulty: str,
    about: str,
    draw: Callable[[Random], Story],
    lasts_s: int = 1,
    aside: tuple[str, ...] = (),
) -> Tale:
    return Tale(name, difficulty, (), aside, about, draw, lasts_s)


_SELLERS = (
    _seller("print", EASY, "one print at the bid", lambda r: seller(_large(r), 1, ())),
    _seller("venues", EASY, "2-10 prints on as many venues, pauses within the parent gap",
        lambda r: s.split(_large(r), n := int(r.integers(2, 11)), n, s.within_gap)),
    _seller("sweep", EASY, "one sweep through three levels of the book",
        lambda r: s.swept(_large(r), int(r.integers(3, 10)))),
    _seller("long_run", MEDIUM, "12-40 prints over venues, pauses within the parent gap",
        lambda r: s.split(_large(r), int(r.integers(12, 41)), 8, s.within_gap)),
    _seller("crowded", MEDIUM, "2-10 venues within the gap, the rest of the market in between",
        lambda r: s.split(_large(r), n := int(r.integers(2, 11)), n, s.within_gap, clear=False)),
    _seller("jitter", MEDIUM, "5-10 prints, every seventh pause beyond the parent gap",
        lambda r: s.split(_large(r), int(r.integers(5, 11)), 8, s.around_gap)),
    _seller("scattered", MEDIUM, "fills within 5 ms, reported out of order over 40 ms",
        lambda r: s.scattered(_large(r), int(r.integers(4, 9)))),
    _seller("locked", MEDIUM, "one print while bid equals ask",
        lambda r: locked_seller(_large(r))),
    _seller("fight", HARD, "a buyer at the offer after every two of the seller's prints",
        lambda r: s.fought(_large(r), int(r.integers(8, 15)))),
    _seller("race", HARD, "mis-timed: the quote moves before the prints are on the tape",
        lambda r: s.raced(_large(r), int(r.integers(2, 7)))),
    _seller("inside", HARD, "prints inside the spread, off exchange",
        lambda r: s.inside(_large(r), int(r.integers(2, 7)))),
    _seller("slow", HARD, "8-20 slices, 15-200 ms apart",
        lambda r: s.split(_large(r), int(r.integers(8, 21)), 6, s.beyond_gap), 5),
    _seller("patient", HARD, "30-60 slices, seconds apart, for minutes",
        lambda r: s.split(_large(r), int(r.integers(30, 61)), 6, s.minutes_long, clear=False),
        360),
    _seller("iceberg", HARD, "a resting seller who refills: buyers lift the offer",
        lambda r: s.iceberg(_large(r), int(r.integers(20, 41))), 120),
)  # fmt: skip

_SELLER_DECOYS = (
    _decoy("below", EASY, "a seller of 8,000 to 9,999 shares over venues",
        lambda r: s.split(int(r.integers(8_000, LARGE)), 6, 6, s.within_gap), 1, _VOLUME),
    _decoy("buyer", EASY, "a large buyer", lambda r: buyer(_large(r))),
    _decoy("average_price", EASY, "a block at an average price",
        _silent(AVERAGE_PRICE, "A block at an average price: executed earlier.", 1_800)),
    _decoy("contingent", EASY, "the stock leg of a package",
        _silent(QUALIFIED_CONTINGENT, "The stock leg of a package: nobody hit the bid.")),
    _decoy("derivative", EASY, "a block priced by a benchmark",
        _silent(DERIVATIVE, "A block priced by a benchmark.")),
    _decoy("prior_reference", EASY, "a block at a price from before",
        _silent(PRIOR_REFERENCE, "A block at a prior reference price.", 900)),
    _decoy("out_of_sequence", EASY, "a sell reported late, and marked as such",
        _silent(OUT_OF_SEQUENCE, "A sell reported out of sequence.", 19)),
    _decoy("late", EASY, "a sell reported seconds late, without a mark",
        lambda r: silent_block(_block(r), "silent", 0, "A sell reported seconds late.",
            stale_s=int(r.integers(2, 30)))),
    _decoy("midpoint", EASY, "a dark cross at the midpoint", lambda r: midpoint_block(_block(r))),
    _decoy("off_market", EASY, "a misprint far below the bid", lambda r: off_market(_block(r))),
    _decoy("duplicate", EASY, "one sell reported twice",
        lambda r: sent_twice(int(r.integers(5_500, LARGE))), 1, _VOLUME),
    _decoy("crossfire", MEDIUM, "small sellers and buyers by turns, within the gap",
        lambda r: s.crossfire(_large(r), 12)),
    _decoy("strangers", HARD, "two small sellers by chance within the gap",
        lambda r: s.strangers(int(r.integers(10_500, 18_000))), 1, _VOLUME),
    _decoy("raced_buyer", HARD, "mis-timed: a large buyer whose quote is ahead of his prints",
        lambda r: s.raced(_large(r), int(r.integers(2, 7)), side=1)),
)  # fmt: skip


def _burst(
    name: str, difficulty: str, about: str, draw: Callable[[Random], Story], *, critical: bool
) -> Tale:
    truth = (BURST_TYPE, EXIT_TYPE) if critical else (BURST_TYPE,)
    return Tale(name, difficulty, truth, (), about, draw, 90)


_BURSTS = (
    _burst("burst", EASY, "selling lifts volume to 4.5-7 times its average",
        lambda r: burst(r.uniform(4.5, 7.0), (BURST,), shares=6_000), critical=True),
    _burst("burst_warning", EASY, "selling lifts volume to 3.3-3.7 times its average",
        lambda r: burst(r.uniform(3.3, 3.7), (BURST,)), critical=False),
    _burst("burst_slow", MEDIUM, "the same to 4.5-5.5 times, over a minute and a half",
        lambda r: burst(r.uniform(4.5, 5.5), (BURST,), seconds=90), critical=True),
    _burst("burst_mixed", MEDIUM, "5-7 times, with a fifth of buyers",
        lambda r: burst(r.uniform(5.0, 7.0), (BURST,), mix=_mixed(5)), critical=True),
    _burst(MARKET_FALL, MEDIUM, "14:20, every symbol at once, the market falls 0.9 %",
        lambda r: burst(r.uniform(4.5, 6.0), (BURST,), seconds=50), critical=True),
    _burst("burst_dark", HARD, "5-7 times, three quarters inside the spread",
        lambda r: burst(r.uniform(5.0, 7.0), (BURST,), mix=_dark), critical=True),
    _decoy("green_burst", EASY, "buying lifts volume to 4-6 times its average",
        lambda r: burst(r.uniform(4.0, 6.0), (), side=1), 90),
    _decoy("burst_below", EASY, "selling lifts volume to 2-2.6 times its average",
        lambda r: burst(r.uniform(2.0, 2.6), ()), 90),
    _decoy("burst_fight", MEDIUM, "4-6 times, buyers and sellers alike",
        lambda r: burst(r.uniform(4.0, 6.0), (), mix=_mixed(2)), 90),
)  # fmt: skip

_EXITS = (
    Tale("cluster", EASY, (EXIT_TYPE,), (SELLER_TYPE, BURST_TYPE),
        "three sellers within two minutes, each within the parent gap",
        lambda r: s.several((_large(r), _large(r), _large(r)), int(r.integers(20, 56)),
            s.within_gap, 5), 115),
    Tale("cluster_slow", HARD, (EXIT_TYPE,), (SELLER_TYPE, BURST_TYPE),
        "three sellers within two minutes, slices 15-200 ms apart",
        lambda r: s.several((_large(r), _large(r), _large(r)), int(r.integers(20, 56)),
            s.beyond_gap, 10), 120),
)  # fmt: skip

TALES: tuple[Tale, ...] = (*_SELLERS, *_SELLER_DECOYS, *_BURSTS, *_EXITS)
_BY_NAME = {tale.name: tale for tale in TALES}


def chosen(names: Iterable[str] = (), difficulties: Iterable[str] = ()) -> tuple[Tale, ...]:
    """Return the stories with these names and difficulties; all where none is given.

    Raises:
        OrderflowError: a name or difficulty is none; or nothing is left.
    """
    names, difficulties = tuple(names), tuple(difficulties)
    for name in names:
        if name not in _BY_NAME:
            raise OrderflowError(f"{name!r} is no story: `orderflow simulate --list` has them all.")
    for difficulty in difficulties:
        if difficulty not in DIFFICULTIES:
            raise OrderflowError(
                f"{difficulty!r} is no difficulty: it is easy, medium or hard, or several."
            )
    left = tuple(
        tale
        for tale in TALES
        if tale.name in (names or _BY_NAME) and tale.difficulty in (difficulties or DIFFICULTIES)
    )
    if not left:
        raise OrderflowError("no story has both such a name and such a difficulty.")
    return left


def told(tale: Tale) -> Story:
    """Return a story that draws itself from the day's generator and labels what is true."""

    def plant(day: Planting, at_ns: int) -> None:
        before = len(day.labels)
        tale.draw(day.rng)(day, at_ns)
        day.labels[before:] = [
            msgspec.structs.replace(
                label,
                kind=tale.name,
                expected=(),
                difficulty=tale.difficulty,
                truth=tale.truth,
                aside=tale.aside,
            )
            for label in day.labels[before:]
        ]

    return plant
