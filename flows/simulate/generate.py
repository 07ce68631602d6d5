"""From a seed to a tape: one symbol's day after the other, then all of them in feed order."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from datetime import date
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from flows.simulate.background import auctions, background
from flows.simulate.catalogue import EASY
from flows.simulate.listings import LISTINGS, Listing, listing_of
from flows.simulate.planting import MARGIN_NS, Label, Planting
from flows.simulate.prints import CENT, SHARE, number_prints, price, spell_conditions
from flows.simulate.programme import Programme
from flows.simulate.quotes import make_quotes, market_path, quote_times, shown
from flows.simulate.schedule import (
    FALL_AT,
    FALL_RETURN,
    FALL_SECONDS,
    RECOVERED,
    RECOVERY_SECONDS,
)
from flows.simulate.session import REGULAR_MINUTES, SECOND, Session
from flows.simulate.tape import Tape
from flows.simulate.volume import steady_volume

Array = npt.NDArray[Any]

SEED = 20261118
DAY = date(2026, 11, 18)


class _SymbolDay(NamedTuple):
    prints: Array
    prices: Array
    ids: Array
    conditions: list[tuple[int, ...]]
    quotes: Array
    labels: list[Label]


def simulate(
    seed: int = SEED,
    *,
    symbols: Sequence[str] | None = None,
    trades: int | None = None,
    minutes: int = REGULAR_MINUTES,
    day: date = DAY,
    programme: Programme | None = None,
) -> Tape:
    """Return the tape of one synthetic US session: the same for the same arguments, anywhere.

    A symbol's rows depend on the seed, the symbol, `minutes`, `day` and the rate only, not
    on the other symbols (`feed_seq` aside).

    Args:
        seed: Of PCG64; any integer from 0.
        symbols: Tickers, all of `LISTINGS` unless given; an unknown one trades like one of them.
        trades: Expected prints over all symbols and `minutes`; unless given each symbol
            trades as busily as its listing says. Given, nothing is planted: what a story
            must raise is only known at the usual rate.
        minutes: Regular hours to simulate, from 09:30 New York, 1-390; half an hour of thin
            pre-market trading comes before, the closing auction after the full 390.
        day: Of the session.
        programme: What to plant; unless given, the stories of the sample.

    Raises:
        ValueError: `seed`, `minutes`, `trades` or `symbols` make no session; the sentence says why.
    """
    if seed < 0:
        raise ValueError(f"seed must be 0 or more, not {seed}")
    if not 1 <= minutes <= REGULAR_MINUTES:
        raise ValueError(f"minutes must be from 1 to {REGULAR_MINUTES}, not {minutes}")
    if trades is not None and trades < 1:
        raise ValueError(f"trades must be at least 1, not {trades}")
    listings = LISTINGS if symbols is None else [listing_of(symbol) for symbol in symbols]
    if not listings or len({listing.symbol for listing in listings}) < len(listings):
        raise ValueError("symbols must be one or more different tickers")
    session = Session(day, minutes)
    rate = 1.0
    if trades is not None:
        share = float(session.weights.sum())
        rate = trades / (sum(listing.trades for listing in listings) * share)
    plan = (programme or Programme()) if trades is None else None
    market = market_path(_generator(seed, "the market", 0, day), session)
    if plan is not None and plan.falls:
        market = market + _fall_path(session, len(market))
    days = [_symbol_day(seed, one, session, rate, market, plan) for one in listings]
    return _merge(listings, days)


def _generator(seed: int, name: str, purpose: int, day: date) -> np.random.Generator:
    named = name if day == DAY else f"{name}|{day}"  # the sample's day came before the others
    sequence = np.random.SeedSequence((seed, zlib.crc32(named.encode()), purpose))
    return np.random.Generator(np.random.PCG64(sequence))


def _fall_path(session: Session, seconds: int) -> Array:
    start = (session.at(FALL_AT) - session.start_ns) / SECOND
    fall: Array = np.interp(
        np.arange(seconds),
        [start, start + FALL_SECONDS, start + FALL_SECONDS + RECOVERY_SECONDS],
        [0.0, FALL_RETURN, FALL_RETURN * (1 - RECOVERED)],
    )
    return fall


def _symbol_day(
    seed: int,
    listing: Listing,
    session: Session,
    rate: float,
    market: Array,
    plan: Programme | None,
) -> _SymbolDay:
    rng = _generator(seed, listing.symbol, 1, session.day)
    ordinary = background(rng, listing, session, rate)
    mean_shares = float(ordinary["size"].mean()) / SHARE if len(ordinary) else 100.0
    crosses = auctions(rng, listing, session, int(listing.trades * rate * mean_shares))
    told = _generator(seed, listing.symbol, 2, session.day)
    story = Planting(told, listing, session, [ordinary])
    if plan is not None:
        scenes = plan.scenes(_generator(seed, listing.symbol, 3, session.day), listing, session)
        steady_volume(ordinary, listing, session, [at_ns for at_ns, _ in scenes])
        for at_ns, plant in scenes:
            plant(story, at_ns + int(story.rng.integers(0, SECOND)))
        truth = None if plan.tales is None else ()
        story.labels += _auction_labels(listing, crosses, truth)
    ordinary = ordinary[_outside(ordinary["ts_ns"], story.quiet)]
    prints = np.concatenate([ordinary, *story.prints[1:]])
    prints = prints[np.argsort(prints["ts_ns"], kind="stable")]
    times = quote_times(rng, listing, session, prints, rate)
    times = times[_outside(times, story.quiet)]
    fixed = dict(story.quotes)
    times = np.union1d(times, np.array(sorted(fixed), np.int64))
    quotes = make_quotes(rng, listing, session, times, prints, market)
    for ts_ns, state in fixed.items():
        quotes["state"][np.searchsorted(times, ts_ns)] = state
    for ts_ns, cents in story.moves:
        _move(quotes, int(np.searchsorted(times, ts_ns)), cents * CENT)
    prints = np.concatenate([prints, *crosses])
    prints = prints[np.argsort(prints["ts_ns"], kind="stable")]
    return _SymbolDay(
        prints,
        price(rng, prints, quotes),
        number_prints(rng, prints),
        spell_conditions(prints, listing, session),
        shown(quotes),
        story.labels,
    )


def _move(quotes: Array, at: int, by: int) -> None:
    """Let the quote at a place be the one before it, moved up or down."""
    for side in ("bid", "ask"):
        quotes[side][at] = quotes[side][at - 1] + by


def _auction_labels(
    listing: Listing, crosses: list[Array], truth: tuple[str, ...] | None
) -> list[Label]:
    labels = []
    difficulty = "" if truth is None else EASY
    for kind, cross in zip(("opening_cross", "closing_cross"), crosses, strict=False):
        start, end = int(cross["ts_ns"][0]), int(cross["ts_ns"][-1])
        shares = int(cross["size"][0]) / SHARE
        why = f"{shares:,.0f} shares cross in an auction and are repeated as the official price."
        until = end + MARGIN_NS
        labels.append(
            Label(kind, listing.symbol, start, end, until, shares, (), why, difficulty, truth)
        )
    return labels


def _outside(ts_ns: Array, quiet: list[tuple[int, int]]) -> Array:
    keep = np.ones(len(ts_ns), bool)
    for start, end in quiet:
        keep &= (ts_ns < start) | (ts_ns > end)
    return keep


def _merge(listings: Sequence[Listing], days: list[_SymbolDay]) -> Tape:
    """Put all symbols in feed order: by time, trades before quotes, then by symbol."""
    spelled = list(chain.from_iterable(day.conditions for day in days))
    known = {one: code for code, one in enumerate(sorted(set(spelled)))}
    prints = np.concatenate([day.prints for day in days])
    quotes = np.concatenate([day.quotes for day in days])
    trades = {
        "symbol": np.repeat(np.arange(len(days)), [len(day.prints) for day in days]),
        "ts_ns": prints["ts_ns"],
        "price": np.concatenate([day.prices for day in days]),
        "size": prints["size"],
        "conditions": np.array([known[one] for one in spelled], np.int64),
        "exchange": prints["exchange"],
        "id": np.concatenate([day.ids for day in days]),
        "trf_id": prints["trf"],
        "participant_ns": prints["ts_ns"] - prints["latency_ns"],
        "side": prints["side"],
    }
    changes = {
        "symbol": np.repeat(np.arange(len(days)), [len(day.quotes) for day in days]),
        **{name: quotes[name] for name in ("ts_ns", "bid", "bid_size", "ask", "ask_size")},
    }
    ts_ns = np.concatenate([trades["ts_ns"], changes["ts_ns"]])
    feed_seq = np.empty(len(ts_ns), np.int64)
    feed_seq[np.argsort(ts_ns, kind="stable")] = np.arange(1, len(ts_ns) + 1)
    labels = sorted(chain.from_iterable(day.labels for day in days), key=lambda one: one.start_ns)
    return Tape(
        tuple(listing.symbol for listing in listings),
        tuple(known),
        _by_feed_seq(trades, feed_seq[: len(prints)]),
        _by_feed_seq(changes, feed_seq[len(prints) :]),
        tuple(labels),
    )


def _by_feed_seq(columns: dict[str, Array], feed_seq: Array) -> dict[str, Array]:
    order = np.argsort(feed_seq)
    ordered = {name: column[order] for name, column in columns.items()}
    ordered["feed_seq"] = feed_seq[order]
    return ordered
